/* Has a RayCluster its head, its workers and its service? */
#include "base/clock.h"
#include "base/random.h"
#include "engine/local/raypods.h"
#include "engine/local/raystatus.h"
#include "engine/local/raystore.h"
#include "engine/local/reconcile.h"
#include "engine/local/schedule.h"
#include "engine/local/status.h"

/* A pod that fails right after its start is not replaced faster than this. */
enum { REPLACE_AFTER_MS = 5000, TOKEN_BYTES = 32 };

struct ray_pass {
    struct local *local;
    const struct object *cluster;
    struct object_list pods; /* of this cluster */
    struct ray_seen seen;
    char *life;        /* of the head, "" without one */
    char *store_waits; /* why its head is not made yet, or NULL */
    char template_hash[17];
    bool replace_changed; /* upgradeStrategy Recreate */
    int64_t again_ms;
    struct error failure;
};

static const char *label_of(const struct object *pod, const char *key)
{
    return json_text_or("", pod->body, "metadata", "labels", key, NULL);
}

static bool is_head(const struct object *pod)
{
    return strcmp(label_of(pod, RAY_LABEL_TYPE), "head") == 0;
}

/* What failed is shown in the status and told once; the pass goes on with the rest. */
static int failed(struct ray_pass *pass, int r, const char *reason, const struct error *error)
{
    if (r == -ERROR_UNAVAILABLE || r == -ERROR_CONFLICT)
        return r;
    pass->failure = *error;
    pass->seen.failure_reason = reason;
    pass->seen.failure = pass->failure.message;
    engine_event(&pass->local->base, pass->cluster->body, "Warning", reason, "%s", error->message);
    return r;
}

static int remove_pod(struct ray_pass *pass, const struct object *pod, const char *why, struct error *error)
{
    if (object_terminating(pod))
        return 0;
    int r = objects_delete(pass->local->objects, KIND_POD, pod->namespace, pod->name, pod->uid, NULL, error);
    if (r == -ERROR_NOT_FOUND)
        return 0;
    if (r < 0)
        return failed(pass, r, is_head(pod) ? "FailedDeleteHeadPod" : "FailedDeleteWorkerPod", error);
    engine_event(&pass->local->base, pass->cluster->body, "Normal",
                 is_head(pod) ? "DeletedHeadPod" : "DeletedWorkerPod", "deleted pod %s: %s", pod->name, why);
    return 0;
}

static int create_pod(struct ray_pass *pass, cJSON *body, bool head, struct error *error)
{
    struct object *made = NULL;
    int r = objects_create(pass->local->objects, KIND_POD, pass->cluster->namespace, body, &made, error);
    if (r < 0)
        return failed(pass, r, head ? "FailedCreateHeadPod" : "FailedCreateWorkerPod", error);
    engine_event(&pass->local->base, pass->cluster->body, "Normal", head ? "CreatedHeadPod" : "CreatedWorkerPod",
                 "created pod %s", made->name);
    object_unref(made);
    return 0;
}

/* --- secret and service ------------------------------------------------------------------------------------------- */

/* Usually the profile's shared Secret is there already; a cluster that names none gets one of its own, as in KubeRay.
 */
static int ensure_secret(struct ray_pass *pass, struct error *error)
{
    const char *given = json_text_or("", pass->cluster->body, "spec", "authOptions", "secretName", NULL);
    AUTO_FREE char *name = ray_secret_name(pass->cluster);
    AUTO_OBJECT struct object *secret = objects_find(pass->local->objects, KIND_SECRET, pass->cluster->namespace, name);
    if (secret || given[0])
        return 0;
    cJSON *body = json_object();
    AUTO_FREE char *token = random_token(TOKEN_BYTES);
    json_set_text(json_object_in(body, "metadata"), "name", name);
    object_own(body, pass->cluster);
    json_set_text(json_object_in(body, "stringData"), "auth_token", token);
    memory_wipe(token, strlen(token));
    int r = objects_create(pass->local->objects, KIND_SECRET, pass->cluster->namespace, body, NULL, error);
    return r == -ERROR_EXISTS ? 0 : r;
}

static int put_ports(void *context, const cJSON *current, cJSON **ret, struct error *error)
{
    const cJSON *wanted = context;
    (void)error;
    cJSON *changed = json_copy(current);
    json_set(changed, "spec", json_copy(json_member(wanted, "spec")));
    *ret = changed;
    return 0;
}

static int ensure_service(struct ray_pass *pass, struct object **ret, struct error *error)
{
    AUTO_FREE char *name = ray_service_name(pass->cluster);
    AUTO_JSON cJSON *wanted = ray_head_service(pass->cluster);
    AUTO_OBJECT struct object *service =
        objects_find(pass->local->objects, KIND_SERVICE, pass->cluster->namespace, name);
    int r = 0;
    if (!service) {
        r = objects_create(pass->local->objects, KIND_SERVICE, pass->cluster->namespace, TAKE_POINTER(wanted), ret,
                           error);
    } else if (!object_controlled_by(service, pass->cluster->uid)) {
        r = error_set(error, ERROR_EXISTS, NULL, "service %s exists and belongs to something else", name);
    } else if (!json_equal(json_member(service->body, "spec"), json_member(wanted, "spec"))) {
        r = objects_change_seen(pass->local->objects, service, ENGINE_SPEC, put_ports, wanted, ret, error);
    } else {
        *ret = TAKE_POINTER(service);
    }
    return r < 0 ? failed(pass, r, "FailedToCreateService", error) : 0;
}

/* --- the head ----------------------------------------------------------------------------------------------------- */

static bool is_outdated(const struct ray_pass *pass, const struct object *pod)
{
    return pass->replace_changed &&
           strcmp(json_text_or("", pod->body, "metadata", "annotations", "ray.io/upgrade-strategy-recreate-hash", NULL),
                  pass->template_hash) != 0;
}

/* True if a pod that is over may be replaced now; otherwise the pass comes back when it may. */
static bool may_replace(struct ray_pass *pass, const struct object *pod)
{
    int64_t left = object_created_ms(pod) + REPLACE_AFTER_MS - clock_wall_ms();
    if (left <= 0)
        return true;
    if (pass->again_ms == 0 || left < pass->again_ms)
        pass->again_ms = left;
    return false;
}

/* A head that cannot reach its store ends at once: it is made when it can. */
static bool store_is_ready(struct ray_pass *pass)
{
    enum { LOOK_AGAIN_MS = 250 };
    bool trouble;
    free(pass->store_waits);
    pass->store_waits = ray_store_waits(pass->local, pass->cluster, &trouble);
    if (!pass->store_waits)
        return true;
    pass->seen.waiting = pass->store_waits;
    const char *told = json_text_or("", pass->cluster->body, "status", "reason", NULL);
    if (trouble && strcmp(told, pass->store_waits) != 0)
        engine_event(&pass->local->base, pass->cluster->body, "Warning", "GcsStoreNotReady", "%s", pass->store_waits);
    if (pass->again_ms == 0 || pass->again_ms > LOOK_AGAIN_MS)
        pass->again_ms = LOOK_AGAIN_MS;
    return false;
}

static int ensure_head(struct ray_pass *pass, struct error *error)
{
    bool any = false;
    for (size_t i = 0; i < pass->pods.count; i++) {
        struct object *pod = pass->pods.items[i];
        if (!is_head(pod))
            continue;
        any = true; /* one that ends still holds the name's address and its memory */
        if (object_terminating(pod))
            continue;
        int r = 0;
        if (pass->seen.head)
            r = remove_pod(pass, pod, "there is another head", error);
        else if (is_outdated(pass, pod))
            r = remove_pod(pass, pod, "its template changed", error);
        else if (!pod_is_over(pod))
            pass->seen.head = pod;
        else if (may_replace(pass, pod))
            r = remove_pod(pass, pod, "Ray ended", error);
        if (r < 0)
            return r;
    }
    return any || !store_is_ready(pass)
               ? 0
               : create_pod(pass, ray_head_pod(pass->cluster, &pass->local->traits.ray_metrics), true, error);
}

/* --- the workers -------------------------------------------------------------------------------------------------- */

static bool is_named(const cJSON *names, const char *name)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, names)
    {
        if (cJSON_IsString(entry) && strcmp(entry->valuestring, name) == 0)
            return true;
    }
    return false;
}

static bool joined_this_head(const struct ray_pass *pass, const struct object *pod)
{
    return strcmp(json_text_or("", pod->body, "metadata", "annotations", ANNOTATION_HEAD, NULL), pass->life) == 0;
}

/* Why a worker must go now; NULL if it may stay. */
static const char *worker_verdict(struct ray_pass *pass, const cJSON *group, const struct object *pod)
{
    if (is_named(json_at(group, "scaleStrategy", "workersToDelete", NULL), pod->name))
        return "it is named in workersToDelete";
    if (is_outdated(pass, pod))
        return "its template changed";
    /* A Ray node cannot move to another GCS: with a new head its workers begin anew, unless the new one goes on from
     * what the old one knew. */
    if (pass->life[0] && !joined_this_head(pass, pod) && !ray_is_fault_tolerant(pass->cluster))
        return "the head is a new one";
    return pod_is_over(pod) && may_replace(pass, pod) ? "Ray ended" : NULL;
}

static int newest_first(const void *a, const void *b)
{
    const struct object *left = *(struct object *const *)a, *right = *(struct object *const *)b;
    bool left_ready = json_condition_true(left->body, "Ready"), right_ready = json_condition_true(right->body, "Ready");
    if (left_ready != right_ready)
        return left_ready ? 1 : -1;
    int64_t left_ms = object_created_ms(left), right_ms = object_created_ms(right);
    return left_ms < right_ms ? 1 : left_ms > right_ms ? -1 : strcmp(right->name, left->name);
}

static void count_worker(struct ray_pass *pass, const struct object *pod)
{
    const cJSON *placed = json_condition(pod->body, "PodScheduled");
    pass->seen.pods++;
    pass->seen.available += strcmp(json_text_or("", pod->body, "status", "phase", NULL), "Running") == 0;
    pass->seen.ready += json_condition_true(pod->body, "Ready");
    if (placed && strcmp(json_text_or("", placed, "status", NULL), "False") == 0)
        pass->seen.waiting = json_text(placed, "message", NULL);
}

/* Sorts out the pods of one group; *ret are those that may stay. */
static int review_group(struct ray_pass *pass, const cJSON *group, const char *name, struct object_list *ret,
                        size_t *ret_ending, struct error *error)
{
    for (size_t i = 0; i < pass->pods.count; i++) {
        struct object *pod = pass->pods.items[i];
        if (is_head(pod) || strcmp(label_of(pod, RAY_LABEL_GROUP), name) != 0)
            continue;
        if (object_terminating(pod)) {
            (*ret_ending)++;
            continue;
        }
        const char *why = worker_verdict(pass, group, pod);
        int r = why ? remove_pod(pass, pod, why, error) : 0;
        if (r < 0)
            return r;
        if (why)
            (*ret_ending)++;
        else
            object_list_add(ret, pod);
    }
    return 0;
}

static int ensure_group(struct ray_pass *pass, const cJSON *group, struct error *error)
{
    AUTO_OBJECT_LIST struct object_list workers = {0};
    size_t ending = 0;
    int64_t wanted = ray_group_replicas(group);
    int r = review_group(pass, group, json_text_or("workers", group, "groupName", NULL), &workers, &ending, error);
    if (workers.count)
        qsort(workers.items, workers.count, sizeof(struct object *), newest_first);
    size_t surplus = workers.count > (size_t)wanted ? workers.count - (size_t)wanted : 0;
    for (size_t i = 0; r == 0 && i < workers.count; i++) {
        if (i < surplus)
            r = remove_pod(pass, workers.items[i], "fewer replicas are asked for", error);
        else
            count_worker(pass, workers.items[i]);
    }
    /* `ray start` of a worker ends when there is no GCS to join: they start when there is one. */
    for (size_t i = workers.count; r == 0 && pass->seen.health.gcs && i < (size_t)wanted; i++)
        r = create_pod(pass, ray_worker_pod(pass->cluster, group, pass->life), false, error);
    pass->seen.desired += wanted;
    pass->seen.minimum += ray_group_number(group, "minReplicas", 0);
    pass->seen.maximum += ray_group_number(group, "maxReplicas", INT32_MAX);
    return r;
}

static int remove_strangers(struct ray_pass *pass, const cJSON *groups, struct error *error)
{
    for (size_t i = 0; i < pass->pods.count; i++) {
        const cJSON *group;
        bool known = is_head(pass->pods.items[i]);
        cJSON_ArrayForEach(group, groups)
        {
            known = known || strcmp(json_text_or("workers", group, "groupName", NULL),
                                    label_of(pass->pods.items[i], RAY_LABEL_GROUP)) == 0;
        }
        int r = known ? 0 : remove_pod(pass, pass->pods.items[i], "its worker group is gone", error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int ensure_workers(struct ray_pass *pass, struct error *error)
{
    const cJSON *groups = json_at(pass->cluster->body, "spec", "workerGroupSpecs", NULL), *group;
    int result = remove_strangers(pass, groups, error);
    cJSON_ArrayForEach(group, groups)
    {
        int r = ensure_group(pass, group, error);
        result = result < 0 ? result : r;
    }
    return result;
}

/* --- the pass ----------------------------------------------------------------------------------------------------- */

static int suspend(struct ray_pass *pass, struct error *error)
{
    int result = 0;
    for (size_t i = 0; i < pass->pods.count; i++) {
        int r = remove_pod(pass, pass->pods.items[i], "the cluster is suspended", error);
        result = r < 0 ? r : result;
        if (is_head(pass->pods.items[i]))
            pass->seen.head = pass->pods.items[i];
        else
            count_worker(pass, pass->pods.items[i]);
    }
    ray_health_forget(pass->local, pass->cluster);
    return result;
}

static int run(struct ray_pass *pass, struct error *error)
{
    int r = ensure_head(pass, error);
    if (r == 0 && pass->seen.head) {
        const cJSON *placed = json_condition(pass->seen.head->body, "PodScheduled");
        if (placed && strcmp(json_text_or("", placed, "status", NULL), "False") == 0)
            pass->seen.waiting = json_text(placed, "message", NULL);
        free(pass->life);
        pass->life = ray_head_life(pass->seen.head);
        pass->seen.health = ray_health_of(pass->local, pass->cluster, pass->seen.head);
    }
    int workers = ensure_workers(pass, error);
    return r < 0 ? r : workers;
}

static void select_pods(struct ray_pass *pass)
{
    AUTO_OBJECT_LIST struct object_list all = {0};
    objects_select(pass->local->objects, KIND_POD, pass->cluster->namespace, NULL, &all);
    for (size_t i = 0; i < all.count; i++)
        if (object_controlled_by(all.items[i], pass->cluster->uid))
            object_list_add(&pass->pods, all.items[i]);
}

static int put_status(void *context, const cJSON *current, cJSON **ret, struct error *error)
{
    cJSON *status = context;
    (void)error;
    ray_status_keep_use(status, current);
    *ret = json_copy(current);
    json_set(*ret, "status", json_copy(status));
    return 0;
}

static int show(const struct ray_pass *pass, struct error *error)
{
    const struct object *cluster = pass->cluster;
    AUTO_JSON cJSON *status = ray_status(&pass->seen);
    if (json_equal(json_member(cluster->body, "status"), status))
        return 0; /* at steady state not even the writer lock is taken */
    return objects_change_seen(pass->local->objects, cluster, ENGINE_STATUS, put_status, status, NULL, error);
}

static int64_t reconcile_cluster(struct ray_pass *pass, struct error *error)
{
    AUTO_OBJECT struct object *service = NULL;
    int r = ensure_secret(pass, error);
    if (r == 0)
        r = ensure_service(pass, &service, error);
    pass->seen.service = service;
    if (r == 0)
        r = pass->seen.suspended ? suspend(pass, error) : run(pass, error);
    struct error other = {0};
    int shown = show(pass, &other);
    if (r == 0 && shown < 0) {
        *error = other;
        r = shown;
    }
    return r < 0 ? r : pass->again_ms;
}

int64_t raycluster_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    AUTO_OBJECT struct object *cluster = objects_find(local->objects, KIND_RAYCLUSTER, namespace, name);
    if (!cluster || object_terminating(cluster))
        return 0;
    struct ray_pass pass = {.local = local, .cluster = cluster, .life = memory_text("")};
    pass.seen.cluster = cluster;
    pass.seen.suspended = json_true(cluster->body, "spec", "suspend", NULL);
    pass.replace_changed =
        strcmp(json_text_or("", cluster->body, "spec", "upgradeStrategy", "type", NULL), "Recreate") == 0;
    ray_template_hash(cluster, pass.template_hash);
    select_pods(&pass);
    int64_t result = reconcile_cluster(&pass, error);
    object_list_free(&pass.pods);
    free(pass.life);
    free(pass.store_waits);
    return result;
}
