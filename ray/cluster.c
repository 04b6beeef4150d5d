/* May this RayCluster be stored as it is, and what is worth a remark once it is? */
#include "ray/internal.h"

#include "tenancy/image.h"
#include "tenancy/shape.h"

static int check_service_free(struct engine *engine, const cJSON *cluster, struct error *error)
{
    const char *name = json_text_or("", cluster, "metadata", "name", NULL);
    AUTO_FREE char *service_name = memory_format("%s-head-svc", name);
    AUTO_JSON cJSON *service = NULL;
    int r = engine_get(engine, KIND_SERVICE, json_text(cluster, "metadata", "namespace", NULL), service_name, &service,
                       NULL);
    if (r < 0) /* absent; any other trouble shows when the cluster is stored */
        return 0;
    const char *earlier = json_text(service, "metadata", "labels", "ray.io/cluster", NULL);
    if (earlier && strcmp(earlier, name) == 0)
        return 0; /* an earlier cluster's, on its way out */
    return error_set(error, ERROR_INVALID, "metadata.name",
                     "a service named \"%s\" exists in this profile; choose another name", service_name);
}

/* KubeRay made it for one of these, and asks it how that one stands. */
static bool is_followed(const cJSON *cluster)
{
    const cJSON *owner;
    cJSON_ArrayForEach(owner, json_at(cluster, "metadata", "ownerReferences", NULL))
    {
        const char *kind = json_text_or("", owner, "kind", NULL);
        if (json_true(owner, "controller", NULL) && (strcmp(kind, "RayJob") == 0 || strcmp(kind, "RayService") == 0))
            return true;
    }
    return false;
}

int ray_cluster_admit(struct engine *engine, const cJSON *old, cJSON *cluster, struct error *error)
{
    cJSON *spec = NULL;
    bool owned = is_followed(cluster);
    int r = ray_check_metadata("RayCluster", RAY_NAME_MAX, old, cluster, &spec, error);
    if (r == 0)
        r = idle_check_annotations(cluster, error);
    if (r == 0 && !old)
        r = check_service_free(engine, cluster, error);
    if (r == 0 && old)
        ray_follow_bounds(old, cluster);
    if (r == 0)
        r = ray_check_spec(engine, "spec", cluster, owned, spec, error);
    if (r == 0)
        r = ray_check_limit(old, cluster, error);
    if (r == 0)
        r = ray_complete_runtime(old, cluster, error);
    if (r == 0) {
        ray_complete_limit(engine_traits(engine), cluster);
        ray_complete_head_env(engine, json_member(old, "spec"), spec);
    }
    if (r < 0 || !old)
        return r;
    /* Completed as this one was: what an earlier version of the platform left out is no change. */
    AUTO_JSON cJSON *was = json_copy(old);
    (void)ray_check_spec(engine, "spec", was, owned, json_object_in(was, "spec"), NULL);
    return ray_check_change(was, cluster, error);
}

/* --- remarks ------------------------------------------------------------------------------------------------------ */

static void remark_version(struct engine *engine, const cJSON *cluster)
{
    const char *image = ray_head_image(json_member(cluster, "spec"));
    const char *wanted = json_text(cluster, "spec", "rayVersion", NULL);
    AUTO_JSON cJSON *images = NULL;
    if (!image || !wanted || engine_images(engine, &images, NULL) < 0)
        return;
    const char *has = json_text(image_find(images, image), "rayVersion", NULL);
    if (has && strcmp(has, wanted) != 0)
        engine_event(engine, cluster, "Warning", "RayVersionMismatch",
                     "spec.rayVersion is %s and the image %s has Ray %s; the image's is what runs", wanted, image, has);
}

/* The hard limit of one amount over all quotas of the profile; false if there is none. */
static bool quota_of(const cJSON *quotas, const char *key, bool (*parse)(struct slice, int64_t *), int64_t *ret)
{
    char requests[64];
    bool found = false;
    snprintf(requests, sizeof(requests), "requests.%s", key);
    const cJSON *items = json_member(quotas, "items");
    for (const cJSON *quota = items ? items->child : NULL; quota; quota = quota->next) {
        const char *hard = json_text(quota, "spec", "hard", requests, NULL);
        int64_t limit = 0;
        if (!hard)
            hard = json_text(quota, "spec", "hard", key, NULL);
        if (!hard || !parse(slice_of(hard), &limit))
            continue;
        *ret = found && *ret < limit ? *ret : limit;
        found = true;
    }
    return found;
}

/* KubeRay would try for ever; only the pods' events would tell. */
static void remark_quota(struct engine *engine, const cJSON *cluster)
{
    struct ray_demand demand;
    AUTO_JSON cJSON *quotas = NULL;
    int64_t limit = 0;
    char asked[32];
    char allowed[32];
    char sidecar[96] = "";
    const char *namespace = json_text(cluster, "metadata", "namespace", NULL);
    if (!namespace || engine_list(engine, KIND_RESOURCEQUOTA, namespace, NULL, &quotas, NULL) < 0)
        return;
    ray_cluster_demand(json_member(cluster, "spec"), &demand);
    if (quota_of(quotas, "cpu", quantity_parse_milli, &limit) && demand.cpu_milli > limit) {
        quantity_format_cpu(demand.cpu_milli, asked, sizeof(asked));
        quantity_format_cpu(limit, allowed, sizeof(allowed));
        if (demand.sidecar_cpu_milli)
            snprintf(sidecar, sizeof(sidecar), " (%lldm of it for its autoscaler)",
                     (long long)demand.sidecar_cpu_milli);
        engine_event(engine, cluster, "Warning", "QuotaTooSmall",
                     "the cluster asks for at least %s CPUs%s and the profile may have %s", asked, sidecar, allowed);
    }
    if (quota_of(quotas, "memory", quantity_parse_bytes, &limit) && demand.memory_bytes > limit) {
        quantity_format_bytes(demand.memory_bytes, asked, sizeof(asked));
        quantity_format_bytes(limit, allowed, sizeof(allowed));
        engine_event(engine, cluster, "Warning", "QuotaTooSmall",
                     "the cluster asks for at least %s of memory%s and the profile may have %s", asked,
                     demand.sidecar_memory_bytes ? " (with its autoscaler)" : "", allowed);
    }
}

void ray_cluster_remark(struct engine *engine, const cJSON *cluster)
{
    remark_version(engine, cluster);
    remark_quota(engine, cluster);
    ray_remark_skew(engine, cluster);
}
