/* To which workload does an object belong? */
#include "tenancy/internal.h"

/* An object has one controller at most (apimachinery, validation.ValidateOwnerReferences). */
static const cJSON *controller_reference(const cJSON *object)
{
    const cJSON *references = json_at(object, "metadata", "ownerReferences", NULL);
    for (const cJSON *r = references ? references->child : NULL; r; r = r->next) {
        if (json_true(r, "controller", NULL))
            return r;
    }
    return NULL;
}

/* The controller of that kind that an object names; "" if it names none. */
static const char *controller_of(const cJSON *object, const char *kind)
{
    const cJSON *reference = controller_reference(object);
    return strcmp(json_text_or("", reference, "kind", NULL), kind) == 0 ? json_text_or("", reference, "name", NULL)
                                                                        : "";
}

/*
 * ownerReferences are written by reconcilers, labels could be a tenant's own: so references come first. A StatefulSet
 * is only ever made for the notebook of the same name, hence a pod of StatefulSet nb1 belongs to notebook nb1.
 */
static bool scope_by_owner(const cJSON *object, const char **ret_kind, const char **ret_name)
{
    static const struct {
        const char *controller, *workload;
    } owners[] = {{"Notebook", "Notebook"}, {"StatefulSet", "Notebook"}, {"RayCluster", "RayCluster"}};
    for (size_t i = 0; i < COUNT_OF(owners); i++) {
        const char *name = controller_of(object, owners[i].controller);
        if (*name) {
            *ret_kind = owners[i].workload;
            *ret_name = name;
            return true;
        }
    }
    return false;
}

static bool scope_by_label(const cJSON *object, const char **ret_kind, const char **ret_name)
{
    static const struct {
        const char *label, *workload;
    } labels[] = {
        {"atelier.dev/notebook", "Notebook"}, {"notebook-name", "Notebook"}, {"ray.io/cluster", "RayCluster"}};
    for (size_t i = 0; i < COUNT_OF(labels); i++) {
        const char *name = json_text(object, "metadata", "labels", labels[i].label, NULL);
        if (name && *name) {
            *ret_kind = labels[i].workload;
            *ret_name = name;
            return true;
        }
    }
    return false;
}

static bool scope_by_involved(const cJSON *event, const char **ret_kind, const char **ret_name)
{
    const char *kind = json_text_or("", event, "involvedObject", "kind", NULL);
    const char *name = json_text_or("", event, "involvedObject", "name", NULL);
    bool workload = strcmp(kind, "Notebook") == 0 || strcmp(kind, "RayCluster") == 0 || strcmp(kind, "RayJob") == 0 ||
                    strcmp(kind, "RayService") == 0;
    if (!workload && strcmp(kind, "StatefulSet") == 0) {
        kind = "Notebook";
        workload = true;
    }
    if (!workload || !*name)
        return false;
    *ret_kind = kind;
    *ret_name = name;
    return true;
}

/* A Service that leads to a Ray cluster's pods is that cluster's: a RayService's is its owner's, and no label says so.
 */
static bool scope_by_selector(const cJSON *service, const char **ret_kind, const char **ret_name)
{
    const char *cluster = json_text_or("", service, "spec", "selector", "ray.io/cluster", NULL);
    if (!*cluster)
        return false;
    *ret_kind = "RayCluster";
    *ret_name = cluster;
    return true;
}

void tenancy_scope(enum engine_kind kind, const cJSON *object, const char **ret_kind, const char **ret_name)
{
    switch (kind) {
    case KIND_CONTROLLERREVISION:
    case KIND_POD: /* whoever runs pods labels them as they like */
        if (scope_by_owner(object, ret_kind, ret_name))
            return;
        break;
    case KIND_SERVICE:
    case KIND_STATEFULSET:
    case KIND_CLAIM:
    case KIND_SECRET:
        if (scope_by_owner(object, ret_kind, ret_name) || scope_by_label(object, ret_kind, ret_name) ||
            (kind == KIND_SERVICE && scope_by_selector(object, ret_kind, ret_name)))
            return;
        break;
    case KIND_EVENT:
        /* The engine copies the labels of what an event is about, so a pod's events follow their pod. */
        if (scope_by_involved(object, ret_kind, ret_name) || scope_by_label(object, ret_kind, ret_name))
            return;
        break;
    default:
        break;
    }
    *ret_kind = engine_kinds[kind].kind;
    *ret_name = json_text_or("", object, "metadata", "name", NULL);
}

/* --- verified ----------------------------------------------------------------------------------------------------- */

/* The controller of <object>, if it is of that kind and still the one that the reference means. */
static bool controller_get(struct engine *engine, enum engine_kind kind, const cJSON *object, cJSON **ret)
{
    const cJSON *reference = controller_reference(object);
    const char *name = json_text_or("", reference, "name", NULL);
    struct slice version;
    struct slice group = slice_split(slice_of(json_text_or("", reference, "apiVersion", NULL)), '/', &version);
    AUTO_JSON cJSON *controller = NULL;
    if (strcmp(json_text_or("", reference, "kind", NULL), engine_kinds[kind].kind) != 0 || !*name ||
        !slice_is(group, engine_kinds[kind].group) ||
        engine_get(engine, kind, json_text(object, "metadata", "namespace", NULL), name, &controller, NULL) < 0)
        return false;
    const char *uid = json_text_or("", controller, "metadata", "uid", NULL);
    if (!*uid || strcmp(uid, json_text_or("", reference, "uid", NULL)) != 0)
        return false;
    *ret = TAKE_POINTER(controller);
    return true;
}

bool tenancy_pod_owner(struct engine *engine, const char *namespace, const char *pod, char ret_kind[32],
                       char ret_name[64])
{
    AUTO_JSON cJSON *object = NULL;
    AUTO_JSON cJSON *set = NULL;
    AUTO_JSON cJSON *workload = NULL;
    enum engine_kind kind = KIND_RAYCLUSTER;
    if (engine_get(engine, KIND_POD, namespace, pod, &object, NULL) < 0)
        return false;
    if (controller_get(engine, KIND_STATEFULSET, object, &set)) {
        kind = KIND_NOTEBOOK;
        if (!controller_get(engine, KIND_NOTEBOOK, set, &workload))
            return false;
    } else if (!controller_get(engine, KIND_RAYCLUSTER, object, &workload)) {
        return false;
    }
    snprintf(ret_kind, 32, "%s", engine_kinds[kind].kind);
    /* No grant is on a longer name, and a part of it could be another's. */
    return snprintf(ret_name, 64, "%s", json_text_or("", workload, "metadata", "name", NULL)) < 64;
}
