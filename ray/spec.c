/* May this RayClusterSpec be stored as it is, and what does it leave to the platform? */
#include "ray/internal.h"

#include "tenancy/shape.h"

const char *ray_path(char ret[RAY_PATH_MAX], const char *base, const char *key)
{
    if (snprintf(ret, RAY_PATH_MAX, "%s.%s", base, key) >= RAY_PATH_MAX)
        ret[RAY_PATH_MAX - 1] = '\0'; /* cut: it is for people */
    return ret;
}

const char *ray_path_at(char ret[RAY_PATH_MAX], const char *base, const char *list, int at, const char *rest)
{
    if (snprintf(ret, RAY_PATH_MAX, "%s.%s[%d]%s", base, list, at, rest) >= RAY_PATH_MAX)
        ret[RAY_PATH_MAX - 1] = '\0';
    return ret;
}

/* --- what KubeRay knows and this platform does not do ------------------------------------------------------------- */

static int check_not_offered(const struct ray_context *context, const cJSON *spec, struct error *error)
{
    const struct {
        const char *key, *why;
        bool offered;
    } options[] = {{"enableInTreeAutoscaling", "set replicas instead; autoscaling is not offered here",
                    context->traits->ray_autoscaling},
                   {"gcsFaultToleranceOptions",
                    "a head that ends starts afresh; fault tolerance of the GCS is not offered here",
                    context->traits->ray_fault_tolerance},
                   {"networkPolicy", "profiles are kept apart anyway", false},
                   {"tlsOptions", "TLS between Ray nodes is not offered here", false},
                   {"historyServerOptions", "a history server is not offered here", false}};
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        const cJSON *value = json_member(spec, options[i].key);
        if (!value || cJSON_IsFalse(value) || options[i].offered)
            continue;
        char field[RAY_PATH_MAX];
        ray_path(field, context->base, options[i].key);
        return error_set(error, ERROR_INVALID, field, "%s cannot be used: %s", field, options[i].why);
    }
    return 0;
}

static int check_upgrade_strategy(const struct ray_context *context, const cJSON *spec, struct error *error)
{
    static const char *const known[] = {"type", NULL};
    char path[RAY_PATH_MAX];
    char field[RAY_PATH_MAX];
    cJSON *strategy = NULL;
    const char *type = NULL;
    ray_path(path, context->base, "upgradeStrategy");
    int r = shape_object(spec, context->base, "upgradeStrategy", &strategy, error);
    if (r == 0)
        r = json_check_known(strategy, path, known, error);
    if (r == 0)
        r = shape_text(strategy, path, "type", &type, error);
    if (r < 0)
        return r;
    if (type && context->owned)
        return error_set(error, ERROR_INVALID, path, "%s cannot be set: a RayJob or RayService replaces its clusters",
                         path);
    if (type && strcmp(type, "None") != 0 && strcmp(type, "Recreate") != 0) {
        ray_path(field, path, "type");
        return error_set(error, ERROR_INVALID, field, "%s must be None or Recreate", field);
    }
    return 0;
}

static int check_managed_by(const struct ray_context *context, const cJSON *spec, struct error *error)
{
    const char *by = NULL;
    char field[RAY_PATH_MAX];
    int r = shape_text(spec, context->base, "managedBy", &by, error);
    if (r < 0 || !by || strcmp(by, "ray.io/kuberay-operator") == 0)
        return r;
    ray_path(field, context->base, "managedBy");
    return error_set(error, ERROR_INVALID, field, "%s must be absent or ray.io/kuberay-operator", field);
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static int check_istio_route(const cJSON *metadata, struct error *error)
{
    const char *route = json_text_or("on", metadata, "annotations", RAY_ISTIO_ROUTE, NULL);
    if (strcmp(route, "on") == 0 || strcmp(route, "off") == 0)
        return 0;
    return error_set(error, ERROR_INVALID, "metadata.annotations[" RAY_ISTIO_ROUTE "]",
                     RAY_ISTIO_ROUTE " must be \"on\" or \"off\", not \"%.64s\"", route);
}

int ray_check_metadata(const char *kind, size_t name_max, const cJSON *old, cJSON *object, cJSON **ret_spec,
                       struct error *error)
{
    static const char *const known[] = {"apiVersion", "kind", "metadata", "spec", "status", NULL};
    cJSON *metadata = NULL;
    cJSON *spec = NULL;
    shape_drop_nulls(object);
    int r = json_check_known(object, "", known, error);
    if (r == 0)
        r = shape_object(object, "", "metadata", &metadata, error);
    if (r == 0)
        r = shape_workload_name(kind, json_text(metadata, "name", NULL), name_max, error);
    if (r == 0)
        r = shape_texts(metadata, "metadata", "labels", error);
    if (r == 0)
        r = shape_texts(metadata, "metadata", "annotations", error);
    if (r == 0)
        r = check_istio_route(metadata, error);
    if (r == 0)
        r = shape_finalizers(old, object, NULL, error);
    if (r == 0)
        r = shape_object(object, "", "spec", &spec, error);
    if (r == 0)
        *ret_spec = json_object_in(object, "spec");
    return r;
}

static int check_options(const struct ray_context *context, cJSON *spec, struct error *error)
{
    bool suspend = false;
    int r = shape_bool(spec, context->base, "suspend", false, &suspend, error);
    if (r == 0)
        r = shape_texts(spec, context->base, "headServiceAnnotations", error);
    if (r == 0)
        r = check_upgrade_strategy(context, spec, error);
    return r < 0 ? r : check_managed_by(context, spec, error);
}

int ray_check_spec(struct engine *engine, const char *base, const cJSON *object, bool owned, cJSON *spec,
                   struct error *error)
{
    static const char *const known[] = {
        "rayVersion", "headGroupSpec", "workerGroupSpecs",     "enableInTreeAutoscaling",  "autoscalerOptions",
        "suspend",    "authOptions",   "upgradeStrategy",      "gcsFaultToleranceOptions", "networkPolicy",
        "tlsOptions", "managedBy",     "historyServerOptions", "headServiceAnnotations",   NULL};
    struct ray_context context = {.engine = engine,
                                  .traits = engine_traits(engine),
                                  .base = base,
                                  .namespace = json_text_or("", object, "metadata", "namespace", NULL),
                                  .annotations = json_at(object, "metadata", "annotations", NULL),
                                  .owned = owned};
    int r = json_check_known(spec, base, known, error);
    if (r == 0)
        r = check_options(&context, spec, error);
    if (r == 0)
        r = check_not_offered(&context, spec, error);
    if (r == 0)
        r = ray_complete_auth(&context, spec, error);
    if (r == 0)
        r = ray_check_autoscaler(&context, spec, error);
    if (r == 0)
        r = ray_check_head(&context, spec, error);
    if (r == 0)
        r = ray_check_workers(&context, spec, error);
    if (r == 0)
        r = ray_check_fault_tolerance(&context, spec, error);
    if (r == 0)
        ray_complete_rights(&context, spec);
    if (r == 0)
        ray_complete_auth_env(&context, spec);
    if (r == 0)
        r = ray_complete_images(&context, spec, error);
    return r < 0 ? r : ray_check_priorities(&context, spec, error);
}
