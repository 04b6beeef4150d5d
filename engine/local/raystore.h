/*
 * Where the heads of a profile's Ray clusters keep what they must not forget (GCS fault tolerance): either a Redis that
 * the cluster names, or one of the profile's own, a pod like any other with a password and a volume.
 *
 * The profile's own is there while a RayCluster that is not suspended wants it, and goes, with what it holds, with the
 * last of them. What it holds of one cluster goes once the pods of that one are gone: a suspended cluster begins anew.
 */
#ifndef ATELIER_ENGINE_LOCAL_RAYSTORE_H
#define ATELIER_ENGINE_LOCAL_RAYSTORE_H

#include "engine/local/local_internal.h"

#define RAY_STORE_NAME "ray-gcs-store" /* of its Pod, Service, Secret and claim */

/* This machine can run one (Debian's redis-server is installed). */
bool ray_store_offered(void);

bool ray_is_fault_tolerant(const struct object *cluster);
/* What its head has to wait for, a sentence for people (malloc'ed); NULL: for nothing, as far as is known, and always
 * for a store that it names itself. *ret_trouble: it is more than that the store starts, and somebody has to act. */
char *ray_store_waits(struct local *local, const struct object *cluster, bool *ret_trouble);
/* Environment and `ray start` options of its head's or a worker's Ray container. */
void ray_store_complete(const struct object *cluster, cJSON *container, cJSON *arguments, bool head);

#endif
