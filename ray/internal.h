/* What the files of this room share; nobody else includes it. */
#ifndef ATELIER_RAY_INTERNAL_H
#define ATELIER_RAY_INTERNAL_H

#include "ray/ray.h"

/* Limits, and why. */
#define RAY_NAME_MAX 53                   /* "<name>-serve-svc" is a DNS label of at most 63 (KubeRay's own limit) */
#define RAY_GROUPS_MAX 16                 /* worker groups of one cluster */
#define RAY_REPLICAS_MAX 256              /* workers a group may be asked for at once */
#define RAY_REPLICAS_UNLIMITED 2147483647 /* KubeRay's default of maxReplicas */
#define RAY_PARAMS_MAX 32                 /* entries of one rayStartParams */
#define RAY_PARAM_VALUE_MAX 256
#define RAY_GROUP_NAME_MAX 40      /* "<cluster>-<group>-worker-xxxxx" is cut from the left otherwise */
#define RAY_AUTH_SECRET "ray-auth" /* one token a profile: a process can carry only one */

/* group.c: headGroupSpec and workerGroupSpecs, completed in place. */
int ray_check_head(struct engine *engine, cJSON *spec, struct error *error);
int ray_check_workers(struct engine *engine, cJSON *spec, struct error *error);
/* start_params.c: <path> is that of the group. */
int ray_check_start_params(const cJSON *group, const char *path, bool head, struct error *error);
/* change.c: what an update may change. */
int ray_check_change(const cJSON *old, const cJSON *cluster, struct error *error);
/* cluster.c: the entry of engine_images for an image name or alias, or NULL. */
const cJSON *ray_find_image(const cJSON *images, const char *image);

#endif
