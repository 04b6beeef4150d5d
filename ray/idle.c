/* When was a cluster last used, and how is one suspended that nobody uses? */
#include "ray/internal.h"

#include <math.h>

#include "base/clock.h"
#include "tenancy/ask.h"

#define DASHBOARD "8265"

static const char *namespace_of(const cJSON *cluster)
{
    return json_text_or("", cluster, "metadata", "namespace", NULL);
}

static const char *name_of(const cJSON *cluster)
{
    return json_text_or("", cluster, "metadata", "name", NULL);
}

static bool owned(const cJSON *cluster)
{
    const cJSON *owners = json_at(cluster, "metadata", "ownerReferences", NULL);
    return owners && owners->child;
}

/* A RayJob's or RayService's cluster lives as long as that wants it. */
static bool idle_runs(const cJSON *cluster, int64_t *ret_since_ms)
{
    const cJSON *head = json_condition(cluster, "HeadPodReady");
    return !json_true(cluster, "spec", "suspend", NULL) && !owned(cluster) &&
           !json_text(cluster, "metadata", "deletionTimestamp", NULL) &&
           strcmp(json_text_or("", head, "status", NULL), "True") == 0 &&
           clock_parse(slice_of(json_text_or("", head, "lastTransitionTime", NULL)), ret_since_ms);
}

/* --- what its head says ------------------------------------------------------------------------------------------- */

static int ask_head(struct engine *engine, const cJSON *cluster, const char *path, int *ret_status, cJSON **ret,
                    struct error *error)
{
    char secret[RAY_TOKEN_SECRET_SIZE];
    const struct ask ask = {.engine = engine,
                            .namespace = namespace_of(cluster),
                            .service = json_text_or("", cluster, "status", "head", "serviceName", NULL),
                            .port = DASHBOARD,
                            .secret = ray_token_secret(cluster, secret, NULL),
                            .key = "auth_token",
                            .header = "Authorization: Bearer "};
    return ask_json(&ask, path, ret_status, ret, error);
}

/* Drivers: jobs, notebooks that called ray.init, Ray Clients. Every component that says so keeps the cluster; one that
 * does not know whether it is at work leaves the question open. */
static int take_components(const cJSON *components, int64_t now_ms, int64_t *last_ms, struct error *error)
{
    const cJSON *component;
    if (!json_member(components, "driver"))
        return error_set(error, ERROR_UPSTREAM, NULL, "the cluster does not say whether drivers run");
    cJSON_ArrayForEach(component, components)
    {
        const char *active = json_text_or("", component, "is_active", NULL);
        double at_s = cJSON_GetNumberValue(json_member(component, "last_activity_at"));
        if (strcmp(active, "ACTIVE") == 0)
            *last_ms = now_ms;
        else if (strcmp(active, "INACTIVE") != 0)
            return error_set(error, ERROR_UPSTREAM, NULL, "the cluster does not know whether its %.64s is at work",
                             component->string);
        else if (isfinite(at_s) && at_s > 0 && at_s * 1000 < (double)now_ms && (int64_t)(at_s * 1000) > *last_ms)
            *last_ms = (int64_t)(at_s * 1000);
    }
    return 0;
}

bool ray_job_needs(const cJSON *job, const char *cluster)
{
    const char *state = json_text_or("", job, "status", "jobDeploymentStatus", NULL);
    return strcmp(json_text_or("", job, "spec", "clusterSelector", "ray.io/cluster", NULL), cluster) == 0 &&
           strcmp(state, "Complete") != 0 && strcmp(state, "Failed") != 0;
}

/* A RayJob may wait for a cluster on which nothing runs. */
static int ask_jobs(struct engine *engine, const cJSON *cluster, int64_t now_ms, int64_t *ret_ms, struct error *error)
{
    AUTO_JSON cJSON *jobs = NULL;
    const cJSON *job;
    int r = engine_list(engine, KIND_RAYJOB, namespace_of(cluster), NULL, &jobs, error);
    cJSON_ArrayForEach(job, json_member(jobs, "items"))
    {
        if (ray_job_needs(job, name_of(cluster)))
            *ret_ms = now_ms;
    }
    return r;
}

static int idle_ask(struct engine *engine, const cJSON *cluster, int64_t now_ms, int64_t *ret_ms, struct error *error)
{
    AUTO_JSON cJSON *components = NULL;
    AUTO_JSON cJSON *serve = NULL;
    int status = 0;
    int r = ask_head(engine, cluster, "/api/component_activities", &status, &components, error);
    if (r == 0)
        r = take_components(components, now_ms, ret_ms, error);
    if (r == 0)
        r = ask_head(engine, cluster, "/api/serve/applications/", &status, &serve, error);
    if (r < 0)
        return r;
    const cJSON *applications = json_member(serve, "applications");
    if (!cJSON_IsObject(applications))
        return error_set(error, ERROR_UPSTREAM, NULL, "the cluster does not list its Serve applications");
    if (applications->child)
        *ret_ms = now_ms;
    return ask_jobs(engine, cluster, now_ms, ret_ms, error);
}

/* --- suspending --------------------------------------------------------------------------------------------------- */

/* What was read is what is suspended: a click on "keep" that crosses this wins. The note holds only for the generation
 * that this write makes. */
static int idle_stop(struct engine *engine, const cJSON *cluster, const char *now, struct error *error)
{
    (void)now;
    AUTO_JSON cJSON *patch = json_object();
    cJSON *metadata = json_object_in(patch, "metadata");
    int64_t generation = 0;
    (void)json_i64(json_at(cluster, "metadata", "generation", NULL), &generation);
    AUTO_FREE char *note = memory_format("%lld", (long long)generation + 1);
    json_set_text(metadata, "resourceVersion", json_text(cluster, "metadata", "resourceVersion", NULL));
    json_set_text(json_object_in(metadata, "annotations"), ENGINE_SUSPENDED_IDLE, note);
    json_set(json_object_in(patch, "spec"), "suspend", cJSON_CreateTrue());
    return engine_patch(engine, KIND_RAYCLUSTER, namespace_of(cluster), name_of(cluster), ENGINE_SPEC,
                        ENGINE_PATCH_MERGE, patch, NULL, error);
}

/* --- deleting ----------------------------------------------------------------------------------------------------- */

/* Since when its pods are gone: by the later of what tells it, as KubeRay's state may stay "suspended" through a start
 * that was taken back. */
static bool suspended_since(const cJSON *cluster, int64_t *ret_ms)
{
    const cJSON *condition = json_condition(cluster, "RayClusterSuspended");
    const char *state = json_text_or("", cluster, "status", "state", NULL);
    const char *entered = json_text_or("", cluster, "status", "stateTransitionTimes", "suspended", NULL);
    const char *turned = json_text_or("", condition, "lastTransitionTime", NULL);
    int64_t entered_ms = 0, turned_ms = 0;
    bool has_condition =
        strcmp(json_text_or("", condition, "status", NULL), "True") == 0 && clock_parse(slice_of(turned), &turned_ms);
    bool has_state = strcmp(state, "suspended") == 0 && clock_parse(slice_of(entered), &entered_ms);
    *ret_ms = entered_ms > turned_ms ? entered_ms : turned_ms;
    return has_condition || has_state;
}

static bool abandoned_runs(const cJSON *cluster, int64_t *ret_since_ms)
{
    return json_true(cluster, "spec", "suspend", NULL) && !owned(cluster) &&
           !json_text(cluster, "metadata", "deletionTimestamp", NULL) && suspended_since(cluster, ret_since_ms);
}

/* What was read is what is deleted: whoever resumes it wins. */
static int abandoned_delete(struct engine *engine, const cJSON *cluster, const char *now, struct error *error)
{
    (void)now;
    return engine_delete_unchanged(engine, KIND_RAYCLUSTER, cluster, error);
}

struct idle_watch *ray_abandoned_new(struct engine *engine, const struct idle_options *options)
{
    static const struct idle_terms terms = {.after = IDLE_DELETE_AFTER,
                                            .end = "idleDeleteAt",
                                            .end_note = "atelier.dev/idle-delete-at",
                                            .warned = "IdleDelete",
                                            .ended = "DeletedIdle",
                                            .since = "it has been suspended",
                                            .done = "deleted",
                                            .rescue = "somebody resumes it"};
    static const struct idle_keeper keeper = {
        .kind = KIND_RAYCLUSTER, .runs = abandoned_runs, .ask = ask_jobs, .stop = abandoned_delete};
    struct idle_options own = *options;
    own.terms = &terms;
    return idle_watch_new(engine, "ray-abandoned", &own, &keeper);
}

struct idle_watch *ray_idle_new(struct engine *engine, const struct idle_options *options)
{
    static const struct idle_keeper keeper = {
        .kind = KIND_RAYCLUSTER, .runs = idle_runs, .ask = idle_ask, .stop = idle_stop};
    return idle_watch_new(engine, "ray-idle", options, &keeper);
}
