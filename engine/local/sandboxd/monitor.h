/* Wakes a pod's step when one of its containers' monitors ends. An own thread; the monitors need not be our children.
 */
#ifndef ATELIER_SANDBOXD_MONITOR_H
#define ATELIER_SANDBOXD_MONITOR_H

#include "base/queue.h"
#include "engine/local/sandboxd/runtime.h"

struct box_monitor;
struct box_monitor *box_monitor_new(struct queue *queue); /* NULL if the kernel refuses */
void box_monitor_free(struct box_monitor *monitor);
/* Queues <tenant>, <key> once when <process> ends, at once if it has. */
void box_monitor_watch(struct box_monitor *monitor, const struct box_process *process, const char *tenant,
                       const char *key);

#endif
