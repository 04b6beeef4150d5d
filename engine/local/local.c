/* The local engine as a whole: how is it put together, and how does it answer engine.h? */
#include "engine/local/local.h"

#include "base/json_patch.h"
#include "engine/local/admission.h"
#include "engine/local/disk.h"
#include "engine/local/events.h"
#include "engine/local/imageprune.h"
#include "engine/local/images.h"
#include "engine/local/meter.h"
#include "engine/local/podexec.h"
#include "engine/local/podlog.h"
#include "engine/local/podtemplate_check.h"
#include "engine/local/probe.h"
#include "engine/local/quota.h"
#include "engine/local/rayhealth.h"
#include "engine/local/rayhistory.h"
#include "engine/local/rayserve.h"
#include "engine/local/raystore.h"
#include "engine/local/reconcile.h"
#include "engine/local/schedule.h"
#include "engine/local/service.h"
#include "store/store.h"

static cJSON *body_copy(const struct object *object)
{
    return json_copy(object->body);
}

/* Hands a result out, where one is wanted, and gives the reference back. */
static int finish(int r, struct object *object, cJSON **ret)
{
    if (r == 0 && ret)
        *ret = body_copy(object);
    object_unref(object);
    return r;
}

static int local_create(struct engine *engine, enum engine_kind kind, const char *namespace, const cJSON *object,
                        cJSON **ret, struct error *error)
{
    struct object *made = NULL;
    int r = objects_create(local_of(engine)->objects, kind, namespace, json_copy(object), &made, error);
    return finish(r, made, ret);
}

static int local_get(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
                     struct error *error)
{
    struct object *object = NULL;
    int r = objects_get(local_of(engine)->objects, kind, namespace, name, &object, error);
    return finish(r, object, ret);
}

static void release_object(void *held)
{
    object_unref(held);
}

static int local_view(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name,
                      struct engine_view *ret, struct error *error)
{
    struct object *object = NULL;
    int r = objects_get(local_of(engine)->objects, kind, namespace, name, &object, error);
    if (r == 0)
        *ret = (struct engine_view){.object = object->body, .held = object, .release = release_object};
    return r;
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

/* A continue token is the base64url of "namespace\nname" of the last object of the page before. */
static int read_token(const char *token, struct buffer *ret, const char **ret_name, struct error *error)
{
    AUTO_BUFFER struct buffer padded = {0};
    for (const char *c = token; *c; c++)
        buffer_add(&padded, *c == '-' ? "+" : *c == '_' ? "/" : c, 1);
    while (padded.n % 4)
        buffer_add(&padded, "=", 1);
    char *newline = NULL;
    if (padded.n <= 1024 && text_unbase64(buffer_slice(&padded), ret) && ret->n && !memchr(ret->p, '\0', ret->n))
        newline = memchr(ret->p, '\n', ret->n);
    if (!newline)
        return error_set(error, ERROR_BAD_REQUEST, "continue", "the continue token is not one that was given out");
    *newline = '\0';
    *ret_name = newline + 1;
    return 0;
}

static bool is_after(const struct object *object, const char *namespace, const char *name)
{
    int order = strcmp(object->namespace, namespace);
    return order > 0 || (order == 0 && strcmp(object->name, name) > 0);
}

static cJSON *new_list(enum engine_kind kind, int64_t version)
{
    cJSON *list = json_object();
    AUTO_FREE char *name = memory_format("%sList", engine_kinds[kind].kind);
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)version);
    json_set_text(list, "kind", name);
    json_set_text(list, "apiVersion", engine_api_version(kind));
    json_set_text(json_object_in(list, "metadata"), "resourceVersion", text);
    return list;
}

static void add_page(cJSON *list, const struct object_list *objects, size_t from, int64_t limit)
{
    cJSON *metadata = json_member(list, "metadata");
    cJSON *items = json_set(list, "items", json_array());
    size_t to = limit > 0 && (size_t)limit < objects->count - from ? from + (size_t)limit : objects->count;
    for (size_t i = from; i < to; i++)
        json_push(items, body_copy(objects->items[i]));
    if (to < objects->count && to > from) {
        const struct object *last = objects->items[to - 1];
        AUTO_FREE char *key = memory_format("%s\n%s", last->namespace, last->name);
        AUTO_FREE char *token = text_base64url(key, strlen(key));
        json_set_text(metadata, "continue", token);
        json_set_i64(metadata, "remainingItemCount", (int64_t)(objects->count - to));
    }
}

static int local_list(struct engine *engine, enum engine_kind kind, const char *namespace,
                      const struct engine_list_options *options, cJSON **ret, struct error *error)
{
    static const struct engine_list_options everything = {0};
    const struct engine_list_options *wanted = options ? options : &everything;
    AUTO_SELECTOR struct selector *selector = NULL;
    AUTO_OBJECT_LIST struct object_list objects = {0};
    AUTO_BUFFER struct buffer token = {0};
    const char *after = NULL;
    int r = selector_new(wanted->label_selector, wanted->field_selector, &selector, error);
    if (r == 0 && wanted->continue_token && wanted->continue_token[0])
        r = read_token(wanted->continue_token, &token, &after, error);
    if (r < 0)
        return r;
    int64_t version = objects_select(local_of(engine)->objects, kind, namespace, selector, &objects);
    size_t from = 0;
    while (after && from < objects.count && !is_after(objects.items[from], token.p, after))
        from++;
    *ret = new_list(kind, version);
    add_page(*ret, &objects, from, wanted->limit);
    return 0;
}

/* --- writes ------------------------------------------------------------------------------------------------------- */

static int replace(void *context, const cJSON *current, cJSON **ret, struct error *error)
{
    (void)current;
    (void)error;
    *ret = json_copy(context);
    return 0;
}

static int local_update(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name,
                        enum engine_part part, const cJSON *object, cJSON **ret, struct error *error)
{
    struct object *now = NULL;
    int r = objects_change(local_of(engine)->objects, kind, namespace, name, part, replace, (void *)(uintptr_t)object,
                           &now, error);
    return finish(r, now, ret);
}

struct patching {
    enum engine_patch type;
    const cJSON *patch;
};

/* The reconcilers' apply is a merge here: it keeps no managedFields, so that what one leaves out stays as it is. */
static int apply_patch(void *context, const cJSON *current, cJSON **ret, struct error *error)
{
    const struct patching *patching = context;
    if (patching->type == ENGINE_PATCH_JSON)
        return json_patch(current, patching->patch, ret, error);
    if (!cJSON_IsObject(patching->patch))
        return error_set(error, ERROR_BAD_REQUEST, NULL, "the patch must be an object");
    *ret = json_merge_patch(json_copy(current), patching->patch);
    return 0;
}

static int local_patch(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name,
                       enum engine_part part, enum engine_patch type, const cJSON *patch, cJSON **ret,
                       struct error *error)
{
    struct patching patching = {.type = type, .patch = patch};
    struct object *now = NULL;
    int r = objects_change(local_of(engine)->objects, kind, namespace, name, part, apply_patch, &patching, &now, error);
    if (r == -ERROR_NOT_FOUND && type == ENGINE_PATCH_APPLY && part == ENGINE_SPEC && cJSON_IsObject(patch)) {
        cJSON *body = json_copy(patch);
        json_set_text(json_object_in(body, "metadata"), "name", name);
        r = objects_create(local_of(engine)->objects, kind, namespace, body, &now, error);
    }
    return finish(r, now, ret);
}

static int local_remove(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name,
                        cJSON **ret, struct error *error)
{
    struct object *object = NULL;
    int r = objects_delete(local_of(engine)->objects, kind, namespace, name, NULL, &object, error);
    return finish(r, object, ret);
}

static int local_remove_unchanged(struct engine *engine, enum engine_kind kind, const cJSON *object,
                                  struct error *error)
{
    return objects_delete_unchanged(local_of(engine)->objects, kind, object, error);
}

/* --- watches ------------------------------------------------------------------------------------------------------ */

static int local_watch(struct engine *engine, enum engine_kind kind, const char *namespace,
                       const struct engine_list_options *options, const char *resource_version, engine_watcher watcher,
                       void *context, struct engine_watch **ret, struct error *error)
{
    struct slice version = slice_of(resource_version);
    int64_t from = 0;
    /* "0" is Kubernetes' "any version": begin with what there is. */
    bool resume = version.n && !slice_is(version, "0");
    if (resume && !text_parse_i64(version, 1, INT64_MAX, &from))
        return error_set(error, ERROR_BAD_REQUEST, "resourceVersion",
                         "resourceVersion must be a number that was given out");
    struct hub_request request = hub_asked(engine, kind, namespace, options, watcher, context);
    request.resume = resume;
    request.from = (uint64_t)from;
    return objects_watch(local_of(engine)->objects, &request, ret, error);
}

static void local_unwatch(struct engine_watch *watch)
{
    hub_close(local_of(watch->engine)->hub, watch);
}

/* --- the rest ----------------------------------------------------------------------------------------------------- */

static int local_check_template(struct engine *engine, const cJSON *template, const char *path, struct error *error)
{
    return podtemplate_check(local_of(engine)->images, template, path, error);
}

static int local_check_quota(struct engine *engine, const cJSON *hard, const char *path, struct error *error)
{
    return quota_check_hard(local_of(engine), hard, path, error);
}

static int local_images(struct engine *engine, cJSON **ret, struct error *error)
{
    return image_list(local_of(engine)->images, ret, error);
}

static bool local_ready(struct engine *engine, struct error *error)
{
    if (store_ready(local_of(engine)->store))
        return true;
    (void)error_set(error, ERROR_UNAVAILABLE, NULL, "the database is away");
    return false;
}

/* What keeps tenants apart here is the sandbox: objects that do so on a cluster have no meaning. */
static bool local_has(struct engine *engine, enum engine_kind kind)
{
    (void)engine;
    return kind <= KIND_PODDEFAULT;
}

static const struct engine_traits *local_traits(struct engine *engine)
{
    return &local_of(engine)->traits;
}

static const struct engine_operations operations = {
    .create = local_create,
    .get = local_get,
    .view = local_view,
    .list = local_list,
    .update = local_update,
    .patch = local_patch,
    .remove = local_remove,
    .remove_unchanged = local_remove_unchanged,
    .watch = local_watch,
    .unwatch = local_unwatch,
    .check_pod_template = local_check_template,
    .check_quota = local_check_quota,
    .images = local_images,
    .prune_images = image_prune,
    .usage = schedule_usage,
    .measure = meter_measure,
    .dial = service_dial,
    .dial_within = service_dial_within,
    .dial_pod = service_dial_pod,
    .listen = service_listen,
    .log_open = podlog_open,
    .exec = podexec_run,
    .event = event_add,
    .job_history = ray_history_list,
    .job_log = ray_history_log,
    .ready = local_ready,
    .has = local_has,
    .traits = local_traits,
};

/* --- life --------------------------------------------------------------------------------------------------------- */

static struct local *local_make(const struct local_options *options)
{
    struct local *local = memory_get(sizeof(*local));
    local->base.operations = &operations;
    local->store = options->store;
    local->hub = hub_new(&object_states, NULL);
    const struct objects_options objects = {.store = options->store,
                                            .hub = local->hub,
                                            .admission = admission_check,
                                            .listener = reconcile_changed,
                                            .context = local};
    local->objects = objects_new(&objects);
    local->sandbox = sandbox_client_new(options->sandboxd_socket);
    local->scheduler = scheduler_new(local, options->memory_reserved_bytes, options->cpu_overcommit);
    local->prober = prober_new();
    local->images = image_store_new(options->images_directory);
    local->hosts = hosts_new();
    local->rays = ray_watcher_new();
    local->serves = ray_serve_memory_new();
    local->meter = meter_new();
    local->disk = disk_guard_new(options->disk_reserved_bytes);
    local->traits = (struct engine_traits){.name = "local",
                                           .reconcilers = 2,
                                           .api_within = true,
                                           .ray_autoscaling = true,
                                           .ray_fault_tolerance = true,
                                           .ray_store = ray_store_offered(), /* one can be run here */
                                           .outbound = true,
                                           .ray_metrics = options->ray_metrics};
    local->events = event_sink_new(local);
    return local;
}

int local_engine_new(const struct local_options *options, struct engine **ret, struct error *error)
{
    struct local *local = local_make(options);
    int r = options->outbound ? outbound_parse(slice_of(options->outbound), "outbound", &local->outbound, error) : 0;
    if (r == 0)
        r = objects_load(local->objects, error);
    if (r == 0) {
        local->reconciler = reconciler_new(local);
        reconciler_start(local->reconciler);
        r = sandbox_subscribe(local->sandbox, reconcile_pod_news, local, error);
    }
    if (r < 0) {
        local_engine_free(&local->base);
        return r;
    }
    *ret = &local->base;
    return 0;
}

void local_engine_free(struct engine *engine)
{
    if (!engine)
        return;
    struct local *local = local_of(engine);
    if (local->reconciler)
        reconciler_stop(local->reconciler);
    sandbox_client_free(local->sandbox); /* its thread reports to the reconciler until then */
    event_sink_free(local->events);
    hub_free(local->hub);
    reconciler_free(local->reconciler);
    objects_free(local->objects);
    scheduler_free(local->scheduler);
    prober_free(local->prober);
    image_store_free(local->images);
    hosts_free(local->hosts);
    ray_watcher_free(local->rays);
    ray_serve_memory_free(local->serves);
    meter_free(local->meter);
    disk_guard_free(local->disk);
    free(local);
}
