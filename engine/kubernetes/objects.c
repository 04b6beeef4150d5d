/* How is an object read and written? From memory where its kind is kept, and through the API server always. */
#include <inttypes.h>

#include "engine/apply.h"
#include "engine/kubernetes/internal.h"
#include "engine/kubernetes/paths.h"

static int not_found(enum engine_kind kind, const char *name, struct error *error)
{
    return error_set(error, ERROR_NOT_FOUND, NULL, "%s \"%.253s\" not found", engine_kinds[kind].plural, name);
}

static int check(struct kubernetes *kubernetes, enum engine_kind kind, const char *namespace, const char *name,
                 struct error *error)
{
    int r = path_check_name(kind, namespace, name, error);
    if (r == 0 && !discovery_has(kubernetes, kind))
        r = error_set(error, ERROR_NOT_FOUND, NULL, "this cluster has no %s", engine_kinds[kind].plural);
    return r;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

int object_get_live(struct kubernetes *kubernetes, enum engine_kind kind, const char *namespace, const char *name,
                    cJSON **ret, struct error *error)
{
    AUTO_BUFFER struct buffer target = {0};
    path_add(&target, kind, namespace, name, NULL);
    return kube_call(kubernetes->client, &(struct kube_request){.method = "GET", .target = target.p}, ret, error);
}

int object_get(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
               struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    enum keeping keeping = keeping_of(kind);
    struct cache *cache = NULL;
    const char *in = engine_kinds[kind].namespaced ? namespace : "";
    int r = check(kubernetes, kind, namespace, name, error);
    if (r == 0 && keeping != KEPT_DRIFT)
        r = cache_of(kubernetes, kind, &cache, error);
    if (r < 0)
        return r;
    if (cache && (*ret = cache_get(cache, in, name)))
        return 0;
    return keeping == KEPT_WHOLE ? not_found(kind, name, error)
                                 : object_get_live(kubernetes, kind, namespace, name, ret, error);
}

static int list_live(struct kubernetes *kubernetes, enum engine_kind kind, const char *namespace,
                     const struct engine_list_options *options, cJSON **ret, struct error *error)
{
    AUTO_BUFFER struct buffer target = {0};
    char limit[24] = "";
    path_add(&target, kind, namespace, NULL, NULL);
    if (options && options->limit > 0)
        snprintf(limit, sizeof(limit), "%" PRId64, options->limit);
    path_query(&target, "labelSelector", options ? options->label_selector : NULL);
    path_query(&target, "fieldSelector", options ? options->field_selector : NULL);
    path_query(&target, "limit", limit);
    path_query(&target, "continue", options ? options->continue_token : NULL);
    return kube_call(kubernetes->client, &(struct kube_request){.method = "GET", .target = target.p}, ret, error);
}

/* Whether all that such a list would hold is in memory. */
static bool is_kept(enum engine_kind kind, const struct engine_list_options *options)
{
    const char *labels = options ? options->label_selector : NULL;
    enum keeping keeping = keeping_of(kind);
    return keeping == KEPT_WHOLE || (keeping == KEPT_OURS && labels && strcmp(labels, ENGINE_OURS) == 0);
}

static cJSON *new_list(enum engine_kind kind, uint64_t version)
{
    cJSON *list = json_object();
    AUTO_FREE char *name = memory_format("%sList", engine_kinds[kind].kind);
    AUTO_FREE char *text = memory_format("%" PRIu64, version);
    json_set_text(list, "apiVersion", engine_api_version(kind));
    json_set_text(list, "kind", name);
    json_set_text(json_object_in(list, "metadata"), "resourceVersion", text);
    json_set(list, "items", json_array());
    return list;
}

/* <take> gets each object that is selected, which is its own from then on. */
static int each_kept(struct cache *cache, const char *namespace, const struct engine_list_options *options,
                     void (*take)(void *context, cJSON *object), void *context, uint64_t *ret_version,
                     struct error *error)
{
    AUTO_SELECTOR struct selector *selector = NULL;
    size_t count;
    int r = selector_new(options ? options->label_selector : NULL, options ? options->field_selector : NULL, &selector,
                         error);
    if (r < 0)
        return r;
    struct record **records = cache_select(cache, namespace, &count, ret_version);
    for (size_t i = 0; i < count; i++) {
        cJSON *object = cache_object(cache, records[i]);
        if (object && selector_matches(selector, object))
            take(context, object);
        else
            cJSON_Delete(object);
        record_unref(records[i]);
    }
    free(records);
    return 0;
}

static void take_item(void *context, cJSON *object)
{
    json_push(context, object);
}

/* Everything at once: <limit> bounds what a server must prepare, and here it is prepared. */
static int list_kept(struct cache *cache, enum engine_kind kind, const char *namespace,
                     const struct engine_list_options *options, cJSON **ret, struct error *error)
{
    AUTO_JSON cJSON *items = json_array();
    uint64_t version;
    int r = each_kept(cache, namespace, options, take_item, items, &version, error);
    if (r < 0)
        return r;
    *ret = new_list(kind, version);
    json_set(*ret, "items", TAKE_POINTER(items));
    return 0;
}

int object_list(struct engine *engine, enum engine_kind kind, const char *namespace,
                const struct engine_list_options *options, cJSON **ret, struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    struct cache *cache = NULL;
    if (!discovery_has(kubernetes, kind))
        return error_set(error, ERROR_NOT_FOUND, NULL, "this cluster has no %s", engine_kinds[kind].plural);
    if (!is_kept(kind, options))
        return list_live(kubernetes, kind, namespace, options, ret, error);
    int r = cache_of(kubernetes, kind, &cache, error);
    return r < 0 ? r : list_kept(cache, kind, engine_kinds[kind].namespaced ? namespace : NULL, options, ret, error);
}

struct visiting {
    void (*visit)(void *context, const cJSON *object);
    void *context;
};

static void visit_item(void *context, cJSON *object)
{
    const struct visiting *visiting = context;
    visiting->visit(visiting->context, object);
    cJSON_Delete(object);
}

int object_each(struct engine *engine, enum engine_kind kind, const char *namespace,
                const struct engine_list_options *options, void (*visit)(void *context, const cJSON *object),
                void *context, char **ret_version, struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    struct visiting visiting = {visit, context};
    struct cache *cache = NULL;
    AUTO_JSON cJSON *list = NULL;
    const cJSON *item;
    uint64_t version = 0;
    int r = is_kept(kind, options) && discovery_has(kubernetes, kind)
                ? cache_of(kubernetes, kind, &cache, error)
                : object_list(engine, kind, namespace, options, &list, error);
    if (r == 0 && cache)
        r = each_kept(cache, engine_kinds[kind].namespaced ? namespace : NULL, options, visit_item, &visiting, &version,
                      error);
    if (r < 0)
        return r;
    cJSON_ArrayForEach(item, json_member(list, "items")) visit(context, item);
    if (ret_version)
        *ret_version = list ? memory_text(json_text_or("", list, "metadata", "resourceVersion", NULL))
                            : memory_format("%" PRIu64, version);
    return 0;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

int object_send(struct kubernetes *kubernetes, enum engine_kind kind, const struct kube_request *request, bool applied,
                cJSON **ret, struct error *error)
{
    cJSON *answer = NULL;
    int r = check_leads(kubernetes, error);
    if (r == 0)
        r = kube_call(kubernetes->client, request, &answer, error);
    if (r < 0)
        return r;
    if (kubernetes->caches[kind] && answer)
        cache_wrote(kubernetes->caches[kind], answer, applied);
    if (ret)
        *ret = answer;
    else
        cJSON_Delete(answer);
    return 0;
}

static int send_json(struct kubernetes *kubernetes, enum engine_kind kind, const char *method, const char *target,
                     const char *type, const cJSON *body, cJSON **ret, struct error *error)
{
    AUTO_FREE char *text = json_print(body);
    return object_send(
        kubernetes, kind,
        &(struct kube_request){.method = method, .target = target, .content_type = type, .body = slice_of(text)}, false,
        ret, error);
}

static const char *validation(enum engine_kind kind)
{
    return engine_writes_strictly(engine_kinds[kind].group) ? "Strict" : NULL;
}

int object_create(struct engine *engine, enum engine_kind kind, const char *namespace, const cJSON *object, cJSON **ret,
                  struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    AUTO_BUFFER struct buffer target = {0};
    AUTO_JSON cJSON *body = json_copy(object);
    if (!discovery_has(kubernetes, kind))
        return error_set(error, ERROR_NOT_FOUND, NULL, "this cluster has no %s", engine_kinds[kind].plural);
    json_set_text(body, "apiVersion", engine_api_version(kind));
    json_set_text(body, "kind", engine_kinds[kind].kind);
    path_add(&target, kind, namespace, NULL, NULL);
    path_query(&target, "fieldManager", FIELD_MANAGER);
    path_query(&target, "fieldValidation", validation(kind));
    return send_json(kubernetes, kind, "POST", target.p, "application/json", body, ret, error);
}

static void target_of(struct buffer *ret, enum engine_kind kind, const char *namespace, const char *name,
                      enum engine_part part, bool force)
{
    path_add(ret, kind, namespace, name, part == ENGINE_STATUS ? "status" : NULL);
    path_query(ret, "fieldManager", FIELD_MANAGER);
    path_query(ret, "fieldValidation", validation(kind));
    path_query(ret, "force", force ? "true" : NULL);
}

int object_update(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name,
                  enum engine_part part, const cJSON *object, cJSON **ret, struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    AUTO_BUFFER struct buffer target = {0};
    int r = check(kubernetes, kind, namespace, name, error);
    if (r < 0)
        return r;
    target_of(&target, kind, namespace, name, part, false);
    return send_json(kubernetes, kind, "PUT", target.p, "application/json", object, ret, error);
}

int object_patch(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name,
                 enum engine_part part, enum engine_patch type, const cJSON *patch, cJSON **ret, struct error *error)
{
    static const char *const types[] = {[ENGINE_PATCH_MERGE] = "application/merge-patch+json",
                                        [ENGINE_PATCH_JSON] = "application/json-patch+json",
                                        [ENGINE_PATCH_APPLY] = "application/apply-patch+yaml"};
    struct kubernetes *kubernetes = kubernetes_of(engine);
    AUTO_BUFFER struct buffer target = {0};
    AUTO_JSON cJSON *body = json_copy(patch);
    int r = check(kubernetes, kind, namespace, name, error);
    if (r < 0)
        return r;
    if (type == ENGINE_PATCH_APPLY) {
        json_set_text(body, "apiVersion", engine_api_version(kind));
        json_set_text(body, "kind", engine_kinds[kind].kind);
    }
    target_of(&target, kind, namespace, name, part, type == ENGINE_PATCH_APPLY);
    return send_json(kubernetes, kind, "PATCH", target.p, types[type], body, ret, error);
}

/* A DELETE is answered by the object as it goes, or, when it is gone, by it or a Status. <options>: a DeleteOptions, or
 * NULL. */
static int remove_one(struct kubernetes *kubernetes, enum engine_kind kind, const char *namespace, const char *name,
                      const cJSON *options, cJSON **ret, struct error *error)
{
    struct cache *cache = kubernetes->caches[kind];
    AUTO_FREE char *body = options ? json_print(options) : NULL;
    AUTO_BUFFER struct buffer target = {0};
    AUTO_JSON cJSON *answer = NULL;
    int r = check(kubernetes, kind, namespace, name, error);
    if (r == 0)
        r = check_leads(kubernetes, error);
    if (r < 0)
        return r;
    path_add(&target, kind, namespace, name, NULL);
    path_query(&target, "propagationPolicy", "Background");
    r = kube_call(kubernetes->client,
                  &(struct kube_request){.method = "DELETE",
                                         .target = target.p,
                                         .content_type = body ? "application/json" : NULL,
                                         .body = slice_of(body ? body : "")},
                  &answer, error);
    if (r < 0)
        return r;
    bool whole = strcmp(json_text_or("", answer, "kind", NULL), engine_kinds[kind].kind) == 0;
    bool stays = whole && json_text(answer, "metadata", "deletionTimestamp", NULL);
    if (cache && stays)
        cache_wrote(cache, answer, false);
    else if (cache)
        cache_removed(cache, engine_kinds[kind].namespaced ? namespace : "", name);
    if (ret)
        *ret = whole ? TAKE_POINTER(answer) : NULL;
    return 0;
}

int object_remove(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
                  struct error *error)
{
    return remove_one(kubernetes_of(engine), kind, namespace, name, NULL, ret, error);
}

int object_remove_unchanged(struct engine *engine, enum engine_kind kind, const cJSON *object, struct error *error)
{
    const cJSON *metadata = json_member(object, "metadata");
    AUTO_JSON cJSON *options = json_object();
    json_set_text(options, "apiVersion", "v1");
    json_set_text(options, "kind", "DeleteOptions");
    json_set_text(options, "propagationPolicy", "Background");
    cJSON *preconditions = json_object_in(options, "preconditions");
    json_set_text(preconditions, "uid", json_text(metadata, "uid", NULL));
    json_set_text(preconditions, "resourceVersion", json_text(metadata, "resourceVersion", NULL));
    return remove_one(kubernetes_of(engine), kind, json_text(metadata, "namespace", NULL),
                      json_text_or("", metadata, "name", NULL), options, NULL, error);
}

/* --- watching ----------------------------------------------------------------------------------------------------- */

int object_watch(struct engine *engine, enum engine_kind kind, const char *namespace,
                 const struct engine_list_options *options, const char *resource_version, engine_watcher watcher,
                 void *context, struct engine_watch **ret, struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    struct cache *cache = kubernetes->caches[kind];
    int64_t from = 0;
    bool resume = resource_version && resource_version[0] && strcmp(resource_version, "0") != 0;
    if (!discovery_has(kubernetes, kind))
        return error_set(error, ERROR_NOT_FOUND, NULL, "this cluster has no %s", engine_kinds[kind].plural);
    if (!cache)
        return error_set(error, ERROR_METHOD, NULL, "%s are not watched from here", engine_kinds[kind].plural);
    if (resume && !text_parse_i64(slice_of(resource_version), 0, INT64_MAX, &from))
        return error_set(error, ERROR_BAD_REQUEST, "resourceVersion", "resourceVersion must be a whole number");
    int r =
        resume ? cache_of(kubernetes, kind, &cache, error) : 0; /* since when changes are known is not known before */
    if (r < 0)
        return r;
    struct hub_request request = hub_asked(engine, kind, namespace, options, watcher, context);
    request.resume = resume;
    request.from = (uint64_t)from;
    return cache_watch(cache, &request, ret, error);
}

void object_unwatch(struct engine_watch *watch)
{
    hub_close(kubernetes_of(watch->engine)->hub, watch);
}
