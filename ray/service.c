/* May this RayService be stored as it is? */
#include "ray/internal.h"

#include <ctype.h>

#include "tenancy/shape.h"

#define SERVE "spec.serveConfigV2"
#define INITIALIZING_TIMEOUT "ray.io/initializing-timeout"
#define STEP_BY_STEP "NewClusterWithIncrementalUpgrade"
#define APPLICATIONS_MAX 64
#define SERVE_PORT 8000 /* of Serve's HTTP proxy, Ray's default */

/* --- names of what KubeRay makes for it --------------------------------------------------------------------------- */

static int check_services_free(struct engine *engine, const cJSON *service, struct error *error)
{
    static const char *const endings[] = {"head-svc", "serve-svc"};
    const char *name = json_text_or("", service, "metadata", "name", NULL);
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        AUTO_FREE char *taken = memory_format("%s-%s", name, endings[i]);
        AUTO_JSON cJSON *other = NULL;
        if (engine_get(engine, KIND_SERVICE, json_text(service, "metadata", "namespace", NULL), taken, &other, NULL) <
            0)
            continue;
        const char *by = json_text_or("", other, "metadata", "labels", "ray.io/originated-from-cr-name", NULL);
        if (strcmp(by, name) != 0) /* else of an earlier one of this name, on its way out */
            return error_set(error, ERROR_INVALID, "metadata.name",
                             "a service named \"%s\" exists in this profile; choose another name", taken);
    }
    return 0;
}

/* "90", or Go's "1h30m" (time.ParseDuration), of at most a year. */
static bool is_duration(const char *text)
{
    static const struct {
        const char *name;
        double s;
    } units[] = {{"ms", 1e-3}, {"us", 1e-6}, {"µs", 1e-6}, {"ns", 1e-9}, {"h", 3600}, {"m", 60}, {"s", 1}};
    int64_t seconds = 0;
    double total_s = 0;
    if (text_parse_i64(slice_of(text), 1, RAY_SECONDS_MAX, &seconds))
        return true;
    while (*text) {
        double amount = 0;
        double place = 1;
        size_t unit = COUNT_OF(units);
        bool digits = false;
        for (; isdigit((unsigned char)*text); text++, digits = true)
            amount = 10 * amount + (*text - '0');
        for (text += *text == '.'; isdigit((unsigned char)*text); text++, digits = true)
            amount += (place /= 10) * (*text - '0');
        for (size_t i = COUNT_OF(units); i-- > 0;)
            unit = strncmp(text, units[i].name, strlen(units[i].name)) == 0 ? i : unit;
        if (!digits || unit == COUNT_OF(units))
            return false;
        total_s += amount * units[unit].s;
        text += strlen(units[unit].name);
    }
    return total_s > 0 && total_s <= RAY_SECONDS_MAX;
}

static int check_annotations(const cJSON *service, struct error *error)
{
    const char *timeout = json_text(service, "metadata", "annotations", INITIALIZING_TIMEOUT, NULL);
    if (!timeout || !*timeout || is_duration(timeout))
        return 0;
    return error_set(error, ERROR_INVALID, "metadata.annotations." INITIALIZING_TIMEOUT,
                     "the annotation " INITIALIZING_TIMEOUT
                     " must be a duration such as \"5m\", or seconds, of at most a year");
}

/* --- what it serves ----------------------------------------------------------------------------------------------- */

static int check_application(const cJSON *list, const cJSON *application, int at, struct error *error)
{
    char path[64];
    snprintf(path, sizeof(path), SERVE ".applications[%d]", at);
    const char *import = NULL;
    const char *name = NULL;
    const char *prefix = NULL;
    cJSON *part = NULL;
    const cJSON *deployments = json_member(application, "deployments");
    if (!cJSON_IsObject(application))
        return error_set(error, ERROR_INVALID, SERVE, "%s must be an object", path);
    int r = shape_text(application, path, "import_path", &import, error);
    if (r == 0)
        r = shape_text(application, path, "name", &name, error);
    if (r == 0 && !cJSON_IsNull(json_member(application, "route_prefix")))
        r = shape_text(application, path, "route_prefix", &prefix, error);
    if (r == 0)
        r = shape_object(application, path, "runtime_env", &part, error);
    if (r < 0)
        return r;
    if (!import || (!strchr(import, ':') && !strchr(import, '.')))
        return error_set(error, ERROR_INVALID, SERVE, "%s.import_path must be such as \"module:app\"", path);
    if (prefix && *prefix != '/')
        return error_set(error, ERROR_INVALID, SERVE, "%s.route_prefix must begin with \"/\"", path);
    if (deployments && !cJSON_IsArray(deployments))
        return error_set(error, ERROR_INVALID, SERVE, "%s.deployments must be a list", path);
    for (const cJSON *other = list->child; other != application; other = other->next) {
        if (strcmp(json_text_or("default", other, "name", NULL), name ? name : "default") == 0)
            return error_set(error, ERROR_INVALID, SERVE, "%s.name: there are two applications named \"%s\"", path,
                             name ? name : "default");
        /* An explicit null means not served over HTTP; only prefixes that are there can meet. */
        if (strcmp(json_text_or("/", other, "route_prefix", NULL), prefix ? prefix : "/") == 0 &&
            !cJSON_IsNull(json_member(other, "route_prefix")) &&
            !cJSON_IsNull(json_member(application, "route_prefix")))
            return error_set(error, ERROR_INVALID, SERVE, "%s.route_prefix: two applications have \"%s\"", path,
                             prefix ? prefix : "/");
    }
    return 0;
}

static int check_serve_config(const cJSON *spec, struct error *error)
{
    const char *text = NULL;
    AUTO_JSON cJSON *config = NULL;
    struct error fault = {0};
    int r = shape_text(spec, "spec", "serveConfigV2", &text, error);
    if (r < 0)
        return r;
    if (!text || !*text)
        return error_set(error, ERROR_INVALID, SERVE, SERVE " is missing; expected YAML with a list of applications");
    if (strlen(text) > RAY_YAML_MAX)
        return error_set(error, ERROR_INVALID, SERVE, SERVE " may be at most %d bytes", RAY_YAML_MAX);
    if (yaml_parse(slice_of(text), &json_limits_default, &config, &fault) < 0)
        return error_set(error, ERROR_INVALID, SERVE, SERVE " is not YAML: %.300s", fault.message);
    const cJSON *applications = json_member(config, "applications");
    if (!cJSON_IsArray(applications) || !applications->child)
        return error_set(error, ERROR_INVALID, SERVE, SERVE " must be YAML with a list of applications");
    int at = 0;
    for (const cJSON *a = applications->child; a && r == 0; a = a->next, at++) {
        if (at >= APPLICATIONS_MAX)
            return error_set(error, ERROR_INVALID, SERVE, SERVE " may have at most %d applications", APPLICATIONS_MAX);
        struct error wrong = {0};
        r = check_application(applications, a, at, &wrong);
        if (r < 0) /* a path inside of the text is told in the sentence; the field is the text's */
            return error_set(error, ERROR_INVALID, SERVE, "%s", wrong.message);
    }
    return 0;
}

/* --- how it is reached and replaced ------------------------------------------------------------------------------- */

static int check_serve_service(const cJSON *spec, struct error *error)
{
    cJSON *service = NULL;
    int r = shape_object(spec, "spec", "serveService", &service, error);
    if (r < 0 || !service)
        return r;
    const char *type = json_text(service, "spec", "type", NULL);
    if (type && *type && strcmp(type, "ClusterIP") != 0)
        return error_set(error, ERROR_INVALID, "spec.serveService.spec.type",
                         "spec.serveService.spec.type must be ClusterIP; from outside the service is reached through "
                         "the platform");
    if (json_member(json_member(service, "metadata"), "name"))
        return error_set(error, ERROR_INVALID, "spec.serveService.metadata.name",
                         "spec.serveService.metadata.name cannot be set: the platform finds it as <name>-serve-svc");
    return 0;
}

static int check_upgrade_options(const cJSON *spec, const cJSON *strategy, struct error *error)
{
    static const char path[] = "spec.upgradeStrategy.clusterUpgradeOptions";
    static const char *const known[] = {"maxSurgePercent", "stepSizePercent", "intervalSeconds", "gatewayClassName",
                                        NULL};
    static const char *const needed[] = {"stepSizePercent", "intervalSeconds", "gatewayClassName"};
    cJSON *options = NULL;
    int64_t surge = 0;
    int64_t step = 0;
    int64_t seconds = 0;
    const char *class = NULL;
    if (!json_true(spec, "rayClusterConfig", "enableInTreeAutoscaling", NULL))
        return error_set(error, ERROR_INVALID, "spec.rayClusterConfig.enableInTreeAutoscaling",
                         "NewClusterWithIncrementalUpgrade needs spec.rayClusterConfig.enableInTreeAutoscaling: true");
    int r = shape_object(strategy, "spec.upgradeStrategy", "clusterUpgradeOptions", &options, error);
    for (size_t i = 0; r == 0 && i < COUNT_OF(needed); i++) {
        char field[RAY_PATH_MAX];
        ray_path(field, path, needed[i]);
        if (!json_member(options, needed[i]))
            r = error_set(error, ERROR_INVALID, field, "NewClusterWithIncrementalUpgrade needs %s", field);
    }
    if (r == 0)
        r = json_check_known(options, path, known, error);
    if (r == 0)
        r = shape_i64(options, path, "maxSurgePercent", 0, 100, 100, &surge, error);
    if (r == 0)
        r = shape_i64(options, path, "stepSizePercent", 0, 100, 0, &step, error);
    if (r == 0)
        r = shape_i64(options, path, "intervalSeconds", 1, RAY_SECONDS_MAX, 1, &seconds, error);
    if (r == 0)
        r = shape_text(options, path, "gatewayClassName", &class, error);
    if (r < 0)
        return r;
    if (step > surge)
        return error_set(error, ERROR_INVALID, "spec.upgradeStrategy.clusterUpgradeOptions.stepSizePercent",
                         "%s.stepSizePercent must not be more than maxSurgePercent (%lld)", path, (long long)surge);
    if (!class || !*class)
        return error_set(error, ERROR_INVALID, "spec.upgradeStrategy.clusterUpgradeOptions.gatewayClassName",
                         "%s.gatewayClassName must be the name of a GatewayClass", path);
    return 0;
}

static int check_upgrade(struct engine *engine, const cJSON *spec, struct error *error)
{
    static const char *const known[] = {"type", "clusterUpgradeOptions", NULL};
    cJSON *strategy = NULL;
    const char *type = NULL;
    int r = shape_object(spec, "spec", "upgradeStrategy", &strategy, error);
    if (r == 0)
        r = json_check_known(strategy, "spec.upgradeStrategy", known, error);
    if (r == 0)
        r = shape_text(strategy, "spec.upgradeStrategy", "type", &type, error);
    if (r < 0 || !type)
        return r;
    if (strcmp(type, STEP_BY_STEP) == 0 && !engine_traits(engine)->ray_gateway)
        return error_set(
            error, ERROR_INVALID, "spec.upgradeStrategy.type",
            "spec.upgradeStrategy.type must be NewCluster or None here: to move requests step by step takes "
            "Kubernetes' Gateway API (gateways and httproutes of gateway.networking.k8s.io/v1), which is not "
            "there");
    if (strcmp(type, STEP_BY_STEP) == 0)
        return check_upgrade_options(spec, strategy, error);
    if (strcmp(type, "NewCluster") != 0 && strcmp(type, "None") != 0)
        return error_set(error, ERROR_INVALID, "spec.upgradeStrategy.type",
                         "spec.upgradeStrategy.type must be NewCluster, NewClusterWithIncrementalUpgrade or None");
    return 0;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

/* Where else its proxy listened, nobody would find it, and the service would never be ready. */
static int check_port(const cJSON *spec, struct error *error)
{
    AUTO_JSON cJSON *config = NULL;
    int64_t port = SERVE_PORT;
    if (yaml_parse(slice_of(json_text_or("", spec, "serveConfigV2", NULL)), &json_limits_default, &config, NULL) < 0)
        return 0;
    (void)json_i64(json_at(config, "http_options", "port", NULL), &port);
    return port == SERVE_PORT ? 0
                              : error_set(error, ERROR_INVALID, SERVE,
                                          SERVE ": http_options.port must be %d here, where requests come in; "
                                                "leave it out",
                                          SERVE_PORT);
}

/* One machine leads a name to one pod, the head, and waits for a cluster as long as it takes. */
static int check_one_machine(struct engine *engine, const cJSON *service, const cJSON *spec, struct error *error)
{
    if (engine_traits(engine)->ray_by_kuberay)
        return 0;
    if (json_true(spec, "excludeHeadPodFromServeSvc", NULL))
        return error_set(error, ERROR_INVALID, "spec.excludeHeadPodFromServeSvc",
                         "spec.excludeHeadPodFromServeSvc cannot be true here: requests enter by the head's proxy");
    if (json_text(service, "metadata", "annotations", INITIALIZING_TIMEOUT, NULL))
        return error_set(error, ERROR_INVALID, "metadata.annotations." INITIALIZING_TIMEOUT,
                         "the annotation " INITIALIZING_TIMEOUT " has no effect here; leave it out");
    return check_port(spec, error);
}

static int check_rest(const cJSON *spec, struct error *error)
{
    const char *by = NULL;
    bool flag = false;
    int64_t number = 0;
    int r = shape_text(spec, "spec", "managedBy", &by, error);
    if (r == 0 && by && strcmp(by, "ray.io/kuberay-operator") != 0)
        r = error_set(error, ERROR_INVALID, "spec.managedBy",
                      "spec.managedBy must be absent or ray.io/kuberay-operator");
    if (r == 0)
        r = shape_bool(spec, "spec", "suspend", false, &flag, error);
    if (r == 0)
        r = shape_bool(spec, "spec", "excludeHeadPodFromServeSvc", false, &flag, error);
    if (r == 0)
        r = shape_i64(spec, "spec", "rayClusterDeletionDelaySeconds", 0, RAY_SECONDS_MAX, 60, &number, error);
    if (r == 0)
        r = shape_i64(spec, "spec", "serviceUnhealthySecondThreshold", 0, RAY_SECONDS_MAX, 0, &number, error);
    if (r == 0)
        r = shape_i64(spec, "spec", "deploymentUnhealthySecondThreshold", 0, RAY_SECONDS_MAX, 0, &number, error);
    return r;
}

int ray_service_admit(struct engine *engine, const cJSON *old, cJSON *service, struct error *error)
{
    static const char *const known[] = {"serveConfigV2",
                                        "rayClusterConfig",
                                        "serveService",
                                        "upgradeStrategy",
                                        "rayClusterDeletionDelaySeconds",
                                        "excludeHeadPodFromServeSvc",
                                        "suspend",
                                        "managedBy",
                                        "serviceUnhealthySecondThreshold",
                                        "deploymentUnhealthySecondThreshold",
                                        NULL};
    cJSON *spec = NULL;
    cJSON *cluster = NULL;
    int r = ray_check_metadata("RayService", RAY_OWNER_NAME_MAX, old, service, &spec, error);
    if (r == 0 && !old)
        r = ray_check_followed(engine, "RayService", error);
    if (r == 0)
        r = check_annotations(service, error);
    if (r == 0)
        r = json_check_known(spec, "spec", known, error);
    if (r == 0)
        r = shape_object(spec, "spec", "rayClusterConfig", &cluster, error);
    if (r == 0 && !cluster)
        r = error_set(error, ERROR_INVALID, "spec.rayClusterConfig", "a RayService needs spec.rayClusterConfig");
    if (r == 0)
        r = check_serve_config(spec, error);
    if (r == 0)
        r = check_rest(spec, error);
    if (r == 0)
        r = check_serve_service(spec, error);
    if (r == 0)
        r = check_upgrade(engine, spec, error);
    if (r == 0)
        r = check_one_machine(engine, service, spec, error);
    if (r == 0)
        r = ray_check_spec(engine, "spec.rayClusterConfig", service, true, cluster, error);
    if (r == 0)
        ray_complete_head_env(engine, json_at(old, "spec", "rayClusterConfig", NULL), cluster);
    return r == 0 && !old ? check_services_free(engine, service, error) : r;
}
