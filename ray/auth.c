/* How does a Ray cluster come to ask everybody for the profile's token? */
#include "ray/internal.h"

#include "tenancy/shape.h"

#define MODE_ENV "RAY_AUTH_MODE"
#define TOKEN_ENV "RAY_AUTH_TOKEN"
#define TOKEN_KEY "auth_token" /* of the Secret (KubeRay's) */

/*
 * A person's processes carry the profile's token, so a cluster of theirs must ask for that one: where authOptions
 * cannot name it, its containers do. What a RayJob or RayService makes must be known to KubeRay as asking for one, or
 * it shows none itself; there the token is each cluster's own.
 */
static bool by_environment(const struct ray_context *context)
{
    return context->traits->ray_auth == ENGINE_RAY_AUTH_NONE ||
           (context->traits->ray_auth == ENGINE_RAY_AUTH_OWN && !context->owned);
}

/* Absent, {} and an absent mode all mean token: KubeRay would leave {} open. */
int ray_complete_auth(const struct ray_context *context, cJSON *spec, struct error *error)
{
    static const char *const known[] = {"mode", "secretName", "enableK8sTokenAuth", NULL};
    char path[RAY_PATH_MAX];
    char field[RAY_PATH_MAX];
    cJSON *auth = NULL;
    const char *mode = NULL;
    const char *secret = NULL;
    bool by_kubernetes = false;
    ray_path(path, context->base, "authOptions");
    int r = shape_object(spec, context->base, "authOptions", &auth, error);
    if (r == 0)
        r = json_check_known(auth, path, known, error);
    if (r == 0)
        r = shape_text(auth, path, "mode", &mode, error);
    if (r == 0)
        r = shape_text(auth, path, "secretName", &secret, error);
    if (r == 0)
        r = shape_bool(auth, path, "enableK8sTokenAuth", false, &by_kubernetes, error);
    if (r < 0)
        return r;
    if (mode && strcmp(mode, "token") != 0) {
        ray_path(field, path, "mode");
        return error_set(error, ERROR_INVALID, field,
                         "%s must be token: a cluster without authentication would run anybody's code", field);
    }
    if (by_kubernetes) {
        ray_path(field, path, "enableK8sTokenAuth");
        return error_set(error, ERROR_INVALID, field, "%s is not offered here; the token of the profile is used",
                         field);
    }
    if (secret && *secret && strcmp(secret, RAY_TOKEN_SECRET) != 0) {
        ray_path(field, path, "secretName");
        return error_set(error, ERROR_INVALID, field,
                         "%s must be " RAY_TOKEN_SECRET
                         ": all clusters of a profile share one token, so that its notebooks can use them",
                         field);
    }
    if (by_environment(context)) { /* a strict write would be refused for it */
        json_remove(spec, "authOptions");
        return 0;
    }
    auth = json_object_in(spec, "authOptions");
    json_set_text(auth, "mode", "token");
    json_set_text(auth, "secretName", context->traits->ray_auth == ENGINE_RAY_AUTH_NAMED ? RAY_TOKEN_SECRET : NULL);
    return 0;
}

/* --- where authOptions cannot name a Secret ----------------------------------------------------------------------- */

static cJSON *token_env(void)
{
    cJSON *item = json_object();
    json_set_text(item, "name", TOKEN_ENV);
    cJSON *reference = json_object_in(json_object_in(item, "valueFrom"), "secretKeyRef");
    json_set_text(reference, "name", RAY_TOKEN_SECRET);
    json_set_text(reference, "key", TOKEN_KEY);
    return item;
}

bool ray_auth_env_is_ours(const cJSON *item)
{
    const char *name = json_text_or("", item, "name", NULL);
    if (strcmp(name, MODE_ENV) == 0)
        return strcmp(json_text_or("", item, "value", NULL), "token") == 0;
    if (strcmp(name, TOKEN_ENV) != 0)
        return false;
    AUTO_JSON cJSON *ours = token_env();
    return json_equal(ours, item);
}

static void remove_env(cJSON *owner)
{
    cJSON *env = json_member(owner, "env");
    bool removed = false;
    cJSON *next = NULL;
    for (cJSON *item = cJSON_IsArray(env) ? env->child : NULL; item; item = next) {
        next = item->next;
        if (!ray_auth_env_is_ours(item))
            continue;
        cJSON_Delete(cJSON_DetachItemViaPointer(env, item));
        removed = true;
    }
    if (removed && !env->child)
        json_remove(owner, "env");
}

/* Where it is there already it stays as it stands: what was stored passes again unchanged. */
static void add_env(cJSON *owner)
{
    cJSON *env = json_member(owner, "env");
    if (!env)
        env = json_set(owner, "env", json_array());
    if (!json_named(env, MODE_ENV)) {
        cJSON *mode = json_push(env, json_object());
        json_set_text(mode, "name", MODE_ENV);
        json_set_text(mode, "value", "token");
    }
    if (!json_named(env, TOKEN_ENV))
        json_push(env, token_env());
}

static void complete_env(cJSON *owner, bool wanted)
{
    if (owner && wanted)
        add_env(owner);
    else if (owner)
        remove_env(owner);
}

static cJSON *first_container(const cJSON *group)
{
    cJSON *containers = json_at(group, "template", "spec", "containers", NULL);
    return containers ? containers->child : NULL;
}

void ray_complete_auth_env(const struct ray_context *context, cJSON *spec)
{
    bool wanted = by_environment(context);
    const cJSON *groups = json_member(spec, "workerGroupSpecs");
    if (!context->traits->ray_by_kuberay)
        return;
    complete_env(first_container(json_member(spec, "headGroupSpec")), wanted);
    /* What KubeRay lets wait for the head has its worker's variables; the autoscaler has not the head's. */
    for (const cJSON *group = groups ? groups->child : NULL; group; group = group->next)
        complete_env(first_container(group), wanted);
    complete_env(context->autoscaler && wanted ? json_object_in(spec, "autoscalerOptions")
                                               : json_member(spec, "autoscalerOptions"),
                 wanted && context->autoscaler);
}

int ray_check_followed(struct engine *engine, const char *kind, struct error *error)
{
    if (engine_traits(engine)->ray_auth != ENGINE_RAY_AUTH_NONE)
        return 0;
    return error_set(
        error, ERROR_INVALID, "kind",
        "a %s cannot be run here: this cluster's KubeRay is older than 1.5.1 and cannot show Ray a token, so "
        "it could not follow it; use a RayCluster and `ray job submit`, or have KubeRay upgraded",
        kind);
}
