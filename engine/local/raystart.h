/* How much of a container's memory is Ray's object store: bounded by /dev/shm, and never below what Ray accepts. */
#ifndef ATELIER_ENGINE_LOCAL_RAYSTART_H
#define ATELIER_ENGINE_LOCAL_RAYSTART_H

#include "base/json.h"

/* <shm_limit_bytes> 0: /dev/shm will be made as large as this says. */
int64_t ray_object_store_bytes(const cJSON *parameters, const cJSON *container, int64_t shm_limit_bytes);

#endif
