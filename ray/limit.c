/* Do all groups of a cluster together keep to the most workers that it may have? */
#include "engine/raylimit.h"
#include "ray/internal.h"

#define FIELD "metadata.annotations." RAYLIMIT_ANNOTATION
#define WORKERS_MAX (RAY_GROUPS_MAX * RAY_REPLICAS_MAX)

static int64_t total(const cJSON *spec, const char *key)
{
    const cJSON *group;
    int64_t sum = 0;
    cJSON_ArrayForEach(group, json_member(spec, "workerGroupSpecs"))
    {
        int64_t replicas = 0, hosts = 1;
        (void)json_i64(json_member(group, key), &replicas);
        (void)json_i64(json_member(group, "numOfHosts"), &hosts);
        sum += replicas * hosts; /* each is bounded: group.c */
    }
    return sum;
}

/* The completed spec of a RayCluster; <old> as it is stored, or NULL. What is above a limit may stay so and become
 * less: so that the limit can be lowered under a cluster that runs, and its autoscaler then takes workers away. */
int ray_check_limit(const cJSON *old, const cJSON *cluster, struct error *error)
{
    const char *text = json_text(cluster, "metadata", "annotations", RAYLIMIT_ANNOTATION, NULL);
    const cJSON *spec = json_member(cluster, "spec");
    int64_t most;
    if (!text)
        return 0;
    if (!text_parse_i64(slice_of(text), 0, WORKERS_MAX, &most))
        return error_set(error, ERROR_INVALID, FIELD, "%s must be a whole number from 0 to %d", FIELD, WORKERS_MAX);
    int64_t least = total(spec, "minReplicas"), wanted = total(spec, "replicas");
    if (least > most)
        return error_set(error, ERROR_INVALID, FIELD,
                         "%s is %lld, and minReplicas of all worker groups together are %lld", FIELD, (long long)most,
                         (long long)least);
    if (wanted > most && (!old || wanted > total(json_member(old, "spec"), "replicas")))
        return error_set(error, ERROR_INVALID, "spec.workerGroupSpecs",
                         "replicas of all worker groups together are %lld, and " RAYLIMIT_ANNOTATION " is %lld",
                         (long long)wanted, (long long)most);
    return 0;
}

void ray_complete_limit(const struct engine_traits *traits, cJSON *cluster)
{
    cJSON *spec = json_object_in(cluster, "spec");
    const cJSON *options = json_member(spec, "autoscalerOptions");
    if (!traits->ray_autoscaler_command || !json_true(spec, "enableInTreeAutoscaling", NULL) ||
        !json_text(cluster, "metadata", "annotations", RAYLIMIT_ANNOTATION, NULL) || json_member(options, "command") ||
        json_member(options, "args"))
        return; /* an engine that makes the container itself starts it so anyway; one's own command is one's own */
    raylimit_command(json_object_in(spec, "autoscalerOptions"), json_text_or("", cluster, "metadata", "name", NULL),
                     json_text_or("", cluster, "metadata", "namespace", NULL));
}
