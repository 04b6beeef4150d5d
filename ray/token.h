/*
 * Which Secret holds the token that a cluster asks everybody for? Pure, and right for clusters of every engine and of
 * every KubeRay: the command line asks it too.
 */
#ifndef ATELIER_RAY_TOKEN_H
#define ATELIER_RAY_TOKEN_H

#include "base/json.h"

#define RAY_TOKEN_SECRET "ray-auth" /* the profile's: a process can carry only one token */
#define RAY_TOKEN_SECRET_SIZE 254   /* a name of Kubernetes, and its end */

/* Its name in <ret>, which is returned; its key is "auth_token". *ret_own (may be NULL): true if it is not the
 * profile's: KubeRay makes it for this cluster alone, a little after the cluster, or a person has. */
const char *ray_token_secret(const cJSON *cluster, char ret[RAY_TOKEN_SECRET_SIZE], bool *ret_own);

/* What a Secret says, as an API server gives it; NULL if nothing. Released, and wiped, by ray_token_free. */
char *ray_token_read(const cJSON *secret);
void ray_token_free(char *token); /* NULL is fine */

#endif
