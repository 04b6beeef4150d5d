/*
 * RayCluster (ray.io/v1): defaults and validation before it is stored, so that nothing is refused silently later.
 */
#ifndef ATELIER_RAY_RAY_H
#define ATELIER_RAY_RAY_H

#include "engine/engine.h"

/* Checks and completes a RayCluster. Absent authOptions becomes {mode: token, secretName: ray-auth}; `disabled` is
 * INVALID; everything KubeRay would only report in an event (reference 1.1) is INVALID with its path. */
int ray_cluster_admit(struct engine *engine, const cJSON *old, cJSON *cluster, struct error *error);
/* After it was stored: a Warning event when rayVersion differs from the image's. */
void ray_cluster_remark(struct engine *engine, const cJSON *cluster);

#endif
