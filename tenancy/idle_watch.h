/*
 * Looking after running workloads of one kind: when were they last used, who is warned, who is stopped?
 *
 * A workload is looked at every check_s, and when it or its profile changes. Looking asks the workload itself, which
 * takes time and may fail: then nothing is decided, whatever time it is.
 */
#ifndef ATELIER_TENANCY_IDLE_WATCH_H
#define ATELIER_TENANCY_IDLE_WATCH_H

#include "tenancy/idle.h"

/* What a kind of workload knows about itself. All run on the watch's threads and may block for some seconds. */
struct idle_keeper {
    enum engine_kind kind;
    /* Whether it runs, is its own master and can be asked; since when. */
    bool (*runs)(const cJSON *object, int64_t *ret_since_ms);
    /* When it was last in use as it says itself; <now_ms> if it is at work now, 0 if it knows of no use. */
    int (*ask)(struct engine *engine, const cJSON *object, int64_t now_ms, int64_t *ret_ms, struct error *error);
    /* Stops it, unless it has changed meanwhile. <now>: RFC 3339. */
    int (*stop)(struct engine *engine, const cJSON *object, const char *now, struct error *error);
};
struct idle_watch;
/* Starts. <name> names the queue; <options> and <keeper> are copied. */
struct idle_watch *idle_watch_new(struct engine *engine, const char *name, const struct idle_options *options,
                                  const struct idle_keeper *keeper);
void idle_watch_free(struct idle_watch *watch); /* ends it first; NULL is fine */

#endif
