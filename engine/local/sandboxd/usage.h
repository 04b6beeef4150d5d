/* What do pods, their containers and the whole machine use? */
#ifndef ATELIER_SANDBOXD_USAGE_H
#define ATELIER_SANDBOXD_USAGE_H

#include "engine/local/sandboxd/daemon.h"

/* Adds to <answer>: "pods": [{"sandbox","pod",COUNTED,"containers":[{"name",COUNTED}]}] of those that a group counts,
 * and "machine": {COUNTED}, where COUNTED is "at_ms","cpu_ms","memory_bytes". CPU counts since a group, or the machine,
 * began, up to at_ms of the monotonic clock, as the answer may come late. Memory is a pod's working set, and of the
 * machine what no program could have without another giving it up. */
void box_usage_report(struct box_daemon *daemon, cJSON *answer);

/* Of the texts of /proc/stat and /proc/meminfo (proc(5)). False if either tells nothing. Pure. */
bool box_usage_of_machine(struct slice stat, struct slice meminfo, int64_t ticks_per_s, int64_t *ret_cpu_ms,
                          int64_t *ret_memory_bytes);

#endif
