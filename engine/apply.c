/* What does an applied object carry, and is what is wanted there already? */
#include "engine/apply.h"

#include "base/random.h"

/* --- the hash ----------------------------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

static void print_sorted(const cJSON *value, struct buffer *ret);

static void print_members(const cJSON *object, struct buffer *ret)
{
    size_t count = (size_t)cJSON_GetArraySize(object), at = 0;
    AUTO_FREE const cJSON **members = memory_get((count + 1) * sizeof(const cJSON *));
    for (const cJSON *member = object->child; member; member = member->next)
        members[at++] = member;
    qsort(members, count, sizeof(const cJSON *), by_key);
    for (size_t i = 0; i < count; i++) {
        buffer_add_text(ret, i ? "," : "{");
        buffer_add_json_string(ret, slice_of(members[i]->string));
        buffer_add_text(ret, ":");
        print_sorted(members[i], ret);
    }
    buffer_add_text(ret, count ? "}" : "{}");
}

static void print_sorted(const cJSON *value, struct buffer *ret)
{
    if (cJSON_IsObject(value)) {
        print_members(value, ret);
    } else if (cJSON_IsArray(value)) {
        buffer_add_text(ret, "[");
        for (const cJSON *item = value->child; item; item = item->next) {
            print_sorted(item, ret);
            buffer_add_text(ret, item->next ? "," : "");
        }
        buffer_add_text(ret, "]");
    } else {
        AUTO_FREE char *text = json_print(value);
        buffer_add_text(ret, text);
    }
}

void apply_hash(const cJSON *wanted, char ret[APPLIED_SIZE])
{
    AUTO_BUFFER struct buffer text = {0};
    char digest[2 * DIGEST_SIZE + 1];
    print_sorted(wanted, &text);
    digest_sha256_hex(buffer_slice(&text), digest);
    memcpy(ret, digest, APPLIED_SIZE - 1);
    ret[APPLIED_SIZE - 1] = '\0';
}

/* --- what it carries ---------------------------------------------------------------------------------------------- */

/* All but the annotation. */
static cJSON *apply_label(enum engine_kind kind, const char *namespace, const cJSON *wanted)
{
    cJSON *object = json_copy(wanted);
    cJSON *metadata = json_object_in(object, "metadata");
    json_set_text(object, "apiVersion", engine_api_version(kind));
    json_set_text(object, "kind", engine_kinds[kind].kind);
    if (engine_kinds[kind].namespaced)
        json_set_text(metadata, "namespace", namespace);
    json_set_text(json_object_in(metadata, "labels"), LABEL_MANAGED_BY, MANAGED_BY_US);
    return object;
}

static void put_hash(cJSON *object, const cJSON *wanted)
{
    char hash[APPLIED_SIZE];
    apply_hash(wanted, hash);
    json_set_text(json_object_in(json_member(object, "metadata"), "annotations"), ANNOTATION_APPLIED, hash);
}

cJSON *apply_prepare(enum engine_kind kind, const char *namespace, const cJSON *wanted)
{
    cJSON *object = apply_label(kind, namespace, wanted);
    put_hash(object, wanted);
    return object;
}

bool apply_is_ours(const cJSON *object)
{
    return strcmp(json_text_or("", object, "metadata", "labels", LABEL_MANAGED_BY, NULL), MANAGED_BY_US) == 0;
}

int apply_refuse_foreign(enum engine_kind kind, const cJSON *object, struct error *error)
{
    return error_set(error, ERROR_EXISTS, "metadata.name",
                     "a %s named \"%s\" exists that Atelier did not make (it lacks the label %s=%s); it is left alone",
                     engine_kinds[kind].singular, json_text_or("", object, "metadata", "name", NULL), LABEL_MANAGED_BY,
                     MANAGED_BY_US);
}

/* --- is it there? ------------------------------------------------------------------------------------------------- */

/* API servers leave empty members out. */
static bool is_empty(const cJSON *value)
{
    return cJSON_IsNull(value) || ((cJSON_IsObject(value) || cJSON_IsArray(value)) && !value->child);
}

static bool value_holds(const cJSON *current, const cJSON *wanted, bool shared);

static bool item_found(const cJSON *list, const cJSON *wanted)
{
    for (const cJSON *item = list->child; item; item = item->next)
        if (value_holds(item, wanted, false))
            return true;
    return false;
}

static bool list_holds(const cJSON *current, const cJSON *wanted, bool shared)
{
    if (shared) {
        for (const cJSON *item = wanted->child; item; item = item->next)
            if (!item_found(current, item))
                return false;
        return true;
    }
    const cJSON *there = current->child, *item = wanted->child;
    while (there && item && value_holds(there, item, false)) {
        there = there->next;
        item = item->next;
    }
    return !there && !item;
}

static bool value_holds(const cJSON *current, const cJSON *wanted, bool shared)
{
    if (!current || is_empty(wanted))
        return is_empty(wanted);
    if (cJSON_IsArray(wanted) && cJSON_IsArray(current))
        return list_holds(current, wanted, shared);
    if (!cJSON_IsObject(wanted) || !cJSON_IsObject(current))
        return json_equal(current, wanted);
    for (const cJSON *member = wanted->child; member; member = member->next)
        if (!value_holds(json_member(current, member->string), member, shared))
            return false;
    return true;
}

bool apply_holds(const cJSON *current, const cJSON *wanted)
{
    for (const cJSON *member = wanted->child; member; member = member->next)
        if (!value_holds(json_member(current, member->string), member, strcmp(member->string, "metadata") == 0))
            return false;
    return true;
}

/* --- by reading --------------------------------------------------------------------------------------------------- */

/* The uid in the patch guards against another object that has taken the name since it was read. */
static int apply_over(struct engine *engine, enum engine_kind kind, const char *namespace, const cJSON *current,
                      cJSON *object, struct error *error)
{
    cJSON *metadata = json_member(object, "metadata");
    json_set_text(metadata, "uid", json_text(current, "metadata", "uid", NULL));
    return engine_patch(engine, kind, namespace, json_text_or("", metadata, "name", NULL), ENGINE_SPEC,
                        ENGINE_PATCH_APPLY, object, NULL, error);
}

int apply_by_reading(struct engine *engine, enum engine_kind kind, const char *namespace, const cJSON *wanted,
                     bool *ret_written, struct error *error)
{
    AUTO_JSON cJSON *object = apply_label(kind, namespace, wanted);
    AUTO_VIEW struct engine_view current = {0};
    struct error absent = {0};
    int r = engine_view(engine, kind, namespace, json_text_or("", object, "metadata", "name", NULL), &current, &absent);
    if (r < 0 && r != -ERROR_NOT_FOUND)
        return error_set(error, absent.code, absent.field, "%s", absent.message);
    if (r == 0 && !apply_is_ours(current.object))
        return apply_refuse_foreign(kind, current.object, error);
    bool write = r < 0 || !apply_holds(current.object, object);
    if (write) { /* the hash is the dearer half of looking: only what is written needs one */
        put_hash(object, wanted);
        r = current.object ? apply_over(engine, kind, namespace, current.object, object, error)
                           : engine_create(engine, kind, namespace, object, NULL, error);
    }
    if (r == 0 && ret_written)
        *ret_written = write;
    return r;
}
