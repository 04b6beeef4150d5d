/* What must a pod say about itself where a kubelet runs it and Pod Security judges it? */
#include "tenancy/rights.h"

#define USER 1000
#define GROUP 100 /* "users", by which the files of a home are shared */

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

bool rights_restricted(struct engine *engine, const char *namespace)
{
    AUTO_JSON cJSON *object = NULL;
    if (engine_get(engine, KIND_NAMESPACE, NULL, namespace, &object, NULL) < 0)
        return false;
    return strcmp(json_text_or("", object, "metadata", "labels", "pod-security.kubernetes.io/enforce", NULL),
                  "restricted") == 0;
}

void rights_complete(cJSON *pod_spec)
{
    cJSON *context = json_object_in(pod_spec, "securityContext");
    default_i64(context, "fsGroup", GROUP);
    /* Else every start goes through all files of a volume. */
    if (!json_member(context, "fsGroupChangePolicy"))
        json_set_text(context, "fsGroupChangePolicy", "OnRootMismatch");
    if (!json_member(context, "seccompProfile"))
        json_set_text(json_object_in(context, "seccompProfile"), "type", "RuntimeDefault");
    /* A Service named "jupyter" or "ray" would set JUPYTER_PORT or RAY_PORT to what these take for their own. */
    default_bool(pod_spec, "enableServiceLinks", false);
    default_bool(pod_spec, "automountServiceAccountToken", false);
}

void rights_restrict_container(cJSON *parent)
{
    cJSON *context = json_object_in(parent, "securityContext");
    default_bool(context, "allowPrivilegeEscalation", false);
    cJSON *capabilities = json_object_in(context, "capabilities");
    if (!json_member(capabilities, "drop"))
        json_push_text(json_set(capabilities, "drop", json_array()), "ALL");
}

/* An image whose user is a name cannot be told from root by a kubelet, so the number is said here. */
void rights_restrict(cJSON *pod_spec)
{
    static const char *const lists[] = {"initContainers", "containers"};
    cJSON *context = json_object_in(pod_spec, "securityContext");
    default_bool(context, "runAsNonRoot", true);
    default_i64(context, "runAsUser", USER);
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        cJSON *list = json_member(pod_spec, lists[i]);
        for (cJSON *container = list ? list->child : NULL; container; container = container->next)
            rights_restrict_container(container);
    }
}
