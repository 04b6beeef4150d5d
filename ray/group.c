/* Is a group of Ray nodes (the head, or workers) one that can be started? */
#include "ray/internal.h"

#include "tenancy/shape.h"

/* --- the pod template --------------------------------------------------------------------------------------------- */

/* Variables that would turn authentication off, or wait for a fault-tolerant GCS that is not there. */
static int check_env(const cJSON *container, const char *path, struct error *error)
{
    static const struct {
        const char *name, *why;
    } refused[] = {{"RAY_AUTH_MODE", "authentication is set by the platform"},
                   {"RAY_AUTH_TOKEN", "authentication is set by the platform"},
                   {"RAY_AUTH_TOKEN_PATH", "authentication is set by the platform"},
                   {"RAY_REDIS_ADDRESS", "it needs gcsFaultToleranceOptions, which are not offered here"}};
    const cJSON *env = json_member(container, "env");
    int at = 0;
    for (const cJSON *item = cJSON_IsArray(env) ? env->child : NULL; item; item = item->next, at++) {
        const char *name = json_text_or("", item, "name", NULL);
        for (size_t i = 0; i < COUNT_OF(refused); i++) {
            if (strcmp(refused[i].name, name) != 0)
                continue;
            char field[192];
            snprintf(field, sizeof(field), "%s.env[%d].name", path, at);
            return error_set(error, ERROR_INVALID, field, "%s cannot be set: %s", name, refused[i].why);
        }
    }
    return 0;
}

static int check_containers(const cJSON *template, const char *path, struct error *error)
{
    char field[160];
    static const char *const lists[] = {"containers", "initContainers"};
    for (size_t l = 0; l < COUNT_OF(lists); l++) {
        const cJSON *containers = json_at(template, "spec", lists[l], NULL);
        if (l == 0 && (!cJSON_IsArray(containers) || !containers->child)) {
            snprintf(field, sizeof(field), "%s.spec.containers", path);
            return error_set(error, ERROR_INVALID, field, "%s must have at least one container; the first is Ray's",
                             field);
        }
        int at = 0;
        for (const cJSON *c = cJSON_IsArray(containers) ? containers->child : NULL; c; c = c->next, at++) {
            snprintf(field, sizeof(field), "%s.spec.%s[%d]", path, lists[l], at);
            int r = check_env(c, field, error);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* Labels by which services of other workloads choose their pods: a Ray pod that carried one would get their traffic. */
static int check_metadata(const cJSON *template, const char *path, struct error *error)
{
    char field[224];
    char at[112];
    snprintf(at, sizeof(at), "%s.metadata", path);
    const cJSON *metadata = json_member(template, "metadata");
    int r = shape_texts(metadata, at, "labels", error);
    if (r == 0)
        r = shape_texts(metadata, at, "annotations", error);
    if (r < 0)
        return r;
    const char *ft = json_text(metadata, "annotations", "ray.io/ft-enabled", NULL);
    if (ft && strcmp(ft, "false") != 0) {
        snprintf(field, sizeof(field), "%s.annotations.ray.io/ft-enabled", at);
        return error_set(error, ERROR_INVALID, field, "fault tolerance of the GCS is not offered here");
    }
    const cJSON *labels = json_member(metadata, "labels");
    for (const cJSON *label = labels ? labels->child : NULL; label; label = label->next) {
        if (!shape_label_decides(label->string) || strncmp(label->string, "ray.io/", 7) == 0)
            continue;
        snprintf(field, sizeof(field), "%s.labels.%.80s", at, label->string);
        return error_set(error, ERROR_INVALID, field, "the label %.80s is the platform's", label->string);
    }
    return 0;
}

static int check_template(struct engine *engine, const cJSON *group, const char *group_path, struct error *error)
{
    static const char *const known[] = {"metadata", "spec", NULL};
    char path[96];
    snprintf(path, sizeof(path), "%s.template", group_path);
    cJSON *template = NULL;
    cJSON *part = NULL;
    int r = shape_object(group, group_path, "template", &template, error);
    if (r < 0)
        return r;
    if (!template)
        return error_set(error, ERROR_INVALID, path, "%s is missing", path);
    r = json_check_known(template, path, known, error);
    if (r == 0)
        r = shape_object(template, path, "metadata", &part, error);
    if (r == 0)
        r = shape_object(template, path, "spec", &part, error);
    if (r == 0)
        r = check_metadata(template, path, error);
    if (r == 0)
        r = shape_no_host_names(json_member(template, "spec"), path, error);
    if (r == 0)
        r = check_containers(template, path, error);
    return r < 0 ? r : engine_check_pod_template(engine, template, path, error);
}

/* Top-level resources and labels name what rayStartParams may name too; one of them only (KubeRay's rule). */
static int check_no_duplicates(const cJSON *group, const char *path, struct error *error)
{
    static const char *const doubled[] = {"num-cpus", "num-gpus", "memory", "resources"};
    const cJSON *resources = json_member(group, "resources");
    if (!resources || !resources->child)
        return 0;
    for (size_t i = 0; i < COUNT_OF(doubled); i++) {
        if (!json_at(group, "rayStartParams", doubled[i], NULL))
            continue;
        char field[160];
        snprintf(field, sizeof(field), "%s.rayStartParams.%s", path, doubled[i]);
        return error_set(error, ERROR_INVALID, field, "set either %s.resources or rayStartParams.%s, not both", path,
                         doubled[i]);
    }
    return 0;
}

/* "offered: not yet here" for members that KubeRay knows and this platform does not act upon. */
static int check_not_offered(const cJSON *group, const char *path, const char *const *keys, struct error *error)
{
    for (; *keys; keys++) {
        const cJSON *value = json_member(group, *keys);
        bool empty = (cJSON_IsObject(value) || cJSON_IsArray(value)) && !value->child;
        if (!value || empty || cJSON_IsFalse(value))
            continue;
        char field[160];
        snprintf(field, sizeof(field), "%s.%s", path, *keys);
        return error_set(error, ERROR_INVALID, field, "%s is not offered here", field);
    }
    return 0;
}

static int check_common(struct engine *engine, const cJSON *group, const char *path, bool head, struct error *error)
{
    int r = ray_check_start_params(group, path, head, error);
    if (r == 0)
        r = shape_texts(group, path, "resources", error);
    if (r == 0)
        r = shape_texts(group, path, "labels", error);
    if (r == 0)
        r = check_no_duplicates(group, path, error);
    return r < 0 ? r : check_template(engine, group, path, error);
}

/* --- the head ----------------------------------------------------------------------------------------------------- */

int ray_check_head(struct engine *engine, cJSON *spec, struct error *error)
{
    static const char *const path = "spec.headGroupSpec";
    static const char *const known[] = {"template",    "rayStartParams", "serviceType",
                                        "headService", "enableIngress",  "ingressOptions",
                                        "resources",   "labels",         NULL};
    static const char *const not_offered[] = {"headService", "enableIngress", "ingressOptions",
                                              "resources",   "labels",        NULL};
    cJSON *head = NULL;
    const char *type = NULL;
    int r = shape_object(spec, "spec", "headGroupSpec", &head, error);
    if (r < 0)
        return r;
    if (!head)
        return error_set(error, ERROR_INVALID, path, "a RayCluster needs spec.headGroupSpec");
    r = json_check_known(head, path, known, error);
    if (r == 0)
        r = check_not_offered(head, path, not_offered, error);
    if (r == 0)
        r = shape_text(head, path, "serviceType", &type, error);
    if (r < 0)
        return r;
    if (type && *type && strcmp(type, "ClusterIP") != 0)
        return error_set(
            error, ERROR_INVALID, "spec.headGroupSpec.serviceType",
            "spec.headGroupSpec.serviceType must be ClusterIP; from outside the cluster is reached through "
            "the platform");
    if (!json_member(head, "rayStartParams"))
        json_set(head, "rayStartParams", json_object());
    return check_common(engine, head, path, true, error);
}

/* --- the workers -------------------------------------------------------------------------------------------------- */

static int check_group_name(const cJSON *groups, const cJSON *group, const char *path, struct error *error)
{
    char field[96];
    snprintf(field, sizeof(field), "%s.groupName", path);
    const char *name = NULL;
    int r = shape_text(group, path, "groupName", &name, error);
    if (r < 0)
        return r;
    if (!name || !name_is_label(slice_of(name)) || strlen(name) > RAY_GROUP_NAME_MAX)
        return error_set(error, ERROR_INVALID, field,
                         "%s must be lower-case letters, digits and '-', at most %d characters", field,
                         RAY_GROUP_NAME_MAX);
    if (strcmp(name, "headgroup") == 0)
        return error_set(error, ERROR_INVALID, field, "%s: \"headgroup\" is the head's own", field);
    for (const cJSON *other = groups->child; other != group; other = other->next) {
        if (strcmp(json_text_or("", other, "groupName", NULL), name) == 0)
            return error_set(error, ERROR_INVALID, field, "%s: there are two groups named \"%s\"", field, name);
    }
    return 0;
}

static int check_replicas(cJSON *group, const char *path, struct error *error)
{
    int64_t least = 0;
    int64_t most = 0;
    int64_t replicas = 0;
    int64_t hosts = 0;
    char field[96];
    int r = shape_i64(group, path, "minReplicas", 0, RAY_REPLICAS_MAX, 0, &least, error);
    if (r == 0)
        r = shape_i64(group, path, "maxReplicas", 0, RAY_REPLICAS_UNLIMITED, RAY_REPLICAS_UNLIMITED, &most, error);
    if (r == 0)
        r = shape_i64(group, path, "replicas", 0, RAY_REPLICAS_MAX, least, &replicas, error);
    if (r == 0)
        r = shape_i64(group, path, "numOfHosts", 1, 1, 1, &hosts, error);
    if (r < 0)
        return r;
    if (least > most) {
        snprintf(field, sizeof(field), "%s.minReplicas", path);
        return error_set(error, ERROR_INVALID, field, "%s must not be more than maxReplicas (%lld)", field,
                         (long long)most);
    }
    if (replicas < least || replicas > most) {
        snprintf(field, sizeof(field), "%s.replicas", path);
        return error_set(error, ERROR_INVALID, field, "%s must be from minReplicas (%lld) to maxReplicas (%lld)", field,
                         (long long)least, (long long)most);
    }
    json_set_i64(group, "minReplicas", least);
    json_set_i64(group, "maxReplicas", most);
    json_set_i64(group, "replicas", replicas);
    return 0;
}

static int check_scale_strategy(const cJSON *group, const char *path, struct error *error)
{
    static const char *const known[] = {"workersToDelete", NULL};
    char field[96];
    snprintf(field, sizeof(field), "%s.scaleStrategy", path);
    cJSON *strategy = NULL;
    int r = shape_object(group, path, "scaleStrategy", &strategy, error);
    if (r == 0)
        r = json_check_known(strategy, field, known, error);
    const cJSON *workers = json_member(strategy, "workersToDelete");
    if (r < 0 || !workers)
        return r;
    bool good = cJSON_IsArray(workers) && cJSON_GetArraySize(workers) <= RAY_REPLICAS_MAX;
    for (const cJSON *w = good ? workers->child : NULL; w && good; w = w->next)
        good = cJSON_IsString(w) && name_is_subdomain(slice_of(w->valuestring));
    snprintf(field, sizeof(field), "%s.scaleStrategy.workersToDelete", path);
    return good ? 0 : error_set(error, ERROR_INVALID, field, "%s must be a list of names of worker pods", field);
}

static int check_worker(struct engine *engine, const cJSON *groups, cJSON *group, const char *path, struct error *error)
{
    static const char *const known[] = {"groupName", "replicas",   "minReplicas",   "maxReplicas", "rayStartParams",
                                        "template",  "numOfHosts", "scaleStrategy", "suspend",     "idleTimeoutSeconds",
                                        "priority",  "resources",  "labels",        NULL};
    static const char *const not_offered[] = {"suspend", "idleTimeoutSeconds", "priority", "resources", "labels", NULL};
    if (!cJSON_IsObject(group))
        return error_set(error, ERROR_INVALID, path, "%s must be an object", path);
    int r = json_check_known(group, path, known, error);
    if (r == 0)
        r = check_not_offered(group, path, not_offered, error);
    if (r == 0)
        r = check_group_name(groups, group, path, error);
    if (r == 0)
        r = check_replicas(group, path, error);
    if (r == 0)
        r = check_scale_strategy(group, path, error);
    if (r < 0)
        return r;
    if (!json_member(group, "rayStartParams"))
        json_set(group, "rayStartParams", json_object());
    return check_common(engine, group, path, false, error);
}

int ray_check_workers(struct engine *engine, cJSON *spec, struct error *error)
{
    cJSON *groups = json_member(spec, "workerGroupSpecs");
    if (!groups)
        return 0;
    if (!cJSON_IsArray(groups))
        return error_set(error, ERROR_INVALID, "spec.workerGroupSpecs", "spec.workerGroupSpecs must be a list");
    int at = 0;
    for (cJSON *group = groups->child; group; group = group->next, at++) {
        char path[64];
        snprintf(path, sizeof(path), "spec.workerGroupSpecs[%d]", at);
        if (at >= RAY_GROUPS_MAX)
            return error_set(error, ERROR_INVALID, path, "a cluster has at most %d worker groups", RAY_GROUPS_MAX);
        int r = check_worker(engine, groups, group, path, error);
        if (r < 0)
            return r;
    }
    return 0;
}
