/* What is left of a Ray job when its cluster is gone (engine/rayruns.h), on one machine; it goes with its profile. */
#ifndef ATELIER_ENGINE_LOCAL_RAYHISTORY_H
#define ATELIER_ENGINE_LOCAL_RAYHISTORY_H

#include "engine/local/local_internal.h"

struct ray_log {
    char *text; /* the holder's */
    bool cut;   /* its beginning is missing */
};

/* <status> is the RayJob's final one. */
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
