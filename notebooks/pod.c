/* What must a kubelet be told about a notebook's pod: whose its volumes are, what it may do, on which node it can be?
 */
#include "notebooks/render.h"

#include "tenancy/rights.h"

#define SAME_NODE "kubernetes.io/hostname"

/* Pods with the same home go to the same node: a volume of one node would keep the second one waiting for ever. The
 * first of them goes anywhere, because it matches its own term. */
static void render_place(const cJSON *volumes, cJSON *spec)
{
    bool home = false;
    for (const cJSON *volume = volumes ? volumes->child : NULL; volume; volume = volume->next)
        home = home ||
               strcmp(json_text_or("", volume, "persistentVolumeClaim", "claimName", NULL), NOTEBOOK_HOME_CLAIM) == 0;
    cJSON *affinity = home ? json_object_in(spec, "affinity") : NULL;
    if (!home || json_member(affinity, "podAffinity"))
        return;
    cJSON *terms = json_set(json_object_in(affinity, "podAffinity"), "requiredDuringSchedulingIgnoredDuringExecution",
                            json_array());
    cJSON *term = json_push(terms, json_object());
    json_set_text(json_object_in(json_object_in(term, "labelSelector"), "matchLabels"), NOTEBOOK_MOUNTS_HOME, "true");
    json_set_text(term, "topologyKey", SAME_NODE);
}

void notebook_render_rights(const struct notebook_ground *ground, cJSON *spec)
{
    cJSON *containers = json_member(spec, "containers");
    rights_complete(spec);
    if (ground->restricted)
        rights_restrict(spec);
    if (ground->home_on_one_node)
        render_place(json_member(spec, "volumes"), spec);
    for (cJSON *c = containers ? containers->child : NULL; c; c = c->next) {
        /* The last lines of a server that ended are then part of the pod's status. */
        if (!json_member(c, "terminationMessagePolicy"))
            json_set_text(c, "terminationMessagePolicy", "FallbackToLogsOnError");
    }
}
