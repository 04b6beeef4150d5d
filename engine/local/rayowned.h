/* RayClusters that a RayJob or RayService made for itself, and how any RayCluster stands for somebody who needs it. */
#ifndef ATELIER_ENGINE_LOCAL_RAYOWNED_H
#define ATELIER_ENGINE_LOCAL_RAYOWNED_H

#include "engine/local/local_internal.h"

/* "<owner>-xxxxx", as KubeRay names them; malloc'ed. */
char *ray_owned_name(const struct object *owner);
/* Makes it if it is not there. EXISTS: the name is somebody else's. */
int ray_owned_make(struct local *local, const struct object *owner, const char *name, const cJSON *spec,
                   struct error *error);
/* Deletes it, if it is the owner's. *ret_gone: nothing of it is left, its pods included. */
int ray_owned_remove(struct local *local, const struct object *owner, const char *name, const char *why, bool *ret_gone,
                     struct error *error);

/* The Jobs API answers, and all pods that were asked for have been there. */
bool ray_cluster_usable(const struct object *cluster);
/* Why it is not, for a person. */
const char *ray_cluster_trouble(const struct object *cluster);
char *ray_dashboard_url(const struct object *cluster); /* as KubeRay writes it into a status; malloc'ed */

#endif
