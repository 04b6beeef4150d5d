/* The volumes of a Pod and where its containers mount them, in sandboxd's words. */
#ifndef ATELIER_ENGINE_LOCAL_PODVOLUMES_H
#define ATELIER_ENGINE_LOCAL_PODVOLUMES_H

#include "engine/local/local_internal.h"

/* Sets "volumes" in <spec> and pushes the names of claims to <claims>. */
int podvolumes_render(struct local *local, const struct object *pod, cJSON *spec, cJSON *claims, struct error *error);
/* A container's "mounts". A memory volume at /dev/shm is not mounted: it sizes the pod's own /dev/shm instead. */
cJSON *podvolumes_mounts(const cJSON *pod, const cJSON *container);
int64_t podvolumes_shm_bytes(const cJSON *pod);

#endif
