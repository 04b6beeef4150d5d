/* What may the pods of a Ray cluster do, where a kubelet runs them and Pod Security judges them? */
#include "ray/internal.h"

#include "tenancy/rights.h"

/* The autoscaler in the head asks the cluster's API for workers; nothing else of Ray does. */
static void complete_group(cJSON *group, bool asks_api, bool restricted)
{
    cJSON *pod_spec = json_at(group, "template", "spec", NULL);
    if (!pod_spec)
        return;
    bool said = json_member(pod_spec, "automountServiceAccountToken") != NULL;
    rights_complete(pod_spec);
    if (asks_api && !said)
        json_remove(pod_spec, "automountServiceAccountToken");
    if (restricted)
        rights_restrict(pod_spec);
}

void ray_complete_rights(const struct ray_context *context, cJSON *spec)
{
    if (!context->traits->pods_by_kubelet)
        return;
    bool restricted = rights_restricted(context->engine, context->namespace);
    cJSON *groups = json_member(spec, "workerGroupSpecs");
    complete_group(json_member(spec, "headGroupSpec"), context->autoscaler > 0, restricted);
    for (cJSON *group = groups ? groups->child : NULL; group; group = group->next)
        complete_group(group, false, restricted);
    /* KubeRay copies a worker's own context to what it puts before it, but the head's not to the autoscaler. */
    if (restricted && context->autoscaler > 0)
        rights_restrict_container(json_object_in(spec, "autoscalerOptions"));
}

/* --- what submits a RayJob ---------------------------------------------------------------------------------------- */

/* KubeRay's own default, which says nothing that "restricted" would let pass. */
static cJSON *default_submitter(const char *image)
{
    static const char *const amounts[][3] = {{"requests", "500m", "200Mi"},
                                             {"limits", "1", "1Gi"}}; /* ray-operator/controllers/ray/common/job.go */
    cJSON *template = json_object();
    cJSON *pod_spec = json_object_in(template, "spec");
    json_set_text(pod_spec, "restartPolicy", "Never");
    cJSON *container = json_push(json_set(pod_spec, "containers", json_array()), json_object());
    json_set_text(container, "name", "ray-job-submitter");
    json_set_text(container, "image", image);
    for (size_t i = 0; i < COUNT_OF(amounts); i++) {
        cJSON *side = json_object_in(json_object_in(container, "resources"), amounts[i][0]);
        json_set_text(side, "cpu", amounts[i][1]);
        json_set_text(side, "memory", amounts[i][2]);
    }
    return template;
}

void ray_complete_submitter(struct engine *engine, const cJSON *job, cJSON *spec)
{
    if (!engine_traits(engine)->pods_by_kubelet)
        return;
    const char *namespace = json_text_or("", job, "metadata", "namespace", NULL);
    const char *chosen = json_text(spec, "clusterSelector", "ray.io/cluster", NULL);
    bool restricted = rights_restricted(engine, namespace);
    AUTO_JSON cJSON *cluster = NULL;
    if (restricted && chosen) /* absent: the job waits for it, and is completed when it is written again */
        (void)engine_get(engine, KIND_RAYCLUSTER, namespace, chosen, &cluster, NULL);
    const char *image = ray_head_image(chosen ? json_member(cluster, "spec") : json_member(spec, "rayClusterSpec"));
    if (restricted && image && !json_member(spec, "submitterPodTemplate"))
        json_set(spec, "submitterPodTemplate", default_submitter(image));
    cJSON *pod_spec = json_at(spec, "submitterPodTemplate", "spec", NULL);
    if (pod_spec)
        rights_complete(pod_spec);
    if (pod_spec && restricted)
        rights_restrict(pod_spec);
}
