/*
 * Each GPU of the machine is one pod's at a time. Which ones a pod has is written in its condition CONDITION_GPUS when
 * it is given its place, and holds while the pod holds resources: a restart of anything finds it there.
 */
#ifndef ATELIER_ENGINE_LOCAL_GPUS_H
#define ATELIER_ENGINE_LOCAL_GPUS_H

#include "engine/local/demand.h"
#include "engine/local/local_internal.h"

#define CONDITION_GPUS "atelier.dev/GPUs" /* message: "nvidia0 nvidia3" */

/* Names of the GPUs that the pod was given; the array is the caller's. */
cJSON *gpus_of_pod(const struct object *pod);
/* How many there are; 0 while sandboxd is away. */
int64_t gpus_of_machine(struct local *local);
/* Chooses <count> that no pod holds: their names, separated by spaces, the caller's. LIMITED with totals and with the
 * holders of the pod's own namespace. With the scheduler's lock held. */
int gpus_choose(struct local *local, const struct object *pod, int64_t count, char **ret, struct error *error);

#endif
