/* What do the pods of a Ray cluster request? */
#include "ray/internal.h"

/* KubeRay's defaults for the autoscaler's container in the head pod, requests and limits alike. */
#define SIDECAR_CPU "500m"
#define SIDECAR_MEMORY "512Mi"

/* Requests, else limits, as Kubernetes reads them. */
static int64_t amount(const cJSON *resources, const char *key, bool (*parse)(struct slice, int64_t *))
{
    static const char *const sides[] = {"requests", "limits"};
    for (size_t i = 0; i < COUNT_OF(sides); i++) {
        const cJSON *value = json_at(resources, sides[i], key, NULL);
        int64_t number = 0;
        char text[24];
        if (json_i64(value, &number) && number >= 0) {
            snprintf(text, sizeof(text), "%lld", (long long)number);
            return parse(slice_of(text), &number) ? number : 0;
        }
        if (cJSON_IsString(value))
            return parse(slice_of(value->valuestring), &number) ? number : 0;
    }
    return 0;
}

/* The sum of the containers, or the largest of those that run before them. */
static void pod_demand(const cJSON *group, struct ray_demand *ret)
{
    const cJSON *containers = json_at(group, "template", "spec", "containers", NULL);
    const cJSON *first = json_at(group, "template", "spec", "initContainers", NULL);
    *ret = (struct ray_demand){.pods = 1};
    for (const cJSON *c = containers ? containers->child : NULL; c; c = c->next) {
        ret->cpu_milli += amount(json_member(c, "resources"), "cpu", quantity_parse_milli);
        ret->memory_bytes += amount(json_member(c, "resources"), "memory", quantity_parse_bytes);
    }
    for (const cJSON *c = first ? first->child : NULL; c; c = c->next) {
        int64_t cpu = amount(json_member(c, "resources"), "cpu", quantity_parse_milli);
        int64_t memory = amount(json_member(c, "resources"), "memory", quantity_parse_bytes);
        ret->cpu_milli = cpu > ret->cpu_milli ? cpu : ret->cpu_milli;
        ret->memory_bytes = memory > ret->memory_bytes ? memory : ret->memory_bytes;
    }
}

static void sidecar_demand(const cJSON *spec, struct ray_demand *ret)
{
    const cJSON *resources = json_at(spec, "autoscalerOptions", "resources", NULL);
    ret->sidecar_cpu_milli = amount(resources, "cpu", quantity_parse_milli);
    ret->sidecar_memory_bytes = amount(resources, "memory", quantity_parse_bytes);
    if (!resources) {
        (void)quantity_parse_milli(slice_of(SIDECAR_CPU), &ret->sidecar_cpu_milli);
        (void)quantity_parse_bytes(slice_of(SIDECAR_MEMORY), &ret->sidecar_memory_bytes);
    }
}

void ray_cluster_demand(const cJSON *spec, struct ray_demand *ret)
{
    bool scales = json_true(spec, "enableInTreeAutoscaling", NULL);
    struct ray_demand sum;
    struct ray_demand one;
    pod_demand(json_member(spec, "headGroupSpec"), &sum);
    if (scales)
        sidecar_demand(spec, &sum);
    sum.cpu_milli += sum.sidecar_cpu_milli;
    sum.memory_bytes += sum.sidecar_memory_bytes;
    const cJSON *groups = json_member(spec, "workerGroupSpecs");
    for (const cJSON *group = groups ? groups->child : NULL; group; group = group->next) {
        int64_t count = 0;
        int64_t hosts = 1;
        pod_demand(group, &one);
        (void)json_i64(json_member(group, scales ? "minReplicas" : "replicas"), &count);
        (void)json_i64(json_member(group, "numOfHosts"), &hosts);
        count = count > 0 && count <= RAY_REPLICAS_MAX && hosts > 0 && hosts <= RAY_HOSTS_MAX ? count * hosts : 0;
        sum.pods += count;
        sum.cpu_milli += count * one.cpu_milli;
        sum.memory_bytes += count * one.memory_bytes;
    }
    *ret = sum;
}
