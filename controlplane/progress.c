/* What does a workload that starts wait for? */
#include "controlplane/progress.h"

#include "base/clock.h"
#include "ray/state.h"

/* The stage that this pod is at; NULL: it is not made yet. */
static enum progress_stage stage_of(const cJSON *pod)
{
    const cJSON *status = cJSON_GetArrayItem(json_at(pod, "status", "containerStatuses", NULL), 0);
    if (json_at(status, "state", "running", NULL))
        return PROGRESS_ANSWER;
    return json_condition_true(pod, "PodScheduled") ? PROGRESS_IMAGE : PROGRESS_PLACE;
}

static void look_at_pod(struct engine *engine, const char *namespace, const char *selector, struct progress *ret)
{
    AUTO_JSON cJSON *list = NULL;
    const struct engine_list_options options = {.label_selector = selector};
    if (engine_list(engine, KIND_POD, namespace, &options, &list, NULL) < 0)
        return;
    const cJSON *pods = json_member(list, "items"), *pod = pods ? pods->child : NULL;
    ret->stage = stage_of(pod);
    if (!clock_parse(slice_of(json_text_or("", pod, "metadata", "creationTimestamp", NULL)), &ret->since_ms))
        ret->since_ms = 0;
}

static void look_at_notebook(const cJSON *notebook, struct progress *ret)
{
    const char *phase = json_text_or("Pending", notebook, "status", "phase", NULL);
    ret->starting = strcmp(phase, "Pending") == 0 || strcmp(phase, "Starting") == 0 || strcmp(phase, "Running") == 0;
    snprintf(ret->message, sizeof(ret->message), "%s", json_text_or("", notebook, "status", "message", NULL));
}

static void look_at_cluster(const cJSON *cluster, struct progress *ret)
{
    struct ray_state state = {0};
    ray_cluster_state(cluster, &state);
    ret->starting = strcmp(state.phase, "Pending") == 0 || strcmp(state.phase, "Running") == 0;
    snprintf(ret->message, sizeof(ret->message), "%s", state.message);
}

bool progress_look(struct engine *engine, const char *namespace, const struct target *target, struct progress *ret)
{
    AUTO_VIEW struct engine_view view = {0};
    bool notebook = strcmp(target->owner_kind, "Notebook") == 0;
    if (!notebook && strcmp(target->owner_kind, "RayCluster") != 0)
        return false;
    if (engine_view(engine, notebook ? KIND_NOTEBOOK : KIND_RAYCLUSTER, namespace, target->owner_name, &view, NULL) < 0)
        return false;
    *ret = (struct progress){.stage = PROGRESS_PLACE};
    if (notebook)
        look_at_notebook(view.object, ret);
    else
        look_at_cluster(view.object, ret);
    AUTO_FREE char *selector =
        memory_format(notebook ? "notebook-name=%s" : "ray.io/cluster=%s,ray.io/node-type=head", target->owner_name);
    look_at_pod(engine, namespace, selector, ret);
    return true;
}
