/* What may an update of a RayCluster change, and what would silently have no effect? */
#include "ray/internal.h"

static bool recreates(const cJSON *cluster)
{
    return strcmp(json_text_or("None", cluster, "spec", "upgradeStrategy", "type", NULL), "Recreate") == 0;
}

/* What a running pod was made from. */
static bool same_pods(const cJSON *old, const cJSON *group)
{
    const cJSON *old_params = json_member(old, "rayStartParams");
    const cJSON *params = json_member(group, "rayStartParams");
    bool no_params = (!old_params || !old_params->child) && (!params || !params->child);
    return json_equal(json_member(old, "template"), json_member(group, "template")) &&
           (no_params || json_equal(old_params, params));
}

static int refuse(const char *field, struct error *error)
{
    return error_set(
        error, ERROR_INVALID, field,
        "a change of %s would not reach the pods that run; set spec.upgradeStrategy.type to Recreate, which "
        "replaces them, or delete the cluster and create it again",
        field);
}

/* What a head was started with stays so for its life, and its workers judge by the spec what becomes of them without
 * it. One that waits for a store that does not come may do without. */
static int check_memory(const cJSON *old, const cJSON *cluster, struct error *error)
{
    const cJSON *was = json_at(old, "spec", "gcsFaultToleranceOptions", NULL);
    const cJSON *is = json_at(cluster, "spec", "gcsFaultToleranceOptions", NULL);
    bool suspended = json_true(old, "spec", "suspend", NULL) || json_true(cluster, "spec", "suspend", NULL);
    if ((!was && !is) || json_equal(was, is) || suspended ||
        !json_text_or("", old, "status", "head", "podName", NULL)[0])
        return 0;
    return error_set(
        error, ERROR_INVALID, "spec.gcsFaultToleranceOptions",
        "a change of spec.gcsFaultToleranceOptions would not reach the head that runs; suspend the cluster "
        "first, or delete it and create it again");
}

int ray_check_change(const cJSON *old, const cJSON *cluster, struct error *error)
{
    int r = check_memory(old, cluster, error);
    if (r < 0)
        return r;
    /* A cluster without pods has nothing to be out of step with. */
    if (recreates(cluster) || json_true(old, "spec", "suspend", NULL) || json_true(cluster, "spec", "suspend", NULL))
        return 0;
    const cJSON *old_head = json_at(old, "spec", "headGroupSpec", NULL);
    if (!same_pods(old_head, json_at(cluster, "spec", "headGroupSpec", NULL)))
        return refuse("spec.headGroupSpec", error);
    const cJSON *old_groups = json_at(old, "spec", "workerGroupSpecs", NULL);
    const cJSON *groups = json_at(cluster, "spec", "workerGroupSpecs", NULL);
    int at = 0;
    for (const cJSON *group = groups ? groups->child : NULL; group; group = group->next, at++) {
        const char *name = json_text_or("", group, "groupName", NULL);
        for (const cJSON *was = old_groups ? old_groups->child : NULL; was; was = was->next) {
            int64_t replicas = 0;
            (void)json_i64(json_member(was, "replicas"), &replicas);
            if (strcmp(json_text_or("", was, "groupName", NULL), name) != 0 || replicas == 0 || same_pods(was, group))
                continue;
            char field[64];
            snprintf(field, sizeof(field), "spec.workerGroupSpecs[%d]", at);
            return refuse(field, error);
        }
    }
    return 0;
}

static void follow(const cJSON *was, cJSON *group)
{
    int64_t before, replicas, least = 0, most = RAY_REPLICAS_UNLIMITED;
    if (!json_i64(json_member(was, "replicas"), &before) || !json_i64(json_member(group, "replicas"), &replicas) ||
        replicas != before)
        return;
    (void)json_i64(json_member(group, "minReplicas"), &least);
    (void)json_i64(json_member(group, "maxReplicas"), &most);
    if (least <= most)
        json_set_i64(group, "replicas", replicas < least ? least : replicas > most ? most : replicas);
}

void ray_follow_bounds(const cJSON *old, cJSON *cluster)
{
    cJSON *group;
    const cJSON *was;
    if (!json_true(cluster, "spec", "enableInTreeAutoscaling", NULL))
        return;
    cJSON_ArrayForEach(group, json_at(cluster, "spec", "workerGroupSpecs", NULL))
    {
        const char *name = json_text_or("", group, "groupName", NULL);
        cJSON_ArrayForEach(was, json_at(old, "spec", "workerGroupSpecs", NULL))
        {
            if (strcmp(json_text_or("", was, "groupName", NULL), name) == 0)
                follow(was, group);
        }
    }
}
