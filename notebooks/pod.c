/* What must a kubelet be told about a notebook's pod: whose its volumes are, what it may do, on which node it can be?
 */
#include "notebooks/render.h"

#define USER 1000 /* of the images in images/, as of Jupyter's and Ray's own */
#define GROUP 100 /* "users", as Kubeflow's notebooks have it: what the home volume's files are shared by */
#define SEEN_ON "kubernetes.io/hostname"

static void default_bool(cJSON *object, const char *key, bool value)
{
    if (!json_member(object, key))
        json_set_bool(object, key, value);
}

static void default_i64(cJSON *object, const char *key, int64_t value)
{
    if (!json_member(object, key))
        json_set_i64(object, key, value);
}

/* --- rights ------------------------------------------------------------------------------------------------------- */

/* What Pod Security "restricted" asks of each container; no more than what it says itself is added. */
static void restrict_container(cJSON *container)
{
    cJSON *context = json_object_in(container, "securityContext");
    default_bool(context, "allowPrivilegeEscalation", false);
    cJSON *capabilities = json_object_in(context, "capabilities");
    if (!json_member(capabilities, "drop"))
        json_push_text(json_set(capabilities, "drop", json_array()), "ALL");
}

/* An image whose user is a name cannot be told from root by a kubelet, so the number is said here. */
static void restrict_pod(cJSON *spec, cJSON *context)
{
    static const char *const lists[] = {"initContainers", "containers"};
    default_bool(context, "runAsNonRoot", true);
    default_i64(context, "runAsUser", USER);
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        cJSON *list = json_member(spec, lists[i]);
        for (cJSON *container = list ? list->child : NULL; container; container = container->next)
            restrict_container(container);
    }
}

static void render_security(const struct notebook_ground *ground, cJSON *spec)
{
    cJSON *context = json_object_in(spec, "securityContext");
    default_i64(context, "fsGroup", GROUP);
    /* Else every start goes through all files of the home. */
    if (!json_member(context, "fsGroupChangePolicy"))
        json_set_text(context, "fsGroupChangePolicy", "OnRootMismatch");
    if (!json_member(context, "seccompProfile"))
        json_set_text(json_object_in(context, "seccompProfile"), "type", "RuntimeDefault");
    if (ground->restricted)
        restrict_pod(spec, context);
}

/* --- place -------------------------------------------------------------------------------------------------------- */

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
    json_set_text(term, "topologyKey", SEEN_ON);
}

void notebook_render_rights(const struct notebook_ground *ground, cJSON *spec)
{
    cJSON *containers = json_member(spec, "containers");
    render_security(ground, spec);
    if (ground->home_on_one_node)
        render_place(json_member(spec, "volumes"), spec);
    /* A Service named "jupyter" would set JUPYTER_PORT to something that Jupyter takes for its own. */
    default_bool(spec, "enableServiceLinks", false);
    default_bool(spec, "automountServiceAccountToken", false);
    for (cJSON *c = containers ? containers->child : NULL; c; c = c->next) {
        /* The last lines of a server that ended are then part of the pod's status. */
        if (!json_member(c, "terminationMessagePolicy"))
            json_set_text(c, "terminationMessagePolicy", "FallbackToLogsOnError");
    }
}
