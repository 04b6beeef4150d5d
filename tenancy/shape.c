/* Has a document that a tenant wrote the shape it must have? */
#include "tenancy/shape.h"

#define SHAPE_TEXTS_MAX 64 /* labels, annotations, parameters: more than anybody writes by hand */

void shape_drop_nulls(cJSON *value)
{
    /* The parser bounds depth, so recursion is bounded too. */
    cJSON *next;
    for (cJSON *child = value->child; child; child = next) {
        next = child->next;
        if (cJSON_IsNull(child) && cJSON_IsObject(value))
            cJSON_Delete(cJSON_DetachItemViaPointer(value, child));
        else
            shape_drop_nulls(child);
    }
}

static int shape_wrong(const char *path, const char *key, const char *expected, struct error *error)
{
    char field[256];
    snprintf(field, sizeof(field), "%s%s%s", path, *path ? "." : "", key);
    return error_set(error, ERROR_INVALID, field, "%s must be %s", field, expected);
}

int shape_object(const cJSON *parent, const char *path, const char *key, cJSON **ret, struct error *error)
{
    cJSON *value = json_member(parent, key);
    if (value && !cJSON_IsObject(value))
        return shape_wrong(path, key, "an object", error);
    *ret = value;
    return 0;
}

int shape_text(const cJSON *parent, const char *path, const char *key, const char **ret, struct error *error)
{
    const cJSON *value = json_member(parent, key);
    if (value && !cJSON_IsString(value))
        return shape_wrong(path, key, "a text", error);
    *ret = value ? value->valuestring : NULL;
    return 0;
}

int shape_bool(const cJSON *parent, const char *path, const char *key, bool fallback, bool *ret, struct error *error)
{
    const cJSON *value = json_member(parent, key);
    if (value && !cJSON_IsBool(value))
        return shape_wrong(path, key, "true or false", error);
    *ret = value ? cJSON_IsTrue(value) : fallback;
    return 0;
}

int shape_i64(const cJSON *parent, const char *path, const char *key, int64_t minimum, int64_t maximum,
              int64_t fallback, int64_t *ret, struct error *error)
{
    const cJSON *value = json_member(parent, key);
    if (!value) {
        *ret = fallback;
        return 0;
    }
    int64_t number = 0;
    if (!json_i64(value, &number) || number < minimum || number > maximum) {
        char expected[96];
        snprintf(expected, sizeof(expected), "a whole number from %lld to %lld", (long long)minimum,
                 (long long)maximum);
        return shape_wrong(path, key, expected, error);
    }
    *ret = number;
    return 0;
}

int shape_texts(const cJSON *parent, const char *path, const char *key, struct error *error)
{
    cJSON *object = NULL;
    int r = shape_object(parent, path, key, &object, error);
    if (r < 0 || !object)
        return r;
    char at[192];
    snprintf(at, sizeof(at), "%s%s%s", path, *path ? "." : "", key);
    size_t count = 0;
    for (const cJSON *value = object->child; value; value = value->next) {
        if (!cJSON_IsString(value))
            return shape_wrong(at, value->string, "a text; put it in quotes", error);
        if (++count > SHAPE_TEXTS_MAX)
            return error_set(error, ERROR_INVALID, at, "%s may have at most %d entries", at, SHAPE_TEXTS_MAX);
    }
    return 0;
}

int shape_workload_name(const char *kind, const char *name, size_t max, struct error *error)
{
    if (!name || !*name)
        return error_set(error, ERROR_INVALID, "metadata.name", "a %s needs a metadata.name", kind);
    char shown[80];
    text_printable(slice_of(name), shown, sizeof(shown));
    if (!name_is_dns1035(slice_of(name)))
        return error_set(error, ERROR_INVALID, "metadata.name",
                         "the name \"%s\" is not possible: use lower-case letters, digits and '-', beginning with a "
                         "letter and ending with a letter or digit",
                         shown);
    if (strlen(name) > max)
        return error_set(error, ERROR_INVALID, "metadata.name", "the name \"%s\" is too long: at most %zu characters",
                         shown, max);
    if (strstr(name, "--"))
        return error_set(error, ERROR_INVALID, "metadata.name",
                         "the name \"%s\" is not possible: \"--\" separates names in host names", shown);
    return 0;
}

int shape_finalizers(const cJSON *old, cJSON *object, const char *own, struct error *error)
{
    cJSON *metadata = json_object_in(object, "metadata");
    const cJSON *was = json_at(old, "metadata", "finalizers", NULL);
    const cJSON *wanted = json_member(metadata, "finalizers");
    for (const cJSON *item = wanted ? wanted->child : NULL; item; item = item->next) {
        bool known = cJSON_IsString(item) && own && strcmp(item->valuestring, own) == 0;
        for (const cJSON *had = was ? was->child : NULL; had && !known; had = had->next)
            known = json_equal(item, had);
        if (!known)
            return error_set(error, ERROR_INVALID, "metadata.finalizers", "finalizers are set by the platform only");
    }
    if (was)
        json_set(metadata, "finalizers", json_copy(was));
    else
        json_remove(metadata, "finalizers");
    if (!old && own)
        json_push_text(json_set(metadata, "finalizers", json_array()), own);
    return 0;
}

bool shape_label_decides(const char *key)
{
    static const char *const exact[] = {"statefulset", "notebook-name"};
    static const char *const prefixes[] = {"ray.io/", "atelier.dev/", "statefulset.kubernetes.io/"};
    for (size_t i = 0; i < COUNT_OF(exact); i++) {
        if (strcmp(key, exact[i]) == 0)
            return true;
    }
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        if (strncmp(key, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return false;
}

int shape_no_host_names(const cJSON *pod_spec, const char *path, struct error *error)
{
    static const char *const keys[] = {"hostname", "subdomain", "setHostnameAsFQDN"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (!json_member(pod_spec, keys[i]))
            continue;
        char field[160];
        snprintf(field, sizeof(field), "%s.spec.%s", path, keys[i]);
        return error_set(error, ERROR_INVALID, field, "%s is set by the platform", field);
    }
    return 0;
}
