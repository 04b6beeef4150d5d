/* Where does the dashboard of a cluster that KubeRay makes find its figures? */
#include "engine/raymetrics.h"
#include "ray/internal.h"

static cJSON *head_container(const cJSON *spec)
{
    return cJSON_GetArrayItem(json_at(spec, "headGroupSpec", "template", "spec", "containers", NULL), 0);
}

void ray_complete_metrics(struct engine *engine, const cJSON *old, cJSON *spec)
{
    cJSON *container = head_container(spec);
    const struct engine_traits *traits = engine_traits(engine);
    if (!traits->ray_by_kuberay || !container)
        return;
    if (old)
        raymetrics_keep(head_container(old), container);
    else
        raymetrics_complete(&traits->ray_metrics, container);
}
