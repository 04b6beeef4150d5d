/* How does the kubernetes engine start, and what is it made of? */
#include "engine/kubernetes/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/apply.h"
#include "engine/kubernetes/webhooks.h"

#define SYNC_WAIT_MS 10000 /* how long a caller waits for a list that is under way */
#define LIST_LOOK_MS 200   /* how often the start looks whether a list fails */
#define RECONCILERS_DEFAULT 32

struct kubernetes *kubernetes_of(struct engine *engine)
{
    return (struct kubernetes *)(void *)engine;
}

/* --- what is kept ------------------------------------------------------------------------------------------------- */

enum keeping keeping_of(enum engine_kind kind)
{
    static const enum keeping table[KIND_COUNT] = {
        [KIND_NAMESPACE] = KEPT_WHOLE,     [KIND_POD] = KEPT_WHOLE,
        [KIND_SERVICE] = KEPT_WHOLE,       [KIND_CLAIM] = KEPT_WHOLE,
        [KIND_SECRET] = KEPT_OURS,         [KIND_RESOURCEQUOTA] = KEPT_OURS,
        [KIND_STATEFULSET] = KEPT_WHOLE,   [KIND_PROFILE] = KEPT_WHOLE,
        [KIND_NOTEBOOK] = KEPT_WHOLE,      [KIND_RAYCLUSTER] = KEPT_WHOLE,
        [KIND_RAYJOB] = KEPT_WHOLE,        [KIND_RAYSERVICE] = KEPT_WHOLE,
        [KIND_PODDEFAULT] = KEPT_WHOLE,    [KIND_SERVICEACCOUNT] = KEPT_DRIFT,
        [KIND_LIMITRANGE] = KEPT_DRIFT,    [KIND_ROLEBINDING] = KEPT_DRIFT,
        [KIND_NETWORKPOLICY] = KEPT_DRIFT, [KIND_AUTHORIZATIONPOLICY] = KEPT_DRIFT,
        [KIND_VIRTUALSERVICE] = KEPT_DRIFT};
    return table[kind]; /* events and config maps: KEPT_NOT */
}

int cache_of(struct kubernetes *kubernetes, enum engine_kind kind, struct cache **ret, struct error *error)
{
    *ret = kubernetes->caches[kind];
    if (!*ret || cache_synced(*ret))
        return 0;
    if (!discovery_has(kubernetes, kind)) {
        *ret = NULL;
        return error_set(error, ERROR_NOT_FOUND, NULL, "this cluster has no %s", engine_kinds[kind].plural);
    }
    if (cache_wait(*ret, SYNC_WAIT_MS))
        return 0;
    return error_set(error, ERROR_UNAVAILABLE, NULL, "%s are not known yet: the API server has not been asked for all",
                     engine_kinds[kind].plural);
}

static void open_cache(struct kubernetes *kubernetes, enum engine_kind kind)
{
    enum keeping keeping = keeping_of(kind);
    if (keeping == KEPT_NOT)
        return;
    bool ours = keeping != KEPT_WHOLE;
    kubernetes->caches[kind] = cache_new(&(struct cache_options){.kind = kind,
                                                                 .metadata_only = keeping == KEPT_DRIFT,
                                                                 .ours_only = ours,
                                                                 .names = kubernetes->names,
                                                                 .packer = kubernetes->packer,
                                                                 .hub = kubernetes->hub,
                                                                 .trees = kubernetes->trees});
    kubernetes->reflectors[kind] =
        reflector_new(&(struct reflector_options){.client = kubernetes->client,
                                                  .cache = kubernetes->caches[kind],
                                                  .kind = kind,
                                                  .metadata_only = keeping == KEPT_DRIFT,
                                                  .label_selector = ours ? ENGINE_OURS : NULL,
                                                  .has = discovery_has,
                                                  .context = kubernetes});
}

/* --- leading ------------------------------------------------------------------------------------------------------ */

static bool leads(struct engine *engine)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    return !kubernetes->lease || lease_held(kubernetes->lease);
}

static void on_leading(struct engine *engine, void (*begun)(void *context), void *context)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    if (kubernetes->lease)
        lease_on_begin(kubernetes->lease, begun, context);
}

static void off_leading(struct engine *engine, void *context)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    if (kubernetes->lease)
        lease_off_begin(kubernetes->lease, context);
}

int check_leads(struct kubernetes *kubernetes, struct error *error)
{
    if (!engine_reconciler() || leads(&kubernetes->base))
        return 0;
    return error_set(error, ERROR_UNAVAILABLE, NULL, "another replica leads");
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static bool has(struct engine *engine, enum engine_kind kind)
{
    return discovery_has(kubernetes_of(engine), kind);
}

static const struct engine_traits *traits(struct engine *engine)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    return &kubernetes->traits[atomic_load(&kubernetes->kuberay)];
}

/* Without these nobody is served. */
static const enum engine_kind needed[] = {KIND_NAMESPACE, KIND_PROFILE, KIND_NOTEBOOK, KIND_SERVICE};

/* What is in memory is served through an outage; whoever writes learns of it by his own request. */
static bool ready(struct engine *engine, struct error *error)
{
    struct kubernetes *kubernetes = kubernetes_of(engine);
    for (size_t i = 0; i < COUNT_OF(needed); i++) {
        if (!cache_synced(kubernetes->caches[needed[i]])) {
            (void)error_set(error, ERROR_UNAVAILABLE, NULL, "%s have not been listed yet",
                            engine_kinds[needed[i]].plural);
            return false;
        }
    }
    return true;
}

static bool watches(struct engine *engine, enum engine_kind kind)
{
    return kubernetes_of(engine)->caches[kind] != NULL;
}

static int trust_webhooks(struct engine *engine, struct slice ca_pem, bool *ret_written, struct error *error)
{
    return webhooks_trust(kubernetes_of(engine)->client, ca_pem, ret_written, error);
}

static const struct engine_operations operations = {
    .create = object_create,
    .get = object_get,
    .list = object_list,
    .update = object_update,
    .patch = object_patch,
    .apply = object_apply,
    .each = object_each,
    .remove = object_remove,
    .remove_unchanged = object_remove_unchanged,
    .watch = object_watch,
    .unwatch = object_unwatch,
    .check_pod_template = pods_check,
    .images = pods_images,
    .usage = pods_usage,
    .measure = measure_pods,
    .dial = dial_service,
    .api_addresses = api_addresses,
    .log_open = pods_log,
    .event = events_add,
    .job_history = runs_list,
    .job_log = runs_log,
    .job_keep = runs_keep,
    .job_tidy = runs_tidy,
    .ready = ready,
    .has = has,
    .watches = watches,
    .traits = traits,
    .leads = leads,
    .on_leading = on_leading,
    .off_leading = off_leading,
    .forward = forward_start,
    .call_cancel = forward_cancel,
    .dial_api = forward_dial,
    .trust_webhooks = trust_webhooks,
};

/* --- life --------------------------------------------------------------------------------------------------------- */

static struct kubernetes *make(const struct kubernetes_options *options)
{
    struct kubernetes *kubernetes = memory_get(sizeof(*kubernetes));
    kubernetes->base.operations = &operations;
    kubernetes->namespace = memory_text(options->namespace);
    kubernetes->tenant_namespace = memory_text(options->tenant_namespace);
    kubernetes->images = memory_text(options->images ? options->images : "");
    kubernetes->store = options->store;
    kubernetes->inside = !options->kubeconfig[0];
    kubernetes->traits[0] =
        (struct engine_traits){.name = "kubernetes",
                               .reconcilers = options->reconcilers ? options->reconcilers : RECONCILERS_DEFAULT,
                               .tenant_subject_namespace = kubernetes->tenant_namespace,
                               .pods_by_kubelet = true,
                               .ray_by_kuberay = true,
                               .ray_autoscaling = true,
                               .ray_fault_tolerance = true,
                               .ray_metrics = options->ray_metrics};
    for (unsigned i = 1; i < KUBERAY_COUNT; i++)
        kubernetes->traits[i] = kubernetes->traits[0];
    for (unsigned i = 0; i < KUBERAY_COUNT; i++) {
        kubernetes->traits[i].ray_auth = i / KUBERAY_FLAGS;
        kubernetes->traits[i].ray_autoscaler_command = i & KUBERAY_COMMAND;
        kubernetes->traits[i].ray_gateway = i & KUBERAY_GATEWAY;
    }
    pthread_mutex_init(&kubernetes->lock, NULL);
    pthread_mutex_init(&kubernetes->asking, NULL);
    pthread_mutex_init(&kubernetes->addressing, NULL);
    clock_condition(&kubernetes->changed);
    kubernetes->shapes = map_new();
    kubernetes->made = map_new();
    kubernetes->names = names_new();
    kubernetes->packer = packer_new();
    kubernetes->trees = trees_new(kubernetes->names);
    kubernetes->hub = hub_new(&trees_states, kubernetes->trees);
    return kubernetes;
}

/* Until it is known what the cluster has, or for <wait_ms>. */
static int wait_discovery(struct kubernetes *kubernetes, int64_t wait_ms, struct error *error)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000 + 1;
    int r = 0;
    pthread_mutex_lock(&kubernetes->lock);
    while (!kubernetes->discovered && r == 0)
        r = pthread_cond_timedwait(&kubernetes->changed, &kubernetes->lock, &until);
    bool discovered = kubernetes->discovered;
    const struct error why = kubernetes->unreachable;
    pthread_mutex_unlock(&kubernetes->lock);
    if (discovered)
        return 0;
    return error_set(error, ERROR_UNAVAILABLE, NULL, "%s",
                     why.message[0] ? why.message : "the API server does not answer");
}

static bool is_needed(enum engine_kind kind)
{
    for (size_t i = 0; i < COUNT_OF(needed); i++)
        if (needed[i] == kind)
            return true;
    return false;
}

/* Nobody is held up by a kind that he may never ask for and that cannot be listed: its reader will be told so. */
static bool wait_list(struct kubernetes *kubernetes, enum engine_kind kind, int64_t until_ms)
{
    while (!cache_wait(kubernetes->caches[kind], LIST_LOOK_MS)) {
        bool failing = reflector_failing_since(kubernetes->reflectors[kind]) != 0;
        if ((failing && !is_needed(kind)) || clock_monotonic_ms() >= until_ms)
            return false;
    }
    return true;
}

/*
 * Until all that the cluster has is in memory: at ten thousand profiles the lists take longer than a caller waits for
 * one (SYNC_WAIT_MS), and a process that began with half of them would end at once.
 */
static int wait_lists(struct kubernetes *kubernetes, int64_t until_ms, struct error *error)
{
    int64_t began_ms = clock_monotonic_ms();
    for (enum engine_kind kind = 0; kind < KIND_COUNT; kind++) {
        if (!kubernetes->caches[kind] || !discovery_has(kubernetes, kind) || wait_list(kubernetes, kind, until_ms))
            continue;
        if (is_needed(kind))
            return error_set(error, ERROR_UNAVAILABLE, NULL, "%s could not be listed in time",
                             engine_kinds[kind].plural);
        log_line(LOG_WARN, "a kind is not listed yet", LOG_TEXT("kind", engine_kinds[kind].kind));
    }
    log_line(LOG_INFO, "the cluster is listed", LOG_NUMBER("took_ms", clock_monotonic_ms() - began_ms));
    return 0;
}

static int start(struct kubernetes *kubernetes, const struct kubernetes_options *options, int64_t wait_ms,
                 struct error *error)
{
    int64_t until_ms = clock_monotonic_ms() + wait_ms;
    struct kube_config config = {0};
    int r = kube_config_load(options->kubeconfig, options->context, &config, error);
    if (r == 0)
        r = kube_client_new(&config, &kubernetes->client, error);
    kube_config_free(&config);
    if (r < 0)
        return r;
    kubernetes->discovering = pthread_create(&kubernetes->discoverer, NULL, discovery_run, kubernetes) == 0;
    if (!kubernetes->discovering)
        return error_set(error, ERROR_INTERNAL, NULL, "a thread cannot be started");
    r = wait_discovery(kubernetes, wait_ms, error);
    if (r < 0)
        return r;
    for (enum engine_kind kind = 0; kind < KIND_COUNT; kind++)
        open_cache(kubernetes, kind);
    r = wait_lists(kubernetes, until_ms, error);
    if (r < 0)
        return r;
    kubernetes->events = events_new(kubernetes);
    if (options->leader_election)
        kubernetes->lease = lease_new(kubernetes->client, kubernetes->namespace, options->identity);
    return 0;
}

int kubernetes_engine_new(const struct kubernetes_options *options, int64_t wait_ms, struct engine **ret,
                          struct error *error)
{
    struct kubernetes *kubernetes = make(options);
    int r = start(kubernetes, options, wait_ms, error);
    if (r < 0) {
        kubernetes_engine_free(&kubernetes->base);
        return r;
    }
    *ret = &kubernetes->base;
    return 0;
}

static void stop_discovery(struct kubernetes *kubernetes)
{
    if (!kubernetes->discovering)
        return;
    pthread_mutex_lock(&kubernetes->lock);
    kubernetes->stop = true;
    pthread_cond_broadcast(&kubernetes->changed);
    pthread_mutex_unlock(&kubernetes->lock);
    pthread_join(kubernetes->discoverer, NULL);
}

void kubernetes_engine_free(struct engine *engine)
{
    if (!engine)
        return;
    struct kubernetes *kubernetes = kubernetes_of(engine);
    lease_free(kubernetes->lease); /* first: the next replica may go on */
    events_free(kubernetes->events);
    stop_discovery(kubernetes);
    for (enum engine_kind kind = 0; kind < KIND_COUNT; kind++)
        reflector_free(kubernetes->reflectors[kind]);
    kube_client_free(kubernetes->client);
    hub_free(kubernetes->hub);
    trees_free(kubernetes->trees);
    for (enum engine_kind kind = 0; kind < KIND_COUNT; kind++)
        cache_free(kubernetes->caches[kind]);
    packer_free(kubernetes->packer);
    names_free(kubernetes->names);
    shapes_free(kubernetes->shapes);
    map_free(kubernetes->made);
    cJSON_Delete(kubernetes->addresses);
    pthread_mutex_destroy(&kubernetes->lock);
    pthread_mutex_destroy(&kubernetes->asking);
    pthread_mutex_destroy(&kubernetes->addressing);
    pthread_cond_destroy(&kubernetes->changed);
    free(kubernetes->namespace);
    free(kubernetes->tenant_namespace);
    free(kubernetes->images);
    free(kubernetes->ray_schema);
    free(kubernetes);
}
