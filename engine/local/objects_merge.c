/* Which part of what a client sent may replace what is there? */
#include "engine/local/objects_merge.h"

#include <inttypes.h>

/* Set by the engine alone: a client's values are ignored. */
static const char *const server_fields[] = {
    "uid",  "creationTimestamp", "generation", "resourceVersion", "selfLink", "deletionGracePeriodSeconds", "namespace",
    "name", "deletionTimestamp"};

static int check_type(enum engine_kind kind, const cJSON *body, struct error *error)
{
    const char *version = json_text_or(engine_api_version(kind), body, "apiVersion", NULL);
    const char *name = json_text_or(engine_kinds[kind].kind, body, "kind", NULL);
    if (strcmp(version, engine_api_version(kind)) != 0)
        return error_set(error, ERROR_BAD_REQUEST, "apiVersion", "apiVersion must be %s here",
                         engine_api_version(kind));
    if (strcmp(name, engine_kinds[kind].kind) != 0)
        return error_set(error, ERROR_BAD_REQUEST, "kind", "kind must be %s here", engine_kinds[kind].kind);
    return 0;
}

/* apiVersion and kind come first, as everybody writes them. */
static void put_type_first(enum engine_kind kind, cJSON *body)
{
    json_remove(body, "apiVersion");
    json_remove(body, "kind");
    cJSON *name = cJSON_CreateString(engine_kinds[kind].kind);
    cJSON *version = cJSON_CreateString(engine_api_version(kind));
    cJSON *rest = body->child;
    body->child = NULL;
    json_set(body, "apiVersion", version);
    cJSON *last = json_set(body, "kind", name);
    if (rest) {
        /* cJSON keeps the tail in the head's prev. */
        cJSON *tail = rest->prev;
        last->next = rest;
        rest->prev = last;
        body->child->prev = tail;
    }
}

int objects_complete_new(enum engine_kind kind, const char *namespace, cJSON *body, struct error *error)
{
    if (!cJSON_IsObject(body))
        return error_set(error, ERROR_BAD_REQUEST, NULL, "the body must be a %s object", engine_kinds[kind].kind);
    int r = check_type(kind, body, error);
    if (r < 0)
        return r;
    cJSON *metadata = json_member(body, "metadata");
    if (!cJSON_IsObject(metadata))
        return error_set(error, ERROR_INVALID, "metadata", "metadata with a name or generateName is required");
    const char *given = json_text_or("", metadata, "namespace", NULL);
    if (engine_kinds[kind].namespaced && given[0] && strcmp(given, namespace ? namespace : "") != 0)
        return error_set(error, ERROR_BAD_REQUEST, "metadata.namespace",
                         "the namespace of the object does not match the namespace of the request");
    if (!json_text_or("", metadata, "name", NULL)[0] && !json_text_or("", metadata, "generateName", NULL)[0])
        return error_set(error, ERROR_INVALID, "metadata.name", "name or generateName is required");
    AUTO_FREE char *name = memory_text(json_text(metadata, "name", NULL));
    for (size_t i = 0; i < COUNT_OF(server_fields); i++)
        json_remove(metadata, server_fields[i]);
    json_set_text(metadata, "name", name);
    if (engine_kinds[kind].namespaced)
        json_set_text(metadata, "namespace", namespace);
    json_remove(body, "status");
    if (kind == KIND_POD) /* from its first moment on, as kube-apiserver does */
        json_set_text(json_object_in(body, "status"), "phase", "Pending");
    put_type_first(kind, body);
    return 0;
}

/* What a writer claims to have read must be what is there. */
static int check_identity(const struct object *current, const cJSON *wanted, struct error *error)
{
    const char *version = json_text_or("", wanted, "metadata", "resourceVersion", NULL);
    char now[24];
    (void)snprintf(now, sizeof(now), "%" PRId64, current->version);
    if (version[0] && strcmp(version, now) != 0)
        return error_set(error, ERROR_CONFLICT, "metadata.resourceVersion",
                         "%s \"%s\" has been changed meanwhile; read it again and apply your change to that",
                         engine_kinds[current->kind].plural, current->name);
    const char *uid = json_text_or(current->uid, wanted, "metadata", "uid", NULL);
    if (uid[0] && strcmp(uid, current->uid) != 0)
        return error_set(error, ERROR_CONFLICT, "metadata.uid", "another object has that name now");
    if (strcmp(json_text_or(current->name, wanted, "metadata", "name", NULL), current->name) != 0)
        return error_set(error, ERROR_INVALID, "metadata.name", "the name of an object cannot be changed");
    const char *namespace = json_text_or("", wanted, "metadata", "namespace", NULL);
    if (namespace[0] && strcmp(namespace, current->namespace) != 0)
        return error_set(error, ERROR_INVALID, "metadata.namespace", "the namespace of an object cannot be changed");
    return 0;
}

/* Deleting is final: while it goes on, finalizers can only be taken away. */
static int check_finalizers(const struct object *current, const cJSON *merged, struct error *error)
{
    if (!object_terminating(current))
        return 0;
    const cJSON *before = json_at(current->body, "metadata", "finalizers", NULL), *finalizer;
    cJSON_ArrayForEach(finalizer, json_at(merged, "metadata", "finalizers", NULL))
    {
        bool known = false;
        for (const cJSON *old = before ? before->child : NULL; old && !known; old = old->next)
            known = json_equal(old, finalizer);
        if (!known)
            return error_set(error, ERROR_INVALID, "metadata.finalizers",
                             "no finalizer can be added to an object that is being deleted");
    }
    return 0;
}

/* The client's tree with the server's fields of metadata, and the status, as they were. Consumes <wanted>. */
static cJSON *merge_spec(const struct object *current, cJSON *wanted)
{
    cJSON *merged = wanted;
    cJSON *metadata = json_object_in(merged, "metadata");
    const cJSON *old = json_member(current->body, "metadata");
    for (size_t i = 0; i < COUNT_OF(server_fields); i++) {
        const cJSON *value = json_member(old, server_fields[i]);
        if (value)
            json_set(metadata, server_fields[i], json_copy(value));
        else
            json_remove(metadata, server_fields[i]);
    }
    const cJSON *status = json_member(current->body, "status");
    if (status)
        json_set(merged, "status", json_copy(status));
    else
        json_remove(merged, "status");
    put_type_first(current->kind, merged);
    return merged;
}

/* Consumes <wanted>. */
static cJSON *merge_status(const struct object *current, cJSON *wanted)
{
    cJSON *merged = json_copy(current->body);
    cJSON *status = cJSON_DetachItemFromObjectCaseSensitive(wanted, "status");
    if (status)
        json_set(merged, "status", status);
    else
        json_remove(merged, "status");
    cJSON_Delete(wanted);
    return merged;
}

static int check_wanted(const struct object *current, cJSON *wanted, struct error *error)
{
    if (!cJSON_IsObject(wanted))
        return error_set(error, ERROR_BAD_REQUEST, NULL, "the result must be a %s object",
                         engine_kinds[current->kind].kind);
    const cJSON *metadata = json_member(wanted, "metadata");
    if (metadata && !cJSON_IsObject(metadata))
        return error_set(error, ERROR_INVALID, "metadata", "metadata must be an object");
    int r = check_identity(current, wanted, error);
    return r == 0 ? check_type(current->kind, wanted, error) : r;
}

int objects_merge(const struct object *current, enum engine_part part, cJSON *wanted, cJSON **ret, struct error *error)
{
    int r = check_wanted(current, wanted, error);
    if (r < 0) {
        cJSON_Delete(wanted);
        return r;
    }
    AUTO_JSON cJSON *merged = part == ENGINE_STATUS ? merge_status(current, wanted) : merge_spec(current, wanted);
    r = check_finalizers(current, merged, error);
    if (r == 0)
        *ret = TAKE_POINTER(merged);
    return r;
}

/* Whether anything but metadata and status differs. */
static bool content_differs(const cJSON *before, const cJSON *after)
{
    for (const cJSON *member = after->child; member; member = member->next) {
        if (strcmp(member->string, "metadata") == 0 || strcmp(member->string, "status") == 0)
            continue;
        if (!json_equal(member, json_member(before, member->string)))
            return true;
    }
    for (const cJSON *member = before->child; member; member = member->next)
        if (!json_member(after, member->string))
            return true;
    return false;
}

void objects_count_generation(const cJSON *before, cJSON *after)
{
    int64_t generation = 0;
    (void)json_i64(json_at(after, "metadata", "generation", NULL), &generation);
    if (!before || content_differs(before, after))
        json_set_i64(json_member(after, "metadata"), "generation", generation + 1);
}
