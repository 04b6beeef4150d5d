/* What a pod takes of the machine. */
#ifndef ATELIER_ENGINE_LOCAL_DEMAND_H
#define ATELIER_ENGINE_LOCAL_DEMAND_H

#include "base/json.h"

#define RESOURCE_GPU "nvidia.com/gpu"

struct demand {
    int64_t request_cpu_milli, limit_cpu_milli;
    int64_t request_memory_bytes, limit_memory_bytes;
    int64_t gpus;    /* RESOURCE_GPU */
    int64_t devices; /* of other extended resources, which this engine does not have */
};
/* A container's: a missing limit is the request, a missing request the limit, and with neither the defaults of
 * design.md's Contracts (500m, 1Gi). Malformed quantities count as missing: admission refuses them. */
void container_demand(const cJSON *container, struct demand *ret);
/* A pod's: its containers together, or its greediest init container. */
void pod_demand(const cJSON *pod_spec, struct demand *ret);
/* How many of that extended resource ("nvidia.com/gpu") it takes; its limit is its request. */
int64_t pod_devices(const cJSON *pod_spec, const char *device);

#endif
