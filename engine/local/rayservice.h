/*
 * What the parts of the RayService controller share.
 *
 * A RayService has an active cluster, which its names lead to, and while another is wanted a pending one. The names of
 * both are in the status before anything of that name is made, so a pass that was killed is gone on with. The pending
 * one takes over once it serves everything; the one before stays for spec.rayClusterDeletionDelaySeconds, so that
 * requests which it has begun are answered.
 */
#ifndef ATELIER_ENGINE_LOCAL_RAYSERVICE_H
#define ATELIER_ENGINE_LOCAL_RAYSERVICE_H

#include "engine/local/local_internal.h"

/* --- rayservice_route.c --- */
/* The Services <service>-serve-svc and <service>-head-svc lead to this cluster from now on. */
int rayservice_lead(struct local *local, const struct object *service, const struct object *cluster,
                    struct error *error);

/* --- rayservice_clusters.c --- */
/* Whether the cluster is what spec.rayClusterConfig says, but for how many workers there are. */
bool rayservice_is_current(const struct object *service, const struct object *cluster);
/* Takes over how many workers are asked for; not what an autoscaler has decided meanwhile. */
int rayservice_resize(struct local *local, const struct object *service, const struct object *cluster,
                      struct error *error);
/* The cluster serves from now on. */
int rayservice_mark_served(struct local *local, const struct object *cluster, struct error *error);
/* Removes clusters of the service's that are neither of the two (either may be ""): what never served at once, what did
 * when its time is over; *ret_again_ms is when that is (0: not before something changes). */
int rayservice_leave_others(struct local *local, const struct object *service, const char *active, const char *pending,
                            int64_t *ret_again_ms, struct error *error);

#endif
