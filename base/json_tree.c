/* How are values in a tree found, compared, built and patched? */
#include "base/json.h"

#include <math.h>
#include <stdarg.h>

cJSON *json_member(const cJSON *object, const char *key)
{
    if (!object || !key || !cJSON_IsObject(object))
        return NULL;
    for (cJSON *item = object->child; item; item = item->next)
        if (item->string && strcmp(item->string, key) == 0)
            return item;
    return NULL;
}

static const cJSON *follow(const cJSON *at, va_list keys)
{
    for (const char *key; at && (key = va_arg(keys, const char *));)
        at = json_member(at, key);
    return at;
}

cJSON *json_at(const cJSON *root, ...)
{
    va_list keys;
    va_start(keys, root);
    const cJSON *found = follow(root, keys);
    va_end(keys);
    return (cJSON *)(uintptr_t)found;
}

static const char *text_of(const cJSON *value)
{
    return cJSON_IsString(value) ? value->valuestring : NULL;
}

const char *json_text(const cJSON *root, ...)
{
    va_list keys;
    va_start(keys, root);
    const char *text = text_of(follow(root, keys));
    va_end(keys);
    return text;
}

const char *json_text_or(const char *fallback, const cJSON *root, ...)
{
    va_list keys;
    va_start(keys, root);
    const char *text = text_of(follow(root, keys));
    va_end(keys);
    return text ? text : fallback;
}

int64_t json_i64_or(int64_t fallback, const cJSON *root, ...)
{
    int64_t number;
    va_list keys;
    va_start(keys, root);
    bool found = json_i64(follow(root, keys), &number);
    va_end(keys);
    return found ? number : fallback;
}

bool json_quantity(const cJSON *value, bool (*parse)(struct slice text, int64_t *ret), int64_t *ret)
{
    char number[32];
    int64_t whole, read;
    const char *text = cJSON_IsString(value) ? value->valuestring : NULL;
    if (json_i64(value, &whole)) {
        snprintf(number, sizeof(number), "%lld", (long long)whole);
        text = number;
    } else if (cJSON_IsNumber(value)) {
        snprintf(number, sizeof(number), "%.3f", value->valuedouble);
        text = number;
    }
    if (!text || !parse(slice_of(text), &read))
        return false;
    *ret = read;
    return true;
}

bool json_true(const cJSON *root, ...)
{
    va_list keys;
    va_start(keys, root);
    bool found = cJSON_IsTrue(follow(root, keys));
    va_end(keys);
    return found;
}

cJSON *json_keyed(const cJSON *array, const char *key, const char *value)
{
    cJSON *item = array ? array->child : NULL;
    while (item && strcmp(json_text_or("", item, key, NULL), value) != 0)
        item = item->next;
    return item;
}

cJSON *json_named(const cJSON *array, const char *name)
{
    return json_keyed(array, "name", name);
}

cJSON *json_condition(const cJSON *object, const char *type)
{
    return json_keyed(json_at(object, "status", "conditions", NULL), "type", type);
}

bool json_condition_true(const cJSON *object, const char *type)
{
    return strcmp(json_text_or("", json_condition(object, type), "status", NULL), "True") == 0;
}

bool json_i64(const cJSON *value, int64_t *ret)
{
    if (!cJSON_IsNumber(value))
        return false;
    double number = value->valuedouble;
    if (!(fabs(number) <= 9007199254740992.0) || number != (double)(int64_t)number)
        return false;
    *ret = (int64_t)number;
    return true;
}

cJSON *json_copy(const cJSON *value)
{
    return value ? cJSON_Duplicate(value, true) : NULL;
}

static size_t count_of(const cJSON *container)
{
    size_t count = 0;
    for (const cJSON *item = container->child; item; item = item->next)
        count++;
    return count;
}

static bool equal_members(const cJSON *a, const cJSON *b)
{
    if (count_of(a) != count_of(b))
        return false;
    const cJSON *beside = b->child; /* mostly both are in the same order */
    for (const cJSON *item = a->child; item; item = item->next, beside = beside ? beside->next : NULL) {
        bool same_place = beside && beside->string && item->string && strcmp(beside->string, item->string) == 0;
        if (!json_equal(item, same_place ? beside : json_member(b, item->string)))
            return false;
    }
    return true;
}

static bool equal_elements(const cJSON *a, const cJSON *b)
{
    const cJSON *left = a->child, *right = b->child;
    for (; left && right; left = left->next, right = right->next)
        if (!json_equal(left, right))
            return false;
    return !left && !right;
}

bool json_equal(const cJSON *a, const cJSON *b)
{
    if (a == b)
        return true;
    if (!a || !b || (a->type & 0xFF) != (b->type & 0xFF))
        return false;
    if (cJSON_IsObject(a))
        return equal_members(a, b);
    if (cJSON_IsArray(a))
        return equal_elements(a, b);
    if (cJSON_IsString(a))
        return strcmp(a->valuestring, b->valuestring) == 0;
    if (cJSON_IsNumber(a))
        return !(a->valuedouble < b->valuedouble) && !(a->valuedouble > b->valuedouble);
    return true;
}

cJSON *json_object(void)
{
    return cJSON_CreateObject();
}

cJSON *json_array(void)
{
    return cJSON_CreateArray();
}

cJSON *json_set(cJSON *object, const char *key, cJSON *value)
{
    cJSON *old = json_member(object, key);
    if (!value)
        json_remove(object, key);
    if (!value || old == value)
        return value;
    if (!cJSON_IsObject(object)) { /* consumed all the same: the caller no longer owns it */
        cJSON_Delete(value);
        return NULL;
    }
    if (!old) {
        cJSON_AddItemToObject(object, key, value);
        return value;
    }
    char *name = memory_text(key); /* <key> may be the old member's own */
    if (value->string && !(value->type & cJSON_StringIsConst))
        free(value->string);
    value->string = name;
    value->type &= ~cJSON_StringIsConst;
    cJSON_ReplaceItemViaPointer(object, old, value);
    return value;
}

cJSON *json_set_text(cJSON *object, const char *key, const char *text)
{
    if (text)
        return json_set(object, key, cJSON_CreateString(text));
    json_remove(object, key);
    return NULL;
}

cJSON *json_set_i64(cJSON *object, const char *key, int64_t value)
{
    return json_set(object, key, cJSON_CreateNumber((double)value));
}

cJSON *json_set_bool(cJSON *object, const char *key, bool value)
{
    return json_set(object, key, cJSON_CreateBool(value));
}

cJSON *json_push(cJSON *array, cJSON *value)
{
    if (cJSON_IsArray(array)) {
        cJSON_AddItemToArray(array, value);
        return value;
    }
    cJSON_Delete(value);
    return NULL;
}

cJSON *json_push_text(cJSON *array, const char *text)
{
    return json_push(array, cJSON_CreateString(text ? text : ""));
}

void json_remove(cJSON *object, const char *key)
{
    cJSON *item = json_member(object, key);
    if (item)
        cJSON_Delete(cJSON_DetachItemViaPointer(object, item));
}

cJSON *json_object_in(cJSON *object, const char *key)
{
    cJSON *item = json_member(object, key);
    return cJSON_IsObject(item) ? item : json_set(object, key, json_object());
}

static void merge_into(cJSON *object, const cJSON *patch)
{
    for (const cJSON *item = patch->child; item; item = item->next) {
        if (cJSON_IsNull(item))
            json_remove(object, item->string);
        else if (cJSON_IsObject(item))
            merge_into(json_object_in(object, item->string), item);
        else
            json_set(object, item->string, json_copy(item));
    }
}

cJSON *json_merge_patch(cJSON *target, const cJSON *patch)
{
    if (!cJSON_IsObject(patch)) {
        cJSON_Delete(target);
        return json_copy(patch);
    }
    if (!cJSON_IsObject(target)) {
        cJSON_Delete(target);
        target = json_object();
    }
    merge_into(target, patch);
    return target;
}

static bool is_listed(const char *key, const char *const *known)
{
    for (; *known; known++)
        if (strcmp(key, *known) == 0)
            return true;
    return false;
}

int json_check_known(const cJSON *object, const char *path, const char *const *known, struct error *error)
{
    for (const cJSON *item = cJSON_IsObject(object) ? object->child : NULL; item; item = item->next) {
        if (is_listed(item->string, known))
            continue;
        char name[96];
        text_printable(slice_of(item->string), name, sizeof(name));
        AUTO_FREE char *field = path && path[0] ? memory_format("%s.%s", path, name) : memory_text(name);
        AUTO_BUFFER struct buffer names = {0};
        for (const char *const *at = known; *at; at++)
            buffer_add_format(&names, "%s%s", at == known ? "" : ", ", *at);
        return error_set(error, ERROR_INVALID, field, "unknown field \"%s\"; known here: %s", name,
                         names.n ? names.p : "none");
    }
    return 0;
}
