/*
 * Is there room for a pod? Memory is never promised twice (allocatable = RAM - reserve), CPU by the overcommit factor,
 * and a namespace stays within its ResourceQuotas. A pod that holds a place says so in its condition PodScheduled=True.
 */
#ifndef ATELIER_ENGINE_LOCAL_SCHEDULE_H
#define ATELIER_ENGINE_LOCAL_SCHEDULE_H

#include "engine/local/demand.h"
#include "engine/local/local_internal.h"

struct scheduler;
struct scheduler *scheduler_new(struct local *local, int64_t memory_reserved_bytes, double cpu_overcommit);
void scheduler_free(struct scheduler *scheduler);

bool pod_is_scheduled(const struct object *pod);
bool pod_is_over(const struct object *pod);         /* phase Succeeded or Failed */
bool pod_holds_resources(const struct object *pod); /* scheduled and not over */

/* Gives the pod its place: 0 and *ret_placed; not placed: the condition says why, in totals only. */
int schedule_pod(struct local *local, const struct object *pod, bool *ret_placed, struct error *error);
/* engine_operations.usage */
int schedule_usage(struct engine *engine, cJSON **ret, struct error *error);

#endif
