/*
 * What the profile's own Redis holds of clusters: one hash a table of a GCS, "RAY<storage namespace>@<table>"
 * (src/ray/gcs/store_client/redis_store_client.cc of Ray 2.60), where the storage namespace is the cluster's uid.
 *
 * Threads: any; blocks for some seconds at most.
 */
#ifndef ATELIER_ENGINE_LOCAL_RAYKEYS_H
#define ATELIER_ENGINE_LOCAL_RAYKEYS_H

#include "engine/local/local_internal.h"

/* Drops what is of no cluster in <uids> (an array of texts). <password> is in base64, as a Secret has it. UNAVAILABLE,
 * TIMEOUT: Redis does not answer; UPSTREAM: it answers something else. */
int ray_keys_keep(struct local *local, const char *namespace, const char *address, const char *password,
                  const cJSON *uids, struct error *error);
/* Pure: the two commands of that, and whether <answers> (what Redis said so far) are the two that mean success: 1 yes,
 * 0 not all there yet, UPSTREAM no. */
void ray_keys_request(struct slice password, const cJSON *uids, struct buffer *ret);
int ray_keys_answered(struct slice answers, struct error *error);

#endif
