/* May this head come back with what it knew, and does it say where that is kept? */
#include "ray/internal.h"

#include "tenancy/shape.h"

#define DELETION_TIMEOUT "ray.io/gcs-ft-deletion-timeout"

static int refuse(const char *field, const char *instead, struct error *error)
{
    return error_set(error, ERROR_INVALID, field, "%s cannot be set here: %s", field, instead);
}

/* {value} or {valueFrom}, one of them. */
static int check_credential(const cJSON *options, const char *path, const char *key, struct error *error)
{
    static const char *const known[] = {"value", "valueFrom", NULL};
    char field[RAY_PATH_MAX];
    cJSON *credential = NULL;
    cJSON *from = NULL;
    const char *value = NULL;
    int r = shape_object(options, path, key, &credential, error);
    if (r < 0 || !credential)
        return r;
    ray_path(field, path, key);
    r = json_check_known(credential, field, known, error);
    if (r == 0)
        r = shape_text(credential, field, "value", &value, error);
    if (r == 0)
        r = shape_object(credential, field, "valueFrom", &from, error);
    if (r == 0 && (value != NULL) == (from != NULL))
        r = error_set(error, ERROR_INVALID, field, "%s must have either value or valueFrom", field);
    return r;
}

static int check_options(const struct ray_context *context, const cJSON *options, const char *path, struct error *error)
{
    static const char *const known[] = {
        "backend", "redisAddress", "redisUsername", "redisPassword", "storage", "externalStorageNamespace", NULL};
    char field[RAY_PATH_MAX];
    const char *backend = NULL;
    const char *address = NULL;
    const char *text = NULL;
    int r = json_check_known(options, path, known, error);
    if (r == 0)
        r = shape_text(options, path, "backend", &backend, error);
    if (r == 0)
        r = shape_text(options, path, "redisAddress", &address, error);
    if (r == 0)
        r = shape_text(options, path, "externalStorageNamespace", &text, error);
    if (r == 0)
        r = check_credential(options, path, "redisUsername", error);
    if (r == 0)
        r = check_credential(options, path, "redisPassword", error);
    if (r < 0)
        return r;
    if (backend && strcmp(backend, "redis") != 0) {
        ray_path(field, path, "backend");
        return error_set(error, ERROR_INVALID, field, "%s must be redis", field);
    }
    bool own = context->traits->ray_store && (!address || !*address);
    static const char *const of_address[] = {"redisUsername", "redisPassword", "externalStorageNamespace"};
    for (size_t i = 0; own && i < COUNT_OF(of_address); i++) {
        if (!json_member(options, of_address[i]))
            continue;
        ray_path(field, path, of_address[i]);
        return refuse(field, "it belongs to a redisAddress; without one the store is the profile's own", error);
    }
    if (!own && (!address || !*address)) {
        ray_path(field, path, "redisAddress");
        return error_set(error, ERROR_INVALID, field, "%s is missing; expected such as redis:6379", field);
    }
    if (json_member(options, "storage")) {
        ray_path(field, path, "storage");
        return refuse(field, "Redis keeps its own", error);
    }
    return 0;
}

/* What the head says elsewhere about the same thing: KubeRay refuses both ways at once, and does so silently. */
static int check_head(const struct ray_context *context, const cJSON *spec, bool enabled, struct error *error)
{
    const cJSON *head = json_member(spec, "headGroupSpec");
    const cJSON *containers = json_at(head, "template", "spec", "containers", NULL);
    const cJSON *env = json_member(containers ? containers->child : NULL, "env");
    char field[RAY_PATH_MAX];
    int at = 0;
    for (const cJSON *item = cJSON_IsArray(env) ? env->child : NULL; item; item = item->next, at++) {
        const char *name = json_text_or("", item, "name", NULL);
        bool password = enabled && strcmp(name, "REDIS_PASSWORD") == 0;
        if (!password && strcmp(name, "REDIS_USERNAME") != 0)
            continue;
        ray_path_at(field, context->base, "headGroupSpec.template.spec.containers[0].env", at, ".name");
        return refuse(field,
                      password ? "use gcsFaultToleranceOptions.redisPassword"
                               : "use gcsFaultToleranceOptions.redisUsername",
                      error);
    }
    return 0;
}

int ray_check_fault_tolerance(const struct ray_context *context, const cJSON *spec, struct error *error)
{
    static const char storage[] = "ray.io/external-storage-namespace";
    char path[RAY_PATH_MAX];
    cJSON *options = NULL;
    ray_path(path, context->base, "gcsFaultToleranceOptions");
    int r = shape_object(spec, context->base, "gcsFaultToleranceOptions", &options, error);
    if (r < 0)
        return r;
    const char *enabled = json_text(context->annotations, "ray.io/ft-enabled", NULL);
    if (enabled && *enabled && (options || strcmp(enabled, "false") != 0))
        return refuse("metadata.annotations.ray.io/ft-enabled",
                      context->traits->ray_fault_tolerance ? "use gcsFaultToleranceOptions"
                                                           : "fault tolerance of the GCS is not offered here",
                      error);
    const char *timeout = json_text(context->annotations, DELETION_TIMEOUT, NULL);
    int64_t seconds = 0;
    if (timeout && !text_parse_i64(slice_of(timeout), 1, RAY_SECONDS_MAX, &seconds))
        return error_set(error, ERROR_INVALID, "metadata.annotations." DELETION_TIMEOUT,
                         "the annotation " DELETION_TIMEOUT " must be a whole number of seconds from 1 to %d",
                         RAY_SECONDS_MAX); /* KubeRay would take its own number instead */
    if (options && json_text(context->annotations, storage, NULL))
        return refuse("metadata.annotations.ray.io/external-storage-namespace",
                      "use gcsFaultToleranceOptions.externalStorageNamespace", error);
    if (options)
        r = check_options(context, options, path, error);
    return r < 0 ? r : check_head(context, spec, options != NULL, error);
}
