/* What objects are there, and how does one change? */
#include "engine/local/objects.h"

#include "base/clock.h"
#include "base/random.h"
#include "engine/local/objects_merge.h"
#include "engine/local/objects_sql.h"
#include "engine/local/objects_writer.h"

/* Generated names that were taken before the creation gives up. */
enum { GENERATE_TRIES = 5 };

/* How many objects of a kind one namespace may hold: what a tenant can make is bounded, whatever quota says. */
static const size_t per_namespace[KIND_COUNT] = {
    [KIND_NAMESPACE] = 5000,  [KIND_POD] = 500,       [KIND_SERVICE] = 500,   [KIND_EVENT] = 1000,
    [KIND_CLAIM] = 200,       [KIND_CONFIGMAP] = 500, [KIND_SECRET] = 500,    [KIND_RESOURCEQUOTA] = 20,
    [KIND_STATEFULSET] = 500, [KIND_PROFILE] = 5000,  [KIND_NOTEBOOK] = 500,  [KIND_RAYCLUSTER] = 100,
    [KIND_PODDEFAULT] = 50,   [KIND_RAYJOB] = 200,    [KIND_RAYSERVICE] = 50, [KIND_CONTROLLERREVISION] = 10000,
};

struct objects *objects_new(const struct objects_options *options)
{
    struct objects *objects = memory_get(sizeof(*objects));
    objects->options = *options;
    objects_writer_new(objects);
    pthread_rwlock_init(&objects->shown, NULL);
    return objects;
}

void objects_free(struct objects *objects)
{
    if (!objects)
        return;
    for (size_t i = 0; i < KIND_COUNT; i++)
        index_free(&objects->indexes[i]);
    objects_writer_free(objects);
    pthread_rwlock_destroy(&objects->shown);
    free(objects);
}

static void load_row(void *context, enum engine_kind kind, int64_t version, cJSON *body, size_t bytes)
{
    struct objects *objects = context;
    object_unref(index_put(&objects->indexes[kind], object_new(kind, body, version, bytes)));
    if (version > objects->version)
        objects->version = version;
}

int objects_load(struct objects *objects, struct error *error)
{
    int64_t version = 0;
    pthread_rwlock_wrlock(&objects->shown);
    int r = objects_sql_load(objects->options.store, load_row, objects, &version, error);
    if (version > objects->version)
        objects->version = version;
    if (r == 0)
        for (enum engine_kind kind = 0; kind < KIND_COUNT; kind++)
            hub_begin(objects->options.hub, kind, (uint64_t)objects->version, NULL, 0);
    pthread_rwlock_unlock(&objects->shown);
    return r;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int not_found(enum engine_kind kind, const char *name, struct error *error)
{
    const struct engine_kind_info *info = &engine_kinds[kind];
    return error_set(error, ERROR_NOT_FOUND, NULL, "%s%s%s \"%.253s\" not found", info->plural,
                     info->group[0] ? "." : "", info->group, name);
}

struct object *objects_find(struct objects *objects, enum engine_kind kind, const char *namespace, const char *name)
{
    pthread_rwlock_rdlock(&objects->shown);
    struct object *object =
        index_get(&objects->indexes[kind], engine_kinds[kind].namespaced && namespace ? namespace : "", name);
    if (object)
        object_ref(object);
    pthread_rwlock_unlock(&objects->shown);
    return object;
}

int objects_get(struct objects *objects, enum engine_kind kind, const char *namespace, const char *name,
                struct object **ret, struct error *error)
{
    struct object *object = objects_find(objects, kind, namespace, name);
    if (!object)
        return not_found(kind, name, error);
    *ret = object;
    return 0;
}

/* The objects of one namespace are neighbours: gives the first and one past the last. */
static void bounds(const struct object_index *index, const char *namespace, size_t *ret_from, size_t *ret_to)
{
    bool found;
    *ret_from = namespace ? index_find(index, namespace, "", &found) : 0;
    *ret_to = *ret_from;
    while (*ret_to < index->count && (!namespace || strcmp(index->items[*ret_to]->namespace, namespace) == 0))
        (*ret_to)++;
}

static void select_shown(struct objects *objects, enum engine_kind kind, const char *namespace,
                         const struct selector *selector, struct object_list *ret)
{
    const struct object_index *index = &objects->indexes[kind];
    size_t from, to;
    bounds(index, engine_kinds[kind].namespaced ? namespace : NULL, &from, &to);
    for (size_t i = from; i < to; i++)
        if (selector_matches(selector, index->items[i]->body))
            object_list_add(ret, index->items[i]);
}

int64_t objects_select(struct objects *objects, enum engine_kind kind, const char *namespace,
                       const struct selector *selector, struct object_list *ret)
{
    pthread_rwlock_rdlock(&objects->shown);
    select_shown(objects, kind, namespace, selector, ret);
    int64_t version = objects->version;
    pthread_rwlock_unlock(&objects->shown);
    return version;
}

size_t objects_count(struct objects *objects, enum engine_kind kind, const char *namespace)
{
    size_t from, to;
    pthread_rwlock_rdlock(&objects->shown);
    bounds(&objects->indexes[kind], engine_kinds[kind].namespaced ? namespace : NULL, &from, &to);
    pthread_rwlock_unlock(&objects->shown);
    return to - from;
}

bool objects_uid_exists(struct objects *objects, enum engine_kind kind, const char *namespace, const char *name,
                        const char *uid)
{
    AUTO_OBJECT struct object *object = objects_find(objects, kind, namespace, name);
    return object && strcmp(object->uid, uid) == 0;
}

int objects_watch(struct objects *objects, struct hub_request *request, struct engine_watch **ret, struct error *error)
{
    AUTO_SELECTOR struct selector *selector = NULL;
    AUTO_OBJECT_LIST struct object_list existing = {0};
    int r = selector_new(request->labels, request->fields, &selector, error);
    if (r < 0)
        return r;
    /* Changes are published under the write side of this lock: none falls between the list and the watch. */
    pthread_rwlock_rdlock(&objects->shown);
    request->known = true;
    if (!request->resume) {
        request->from = HUB_NOW;
        select_shown(objects, request->kind, request->namespace, selector, &existing);
        request->states = (void *const *)existing.items;
        request->count = existing.count;
    }
    r = hub_open(objects->options.hub, request, ret, error);
    pthread_rwlock_unlock(&objects->shown);
    return r;
}

/* --- creating ----------------------------------------------------------------------------------------------------- */

static int check_namespace(struct objects *objects, enum engine_kind kind, const char *namespace, struct error *error)
{
    if (!engine_kinds[kind].namespaced)
        return 0;
    AUTO_OBJECT struct object *owner = objects_find(objects, KIND_NAMESPACE, NULL, namespace);
    if (!owner)
        return not_found(KIND_NAMESPACE, namespace, error);
    if (object_terminating(owner) && kind != KIND_EVENT)
        return error_set(error, ERROR_CONFLICT, "metadata.namespace",
                         "namespace %s is being deleted: nothing new can be created in it", namespace);
    return 0;
}

static int check_room(struct objects *objects, enum engine_kind kind, const char *namespace, struct error *error)
{
    if (objects_count(objects, kind, namespace) < per_namespace[kind])
        return 0;
    return error_set(error, ERROR_FORBIDDEN, NULL, "exceeded quota: at most %zu %s %s", per_namespace[kind],
                     engine_kinds[kind].plural, engine_kinds[kind].namespaced ? "in a namespace" : "on this platform");
}

/* Finds a free name for metadata.generateName. */
static int generate_name(struct objects *objects, enum engine_kind kind, const char *namespace, cJSON *metadata,
                         struct error *error)
{
    const char *prefix = json_text_or("", metadata, "generateName", NULL);
    enum { PREFIX_MAX = 58 }; /* as Kubernetes: the result stays a 63-byte label */
    for (int i = 0; i < GENERATE_TRIES; i++) {
        char suffix[6], name[64];
        random_suffix(suffix);
        (void)snprintf(name, sizeof(name), "%.*s%s", PREFIX_MAX, prefix, suffix);
        AUTO_OBJECT struct object *taken = objects_find(objects, kind, namespace, name);
        if (!taken) {
            json_set_text(metadata, "name", name);
            return 0;
        }
    }
    return error_set(error, ERROR_EXISTS, "metadata.generateName", "no free name was found; try again");
}

static void set_birth(cJSON *metadata)
{
    char uid[RANDOM_UUID_SIZE], now[CLOCK_TEXT_SIZE];
    random_uuid(uid);
    clock_format(clock_wall_ms(), now);
    json_set_text(metadata, "uid", uid);
    json_set_text(metadata, "creationTimestamp", now);
    json_set_i64(metadata, "generation", 1);
}

static int create_locked(struct objects *objects, enum engine_kind kind, const char *namespace, cJSON *body,
                         struct object **ret, struct error *error)
{
    cJSON *metadata = json_member(body, "metadata");
    int r = check_namespace(objects, kind, namespace, error);
    if (r == 0 && !json_text_or("", metadata, "name", NULL)[0])
        r = generate_name(objects, kind, namespace, metadata, error);
    if (r == 0) {
        AUTO_OBJECT struct object *taken = objects_find(objects, kind, namespace, json_text(metadata, "name", NULL));
        if (taken)
            r = error_set(error, ERROR_EXISTS, "metadata.name", "%s \"%s\" already exists", engine_kinds[kind].plural,
                          taken->name);
    }
    if (r == 0)
        r = check_room(objects, kind, namespace, error);
    if (r == 0)
        set_birth(metadata);
    if (r == 0 && objects->options.admission)
        r = objects->options.admission(objects->options.context, kind, NULL, body, error);
    if (r < 0) {
        cJSON_Delete(body);
        return r;
    }
    return objects_commit(objects, kind, NULL, body, ret, error);
}

int objects_create(struct objects *objects, enum engine_kind kind, const char *namespace, cJSON *body,
                   struct object **ret, struct error *error)
{
    int r = objects_complete_new(kind, namespace, body, error);
    if (r == 0)
        r = objects_writer_begin(objects, error);
    if (r < 0) {
        cJSON_Delete(body);
        return r;
    }
    r = create_locked(objects, kind, namespace, body, ret, error);
    objects_writer_end(objects);
    return r;
}

/* --- changing ----------------------------------------------------------------------------------------------------- */

struct change {
    const char *uid; /* NULL: whichever it is */
    enum engine_part part;
    object_changer changer;
    void *context;
};

static int check_uid(const struct object *current, const char *uid, struct error *error)
{
    if (uid && strcmp(uid, current->uid) != 0)
        return error_set(error, ERROR_CONFLICT, "metadata.uid", "another object has that name now");
    return 0;
}

/* There is something real behind these kinds, which a controller takes away first. */
static bool is_held(enum engine_kind kind)
{
    return kind == KIND_POD || kind == KIND_NAMESPACE || kind == KIND_CLAIM;
}

/* Once the last finalizer of an object that is being deleted goes, so does the object, in the same step. */
static bool is_last_step(const struct object *current, const cJSON *merged)
{
    return object_terminating(current) && !is_held(current->kind) &&
           cJSON_GetArraySize(json_at(merged, "metadata", "finalizers", NULL)) == 0;
}

/* Whether nothing but the object itself decides on a change of it: namespaces decide what may be made in them, claims
 * share a quota, and a last step is a removal. What is in doubt must be looked up first, by somebody who is alone. */
static bool may_share(const struct objects *objects, const struct object *current)
{
    return current && current->kind != KIND_NAMESPACE && current->kind != KIND_CLAIM && !object_terminating(current) &&
           !objects->doubts && clock_monotonic_ms() >= objects->away_until_ms;
}

static int change_locked(struct objects *objects, struct object *current, const struct change *change, bool together,
                         struct object **ret, struct error *error)
{
    cJSON *wanted = NULL;
    AUTO_JSON cJSON *merged = NULL;
    int r = check_uid(current, change->uid, error);
    if (r == 0)
        r = change->changer(change->context, current->body, &wanted, error);
    if (r == 0)
        r = objects_merge(current, change->part, wanted, &merged, error);
    if (r == 0 && change->part == ENGINE_SPEC && objects->options.admission)
        r = objects->options.admission(objects->options.context, current->kind, current->body, merged, error);
    if (r < 0)
        return r;
    if (is_last_step(current, merged))
        r = objects_commit_removal(objects, current, error);
    else if (!json_equal(merged, current->body)) {
        if (change->part == ENGINE_SPEC)
            objects_count_generation(current->body, merged);
        return together ? objects_commit_together(objects, current, TAKE_POINTER(merged), ret, error)
                        : objects_commit(objects, current->kind, current, TAKE_POINTER(merged), ret, error);
    }
    if (r == 0 && ret)
        *ret = object_ref(current);
    return r;
}

static int change_alone(struct objects *objects, enum engine_kind kind, const char *namespace, const char *name,
                        const struct change *change, struct object **ret, struct error *error)
{
    int r = objects_writer_begin(objects, error);
    if (r < 0)
        return r;
    AUTO_OBJECT struct object *current = objects_find(objects, kind, namespace, name);
    r = current ? change_locked(objects, current, change, false, ret, error) : not_found(kind, name, error);
    objects_writer_end(objects);
    return r;
}

static int change(struct objects *objects, enum engine_kind kind, const char *namespace, const char *name,
                  const struct change *wanted, struct object **ret, struct error *error)
{
    group_enter(objects->writers, kind, namespace, name);
    AUTO_OBJECT struct object *current = objects_find(objects, kind, namespace, name);
    bool together = may_share(objects, current);
    int r = together ? change_locked(objects, current, wanted, true, ret, error) : 0;
    group_leave(objects->writers);
    return together ? r : change_alone(objects, kind, namespace, name, wanted, ret, error);
}

int objects_change(struct objects *objects, enum engine_kind kind, const char *namespace, const char *name,
                   enum engine_part part, object_changer changer, void *context, struct object **ret,
                   struct error *error)
{
    const struct change wanted = {.part = part, .changer = changer, .context = context};
    return change(objects, kind, namespace, name, &wanted, ret, error);
}

int objects_change_seen(struct objects *objects, const struct object *seen, enum engine_part part,
                        object_changer changer, void *context, struct object **ret, struct error *error)
{
    const struct change wanted = {.uid = seen->uid, .part = part, .changer = changer, .context = context};
    return change(objects, seen->kind, seen->namespace, seen->name, &wanted, ret, error);
}

/* --- deleting ----------------------------------------------------------------------------------------------------- */

static int mark_deleted(struct objects *objects, struct object *current, struct object **ret, struct error *error)
{
    cJSON *body = json_copy(current->body);
    cJSON *metadata = json_member(body, "metadata");
    char now[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms(), now);
    json_set_text(metadata, "deletionTimestamp", now);
    int64_t grace_s = 0;
    if (current->kind == KIND_POD && !json_i64(json_at(body, "spec", "terminationGracePeriodSeconds", NULL), &grace_s))
        grace_s = 30;
    json_set_i64(metadata, "deletionGracePeriodSeconds", grace_s);
    if (current->kind == KIND_NAMESPACE)
        json_set_text(json_object_in(body, "status"), "phase", "Terminating");
    objects_count_generation(NULL, body);
    return objects_commit(objects, current->kind, current, body, ret, error);
}

static int delete_locked(struct objects *objects, struct object *current, const char *uid, struct object **ret,
                         struct error *error)
{
    int r = check_uid(current, uid, error);
    if (r < 0)
        return r;
    if (is_held(current->kind) || object_has_finalizers(current)) {
        if (!object_terminating(current))
            return mark_deleted(objects, current, ret, error);
    } else {
        r = objects_commit_removal(objects, current, error);
    }
    if (r == 0 && ret)
        *ret = object_ref(current);
    return r;
}

int objects_delete(struct objects *objects, enum engine_kind kind, const char *namespace, const char *name,
                   const char *uid, struct object **ret, struct error *error)
{
    int r = objects_writer_begin(objects, error);
    if (r < 0)
        return r;
    AUTO_OBJECT struct object *current = objects_find(objects, kind, namespace, name);
    r = current ? delete_locked(objects, current, uid, ret, error) : not_found(kind, name, error);
    objects_writer_end(objects);
    return r;
}

int objects_delete_unchanged(struct objects *objects, enum engine_kind kind, const cJSON *body, struct error *error)
{
    const char *name = json_text_or("", body, "metadata", "name", NULL);
    const char *version = json_text_or("", body, "metadata", "resourceVersion", NULL);
    int r = objects_writer_begin(objects, error);
    if (r < 0)
        return r;
    AUTO_OBJECT struct object *current =
        objects_find(objects, kind, json_text_or("", body, "metadata", "namespace", NULL), name);
    if (!current)
        r = not_found(kind, name, error);
    else if (strcmp(version, json_text_or("", current->body, "metadata", "resourceVersion", NULL)) != 0)
        r = error_set(error, ERROR_CONFLICT, "metadata.resourceVersion", "it has changed meanwhile");
    else
        r = delete_locked(objects, current, json_text_or("", body, "metadata", "uid", NULL), NULL, error);
    objects_writer_end(objects);
    return r;
}

int objects_finish(struct objects *objects, const struct object *object, struct error *error)
{
    int r = objects_writer_begin(objects, error);
    if (r < 0)
        return r;
    AUTO_OBJECT struct object *current = objects_find(objects, object->kind, object->namespace, object->name);
    if (current && strcmp(current->uid, object->uid) == 0 && object_terminating(current) &&
        !object_has_finalizers(current))
        r = objects_commit_removal(objects, current, error);
    objects_writer_end(objects);
    return r;
}

/* --- status ------------------------------------------------------------------------------------------------------- */

static int put_status(void *context, const cJSON *current, cJSON **ret, struct error *error)
{
    const cJSON *status = context;
    (void)error;
    *ret = json_copy(current);
    json_set(*ret, "status", json_copy(status));
    return 0;
}

int objects_set_status(struct objects *objects, const struct object *object, cJSON *status, struct error *error)
{
    AUTO_JSON cJSON *wanted = status;
    /* At steady state nothing differs, and then not even the writer lock is taken. */
    AUTO_OBJECT struct object *current = objects_find(objects, object->kind, object->namespace, object->name);
    if (current && json_equal(json_member(current->body, "status"), wanted))
        return 0;
    return objects_change_seen(objects, object, ENGINE_STATUS, put_status, wanted, NULL, error);
}
