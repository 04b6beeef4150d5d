/*
 * What is left of a Ray job when its cluster is gone: its final status, its events and the end of its driver's log, in
 * PostgreSQL. One entry a run (each retry is one). Bounded: see the constants in rayhistory.c; it goes with its
 * profile.
 */
#ifndef ATELIER_ENGINE_LOCAL_RAYHISTORY_H
#define ATELIER_ENGINE_LOCAL_RAYHISTORY_H

#include "engine/local/local_internal.h"

/* Of one driver's log no more than its last so many bytes (as JSON text) are kept. */
enum { RAY_LOG_KEPT_BYTES = 1 << 20 };

struct ray_log {
    char *text; /* the holder's */
    bool cut;   /* its beginning is missing */
};

/* Keeps one run; a run that is there already is replaced. <status> is the RayJob's final one. */
int ray_history_keep(struct local *local, const struct object *job, const cJSON *status, const struct ray_log *log,
                     struct error *error);
/* Everything of a namespace goes. */
int ray_history_forget(struct local *local, const char *namespace, struct error *error);
/* What is older than it may be goes. */
int64_t ray_history_reconcile(struct local *local, const char *namespace, const char *name, struct error *error);

/* engine_operations.job_history, .job_log */
int ray_history_list(struct engine *engine, const char *namespace, const char *name, cJSON **ret, struct error *error);
int ray_history_log(struct engine *engine, const char *namespace, const char *name, const char *job_id, char **ret,
                    bool *ret_cut, struct error *error);

#endif
