/* Which options of `ray start` may a manifest set, and to what? */
#include "ray/internal.h"

#include "tenancy/shape.h"

/*
 * Every option of Ray 2.60's `ray start` that a manifest may carry. The others are refused by name with the reason, so
 * that nothing is ignored silently. Ports that services, probes and workers rely on keep their value; the rest may
 * move, because each pod has a network namespace of its own.
 */
enum param_kind {
    PARAM_WHOLE, /* 0.. */
    PARAM_BYTES, /* object store: at least 75 MiB */
    PARAM_PORT,  /* 0..65535 */
    PARAM_FIXED, /* only <value> */
    PARAM_TRUE,  /* "true" only: what the platform does anyway */
    PARAM_BOOL,
    PARAM_TEXT,
    PARAM_PATH,   /* absolute */
    PARAM_JSON,   /* an object, perhaps in another layer of quotes as KubeRay's samples have it */
    PARAM_REFUSED /* <value> is the reason */
};
#define OBJECT_STORE_MIN INT64_C(78643200) /* Ray's OBJECT_STORE_MINIMUM_MEMORY_BYTES */

static const struct param {
    const char *name;
    enum param_kind kind;
    const char *value;
} params[] = {
    {"num-cpus", PARAM_WHOLE, NULL},
    {"num-gpus", PARAM_WHOLE, NULL},
    {"memory", PARAM_WHOLE, NULL},
    {"object-store-memory", PARAM_BYTES, NULL},
    {"resources", PARAM_JSON, NULL},
    {"dashboard-host", PARAM_FIXED, "0.0.0.0"},
    {"dashboard-port", PARAM_FIXED, "8265"},
    {"port", PARAM_FIXED, "6379"},
    {"ray-client-server-port", PARAM_FIXED, "10001"},
    {"metrics-export-port", PARAM_FIXED, "8080"},
    {"dashboard-agent-listen-port", PARAM_FIXED, "52365"},
    {"dashboard-agent-grpc-port", PARAM_PORT, NULL},
    {"object-manager-port", PARAM_PORT, NULL},
    {"node-manager-port", PARAM_PORT, NULL},
    {"runtime-env-agent-port", PARAM_PORT, NULL},
    {"min-worker-port", PARAM_PORT, NULL},
    {"max-worker-port", PARAM_PORT, NULL},
    {"worker-port-list", PARAM_TEXT, NULL},
    {"block", PARAM_TRUE, NULL},
    {"include-dashboard", PARAM_BOOL, NULL},
    {"include-log-monitor", PARAM_REFUSED, "logs are always collected"},
    {"disable-usage-stats", PARAM_TRUE, NULL},
    {"no-monitor", PARAM_BOOL, NULL},
    {"no-redirect-output", PARAM_TRUE, NULL},
    {"ray-debugger-external", PARAM_BOOL, NULL},
    {"log-style", PARAM_TEXT, NULL},
    {"log-color", PARAM_TEXT, NULL},
    {"plasma-directory", PARAM_PATH, NULL},
    {"object-spilling-directory", PARAM_PATH, NULL},
    {"temp-dir", PARAM_PATH, NULL},
    {"node-name", PARAM_TEXT, NULL},
    {"node-ip-address", PARAM_REFUSED, "every pod's own address is used"},
    {"address", PARAM_REFUSED, "workers join their own cluster's head"},
    {"head", PARAM_REFUSED, "which pod is the head is what headGroupSpec says"},
    {"labels", PARAM_REFUSED, "use the group's own labels"},
    {"redis-address", PARAM_REFUSED, "use gcsFaultToleranceOptions"},
    {"redis-username", PARAM_REFUSED, "use gcsFaultToleranceOptions"},
    {"redis-password", PARAM_REFUSED, "use gcsFaultToleranceOptions"},
    {"redis-shard-ports", PARAM_REFUSED, "use gcsFaultToleranceOptions"},
    {"autoscaling-config", PARAM_REFUSED, "use enableInTreeAutoscaling"},
    {"enable-resource-isolation", PARAM_REFUSED, "pods are already held to their limits by the kernel"},
    {"system-reserved-cpu", PARAM_REFUSED, "pods are already held to their limits by the kernel"},
    {"system-reserved-memory", PARAM_REFUSED, "pods are already held to their limits by the kernel"},
    {"cgroup-path", PARAM_REFUSED, "pods are already held to their limits by the kernel"},
    {"proxy-server-url", PARAM_REFUSED, "the dashboard is reached through the platform"},
    {"tracing-startup-hook", PARAM_REFUSED, "it would run code outside of a job"},
};

static bool is_bool(const char *text)
{
    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || strcmp(text, "True") == 0 ||
           strcmp(text, "False") == 0;
}

static bool is_true(const char *text)
{
    return strcmp(text, "true") == 0 || strcmp(text, "True") == 0;
}

/* '{"a": 1}', or the same inside one more pair of quotes: '"{\"a\": 1}"'. */
static bool is_json_object(const char *text)
{
    AUTO_JSON cJSON *value = NULL;
    struct slice document = slice_of(text);
    AUTO_BUFFER struct buffer plain = {0};
    if (document.n >= 2 && document.p[0] == '"' && document.p[document.n - 1] == '"') {
        for (size_t i = 1; i + 1 < document.n; i++) {
            if (document.p[i] == '\\' && i + 2 < document.n && (document.p[i + 1] == '"' || document.p[i + 1] == '\\'))
                i++;
            buffer_add(&plain, document.p + i, 1);
        }
        document = buffer_slice(&plain);
    }
    if (json_parse(document, &json_limits_default, &value, NULL) < 0 || !cJSON_IsObject(value))
        return false;
    for (const cJSON *item = value->child; item; item = item->next) {
        if (!cJSON_IsNumber(item) || item->valuedouble < 0)
            return false;
    }
    return true;
}

/* What the value should have been, or NULL if it is fine. */
static const char *param_expected(const struct param *param, const char *value)
{
    int64_t number = 0;
    switch (param->kind) {
    case PARAM_WHOLE:
        return text_parse_i64(slice_of(value), 0, INT64_MAX, &number) ? NULL
                                                                      : "a whole number such as \"1\", in quotes";
    case PARAM_BYTES:
        return text_parse_i64(slice_of(value), OBJECT_STORE_MIN, INT64_MAX, &number)
                   ? NULL
                   : "a whole number of bytes, at least 78643200";
    case PARAM_PORT:
        return text_parse_i64(slice_of(value), 0, 65535, &number) ? NULL : "a port from 0 to 65535, in quotes";
    case PARAM_FIXED:
        return strcmp(value, param->value) == 0 ? NULL : param->value;
    case PARAM_TRUE:
        return is_true(value) ? NULL : "\"true\"; the platform sets it anyway";
    case PARAM_BOOL:
        return is_bool(value) ? NULL : "\"true\" or \"false\"";
    case PARAM_PATH:
        return *value == '/' && !strstr(value, "..") ? NULL : "an absolute path";
    case PARAM_JSON:
        return is_json_object(value) ? NULL : "a JSON object of amounts such as '{\"special\": 1}'";
    case PARAM_TEXT:
    case PARAM_REFUSED:
        break;
    }
    return *value ? NULL : "a text";
}

static bool is_printable(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            return false;
    }
    return true;
}

static int check_param(const cJSON *item, const char *path, bool head, struct error *error)
{
    char shown[64];
    char field[RAY_PATH_MAX + 96];
    text_printable(slice_of(item->string), shown, sizeof(shown));
    snprintf(field, sizeof(field), "%s.rayStartParams.%s", path, shown);
    const struct param *param = NULL;
    for (size_t i = 0; i < COUNT_OF(params) && !param; i++) {
        if (strcmp(params[i].name, item->string) == 0)
            param = &params[i];
    }
    if (!param)
        return error_set(error, ERROR_INVALID, field, "\"%s\" is not an option of ray start that can be set", shown);
    if (!cJSON_IsString(item))
        return error_set(error, ERROR_INVALID, field, "%s must be a text; put it in quotes", field);
    if (param->kind == PARAM_REFUSED)
        return error_set(error, ERROR_INVALID, field, "%s cannot be set: %s", field, param->value);
    if (strlen(item->valuestring) > RAY_PARAM_VALUE_MAX || !is_printable(item->valuestring))
        return error_set(error, ERROR_INVALID, field, "%s must be at most %d printable characters", field,
                         RAY_PARAM_VALUE_MAX);
    const char *expected = param_expected(param, item->valuestring);
    if (expected)
        return error_set(error, ERROR_INVALID, field, "%s must be %s", field, expected);
    if (head && strcmp(param->name, "include-dashboard") == 0 && !is_true(item->valuestring))
        return error_set(error, ERROR_INVALID, field,
                         "the head's dashboard is how jobs reach it; it cannot be left out");
    return 0;
}

int ray_check_start_params(const cJSON *group, const char *path, bool head, struct error *error)
{
    cJSON *object = NULL;
    int r = shape_object(group, path, "rayStartParams", &object, error);
    if (r < 0 || !object)
        return r;
    char field[RAY_PATH_MAX + 32];
    snprintf(field, sizeof(field), "%s.rayStartParams", path);
    if (cJSON_GetArraySize(object) > RAY_PARAMS_MAX)
        return error_set(error, ERROR_INVALID, field, "%s may have at most %d entries", field, RAY_PARAMS_MAX);
    for (const cJSON *item = object->child; item; item = item->next) {
        r = check_param(item, path, head, error);
        if (r < 0)
            return r;
    }
    return 0;
}
