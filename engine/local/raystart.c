/* With which arguments does a Ray node start? */
#include "engine/local/raystart.h"

#include <ctype.h>

#include "engine/local/demand.h"
#include "engine/local/raypods.h"

/* OBJECT_STORE_MINIMUM_MEMORY_BYTES of Ray 2.60 is 75 MiB; 30 % is Ray's own default share. */
enum { OBJECT_STORE_PERCENT = 30, PARAMETERS_MAX = 64 };
static const int64_t object_store_min_bytes = INT64_C(80) << 20;

/* KubeRay's samples write values for a shell ('"{\"GPU\": 1}"'): as arguments they go without that quoting. */
static char *unquote(const char *value)
{
    size_t n = strlen(value);
    if (n >= 2 && value[0] == '\'' && value[n - 1] == '\'')
        return memory_text_n(value + 1, n - 2);
    if (n < 2 || value[0] != '"' || value[n - 1] != '"')
        return memory_text(value);
    struct buffer out = {0};
    for (size_t i = 1; i < n - 1; i++) {
        if (value[i] == '\\' && i + 1 < n - 1)
            i++;
        buffer_add(&out, value + i, 1);
    }
    return buffer_take(&out);
}

static bool key_is_clean(const char *key)
{
    if (!islower((unsigned char)key[0]))
        return false;
    for (; *key; key++)
        if (!islower((unsigned char)*key) && !isdigit((unsigned char)*key) && *key != '-')
            return false;
    return true;
}

/* KubeRay's rule: true and false are flags, but for two options that take them as values. */
static void push_argument(cJSON *arguments, const char *key, const char *value)
{
    bool takes_truth = strcmp(key, "log-color") == 0 || strcmp(key, "include-dashboard") == 0;
    if (!takes_truth && strcasecmp(value, "false") == 0)
        return;
    AUTO_FREE char *text = !takes_truth && strcasecmp(value, "true") == 0 ? memory_format("--%s", key)
                                                                          : memory_format("--%s=%s", key, value);
    json_push_text(arguments, text);
}

static void set_default(cJSON *parameters, const char *key, const char *value)
{
    if (!json_member(parameters, key))
        json_set_text(parameters, key, value);
}

static void set_default_number(cJSON *parameters, const char *key, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    set_default(parameters, key, text);
}

int64_t ray_object_store_bytes(const cJSON *parameters, const cJSON *container, int64_t shm_limit_bytes)
{
    int64_t bytes;
    AUTO_FREE char *given = unquote(json_text_or("", parameters, "object-store-memory", NULL));
    if (text_parse_i64(slice_of(given), 1, INT64_C(1) << 50, &bytes))
        return bytes;
    struct demand demand;
    container_demand(container, &demand);
    bytes = demand.limit_memory_bytes / 100 * OBJECT_STORE_PERCENT;
    if (shm_limit_bytes > 0 && bytes > shm_limit_bytes)
        bytes = shm_limit_bytes;
    return bytes < object_store_min_bytes ? object_store_min_bytes : bytes;
}

/* Only what was asked for explicitly becomes a number of CPUs or GPUs of the cluster. */
static void set_resources(cJSON *parameters, const cJSON *group, const cJSON *container, int64_t shm_limit_bytes)
{
    struct demand demand;
    container_demand(container, &demand);
    int64_t store = ray_object_store_bytes(parameters, container, shm_limit_bytes);
    int64_t memory = demand.limit_memory_bytes - store;
    const char *cpus = json_text(group, "resources", "CPU", NULL);
    if (cpus)
        set_default(parameters, "num-cpus", cpus);
    set_default_number(parameters, "num-cpus", (demand.limit_cpu_milli + 999) / 1000);
    set_default_number(parameters, "object-store-memory", store);
    if (memory > 0)
        set_default_number(parameters, "memory", memory);
    if (demand.gpus > 0)
        set_default_number(parameters, "num-gpus", demand.gpus);
}

static cJSON *copy_parameters(const cJSON *given)
{
    cJSON *parameters = json_object();
    const cJSON *parameter;
    cJSON_ArrayForEach(parameter, given)
    {
        if (!cJSON_IsString(parameter) || !key_is_clean(parameter->string) ||
            cJSON_GetArraySize(parameters) == PARAMETERS_MAX)
            continue;
        AUTO_FREE char *value = unquote(parameter->valuestring);
        json_set_text(parameters, parameter->string, value);
    }
    return parameters;
}

cJSON *ray_start_arguments(const cJSON *group, const cJSON *container, const char *address, int64_t shm_limit_bytes)
{
    AUTO_JSON cJSON *parameters = copy_parameters(json_member(group, "rayStartParams"));
    /* Where the node is and whom it joins is not the template's to say. */
    json_remove(parameters, "head");
    json_remove(parameters, "address");
    json_set_text(parameters, "block", "true");
    json_set_text(parameters, "node-ip-address", "$(POD_IP)");
    if (address) {
        json_set_text(parameters, "address", address);
        json_remove(parameters, "port");
    } else {
        set_default_number(parameters, "port", RAY_GCS);
        json_set_text(parameters, "dashboard-host", "0.0.0.0");
        json_set_text(parameters, "disable-usage-stats", "true");
    }
    set_default_number(parameters, "metrics-export-port", RAY_METRICS);
    set_default_number(parameters, "dashboard-agent-listen-port", RAY_AGENT);
    set_resources(parameters, group, container, shm_limit_bytes);
    cJSON *arguments = json_array();
    json_push_text(arguments, "start");
    if (!address)
        json_push_text(arguments, "--head");
    const cJSON *parameter;
    cJSON_ArrayForEach(parameter, parameters)
    {
        push_argument(arguments, parameter->string, parameter->valuestring);
    }
    return arguments;
}
