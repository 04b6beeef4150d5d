/* Which kinds are served, and which engine answers a call? */
#include "engine/engine.h"

#include "engine/apply.h"
#include "engine/engine_internal.h"

/* An Event's message; longer texts are cut (Kubernetes allows 1024 bytes). */
enum { EVENT_MESSAGE_MAX = 1024 };

const struct engine_kind_info engine_kinds[KIND_COUNT] = {
#define X(id, group_, version_, kind_, plural_, singular_, namespaced_, short_)                                        \
    [KIND_##id] = {.group = group_,                                                                                    \
                   .version = version_,                                                                                \
                   .kind = kind_,                                                                                      \
                   .plural = plural_,                                                                                  \
                   .singular = singular_,                                                                              \
                   .short_name = short_,                                                                               \
                   .namespaced = namespaced_},
    ENGINE_KIND_TABLE(X)
#undef X
};

bool engine_suspended_idle(const cJSON *cluster)
{
    int64_t generation = 0, noted = 0;
    const char *note = json_text(cluster, "metadata", "annotations", ENGINE_SUSPENDED_IDLE, NULL);
    return note && json_true(cluster, "spec", "suspend", NULL) &&
           json_i64(json_at(cluster, "metadata", "generation", NULL), &generation) &&
           text_parse_i64(slice_of(note), 0, INT64_MAX, &noted) && noted == generation;
}

static const char *const api_versions[KIND_COUNT] = {
/* A core kind has no group, and then no slash either. */
#define X(id, group_, version_, kind_, plural_, singular_, namespaced_, short_)                                        \
    [KIND_##id] = sizeof(group_) > 1 ? group_ "/" version_ : version_,
    ENGINE_KIND_TABLE(X)
#undef X
};

const char *engine_api_version(enum engine_kind kind)
{
    return kind < KIND_COUNT ? api_versions[kind] : "";
}

bool engine_writes_strictly(const char *group)
{
    return strcmp(group, engine_kinds[KIND_RAYCLUSTER].group) == 0;
}

bool engine_kind_by_plural(struct slice group, struct slice plural, enum engine_kind *ret)
{
    for (unsigned i = 0; i < KIND_COUNT; i++)
        if (slice_is(group, engine_kinds[i].group) && slice_is(plural, engine_kinds[i].plural)) {
            *ret = (enum engine_kind)i;
            return true;
        }
    return false;
}

bool engine_kind_by_name(struct slice group, struct slice kind, enum engine_kind *ret)
{
    for (unsigned i = 0; i < KIND_COUNT; i++)
        if (slice_is(group, engine_kinds[i].group) && slice_is(kind, engine_kinds[i].kind)) {
            *ret = (enum engine_kind)i;
            return true;
        }
    return false;
}

bool engine_has(struct engine *engine, enum engine_kind kind)
{
    return engine->operations->has(engine, kind);
}

bool engine_watches(struct engine *engine, enum engine_kind kind)
{
    return !engine->operations->watches || engine->operations->watches(engine, kind);
}

const struct engine_traits *engine_traits(struct engine *engine)
{
    return engine->operations->traits(engine);
}

bool engine_leads(struct engine *engine)
{
    return !engine->operations->leads || engine->operations->leads(engine);
}

void engine_on_leading(struct engine *engine, void (*begun)(void *context), void *context)
{
    if (engine->operations->on_leading)
        engine->operations->on_leading(engine, begun, context);
}

void engine_off_leading(struct engine *engine, void *context)
{
    if (engine->operations->off_leading)
        engine->operations->off_leading(engine, context);
}

static _Thread_local const void *reconciler;

void engine_reconciling(const void *who)
{
    reconciler = who;
}

const void *engine_reconciler(void)
{
    return reconciler;
}

int engine_create(struct engine *engine, enum engine_kind kind, const char *namespace, const cJSON *object, cJSON **ret,
                  struct error *error)
{
    return engine->operations->create(engine, kind, namespace, object, ret, error);
}

int engine_get(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
               struct error *error)
{
    return engine->operations->get(engine, kind, namespace, name, ret, error);
}

static void release_tree(void *held)
{
    cJSON_Delete(held);
}

int engine_view(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name,
                struct engine_view *ret, struct error *error)
{
    if (engine->operations->view)
        return engine->operations->view(engine, kind, namespace, name, ret, error);
    cJSON *object = NULL;
    int r = engine_get(engine, kind, namespace, name, &object, error);
    if (r == 0)
        *ret = (struct engine_view){.object = object, .held = object, .release = release_tree};
    return r;
}

void engine_view_end(struct engine_view *view)
{
    if (view->release)
        view->release(view->held);
    *view = (struct engine_view){0};
}

int engine_list(struct engine *engine, enum engine_kind kind, const char *namespace,
                const struct engine_list_options *options, cJSON **ret, struct error *error)
{
    return engine->operations->list(engine, kind, namespace, options, ret, error);
}

int engine_each(struct engine *engine, enum engine_kind kind, const char *namespace,
                const struct engine_list_options *options, void (*visit)(void *context, const cJSON *object),
                void *context, char **ret_version, struct error *error)
{
    AUTO_JSON cJSON *list = NULL;
    const cJSON *item;
    if (engine->operations->each)
        return engine->operations->each(engine, kind, namespace, options, visit, context, ret_version, error);
    int r = engine_list(engine, kind, namespace, options, &list, error);
    if (r < 0)
        return r;
    cJSON_ArrayForEach(item, json_member(list, "items")) visit(context, item);
    if (ret_version)
        *ret_version = memory_text(json_text_or("", list, "metadata", "resourceVersion", NULL));
    return 0;
}

int engine_update(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name,
                  enum engine_part part, const cJSON *object, cJSON **ret, struct error *error)
{
    return engine->operations->update(engine, kind, namespace, name, part, object, ret, error);
}

int engine_patch(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name,
                 enum engine_part part, enum engine_patch type, const cJSON *patch, cJSON **ret, struct error *error)
{
    return engine->operations->patch(engine, kind, namespace, name, part, type, patch, ret, error);
}

int engine_apply(struct engine *engine, enum engine_kind kind, const char *namespace, const cJSON *wanted,
                 bool *ret_written, struct error *error)
{
    if (!json_text_or("", wanted, "metadata", "name", NULL)[0])
        return error_set(error, ERROR_INVALID, "metadata.name", "an object is applied by its name");
    if (!engine->operations->apply)
        return apply_by_reading(engine, kind, namespace, wanted, ret_written, error);
    return engine->operations->apply(engine, kind, namespace, wanted, ret_written, error);
}

int engine_delete(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
                  struct error *error)
{
    return engine->operations->remove(engine, kind, namespace, name, ret, error);
}

int engine_delete_unchanged(struct engine *engine, enum engine_kind kind, const cJSON *object, struct error *error)
{
    if (!engine->operations->remove_unchanged)
        return error_set(error, ERROR_METHOD, NULL, "nothing is deleted by its version here");
    return engine->operations->remove_unchanged(engine, kind, object, error);
}

int engine_watch(struct engine *engine, enum engine_kind kind, const char *namespace,
                 const struct engine_list_options *options, const char *resource_version, engine_watcher watcher,
                 void *context, struct engine_watch **ret, struct error *error)
{
    return engine->operations->watch(engine, kind, namespace, options, resource_version, watcher, context, ret, error);
}

void engine_unwatch(struct engine_watch *watch)
{
    if (watch)
        watch->engine->operations->unwatch(watch);
}

int engine_check_pod_template(struct engine *engine, const cJSON *template, const char *path, struct error *error)
{
    return engine->operations->check_pod_template(engine, template, path, error);
}

int engine_check_quota(struct engine *engine, const cJSON *hard, const char *path, struct error *error)
{
    return engine->operations->check_quota ? engine->operations->check_quota(engine, hard, path, error) : 0;
}

int engine_images(struct engine *engine, cJSON **ret, struct error *error)
{
    return engine->operations->images(engine, ret, error);
}

int engine_prune_images(struct engine *engine, const char *offered, int64_t unused_s, cJSON **ret, struct error *error)
{
    if (engine->operations->prune_images)
        return engine->operations->prune_images(engine, offered, unused_s, ret, error);
    *ret = json_array();
    return 0;
}

int engine_usage(struct engine *engine, cJSON **ret, struct error *error)
{
    return engine->operations->usage(engine, ret, error);
}

int engine_measure(struct engine *engine, cJSON **ret, struct error *error)
{
    if (!engine->operations->measure)
        return error_set(error, ERROR_METHOD, NULL, "nobody measures here");
    return engine->operations->measure(engine, ret, error);
}

int engine_dial(struct engine *engine, const char *namespace, const char *service, const char *port, int *ret_fd,
                struct error *error)
{
    return engine->operations->dial(engine, namespace, service, port, ret_fd, error);
}

int engine_dial_within(struct engine *engine, const char *namespace, const char *service, const char *port, int *ret_fd,
                       struct error *error)
{
    if (!engine->operations->dial_within)
        return engine_dial(engine, namespace, service, port, ret_fd, error);
    return engine->operations->dial_within(engine, namespace, service, port, ret_fd, error);
}

int engine_dial_pod(struct engine *engine, const char *namespace, const char *pod, uint16_t port, int *ret_fd,
                    struct error *error)
{
    if (!engine->operations->dial_pod)
        return error_set(error, ERROR_METHOD, NULL, "the cluster's own API forwards ports of pods here");
    return engine->operations->dial_pod(engine, namespace, pod, port, ret_fd, error);
}

int engine_exec(struct engine *engine, const char *namespace, const char *pod, const struct engine_exec *wanted,
                int *ret_fd, struct error *error)
{
    if (!engine->operations->exec)
        return error_set(error, ERROR_METHOD, NULL, "the cluster's own API runs commands in pods here");
    return engine->operations->exec(engine, namespace, pod, wanted, ret_fd, error);
}

int engine_api_addresses(struct engine *engine, cJSON **ret, struct error *error)
{
    if (!engine->operations->api_addresses)
        return error_set(error, ERROR_METHOD, NULL, "workloads have no API server beside them here");
    return engine->operations->api_addresses(engine, ret, error);
}

int engine_listen(struct engine *engine, const char *namespace, int *ret_fd, struct error *error)
{
    if (!engine->operations->listen)
        return error_set(error, ERROR_METHOD, NULL, "workloads have an API server of their own here");
    return engine->operations->listen(engine, namespace, ret_fd, error);
}

bool engine_forwards(struct engine *engine)
{
    return engine->operations->forward != NULL;
}

static int refuse_forward(struct error *error)
{
    return error_set(error, ERROR_METHOD, NULL, "this engine answers for itself; nothing is passed on");
}

int engine_forward(struct engine *engine, const struct engine_request *request, const struct engine_sink *sink,
                   struct engine_call **ret, struct error *error)
{
    if (!engine_forwards(engine))
        return refuse_forward(error);
    return engine->operations->forward(engine, request, sink, ret, error);
}

void engine_call_cancel(struct engine_call *call)
{
    if (call)
        call->engine->operations->call_cancel(call);
}

int engine_dial_api(struct engine *engine, const struct engine_request *as, int *ret_fd, char **ret_headers,
                    struct error *error)
{
    if (!engine_forwards(engine))
        return refuse_forward(error);
    return engine->operations->dial_api(engine, as, ret_fd, ret_headers, error);
}

int engine_trust_webhooks(struct engine *engine, struct slice ca_pem, bool *ret_written, struct error *error)
{
    if (!engine->operations->trust_webhooks)
        return error_set(error, ERROR_METHOD, NULL, "this engine asks no webhooks");
    return engine->operations->trust_webhooks(engine, ca_pem, ret_written, error);
}

int engine_log_open(struct engine *engine, const char *namespace, const char *pod, const char *container, int *ret_fd,
                    bool *ret_live, struct error *error)
{
    return engine->operations->log_open(engine, namespace, pod, container, ret_fd, ret_live, error);
}

static int refuse_history(struct error *error)
{
    return error_set(error, ERROR_METHOD, NULL, "jobs that have ended are not kept here");
}

int engine_job_history(struct engine *engine, const char *namespace, const char *name, cJSON **ret, struct error *error)
{
    if (!engine->operations->job_history)
        return refuse_history(error);
    return engine->operations->job_history(engine, namespace, name, ret, error);
}

int engine_job_log(struct engine *engine, const char *namespace, const char *name, const char *job_id, char **ret,
                   bool *ret_cut, struct error *error)
{
    if (!engine->operations->job_log)
        return refuse_history(error);
    return engine->operations->job_log(engine, namespace, name, job_id, ret, ret_cut, error);
}

int engine_job_keep(struct engine *engine, const struct engine_run *run, struct error *error)
{
    if (!engine->operations->job_keep)
        return refuse_history(error);
    return engine->operations->job_keep(engine, run, error);
}

int engine_job_tidy(struct engine *engine, struct error *error)
{
    if (!engine->operations->job_tidy)
        return refuse_history(error);
    return engine->operations->job_tidy(engine, error);
}

void engine_event(struct engine *engine, const cJSON *object, const char *type, const char *reason, const char *format,
                  ...)
{
    char message[EVENT_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    engine->operations->event(engine, object, type, reason, message);
}

bool engine_ready(struct engine *engine, struct error *error)
{
    return engine->operations->ready(engine, error);
}
