/* Which container of a Pod is meant, and what is known of it. */
#ifndef ATELIER_ENGINE_LOCAL_CONTAINER_H
#define ATELIER_ENGINE_LOCAL_CONTAINER_H

#include "engine/local/object.h"

/* <wanted>: a container's or an init container's name; NULL or "": the first container. *ret lives as long as the pod.
 * BAD_REQUEST if there is none of that name. */
int container_choose(const struct object *pod, const char *wanted, const char **ret, struct error *error);
/* Its entry in the Pod's status; NULL before there is one. */
const cJSON *container_status(const struct object *pod, const char *name);

#endif
