/* Which fields does an object have, which of them changed, and what is left of it when some go? */
#include "base/fieldset.h"

#define SELF "."
#define ITEMS_MAX 256 /* of a keyed list; a longer one is compared whole */

/* --- names of fields ---------------------------------------------------------------------------------------------- */

/* Lists that Kubernetes' own types key (k8s.io/api/core/v1, +listMapKey); <fallback>: the second key where absent. */
static const struct list_keys {
    const char *list, *key, *second, *fallback;
} list_keys[] = {{"containers", "name", NULL, NULL},        {"initContainers", "name", NULL, NULL},
                 {"volumes", "name", NULL, NULL},           {"env", "name", NULL, NULL},
                 {"volumeMounts", "mountPath", NULL, NULL}, {"ports", "containerPort", "protocol", "TCP"},
                 {"imagePullSecrets", "name", NULL, NULL}};

static const struct list_keys *keys_of(const char *list)
{
    for (size_t i = 0; i < COUNT_OF(list_keys); i++)
        if (strcmp(list_keys[i].list, list) == 0)
            return &list_keys[i];
    return NULL;
}

static bool is_scalar(const cJSON *value)
{
    return cJSON_IsString(value) || cJSON_IsNumber(value);
}

/* "k:{\"name\":\"A\"}", malloc'ed; NULL if the item lacks its keys. */
static char *item_name(const struct list_keys *keys, const cJSON *item)
{
    const cJSON *key = cJSON_IsObject(item) ? json_member(item, keys->key) : NULL;
    const cJSON *second = key && keys->second ? json_member(item, keys->second) : NULL;
    if (!is_scalar(key) || (second && !cJSON_IsString(second)))
        return NULL;
    AUTO_JSON cJSON *name = json_object();
    json_set(name, keys->key, json_copy(key));
    if (keys->second)
        json_set_text(name, keys->second, second ? second->valuestring : keys->fallback);
    AUTO_FREE char *text = json_print(name);
    return memory_format("k:%s", text);
}

static char *member_name(const char *key)
{
    return memory_format("f:%s", key);
}

static cJSON *find_item(const struct list_keys *keys, const cJSON *list, const char *name)
{
    for (cJSON *item = list->child; item; item = item->next) {
        AUTO_FREE char *is = item_name(keys, item);
        if (is && strcmp(is, name) == 0)
            return item;
    }
    return NULL;
}

/* The keys of the list <field>, if its items really have them and no two the same; else NULL: it is one value. */
static const struct list_keys *keyed(const char *field, const cJSON *list)
{
    const struct list_keys *keys = cJSON_IsArray(list) && list->child ? keys_of(field) : NULL;
    if (!keys || cJSON_GetArraySize(list) > ITEMS_MAX)
        return NULL;
    for (const cJSON *item = list->child; item; item = item->next) {
        AUTO_FREE char *name = item_name(keys, item);
        if (!name || find_item(keys, list, name) != item)
            return NULL;
    }
    return keys;
}

/* --- sets --------------------------------------------------------------------------------------------------------- */

static bool is_field(const cJSON *node)
{
    return node && (!node->child || json_member(node, SELF));
}

static void mark_field(cJSON *node)
{
    if (!is_field(node))
        json_object_in(node, SELF);
}

static const cJSON *first_child(const cJSON *node)
{
    const cJSON *child = node ? node->child : NULL;
    return child && strcmp(child->string, SELF) == 0 ? child->next : child;
}

static const cJSON *next_child(const cJSON *child)
{
    const cJSON *next = child->next;
    return next && strcmp(next->string, SELF) == 0 ? next->next : next;
}

/* The node <name> of <set> with everything that <value>, which is called <field> where it stands, has. */
static void add_value(cJSON *set, const char *name, const char *field, const cJSON *value)
{
    cJSON *node = json_object_in(set, name);
    const struct list_keys *keys = keyed(field, value);
    if (!cJSON_IsObject(value) && !keys)
        return;
    for (const cJSON *member = value->child; member; member = member->next) {
        AUTO_FREE char *inner = keys ? item_name(keys, member) : member_name(member->string);
        add_value(node, inner, keys ? "" : member->string, member);
        cJSON *item = keys ? json_member(node, inner) : NULL;
        if (item)
            json_object_in(item, SELF); /* an item is a field itself */
    }
}

cJSON *fieldset_of(const cJSON *object)
{
    cJSON *set = json_object();
    for (const cJSON *member = object ? object->child : NULL; member; member = member->next) {
        AUTO_FREE char *name = member_name(member->string);
        add_value(set, name, member->string, member);
    }
    return set;
}

static void absorb(cJSON *into, const cJSON *from)
{
    for (const cJSON *child = first_child(from); child; child = next_child(child)) {
        cJSON *same = json_member(into, child->string);
        if (!same) {
            json_set(into, child->string, json_copy(child));
            continue;
        }
        bool field = is_field(same) || is_field(child);
        absorb(same, child);
        if (field)
            mark_field(same);
    }
}

cJSON *fieldset_union(const cJSON *a, const cJSON *b)
{
    cJSON *set = a ? json_copy(a) : json_object();
    absorb(set, b);
    return set;
}

/* Of each field of <a>: kept if it is in <b> (<both>), or if it is not. */
static void select_children(const cJSON *a, const cJSON *b, bool both, cJSON *ret)
{
    for (const cJSON *child = first_child(a); child; child = next_child(child)) {
        const cJSON *same = json_member(b, child->string);
        cJSON *node = json_object();
        select_children(child, same, both, node);
        bool field = is_field(child) && is_field(same) == both;
        if (field && node->child)
            json_object_in(node, SELF);
        if (field || node->child)
            json_set(ret, child->string, node);
        else
            cJSON_Delete(node);
    }
}

cJSON *fieldset_minus(const cJSON *a, const cJSON *b)
{
    cJSON *set = json_object();
    select_children(a, b, false, set);
    return set;
}

cJSON *fieldset_and(const cJSON *a, const cJSON *b)
{
    cJSON *set = json_object();
    select_children(a, b, true, set);
    return set;
}

/* --- changes ------------------------------------------------------------------------------------------------------ */

static void compare(const struct list_keys *keys, const cJSON *before, const cJSON *after, cJSON *changed,
                    cJSON *removed);

static void compare_value(const char *name, const char *field, const cJSON *before, const cJSON *after, cJSON *changed,
                          cJSON *removed)
{
    const struct list_keys *keys = keyed(field, after);
    bool lists = keys && keyed(field, before);
    if (json_equal(before, after))
        return;
    if (!lists && !(cJSON_IsObject(before) && cJSON_IsObject(after))) {
        add_value(changed, name, field, after);
        return;
    }
    cJSON *inner_changed = json_object();
    cJSON *inner_removed = json_object();
    compare(lists ? keys : NULL, before, after, inner_changed, inner_removed);
    if (inner_changed->child)
        json_set(changed, name, inner_changed);
    else
        cJSON_Delete(inner_changed);
    if (inner_removed->child)
        json_set(removed, name, inner_removed);
    else
        cJSON_Delete(inner_removed);
}

static void add_member(cJSON *set, const struct list_keys *keys, const char *name, const cJSON *member)
{
    add_value(set, name, keys ? "" : member->string, member);
    if (keys)
        json_object_in(json_member(set, name), SELF);
}

/* <keys>: both are lists with these; NULL: both are objects. */
static void compare(const struct list_keys *keys, const cJSON *before, const cJSON *after, cJSON *changed,
                    cJSON *removed)
{
    for (const cJSON *member = after ? after->child : NULL; member; member = member->next) {
        AUTO_FREE char *name = keys ? item_name(keys, member) : member_name(member->string);
        const cJSON *was = keys ? find_item(keys, before, name) : json_member(before, member->string);
        if (was)
            compare_value(name, keys ? "" : member->string, was, member, changed, removed);
        else
            add_member(changed, keys, name, member);
    }
    for (const cJSON *member = before ? before->child : NULL; member; member = member->next) {
        AUTO_FREE char *name = keys ? item_name(keys, member) : member_name(member->string);
        if (!(keys ? find_item(keys, after, name) : json_member(after, member->string)))
            add_member(removed, keys, name, member);
    }
}

void fieldset_changes(const cJSON *before, const cJSON *after, cJSON **ret_changed, cJSON **ret_removed)
{
    *ret_changed = json_object();
    *ret_removed = json_object();
    compare(NULL, before, after, *ret_changed, *ret_removed);
}

/* --- for people --------------------------------------------------------------------------------------------------- */

/* "k:{\"name\":\"a\"}" as "[name=\"a\"]" */
static void add_item_path(const char *name, struct buffer *path)
{
    AUTO_JSON cJSON *keys = NULL;
    if (json_parse(slice_of(name + 2), &json_limits_default, &keys, NULL) < 0) {
        buffer_add_format(path, "[%s]", name);
        return;
    }
    const char *before = "[";
    for (const cJSON *key = keys->child; key; key = key->next) {
        AUTO_FREE char *value = json_print(key);
        buffer_add_format(path, "%s%s=%s", before, key->string ? key->string : "", value);
        before = ",";
    }
    buffer_add_text(path, "]");
}

static void each_path(const cJSON *node, struct buffer *path, void (*each)(void *context, const char *path),
                      void *context)
{
    size_t length = path->n;
    for (const cJSON *child = first_child(node); child; child = next_child(child)) {
        if (strncmp(child->string, "f:", 2) == 0)
            buffer_add_format(path, ".%s", child->string + 2);
        else
            add_item_path(child->string, path);
        if (is_field(child))
            each(context, path->p);
        each_path(child, path, each, context);
        path->n = length;
        path->p[length] = '\0';
    }
}

void fieldset_paths(const cJSON *set, void (*each)(void *context, const char *path), void *context)
{
    AUTO_BUFFER struct buffer path = {0};
    each_path(set, &path, each, context);
}

/* --- merging ------------------------------------------------------------------------------------------------------ */

static cJSON *merge_value(const char *field, const cJSON *live, const cJSON *applied)
{
    const struct list_keys *keys = keyed(field, applied);
    if (cJSON_IsObject(live) && cJSON_IsObject(applied))
        return fieldset_merge(live, applied);
    if (!keys || !keyed(field, live))
        return json_copy(applied);
    cJSON *merged = json_copy(live);
    for (const cJSON *item = applied->child; item; item = item->next) {
        AUTO_FREE char *name = item_name(keys, item);
        cJSON *is = find_item(keys, merged, name);
        if (is)
            cJSON_ReplaceItemViaPointer(merged, is, fieldset_merge(is, item));
        else
            json_push(merged, json_copy(item));
    }
    return merged;
}

cJSON *fieldset_merge(const cJSON *live, const cJSON *applied)
{
    cJSON *merged = live ? json_copy(live) : json_object();
    for (const cJSON *member = applied->child; member; member = member->next)
        json_set(merged, member->string, merge_value(member->string, json_member(live, member->string), member));
    return merged;
}

static void prune(const char *field, cJSON *value, const cJSON *lost, const cJSON *kept)
{
    const struct list_keys *keys = cJSON_IsArray(value) ? keys_of(field) : NULL;
    for (const cJSON *child = first_child(lost); child; child = next_child(child)) {
        const cJSON *stays = json_member(kept, child->string);
        bool member = strncmp(child->string, "f:", 2) == 0;
        cJSON *at = member ? json_member(value, child->string + 2)
                    : keys ? find_item(keys, value, child->string)
                           : NULL;
        if (at && is_field(child) && !stays)
            cJSON_Delete(cJSON_DetachItemViaPointer(value, at));
        else if (at && !(cJSON_IsArray(at) && stays && !stays->child)) /* else the list is somebody's as a whole */
            prune(member ? child->string + 2 : "", at, child, stays);
    }
}

void fieldset_prune(cJSON *object, const cJSON *lost, const cJSON *kept)
{
    prune("", object, lost, kept);
}
