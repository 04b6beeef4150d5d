/* A RayCluster's status as KubeRay writes it (reference 1.2), from what one reconcile pass saw. */
#ifndef ATELIER_ENGINE_LOCAL_RAYSTATUS_H
#define ATELIER_ENGINE_LOCAL_RAYSTATUS_H

#include "engine/local/rayhealth.h"

struct ray_seen {
    const struct object *cluster;
    const struct object *head; /* NULL: none */
    const struct object *service;
    struct ray_health health;
    bool suspended;                       /* asked for */
    int64_t desired, minimum, maximum;    /* worker replicas */
    int64_t pods, available, ready;       /* worker pods: there, running, ready */
    const char *waiting;                  /* why a pod cannot be placed, or NULL */
    const char *failure_reason, *failure; /* what a write failed with, or NULL */
};
cJSON *ray_status(const struct ray_seen *seen);

/* Puts what <cluster> says of its use, which who looks after idle ones writes (ray/idle.c), into the status. That may
 * have changed since the pass began: it is asked again as the status is written. */
void ray_status_keep_use(cJSON *status, const cJSON *cluster);

#endif
