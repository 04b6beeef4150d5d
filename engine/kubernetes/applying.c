/* Is what a reconciler wants there already, and if not, how does it come there with one request? */
#include "base/random.h"
#include "engine/apply.h"
#include "engine/kubernetes/internal.h"
#include "engine/kubernetes/paths.h"

/*
 * An object is as our last apply left it while its annotation has the hash of what is wanted and the fields that its
 * managedFields give to our apply are still the same: whoever changes one of them takes it over. Right after an apply
 * that set is known (RECORD_SETTLED). After a restart it is not, and asking for each object anew would cost as much as
 * making it; but objects of one shape (the same members, whatever their values) have the same set, so that the first
 * apply of a shape tells for all of them, and that first one is tried without writing (dryRun).
 */

/* --- shapes ------------------------------------------------------------------------------------------------------- */

static void print_shape(const cJSON *value, struct buffer *ret)
{
    bool array = cJSON_IsArray(value);
    buffer_add_text(ret, array ? "[" : "{");
    for (const cJSON *member = value->child; member; member = member->next) {
        if (!array)
            buffer_add_json_string(ret, slice_of(member->string));
        if (cJSON_IsObject(member) || cJSON_IsArray(member))
            print_shape(member, ret);
        buffer_add_text(ret, ",");
    }
    buffer_add_text(ret, array ? "]" : "}");
}

static char *shape_of(enum engine_kind kind, const cJSON *object)
{
    AUTO_BUFFER struct buffer text = {0};
    char digest[2 * DIGEST_SIZE + 1];
    print_shape(object, &text);
    digest_sha256_hex(buffer_slice(&text), digest);
    return memory_format("%u %.32s", (unsigned)kind, digest);
}

/* The fields of an apply of that shape; 0: not known yet. */
static uint64_t shape_fields(struct kubernetes *kubernetes, enum engine_kind kind, const cJSON *object)
{
    AUTO_FREE char *shape = shape_of(kind, object);
    pthread_mutex_lock(&kubernetes->lock);
    const uint64_t *known = map_get(kubernetes->shapes, slice_of(shape));
    uint64_t fields = known ? *known : 0;
    pthread_mutex_unlock(&kubernetes->lock);
    return fields;
}

static void shape_learn(struct kubernetes *kubernetes, enum engine_kind kind, const cJSON *object, uint64_t ours)
{
    AUTO_FREE char *shape = shape_of(kind, object);
    if (!ours)
        return;
    uint64_t *value = memory_get(sizeof(*value));
    *value = ours;
    pthread_mutex_lock(&kubernetes->lock);
    free(map_put(kubernetes->shapes, slice_of(shape), value));
    pthread_mutex_unlock(&kubernetes->lock);
}

void shapes_free(struct map *shapes)
{
    size_t at = 0;
    void *value;
    while (map_next(shapes, &at, NULL, &value))
        free(value);
    map_free(shapes);
}

/* --- what is there ------------------------------------------------------------------------------------------------ */

enum there { THERE_AS_WANTED, THERE_PERHAPS, THERE_OTHERWISE, THERE_FOREIGN, THERE_NOT };

static uint64_t applied_of(const cJSON *object)
{
    const char *text = json_text_or("", object, "metadata", "annotations", ANNOTATION_APPLIED, NULL);
    return strtoull(text, NULL, 16);
}

static enum there compare(struct kubernetes *kubernetes, enum engine_kind kind, const struct record *record,
                          const cJSON *object)
{
    if (!(record->flags & RECORD_OURS))
        return THERE_FOREIGN;
    if (record->applied != applied_of(object))
        return THERE_OTHERWISE;
    if (record->flags & RECORD_SETTLED)
        return THERE_AS_WANTED;
    uint64_t fields = shape_fields(kubernetes, kind, object);
    return !record->ours            ? THERE_OTHERWISE
           : !fields                ? THERE_PERHAPS
           : fields == record->ours ? THERE_AS_WANTED
                                    : THERE_OTHERWISE;
}

static enum there look(struct kubernetes *kubernetes, enum engine_kind kind, struct cache *cache, const char *in,
                       const cJSON *object)
{
    struct record *record = cache_find(cache, in, json_text_or("", object, "metadata", "name", NULL));
    enum there there = record ? compare(kubernetes, kind, record, object) : THERE_NOT;
    record_unref(record);
    return there;
}

static bool made_here(struct kubernetes *kubernetes, const char *namespace)
{
    pthread_mutex_lock(&kubernetes->lock);
    bool made = map_get(kubernetes->made, slice_of(namespace)) != NULL;
    pthread_mutex_unlock(&kubernetes->lock);
    return made;
}

static void note_made(struct kubernetes *kubernetes, const char *namespace)
{
    static char yes;
    pthread_mutex_lock(&kubernetes->lock);
    map_put(kubernetes->made, slice_of(namespace), &yes);
    pthread_mutex_unlock(&kubernetes->lock);
}

/* Where others may have made one of that name, it is looked for before it would be taken over by force. */
static int refuse_foreign(struct kubernetes *kubernetes, enum engine_kind kind, const char *namespace, const char *name,
                          bool *ret_absent, struct error *error)
{
    AUTO_JSON cJSON *current = NULL;
    struct error own = {0};
    *ret_absent = true;
    if (engine_kinds[kind].namespaced && made_here(kubernetes, namespace))
        return 0;
    int r = object_get_live(kubernetes, kind, namespace, name, &current, &own);
    if (r == -ERROR_NOT_FOUND)
        return 0;
    if (r < 0)
        return error_set(error, own.code, own.field, "%s", own.message);
    *ret_absent = false;
    return apply_is_ours(current) ? 0 : apply_refuse_foreign(kind, current, error);
}

/* --- applying ----------------------------------------------------------------------------------------------------- */

static void learn_from(struct kubernetes *kubernetes, enum engine_kind kind, const cJSON *object, const cJSON *answer)
{
    AUTO_FREE char *answered = json_print(answer);
    struct record *record = record_new(kubernetes->names, kubernetes->packer, NULL, slice_of(answered));
    if (record)
        shape_learn(kubernetes, kind, object, record->ours);
    record_unref(record);
}

/* <dry>: the answer is as if it had been written. A field that the server does not know is an error of any apply
 * ("field not declared in schema"); to be warned of it too would cost the server a second reading of the text, a tenth
 * of its work. */
static int send(struct kubernetes *kubernetes, enum engine_kind kind, const char *namespace, const cJSON *object,
                bool dry, struct error *error)
{
    const char *name = json_text_or("", object, "metadata", "name", NULL);
    AUTO_BUFFER struct buffer target = {0};
    AUTO_FREE char *text = json_print(object);
    AUTO_JSON cJSON *answer = NULL;
    path_add(&target, kind, namespace, name, NULL);
    path_query(&target, "fieldManager", FIELD_MANAGER);
    path_query(&target, "force", "true");
    path_query(&target, "fieldValidation", "Ignore");
    path_query(&target, "dryRun", dry ? "All" : NULL);
    const struct kube_request request = {
        .method = "PATCH", .target = target.p, .content_type = "application/apply-patch+yaml", .body = slice_of(text)};
    int r = dry ? kube_call(kubernetes->client, &request, &answer, error)
                : object_send(kubernetes, kind, &request, true, &answer, error);
    if (r == 0)
        learn_from(kubernetes, kind, object, answer);
    return r;
}

/* Only one asks, while others who want to know the same wait. A server that cannot tell without writing is written to.
 */
static enum there look_closer(struct kubernetes *kubernetes, enum engine_kind kind, struct cache *cache,
                              const char *namespace, const cJSON *object)
{
    struct error error = {0};
    pthread_mutex_lock(&kubernetes->asking);
    if (!shape_fields(kubernetes, kind, object) && check_leads(kubernetes, &error) == 0)
        (void)send(kubernetes, kind, namespace, object, true, &error);
    pthread_mutex_unlock(&kubernetes->asking);
    enum there there = look(kubernetes, kind, cache, namespace, object);
    return there == THERE_PERHAPS ? THERE_OTHERWISE : there;
}

int object_apply(struct engine *engine, enum engine_kind kind, const char *namespace, const cJSON *wanted,
                 bool *ret_written, struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    AUTO_JSON cJSON *object = apply_prepare(kind, namespace, wanted);
    const char *name = json_text_or("", object, "metadata", "name", NULL);
    struct cache *cache = NULL;
    bool absent = false;
    int r = path_check_name(kind, namespace, name, error);
    if (r == 0)
        r = cache_of(kubernetes, kind, &cache, error);
    if (r < 0)
        return r;
    const char *in = engine_kinds[kind].namespaced ? namespace : "";
    enum there there = cache ? look(kubernetes, kind, cache, in, object) : THERE_NOT;
    if (there == THERE_PERHAPS)
        there = look_closer(kubernetes, kind, cache, in, object);
    if (ret_written)
        *ret_written = false;
    if (there == THERE_AS_WANTED)
        return 0;
    if (there == THERE_FOREIGN || there == THERE_NOT)
        r = refuse_foreign(kubernetes, kind, namespace, name, &absent, error);
    if (r == 0)
        r = send(kubernetes, kind, namespace, object, false, error);
    if (r < 0)
        return r;
    if (kind == KIND_NAMESPACE && absent)
        note_made(kubernetes, name);
    if (ret_written)
        *ret_written = true;
    return 0;
}
