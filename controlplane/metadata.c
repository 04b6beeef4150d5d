/* Is the part right that every object has? */
#include "controlplane/metadata.h"

#include <ctype.h>

#include "base/random.h"
#include "controlplane/limits.h"
#include "controlplane/schema.h"

#define NAME_PART_MAX 63       /* the part of a key after the prefix; a label's value */
#define GENERATE_PREFIX_MAX 57 /* leaves room for five characters below 63 */

static const char *const known[] = {"name",
                                    "namespace",
                                    "labels",
                                    "annotations",
                                    "generateName",
                                    "uid",
                                    "resourceVersion",
                                    "generation",
                                    "creationTimestamp",
                                    "deletionTimestamp",
                                    "deletionGracePeriodSeconds",
                                    "finalizers",
                                    "ownerReferences",
                                    "managedFields",
                                    "selfLink",
                                    NULL};
/* Set by the server alone. resourceVersion is not here: on a change it is the client's guard. */
static const char *const servers[] = {
    "uid",           "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
    "managedFields", "selfLink",   "finalizers",        "ownerReferences"};

/* --- syntax ------------------------------------------------------------------------------------------------------- */
static bool is_qualified(struct slice text)
{
    if (text.n == 0 || text.n > NAME_PART_MAX)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool inner = i > 0 && i + 1 < text.n;
        if (c >= 0x80 || !(isalnum(c) || (inner && (c == '-' || c == '_' || c == '.'))))
            return false;
    }
    return true;
}

bool metadata_is_key(struct slice key)
{
    const char *slash = memchr(key.p, '/', key.n);
    if (!slash)
        return is_qualified(key);
    struct slice prefix = {key.p, (size_t)(slash - key.p)};
    return name_is_subdomain(prefix) && is_qualified(slice_skip(key, prefix.n + 1));
}

bool metadata_is_label_value(struct slice value)
{
    return value.n == 0 || is_qualified(value);
}

static int refuse_key(const char *field, const char *key, struct error *error)
{
    char shown[80];
    text_printable(slice_of(key), shown, sizeof(shown));
    return error_set(error, ERROR_INVALID, field,
                     "\"%s\" is not a key: expected letters, digits, '-', '_' and '.', at most 63, optionally after "
                     "\"domain/\"",
                     shown);
}

static int check_labels(const cJSON *labels, struct error *error)
{
    const cJSON *item;
    size_t count = 0;
    if (labels && !cJSON_IsNull(labels) && !cJSON_IsObject(labels))
        return error_set(error, ERROR_INVALID, "metadata.labels", "labels must be an object of texts");
    cJSON_ArrayForEach(item, labels)
    {
        if (++count > LIMIT_LABELS)
            return error_set(error, ERROR_INVALID, "metadata.labels", "at most %d labels", LIMIT_LABELS);
        if (!metadata_is_key(slice_of(item->string)))
            return refuse_key("metadata.labels", item->string, error);
        if (!cJSON_IsString(item) || !metadata_is_label_value(slice_of(item->valuestring)))
            return error_set(error, ERROR_INVALID, "metadata.labels",
                             "the value of \"%s\" must be empty or letters, digits, '-', '_' and '.', at most 63",
                             item->string);
    }
    return 0;
}

static int check_annotations(const cJSON *annotations, struct error *error)
{
    const cJSON *item;
    size_t bytes = 0;
    if (annotations && !cJSON_IsNull(annotations) && !cJSON_IsObject(annotations))
        return error_set(error, ERROR_INVALID, "metadata.annotations", "annotations must be an object of texts");
    cJSON_ArrayForEach(item, annotations)
    {
        if (!metadata_is_key(slice_of(item->string)))
            return refuse_key("metadata.annotations", item->string, error);
        if (!cJSON_IsString(item))
            return error_set(error, ERROR_INVALID, "metadata.annotations", "the value of \"%s\" must be a text",
                             item->string);
        bytes += strlen(item->string) + strlen(item->valuestring);
    }
    if (bytes > LIMIT_ANNOTATION_BYTES)
        return error_set(error, ERROR_INVALID, "metadata.annotations", "annotations may hold at most %d bytes in all",
                         LIMIT_ANNOTATION_BYTES);
    return 0;
}

/* --- identity ----------------------------------------------------------------------------------------------------- */
static int check_type(enum engine_kind kind, cJSON *object, struct error *error)
{
    const char *api_version = engine_api_version(kind), *kind_name = engine_kinds[kind].kind;
    const cJSON *given = json_member(object, "apiVersion");
    if (given && (!cJSON_IsString(given) || strcmp(given->valuestring, api_version) != 0))
        return error_set(error, ERROR_BAD_REQUEST, "apiVersion", "apiVersion must be \"%s\" at this path", api_version);
    given = json_member(object, "kind");
    if (given && (!cJSON_IsString(given) || strcmp(given->valuestring, kind_name) != 0))
        return error_set(error, ERROR_BAD_REQUEST, "kind", "kind must be \"%s\" at this path", kind_name);
    json_set_text(object, "apiVersion", api_version);
    json_set_text(object, "kind", kind_name);
    return 0;
}

static int check_namespace(const char *namespace, cJSON *metadata, struct error *error)
{
    const cJSON *given = json_member(metadata, "namespace");
    bool empty = !given || cJSON_IsNull(given) || (cJSON_IsString(given) && !*given->valuestring);
    if (!empty && (!cJSON_IsString(given) || !namespace || strcmp(given->valuestring, namespace) != 0))
        return error_set(error, ERROR_BAD_REQUEST, "metadata.namespace",
                         "the namespace of the object does not match the namespace of the path");
    json_set_text(metadata, "namespace", namespace);
    return 0;
}

static int generate_name(cJSON *metadata, struct error *error)
{
    const char *prefix = json_text(metadata, "generateName", NULL);
    if (!prefix || !*prefix)
        return error_set(error, ERROR_INVALID, "metadata.name", "metadata.name is missing");
    if (strlen(prefix) > GENERATE_PREFIX_MAX)
        return error_set(error, ERROR_INVALID, "metadata.generateName", "generateName must be at most %d bytes",
                         GENERATE_PREFIX_MAX);
    char suffix[6];
    random_suffix(suffix);
    AUTO_FREE char *name = memory_format("%s%s", prefix, suffix);
    json_set_text(metadata, "name", name);
    return 0;
}

int metadata_refuse_name(struct error *error)
{
    return error_set(error, ERROR_INVALID, "metadata.name",
                     "metadata.name must be lower-case letters, digits, '-' and '.', and begin and end with a letter "
                     "or digit");
}

static int check_name(const char *name, cJSON *metadata, struct error *error)
{
    const cJSON *given = json_member(metadata, "name");
    if (given && !cJSON_IsString(given))
        return error_set(error, ERROR_INVALID, "metadata.name", "metadata.name must be a text");
    if (name && given && strcmp(given->valuestring, name) != 0)
        return error_set(error, ERROR_BAD_REQUEST, "metadata.name",
                         "the name of the object does not match the name of the path");
    if (name)
        json_set_text(metadata, "name", name);
    else if (!given || !*given->valuestring) {
        int status = generate_name(metadata, error);
        if (status < 0)
            return status;
    }
    return name_is_subdomain(slice_of(json_text(metadata, "name", NULL))) ? 0 : metadata_refuse_name(error);
}

/* --- what only the server sets ------------------------------------------------------------------------------------ */
static bool is_empty(const cJSON *value)
{
    return !value || cJSON_IsNull(value) || (cJSON_IsArray(value) && !value->child);
}

/* Whoever sets a finalizer or an owner decides when something is deleted: that is not for tenants. */
static int check_ties(const cJSON *old_metadata, const cJSON *metadata, const char *field, struct error *error)
{
    const cJSON *given = json_member(metadata, field), *was = json_member(old_metadata, field);
    if (is_empty(given) || (was && json_equal(given, was)))
        return 0;
    char path[48];
    snprintf(path, sizeof(path), "metadata.%s", field);
    return error_set(error, ERROR_INVALID, path, "%s is set by Atelier only", path);
}

static void restore(const cJSON *old_metadata, cJSON *metadata)
{
    for (size_t i = 0; i < COUNT_OF(servers); i++) {
        const cJSON *was = json_member(old_metadata, servers[i]);
        if (was)
            json_set(metadata, servers[i], json_copy(was));
        else
            json_remove(metadata, servers[i]);
    }
}

static int check_guards(const cJSON *old_metadata, cJSON *metadata, struct error *error)
{
    const char *uid = json_text(metadata, "uid", NULL), *was = json_text(old_metadata, "uid", NULL);
    if (old_metadata && uid && *uid && (!was || strcmp(uid, was) != 0))
        return error_set(error, ERROR_CONFLICT, "metadata.uid", "another object has this name now");
    const cJSON *version = json_member(metadata, "resourceVersion");
    if (!old_metadata || !version || cJSON_IsNull(version) || (cJSON_IsString(version) && !*version->valuestring))
        json_remove(metadata, "resourceVersion");
    else if (!cJSON_IsString(version))
        return error_set(error, ERROR_INVALID, "metadata.resourceVersion", "metadata.resourceVersion must be a text");
    return 0;
}

static int check_metadata(const char *namespace, const char *name, const cJSON *old_metadata, cJSON *metadata,
                          struct error *error)
{
    int status = json_check_known(metadata, "metadata", known, error);
    if (status == 0)
        status = check_namespace(namespace, metadata, error);
    if (status == 0)
        status = check_name(name, metadata, error);
    if (status == 0)
        status = check_labels(json_member(metadata, "labels"), error);
    if (status == 0)
        status = check_annotations(json_member(metadata, "annotations"), error);
    if (status == 0)
        status = check_ties(old_metadata, metadata, "finalizers", error);
    if (status == 0)
        status = check_ties(old_metadata, metadata, "ownerReferences", error);
    if (status == 0)
        status = check_guards(old_metadata, metadata, error);
    if (status == 0)
        restore(old_metadata, metadata);
    return status;
}

int metadata_admit(enum engine_kind kind, const char *namespace, const char *name, const cJSON *old, cJSON *object,
                   struct error *error)
{
    if (!cJSON_IsObject(object))
        return error_set(error, ERROR_BAD_REQUEST, NULL, "the body must be an object of kind %s",
                         engine_kinds[kind].kind);
    int status = check_type(kind, object, error);
    if (status == 0)
        status = schema_check(kind, object, error);
    if (status < 0)
        return status;
    const cJSON *given = json_member(object, "metadata");
    if (given && !cJSON_IsObject(given))
        return error_set(error, ERROR_INVALID, "metadata", "metadata must be an object");
    status = check_metadata(namespace, name, json_member(old, "metadata"), json_object_in(object, "metadata"), error);
    if (status < 0)
        return status;
    const cJSON *was = json_member(old, "status");
    if (was)
        json_set(object, "status", json_copy(was));
    else
        json_remove(object, "status");
    return 0;
}
