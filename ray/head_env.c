/* Which variables has the head of a cluster that KubeRay makes? */
#include "engine/rayhead.h"
#include "ray/internal.h"

static cJSON *head_container(const cJSON *spec)
{
    return cJSON_GetArrayItem(json_at(spec, "headGroupSpec", "template", "spec", "containers", NULL), 0);
}

void ray_complete_head_env(struct engine *engine, const cJSON *old, cJSON *spec)
{
    cJSON *container = head_container(spec);
    const struct engine_traits *traits = engine_traits(engine);
    if (!traits->ray_by_kuberay || !container)
        return;
    if (old)
        rayhead_keep(head_container(old), container);
    else
        rayhead_complete(&traits->ray_metrics, container);
}
