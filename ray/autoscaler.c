/* Can this cluster change its own number of workers, and is what it says about that understood? */
#include "ray/internal.h"

#include "tenancy/shape.h"

#define V2_ENV "RAY_enable_autoscaler_v2"

static bool one_of(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(*words, text) == 0)
            return true;
    }
    return false;
}

/* Absent, or one of <words>; <told> is how the error names them. */
static int check_word(const cJSON *object, const char *path, const char *key, const char *const *words,
                      const char *told, const char **ret, struct error *error)
{
    char field[RAY_PATH_MAX];
    int r = shape_text(object, path, key, ret, error);
    if (r < 0 || !*ret || one_of(*ret, words))
        return r;
    ray_path(field, path, key);
    return error_set(error, ERROR_INVALID, field, "%s must be %s", field, told);
}

/* KubeRay writes the command of the sidecar itself, and refuses to be told where to find it. */
static int check_options_env(const cJSON *options, const char *path, bool by_kuberay, struct error *error)
{
    const cJSON *env = json_member(options, "env");
    char field[RAY_PATH_MAX];
    if (env && !cJSON_IsArray(env)) {
        ray_path(field, path, "env");
        return error_set(error, ERROR_INVALID, field, "%s must be a list", field);
    }
    int at = 0;
    for (const cJSON *item = env ? env->child : NULL; item; item = item->next, at++) {
        const char *name = json_text_or("", item, "name", NULL);
        if (strcmp(name, "KUBERAY_GEN_AUTOSCALER_START_CMD") != 0 && strncmp(name, "RAY_AUTH_", 9) != 0)
            continue;
        if (by_kuberay && ray_auth_env_is_ours(item))
            continue;
        ray_path_at(field, path, "env", at, ".name");
        return error_set(error, ERROR_INVALID, field, "%s cannot be set: it is set by the platform", name);
    }
    return 0;
}

static int check_options(const struct ray_context *context, const cJSON *spec, const char **ret_version,
                         struct error *error)
{
    static const char *const known[] = {"version",
                                        "idleTimeoutSeconds",
                                        "upscalingMode",
                                        "image",
                                        "imagePullPolicy",
                                        "resources",
                                        "env",
                                        "envFrom",
                                        "volumeMounts",
                                        "securityContext",
                                        "command",
                                        "args",
                                        NULL};
    static const char *const versions[] = {"v1", "v2", NULL};
    static const char *const modes[] = {"Default", "Aggressive", "Conservative", NULL};
    static const char *const pulls[] = {"Always", "Never", "IfNotPresent", NULL};
    char path[RAY_PATH_MAX];
    cJSON *options = NULL;
    cJSON *part = NULL;
    const char *text = NULL;
    int64_t seconds = 0;
    ray_path(path, context->base, "autoscalerOptions");
    int r = shape_object(spec, context->base, "autoscalerOptions", &options, error);
    if (r == 0)
        r = json_check_known(options, path, known, error);
    if (r == 0)
        r = check_word(options, path, "version", versions, "v1 or v2", ret_version, error);
    if (r == 0)
        r = check_word(options, path, "upscalingMode", modes, "Default, Aggressive or Conservative", &text, error);
    if (r == 0)
        r = check_word(options, path, "imagePullPolicy", pulls, "Always, Never or IfNotPresent", &text, error);
    if (r == 0)
        r = shape_i64(options, path, "idleTimeoutSeconds", 0, RAY_SECONDS_MAX, 0, &seconds, error);
    if (r == 0)
        r = shape_text(options, path, "image", &text, error);
    if (r == 0)
        r = shape_object(options, path, "resources", &part, error);
    if (r == 0)
        r = shape_object(options, path, "securityContext", &part, error);
    return r < 0 ? r : check_options_env(options, path, context->traits->ray_by_kuberay, error);
}

/* The value of the head's variable that chooses v2, or NULL. */
static const char *v2_env(const cJSON *spec)
{
    const cJSON *containers = json_at(spec, "headGroupSpec", "template", "spec", "containers", NULL);
    const cJSON *env = json_member(containers ? containers->child : NULL, "env");
    for (const cJSON *item = cJSON_IsArray(env) ? env->child : NULL; item; item = item->next) {
        if (strcmp(json_text_or("", item, "name", NULL), V2_ENV) == 0)
            return json_text_or("", item, "value", NULL);
    }
    return NULL;
}

/* Autoscaler v2 replaces nodes; a container that restarts by itself would come back as one that it has given up. */
static int check_restart(const cJSON *group, const char *path, struct error *error)
{
    const char *policy = json_text(group, "template", "spec", "restartPolicy", NULL);
    char field[RAY_PATH_MAX];
    if (!policy || !*policy || strcmp(policy, "Never") == 0)
        return 0;
    ray_path(field, path, "template.spec.restartPolicy");
    return error_set(error, ERROR_INVALID, field, "%s must be absent or Never with autoscaler v2", field);
}

static int check_restarts(const struct ray_context *context, const cJSON *spec, struct error *error)
{
    char path[RAY_PATH_MAX];
    ray_path(path, context->base, "headGroupSpec");
    int r = check_restart(json_member(spec, "headGroupSpec"), path, error);
    const cJSON *groups = json_member(spec, "workerGroupSpecs");
    int at = 0;
    for (const cJSON *g = cJSON_IsArray(groups) ? groups->child : NULL; g && r == 0; g = g->next, at++) {
        ray_path_at(path, context->base, "workerGroupSpecs", at, "");
        r = check_restart(g, path, error);
    }
    return r;
}

int ray_check_autoscaler(struct ray_context *context, cJSON *spec, struct error *error)
{
    const char *version = NULL;
    char field[RAY_PATH_MAX];
    bool scales = false;
    int r = shape_bool(spec, context->base, "enableInTreeAutoscaling", false, &scales, error);
    if (r == 0)
        r = check_options(context, spec, &version, error);
    if (r < 0)
        return r;
    const char *by_env = v2_env(spec);
    ray_path(field, context->base, "headGroupSpec.template.spec.containers[0].env");
    bool second_by_env = by_env && (strcmp(by_env, "1") == 0 || strcmp(by_env, "true") == 0);
    if (!scales && second_by_env)
        return error_set(error, ERROR_INVALID, field, V2_ENV " needs enableInTreeAutoscaling: true");
    if (!scales)
        return 0;
    if (version && by_env)
        return error_set(error, ERROR_INVALID, field,
                         V2_ENV " cannot be set beside autoscalerOptions.version; leave it out");
    bool second = version && strcmp(version, "v2") == 0;
    context->autoscaler = second || (second_by_env && context->traits->ray_by_kuberay) ? 2 : 1;
    return second ? check_restarts(context, spec, error) : 0;
}
