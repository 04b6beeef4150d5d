/*
 * Is the head of a Ray cluster usable? Asked from the probe queue: every 250 ms while it starts, then every 10 s.
 *
 * `gcs`: its GCS accepts connections, so workers can join. `usable`: the Jobs API answers with the cluster's token (GET
 * /api/version) and the node's agent is there (GET /api/local_raylet_healthz): a job that is sent now will run.
 */
#ifndef ATELIER_ENGINE_LOCAL_RAYHEALTH_H
#define ATELIER_ENGINE_LOCAL_RAYHEALTH_H

#include "engine/local/local_internal.h"

struct ray_health {
    bool gcs, usable;
};
struct ray_watcher;
struct ray_watcher *ray_watcher_new(void);
void ray_watcher_free(struct ray_watcher *watcher);

/* What is known of this life of the head (see ray_head_life); begins to ask if it is new. */
struct ray_health ray_health_of(struct local *local, const struct object *cluster, const struct object *head);
void ray_health_forget(struct local *local, const struct object *cluster);

/* "<pod uid>/<restarts of its Ray container>": another one is another Ray, whose workers must join anew. malloc'ed. */
char *ray_head_life(const struct object *head);

#endif
