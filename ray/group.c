/* Is a group of Ray nodes (the head, or workers) one that can be started? */
#include "ray/internal.h"

#include "engine/selector.h"
#include "tenancy/image.h"
#include "tenancy/shape.h"

/* --- the pod template --------------------------------------------------------------------------------------------- */

/* Variables that would turn authentication off, or that KubeRay wants in the options made for them. */
static int check_env(const cJSON *container, const char *path, bool by_kuberay, struct error *error)
{
    static const struct {
        const char *name, *why;
    } refused[] = {{"RAY_AUTH_MODE", "authentication is set by the platform"},
                   {"RAY_AUTH_TOKEN", "authentication is set by the platform"},
                   {"RAY_AUTH_TOKEN_PATH", "authentication is set by the platform"},
                   {"RAY_REDIS_ADDRESS", "name Redis in gcsFaultToleranceOptions.redisAddress"}};
    const cJSON *env = json_member(container, "env");
    int at = 0;
    for (const cJSON *item = cJSON_IsArray(env) ? env->child : NULL; item; item = item->next, at++) {
        const char *name = json_text_or("", item, "name", NULL);
        for (size_t i = 0; i < COUNT_OF(refused); i++) {
            if (strcmp(refused[i].name, name) != 0 || (by_kuberay && ray_auth_env_is_ours(item)))
                continue;
            char field[RAY_PATH_MAX];
            ray_path_at(field, path, "env", at, ".name");
            return error_set(error, ERROR_INVALID, field, "%s cannot be set: %s", name, refused[i].why);
        }
    }
    return 0;
}

static int check_containers(const cJSON *template, const char *path, bool by_kuberay, struct error *error)
{
    char field[RAY_PATH_MAX];
    char spec_path[RAY_PATH_MAX];
    ray_path(spec_path, path, "spec");
    static const char *const lists[] = {"containers", "initContainers"};
    for (size_t l = 0; l < COUNT_OF(lists); l++) {
        const cJSON *containers = json_at(template, "spec", lists[l], NULL);
        if (l == 0 && (!cJSON_IsArray(containers) || !containers->child)) {
            ray_path(field, spec_path, "containers");
            return error_set(error, ERROR_INVALID, field, "%s must have at least one container; the first is Ray's",
                             field);
        }
        int at = 0;
        for (const cJSON *c = cJSON_IsArray(containers) ? containers->child : NULL; c; c = c->next, at++) {
            ray_path_at(field, spec_path, lists[l], at, "");
            int r = check_env(c, field, by_kuberay, error);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* Labels by which services of other workloads choose their pods: a Ray pod that carried one would get their traffic. */
static int check_metadata(const cJSON *template, const char *path, struct error *error)
{
    char field[RAY_PATH_MAX + 128];
    char at[RAY_PATH_MAX];
    ray_path(at, path, "metadata");
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

int ray_check_template(struct engine *engine, const cJSON *parent, const char *parent_path, const char *key,
                       struct error *error)
{
    static const char *const known[] = {"metadata", "spec", NULL};
    char path[RAY_PATH_MAX];
    ray_path(path, parent_path, key);
    cJSON *template = NULL;
    cJSON *part = NULL;
    int r = shape_object(parent, parent_path, key, &template, error);
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
        r = check_containers(template, path, engine_traits(engine)->ray_by_kuberay, error);
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
        char field[RAY_PATH_MAX];
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
        char field[RAY_PATH_MAX];
        ray_path(field, path, *keys);
        return error_set(error, ERROR_INVALID, field, "%s is not offered here", field);
    }
    return 0;
}

/* Ray's own labels of a node, which KubeRay takes only if they are such as Kubernetes' are. */
static int check_labels(const cJSON *group, const char *path, struct error *error)
{
    int r = shape_texts(group, path, "labels", error);
    const cJSON *labels = json_member(group, "labels");
    for (const cJSON *label = labels && r == 0 ? labels->child : NULL; label; label = label->next) {
        char field[RAY_PATH_MAX];
        char shown[80];
        text_printable(slice_of(label->string), shown, sizeof(shown));
        ray_path(field, path, "labels");
        if (!label_key_valid(slice_of(label->string)))
            return error_set(error, ERROR_INVALID, field,
                             "%s: \"%s\" is not a name of a label, such as team or "
                             "example.com/team",
                             field, shown);
        if (!label_value_valid(slice_of(label->valuestring)))
            return error_set(error, ERROR_INVALID, field,
                             "%s: the value of %s must be at most 63 letters, digits, '-', '_' and '.'", field, shown);
    }
    return r;
}

/* KubeRay leaves out what it cannot read, and only its log says so. */
static int check_resources(const cJSON *group, const char *path, struct error *error)
{
    int r = shape_texts(group, path, "resources", error);
    const cJSON *resources = json_member(group, "resources");
    for (const cJSON *amount = resources && r == 0 ? resources->child : NULL; amount; amount = amount->next) {
        char field[RAY_PATH_MAX];
        char shown[80];
        int64_t milli = 0;
        if (quantity_parse_milli(slice_of(amount->valuestring), &milli) && milli >= 0)
            continue;
        text_printable(slice_of(amount->string), shown, sizeof(shown));
        snprintf(field, sizeof(field), "%s.resources.%s", path, shown);
        return error_set(error, ERROR_INVALID, field, "%s must be an amount such as 2, 500m or 4Gi", field);
    }
    return r;
}

static int check_common(const struct ray_context *context, cJSON *group, const char *path, bool head,
                        struct error *error)
{
    int r = ray_check_start_params(group, path, head, error);
    if (r == 0)
        r = check_resources(group, path, error);
    if (r == 0)
        r = check_labels(group, path, error);
    if (r == 0)
        r = check_no_duplicates(group, path, error);
    return r < 0 ? r : ray_check_template(context->engine, group, path, "template", error);
}

/* --- the head ----------------------------------------------------------------------------------------------------- */

static bool has_port(const cJSON *ports, const char *name, int64_t number)
{
    for (const cJSON *port = ports->child; port; port = port->next) {
        int64_t is = 0;
        bool same = json_i64(json_member(port, "containerPort"), &is) && is == number;
        if (same || strcmp(json_text_or("", port, "name", NULL), name) == 0)
            return true;
    }
    return false;
}

/* KubeRay's head service has the ports that the first container declares, and its defaults only if that is none: a
 * sample that names three of them would have no Serve, and none has its gRPC. */
static void complete_ports(const cJSON *head)
{
    static const struct {
        const char *name;
        int64_t number;
    } needed[] = {{"gcs-server", 6379}, {"dashboard", 8265}, {"client", 10001},
                  {"metrics", 8080},    {"serve", 8000},     {"serve-grpc", 9000}};
    const cJSON *containers = json_at(head, "template", "spec", "containers", NULL);
    cJSON *ports = json_member(containers->child, "ports");
    if (!cJSON_IsArray(ports))
        ports = json_set(containers->child, "ports", json_array());
    for (size_t i = 0; i < COUNT_OF(needed); i++) {
        if (has_port(ports, needed[i].name, needed[i].number))
            continue;
        cJSON *port = json_push(ports, json_object());
        json_set_text(port, "name", needed[i].name);
        json_set_i64(port, "containerPort", needed[i].number);
        json_set_text(port, "protocol", "TCP");
    }
}

int ray_check_head(const struct ray_context *context, cJSON *spec, struct error *error)
{
    static const char *const known[] = {"template",    "rayStartParams", "serviceType",
                                        "headService", "enableIngress",  "ingressOptions",
                                        "resources",   "labels",         NULL};
    static const char *const never[] = {"headService", "enableIngress", "ingressOptions", NULL};
    static const char *const by_kuberay[] = {"resources", "labels", NULL};
    char path[RAY_PATH_MAX];
    char field[RAY_PATH_MAX];
    cJSON *head = NULL;
    const char *type = NULL;
    ray_path(path, context->base, "headGroupSpec");
    int r = shape_object(spec, context->base, "headGroupSpec", &head, error);
    if (r < 0)
        return r;
    if (!head)
        return error_set(error, ERROR_INVALID, path, "a RayCluster needs %s", path);
    r = json_check_known(head, path, known, error);
    if (r == 0)
        r = check_not_offered(head, path, never, error);
    if (r == 0 && !context->traits->ray_by_kuberay)
        r = check_not_offered(head, path, by_kuberay, error);
    if (r == 0)
        r = shape_text(head, path, "serviceType", &type, error);
    if (r < 0)
        return r;
    if (type && *type && strcmp(type, "ClusterIP") != 0) {
        ray_path(field, path, "serviceType");
        return error_set(error, ERROR_INVALID, field,
                         "%s must be ClusterIP; from outside the cluster is reached through the platform", field);
    }
    if (!json_member(head, "rayStartParams"))
        json_set(head, "rayStartParams", json_object());
    r = check_common(context, head, path, true, error);
    if (r == 0 && context->traits->ray_by_kuberay)
        complete_ports(head);
    return r;
}

/* --- the workers -------------------------------------------------------------------------------------------------- */

static int check_group_name(const cJSON *groups, const cJSON *group, const char *path, struct error *error)
{
    char field[RAY_PATH_MAX];
    ray_path(field, path, "groupName");
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

static int check_replicas(const struct ray_context *context, cJSON *group, const char *path, struct error *error)
{
    int64_t least = 0;
    int64_t most = 0;
    int64_t replicas = 0;
    int64_t hosts = 0;
    char field[RAY_PATH_MAX];
    int r = shape_i64(group, path, "minReplicas", 0, RAY_REPLICAS_MAX, 0, &least, error);
    if (r == 0)
        r = shape_i64(group, path, "maxReplicas", 0, RAY_REPLICAS_UNLIMITED, RAY_REPLICAS_UNLIMITED, &most, error);
    if (r == 0)
        r = shape_i64(group, path, "replicas", 0, RAY_REPLICAS_MAX, least, &replicas, error);
    if (r == 0)
        r = shape_i64(group, path, "numOfHosts", 1, context->traits->ray_by_kuberay ? RAY_HOSTS_MAX : 1, 1, &hosts,
                      error);
    if (r < 0)
        return r;
    if (least > most) {
        ray_path(field, path, "minReplicas");
        return error_set(error, ERROR_INVALID, field, "%s must not be more than maxReplicas (%lld)", field,
                         (long long)most);
    }
    if (replicas < least || replicas > most) {
        ray_path(field, path, "replicas");
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
    char field[RAY_PATH_MAX];
    ray_path(field, path, "scaleStrategy");
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
    ray_path(field, path, "scaleStrategy.workersToDelete");
    return good ? 0 : error_set(error, ERROR_INVALID, field, "%s must be a list of names of worker pods", field);
}

/* Only autoscaler v2 knows when a group of its own may go (KubeRay leaves it unsaid). */
static int check_idle_timeout(const struct ray_context *context, const cJSON *group, const char *path,
                              struct error *error)
{
    int64_t seconds = 0;
    char field[RAY_PATH_MAX];
    int r = shape_i64(group, path, "idleTimeoutSeconds", 0, RAY_SECONDS_MAX, 0, &seconds, error);
    if (r < 0 || !json_member(group, "idleTimeoutSeconds") || context->autoscaler >= 2)
        return r;
    ray_path(field, path, "idleTimeoutSeconds");
    return error_set(error, ERROR_INVALID, field, "%s needs enableInTreeAutoscaling with autoscalerOptions.version v2",
                     field);
}

static int check_worker(const struct ray_context *context, const cJSON *groups, cJSON *group, const char *path,
                        struct error *error)
{
    static const char *const known[] = {"groupName", "replicas",   "minReplicas",   "maxReplicas", "rayStartParams",
                                        "template",  "numOfHosts", "scaleStrategy", "suspend",     "idleTimeoutSeconds",
                                        "priority",  "resources",  "labels",        NULL};
    static const char *const never[] = {"suspend", NULL}; /* RayJob's own, to end workers before their head */
    static const char *const by_kuberay[] = {"priority", "resources", "labels", NULL};
    int64_t priority = 0;
    if (!cJSON_IsObject(group))
        return error_set(error, ERROR_INVALID, path, "%s must be an object", path);
    int r = json_check_known(group, path, known, error);
    if (r == 0)
        r = check_not_offered(group, path, never, error);
    if (r == 0 && !context->traits->ray_by_kuberay)
        r = check_not_offered(group, path, by_kuberay, error);
    if (r == 0)
        r = shape_i64(group, path, "priority", INT32_MIN, INT32_MAX, 0, &priority, error);
    if (r == 0)
        r = check_idle_timeout(context, group, path, error);
    if (r == 0)
        r = check_group_name(groups, group, path, error);
    if (r == 0)
        r = check_replicas(context, group, path, error);
    if (r == 0)
        r = check_scale_strategy(group, path, error);
    if (r < 0)
        return r;
    if (!json_member(group, "rayStartParams"))
        json_set(group, "rayStartParams", json_object());
    return check_common(context, group, path, false, error);
}

int ray_check_workers(const struct ray_context *context, cJSON *spec, struct error *error)
{
    char path[RAY_PATH_MAX];
    cJSON *groups = json_member(spec, "workerGroupSpecs");
    ray_path(path, context->base, "workerGroupSpecs");
    if (!groups && context->autoscaler) /* Ray 2.60's autoscaler ends with a KeyError without it */
        groups = json_set(spec, "workerGroupSpecs", json_array());
    if (!groups)
        return 0;
    if (!cJSON_IsArray(groups))
        return error_set(error, ERROR_INVALID, path, "%s must be a list", path);
    int at = 0;
    for (cJSON *group = groups->child; group; group = group->next, at++) {
        ray_path_at(path, context->base, "workerGroupSpecs", at, "");
        if (at >= RAY_GROUPS_MAX)
            return error_set(error, ERROR_INVALID, path, "a cluster has at most %d worker groups", RAY_GROUPS_MAX);
        int r = check_worker(context, groups, group, path, error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* KubeRay refuses a priority that Ray would not look at. */
int ray_check_priorities(const struct ray_context *context, const cJSON *spec, struct error *error)
{
    const cJSON *groups = json_member(spec, "workerGroupSpecs");
    const char *version = json_text_or("", spec, "rayVersion", NULL);
    int at = 0;
    for (const cJSON *group = groups ? groups->child : NULL; group; group = group->next, at++) {
        int64_t priority = 0;
        char field[RAY_PATH_MAX];
        if (!json_i64(json_member(group, "priority"), &priority) || priority == 0)
            continue;
        ray_path_at(field, context->base, "workerGroupSpecs", at, ".priority");
        if (context->autoscaler < 2)
            return error_set(error, ERROR_INVALID, field,
                             "%s needs enableInTreeAutoscaling with autoscalerOptions.version v2", field);
        if (image_version_compare(version, RAY_PRIORITY_VERSION) < 0)
            return error_set(error, ERROR_INVALID, field, "%s needs Ray " RAY_PRIORITY_VERSION " or later", field);
    }
    return 0;
}
