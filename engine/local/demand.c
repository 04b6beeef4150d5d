/* How much CPU and memory does a pod take? */
#include "engine/local/demand.h"

enum { DEFAULT_CPU_MILLI = 500 };
static const int64_t default_memory_bytes = INT64_C(1) << 30;

static int64_t quantity(const cJSON *container, const char *which, const char *what, bool milli)
{
    int64_t ret = 0;
    const cJSON *value = json_at(container, "resources", which, what, NULL);
    (void)json_quantity(value, milli ? quantity_parse_milli : quantity_parse_bytes, &ret);
    return ret < 0 ? 0 : ret;
}

static void complete(int64_t *request, int64_t *limit, int64_t fallback)
{
    if (*limit == 0)
        *limit = *request ? *request : fallback;
    if (*request == 0)
        *request = *limit;
}

/* Extended resources have a domain in their name ("nvidia.com/gpu"). */
static int64_t devices_of(const cJSON *container)
{
    int64_t devices = 0;
    const cJSON *limit;
    cJSON_ArrayForEach(limit, json_at(container, "resources", "limits", NULL))
    {
        if (strchr(limit->string, '/') && strcmp(limit->string, RESOURCE_GPU) != 0)
            devices += quantity(container, "limits", limit->string, false);
    }
    return devices;
}

void container_demand(const cJSON *container, struct demand *ret)
{
    *ret = (struct demand){.request_cpu_milli = quantity(container, "requests", "cpu", true),
                           .limit_cpu_milli = quantity(container, "limits", "cpu", true),
                           .request_memory_bytes = quantity(container, "requests", "memory", false),
                           .limit_memory_bytes = quantity(container, "limits", "memory", false),
                           .gpus = quantity(container, "limits", RESOURCE_GPU, false),
                           .devices = devices_of(container)};
    complete(&ret->request_cpu_milli, &ret->limit_cpu_milli, DEFAULT_CPU_MILLI);
    complete(&ret->request_memory_bytes, &ret->limit_memory_bytes, default_memory_bytes);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void pod_demand(const cJSON *pod_spec, struct demand *ret)
{
    struct demand sum = {0}, one;
    const cJSON *container;
    cJSON_ArrayForEach(container, json_member(pod_spec, "containers"))
    {
        container_demand(container, &one);
        sum.request_cpu_milli += one.request_cpu_milli;
        sum.limit_cpu_milli += one.limit_cpu_milli;
        sum.request_memory_bytes += one.request_memory_bytes;
        sum.limit_memory_bytes += one.limit_memory_bytes;
        sum.gpus += one.gpus;
        sum.devices += one.devices;
    }
    cJSON_ArrayForEach(container, json_member(pod_spec, "initContainers"))
    {
        container_demand(container, &one);
        sum.request_cpu_milli = larger(sum.request_cpu_milli, one.request_cpu_milli);
        sum.limit_cpu_milli = larger(sum.limit_cpu_milli, one.limit_cpu_milli);
        sum.request_memory_bytes = larger(sum.request_memory_bytes, one.request_memory_bytes);
        sum.limit_memory_bytes = larger(sum.limit_memory_bytes, one.limit_memory_bytes);
        sum.gpus = larger(sum.gpus, one.gpus);
        sum.devices = larger(sum.devices, one.devices);
    }
    *ret = sum;
}

int64_t pod_devices(const cJSON *pod_spec, const char *device)
{
    int64_t sum = 0;
    const cJSON *container;
    cJSON_ArrayForEach(container, json_member(pod_spec, "containers")) sum +=
        quantity(container, "limits", device, false);
    cJSON_ArrayForEach(container, json_member(pod_spec, "initContainers")) sum =
        larger(sum, quantity(container, "limits", device, false));
    return sum;
}
