/* Who must look again after a change? */
#include "engine/local/reconcile.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "engine/local/disk.h"
#include "engine/local/rayhealth.h"
#include "engine/local/rayhistory.h"
#include "engine/local/raypods.h"
#include "engine/local/rayserve.h"
#include "engine/local/raystore.h"
#include "engine/local/schedule.h"
#include "engine/local/service.h"

/* Controllers of objects wait mostly for PostgreSQL, those of pods for sandboxd, probes for tenants' servers, those of
 * Ray's jobs and services for tenants' Ray, much longer. */
enum { OBJECT_WORKERS = 4, POD_WORKERS = 4, PROBE_WORKERS = 4, RAY_WORKERS = 4 };
/* Several changes of a namespace's pods and services make one hosts file. */
enum { HOSTS_DELAY_MS = 15, QUOTA_DELAY_MS = 200, GARBAGE_DELAY_MS = 10 };

struct controller_info {
    const char *name;
    int64_t (*reconcile)(struct local *, const char *namespace, const char *name, struct error *);
};
static const struct controller_info controllers[CONTROLLER_COUNT] = {
    [CONTROL_NAMESPACE] = {"namespace", namespace_reconcile},
    [CONTROL_CLAIM] = {"claim", claim_reconcile},
    [CONTROL_STATEFULSET] = {"statefulset", statefulset_reconcile},
    [CONTROL_RAYCLUSTER] = {"raycluster", raycluster_reconcile},
    [CONTROL_HOSTS] = {"hosts", hosts_reconcile},
    [CONTROL_QUOTA] = {"quota", quota_reconcile},
    [CONTROL_GARBAGE] = {"garbage", garbage_reconcile},
    [CONTROL_ORPHANS] = {"orphans", orphans_reconcile},
    [CONTROL_TICK] = {"tick", tick_reconcile},
    [CONTROL_POD] = {"pod", pod_reconcile},
    [CONTROL_PROBE] = {"probe", probe_reconcile},
    [CONTROL_RAYHEAD] = {"rayhead", rayhead_reconcile},
    [CONTROL_RAYJOB] = {"rayjob", rayjob_reconcile},
    [CONTROL_RAYSERVICE] = {"rayservice", rayservice_reconcile},
    [CONTROL_RAYSTORE] = {"raystore", raystore_reconcile},
    [CONTROL_RAYHISTORY] = {"rayhistory", ray_history_reconcile},
    [CONTROL_DISK] = {"disk", disk_reconcile},
};

struct reconciler {
    struct local *local;
    struct queue *objects, *pods, *probes, *rays;
    _Atomic bool started;
    _Atomic int64_t looked_ms; /* when everything was last looked at */
};

static struct queue *queue_of(struct reconciler *reconciler, enum controller controller)
{
    if (controller == CONTROL_POD)
        return reconciler->pods;
    if (controller == CONTROL_RAYJOB || controller == CONTROL_RAYSERVICE)
        return reconciler->rays;
    return controller == CONTROL_PROBE || controller == CONTROL_RAYHEAD ? reconciler->probes : reconciler->objects;
}

/* --- running a controller ----------------------------------------------------------------------------------------- */

static void report(const char *key, int64_t result, const struct error *error)
{
    /* Being away and losing a race are ordinary, and followed by another look. */
    bool ordinary = result == -ERROR_UNAVAILABLE || result == -ERROR_CONFLICT || result == -ERROR_TIMEOUT;
    log_line(ordinary ? LOG_DEBUG : LOG_WARN, "reconcile failed; it will be tried again", LOG_TEXT("key", key),
             LOG_FAULT(error));
}

static int64_t handle(void *context, const char *key)
{
    struct reconciler *reconciler = context;
    struct slice rest = slice_of(key);
    struct slice controller = slice_split(rest, '/', &rest);
    struct slice namespace = slice_split(rest, '/', &rest);
    AUTO_FREE char *namespace_text = memory_text_n(namespace.p ? namespace.p : "", namespace.n);
    AUTO_FREE char *name = memory_text_n(rest.p ? rest.p : "", rest.n);
    for (size_t i = 0; i < COUNT_OF(controllers); i++) {
        if (!slice_is(controller, controllers[i].name))
            continue;
        struct error error = {0};
        int64_t result = controllers[i].reconcile(reconciler->local, namespace_text, name, &error);
        if (result < 0)
            report(key, result, &error);
        return result;
    }
    return 0;
}

void reconcile_after(struct local *local, enum controller controller, const char *namespace, const char *name,
                     int64_t delay_ms)
{
    struct reconciler *reconciler = local->reconciler;
    if (!reconciler || !atomic_load(&reconciler->started))
        return;
    /* A namespace is its own tenant, also when it is the object. */
    const char *tenant = namespace && namespace[0] ? namespace : name;
    AUTO_FREE char *key = memory_format("%s/%s/%s", controllers[controller].name, namespace ? namespace : "", name);
    if (delay_ms > 0)
        queue_add_after(queue_of(reconciler, controller), tenant, key, delay_ms);
    else
        queue_add(queue_of(reconciler, controller), tenant, key);
}

void reconcile_now(struct local *local, enum controller controller, const char *namespace, const char *name)
{
    reconcile_after(local, controller, namespace, name, 0);
}

void reconcile_waiting_pods(struct local *local, const char *namespace)
{
    AUTO_OBJECT_LIST struct object_list pods = {0};
    objects_select(local->objects, KIND_POD, namespace, NULL, &pods);
    for (size_t i = 0; i < pods.count; i++)
        if (!pod_is_scheduled(pods.items[i]) || !json_at(pods.items[i]->body, "status", "podIP", NULL))
            reconcile_now(local, CONTROL_POD, pods.items[i]->namespace, pods.items[i]->name);
}

/* --- changes of objects ------------------------------------------------------------------------------------------- */

static void look_at_owner(struct local *local, const struct object *object)
{
    const cJSON *owner;
    cJSON_ArrayForEach(owner, json_at(object->body, "metadata", "ownerReferences", NULL))
    {
        const char *kind = json_text_or("", owner, "kind", NULL), *name = json_text_or("", owner, "name", NULL);
        if (strcmp(kind, "StatefulSet") == 0)
            reconcile_now(local, CONTROL_STATEFULSET, object->namespace, name);
        else if (strcmp(kind, "RayCluster") == 0)
            reconcile_now(local, CONTROL_RAYCLUSTER, object->namespace, name);
        else if (strcmp(kind, "RayJob") == 0)
            reconcile_now(local, CONTROL_RAYJOB, object->namespace, name);
        else if (strcmp(kind, "RayService") == 0)
            reconcile_now(local, CONTROL_RAYSERVICE, object->namespace, name);
    }
}

/* A claim that is being deleted waits for the last pod that mounts it. */
static void look_at_claims(struct local *local, const char *namespace)
{
    AUTO_OBJECT_LIST struct object_list claims = {0};
    objects_select(local->objects, KIND_CLAIM, namespace, NULL, &claims);
    for (size_t i = 0; i < claims.count; i++)
        if (object_terminating(claims.items[i]))
            reconcile_now(local, CONTROL_CLAIM, namespace, claims.items[i]->name);
}

static void pod_changed(struct local *local, struct object *before, struct object *now)
{
    const struct object *pod = now ? now : before;
    reconcile_now(local, CONTROL_POD, pod->namespace, pod->name);
    reconcile_after(local, CONTROL_HOSTS, pod->namespace, "", HOSTS_DELAY_MS);
    reconcile_after(local, CONTROL_QUOTA, pod->namespace, "", QUOTA_DELAY_MS);
    look_at_owner(local, pod);
    if (!now)
        look_at_claims(local, pod->namespace);
    bool of_ray = json_at(pod->body, "metadata", "labels", RAY_LABEL_CLUSTER, NULL) != NULL;
    if (strcmp(pod->name, RAY_STORE_NAME) == 0 || (!now && of_ray))
        reconcile_now(local, CONTROL_RAYSTORE, pod->namespace, "");
    if (before && pod_holds_resources(before) && (!now || !pod_holds_resources(now)))
        reconcile_waiting_pods(local, NULL);
}

static void kind_changed(struct local *local, struct object *before, struct object *now)
{
    const struct object *object = now ? now : before;
    switch (object->kind) {
    case KIND_NAMESPACE:
        reconcile_now(local, CONTROL_NAMESPACE, "", object->name);
        break;
    case KIND_POD:
        pod_changed(local, before, now);
        break;
    case KIND_SERVICE:
        reconcile_after(local, CONTROL_HOSTS, object->namespace, "", HOSTS_DELAY_MS);
        look_at_owner(local, object);
        break;
    case KIND_CLAIM:
        reconcile_now(local, CONTROL_CLAIM, object->namespace, object->name);
        reconcile_after(local, CONTROL_QUOTA, object->namespace, "", QUOTA_DELAY_MS);
        reconcile_waiting_pods(local, object->namespace);
        break;
    case KIND_SECRET:
    case KIND_CONFIGMAP:
        look_at_owner(local, object);
        reconcile_waiting_pods(local, object->namespace);
        break;
    case KIND_RESOURCEQUOTA:
        reconcile_now(local, CONTROL_QUOTA, object->namespace, "");
        reconcile_waiting_pods(local, object->namespace);
        break;
    case KIND_STATEFULSET:
        reconcile_now(local, CONTROL_STATEFULSET, object->namespace, object->name);
        break;
    case KIND_RAYCLUSTER:
        reconcile_now(local, CONTROL_RAYCLUSTER, object->namespace, object->name);
        look_at_owner(local, object);
        if (!before || !now || object_terminating(now) ||
            !json_equal(json_member(before->body, "spec"), json_member(now->body, "spec")))
            reconcile_now(local, CONTROL_RAYSTORE, object->namespace, "");
        if (!now) {
            ray_health_forget(local, before);
            ray_serve_forget(local, before);
        }
        break;
    case KIND_RAYJOB:
        reconcile_now(local, CONTROL_RAYJOB, object->namespace, object->name);
        break;
    case KIND_RAYSERVICE:
        reconcile_now(local, CONTROL_RAYSERVICE, object->namespace, object->name);
        break;
    case KIND_EVENT:
    case KIND_CONTROLLERREVISION:
    case KIND_PROFILE:
    case KIND_NOTEBOOK:
    default: /* kinds that this engine has not */
        break;
    }
}

void reconcile_changed(void *context, struct object *before, struct object *now)
{
    struct local *local = context;
    const struct object *object = now ? now : before;
    kind_changed(local, before, now);
    bool owned = json_at(object->body, "metadata", "ownerReferences", NULL) != NULL;
    if (object->kind != KIND_EVENT && (!now || (!before && owned)))
        reconcile_after(local, CONTROL_GARBAGE, object->namespace, "", GARBAGE_DELAY_MS);
    /* A quota may count any kind. */
    if ((!before || !now) && object->kind != KIND_EVENT && object->namespace[0])
        reconcile_after(local, CONTROL_QUOTA, object->namespace, "", QUOTA_DELAY_MS);
    if (!now && object->namespace[0])
        reconcile_now(local, CONTROL_NAMESPACE, "", object->namespace);
}

/* --- news from sandboxd ------------------------------------------------------------------------------------------- */

/* Everything is looked at: at the start, after sandboxd was away, and now and then in case a message was lost. */
static void look_at_everything(struct local *local)
{
    static const struct {
        enum engine_kind kind;
        enum controller controller;
    } roots[] = {
        {KIND_NAMESPACE, CONTROL_NAMESPACE},     {KIND_CLAIM, CONTROL_CLAIM},           {KIND_POD, CONTROL_POD},
        {KIND_STATEFULSET, CONTROL_STATEFULSET}, {KIND_RAYCLUSTER, CONTROL_RAYCLUSTER}, {KIND_RAYJOB, CONTROL_RAYJOB},
        {KIND_RAYSERVICE, CONTROL_RAYSERVICE}};
    atomic_store(&local->reconciler->looked_ms, clock_monotonic_ms());
    for (size_t i = 0; i < COUNT_OF(roots); i++) {
        AUTO_OBJECT_LIST struct object_list list = {0};
        objects_select(local->objects, roots[i].kind, NULL, NULL, &list);
        for (size_t k = 0; k < list.count; k++) {
            reconcile_now(local, roots[i].controller, list.items[k]->namespace, list.items[k]->name);
            if (roots[i].kind == KIND_NAMESPACE) {
                reconcile_now(local, CONTROL_HOSTS, list.items[k]->name, "");
                reconcile_now(local, CONTROL_QUOTA, list.items[k]->name, "");
                reconcile_now(local, CONTROL_GARBAGE, list.items[k]->name, "");
                reconcile_now(local, CONTROL_RAYSTORE, list.items[k]->name, "");
            }
        }
    }
    reconcile_now(local, CONTROL_GARBAGE, "", "");
    reconcile_now(local, CONTROL_ORPHANS, "", "");
    reconcile_now(local, CONTROL_RAYHISTORY, "", "");
    reconcile_now(local, CONTROL_DISK, "", "");
    reconcile_now(local, CONTROL_TICK, "", "");
}

void reconcile_pod_news(void *context, const char *sandbox, const char *pod)
{
    struct local *local = context;
    if (sandbox && pod) {
        reconcile_now(local, CONTROL_POD, sandbox, pod);
        return;
    }
    hosts_forget(local->hosts);
    look_at_everything(local);
}

int64_t tick_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    enum { TICK_MS = 500, RESYNC_MS = 5 * 60 * 1000 };
    struct reconciler *reconciler = local->reconciler;
    int64_t now = clock_monotonic_ms();
    (void)namespace;
    (void)name;
    (void)error;
    /* Nobody waits for the backoff of what failed only because the database was away. */
    if (objects_recovered(local->objects) || now - reconciler->looked_ms >= RESYNC_MS)
        look_at_everything(local);
    return TICK_MS;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

struct reconciler *reconciler_new(struct local *local)
{
    struct reconciler *reconciler = memory_get(sizeof(*reconciler));
    reconciler->local = local;
    reconciler->objects = queue_new("engine-objects", OBJECT_WORKERS, handle, reconciler);
    reconciler->pods = queue_new("engine-pods", POD_WORKERS, handle, reconciler);
    reconciler->probes = queue_new("engine-probes", PROBE_WORKERS, handle, reconciler);
    reconciler->rays = queue_new("engine-rays", RAY_WORKERS, handle, reconciler);
    return reconciler;
}

void reconciler_start(struct reconciler *reconciler)
{
    atomic_store(&reconciler->started, true);
    look_at_everything(reconciler->local);
}

void reconciler_stop(struct reconciler *reconciler)
{
    atomic_store(&reconciler->started, false);
    queue_stop(reconciler->objects);
    queue_stop(reconciler->pods);
    queue_stop(reconciler->probes);
    queue_stop(reconciler->rays);
}

void reconciler_free(struct reconciler *reconciler)
{
    if (!reconciler)
        return;
    queue_free(reconciler->objects);
    queue_free(reconciler->pods);
    queue_free(reconciler->probes);
    queue_free(reconciler->rays);
    free(reconciler);
}
