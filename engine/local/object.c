/* What is one object in memory, and who still uses it? */
#include "engine/local/object.h"

#include <assert.h>

#include "base/clock.h"

enum { OBJECT_MAGIC = 0x0b1ec7 };

struct object *object_new(enum engine_kind kind, cJSON *body, int64_t version, size_t bytes)
{
    struct object *object = memory_get(sizeof(*object));
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)version);
    json_set_text(json_object_in(body, "metadata"), "resourceVersion", text);
    object->magic = OBJECT_MAGIC;
    object->references = 1;
    object->kind = kind;
    object->version = version;
    object->bytes = bytes;
    object->body = body;
    object->namespace = json_text_or("", body, "metadata", "namespace", NULL);
    object->name = json_text_or("", body, "metadata", "name", NULL);
    object->uid = json_text_or("", body, "metadata", "uid", NULL);
    return object;
}

struct object *object_ref(struct object *object)
{
    assert(object->magic == OBJECT_MAGIC);
    atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
    return object;
}

void object_unref(struct object *object)
{
    if (!object)
        return;
    assert(object->magic == OBJECT_MAGIC);
    if (atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel) != 1)
        return;
    cJSON_Delete((cJSON *)(uintptr_t)object->body);
    object->magic = 0;
    free(object);
}

void object_list_add(struct object_list *list, struct object *object)
{
    /* The room grows at powers of two, so the count alone tells when it is full. */
    if ((list->count & (list->count - 1)) == 0)
        list->items = memory_resize(list->items, (list->count ? 2 * list->count : 1) * sizeof(struct object *));
    list->items[list->count++] = object_ref(object);
}

void object_list_free(struct object_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        object_unref(list->items[i]);
    free(list->items);
    *list = (struct object_list){0};
}

bool object_terminating(const struct object *object)
{
    return json_text(object->body, "metadata", "deletionTimestamp", NULL) != NULL;
}

bool object_has_finalizers(const struct object *object)
{
    return cJSON_GetArraySize(json_at(object->body, "metadata", "finalizers", NULL)) > 0;
}

int64_t object_created_ms(const struct object *object)
{
    int64_t ms = 0;
    (void)clock_parse(slice_of(json_text(object->body, "metadata", "creationTimestamp", NULL)), &ms);
    return ms;
}

bool object_controlled_by(const struct object *object, const char *uid)
{
    const cJSON *owner;
    cJSON_ArrayForEach(owner, json_at(object->body, "metadata", "ownerReferences", NULL))
    {
        if (json_true(owner, "controller", NULL) && strcmp(json_text_or("", owner, "uid", NULL), uid) == 0)
            return true;
    }
    return false;
}

void object_own(cJSON *child, const struct object *owner)
{
    cJSON *metadata = json_object_in(child, "metadata");
    cJSON *references = json_member(metadata, "ownerReferences");
    if (!cJSON_IsArray(references))
        references = json_set(metadata, "ownerReferences", json_array());
    cJSON *reference = json_push(references, json_object());
    json_set_text(reference, "apiVersion", engine_api_version(owner->kind));
    json_set_text(reference, "kind", engine_kinds[owner->kind].kind);
    json_set_text(reference, "name", owner->name);
    json_set_text(reference, "uid", owner->uid);
    json_set_bool(reference, "controller", true);
    json_set_bool(reference, "blockOwnerDeletion", true);
}

/* --- as the hub's states ------------------------------------------------------------------------------------------ */

/* The figures follow etcd's five-minute compaction. */
enum { CHANGES_MAX = 4096, CHANGES_BYTES_MAX = 4 << 20, CHANGES_AGE_MS = 5 * 60 * 1000 };

static void *state_reference(void *state)
{
    return object_ref(state);
}

static void state_release(void *state)
{
    object_unref(state);
}

static size_t state_bytes(const void *state)
{
    return ((const struct object *)state)->bytes;
}

static const char *state_namespace(void *context, const void *state)
{
    (void)context;
    return ((const struct object *)state)->namespace;
}

static const cJSON *state_object(void *context, enum engine_kind kind, void *state)
{
    (void)context;
    (void)kind;
    return ((const struct object *)state)->body;
}

const struct hub_states object_states = {
    .limits = {.changes = CHANGES_MAX,
               .bytes = CHANGES_BYTES_MAX,
               .age_ms = CHANGES_AGE_MS,
               .bookmark_ms = HUB_BOOKMARK_MS},
    .reference = state_reference,
    .release = state_release,
    .bytes = state_bytes,
    .namespace = state_namespace,
    .object = state_object,
    .one_history = true,
};
