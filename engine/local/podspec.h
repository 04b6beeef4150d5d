/* A Pod as sandboxd starts it (sandbox.h, sandbox_pod_start): environment resolved, volumes found, arguments expanded.
 */
#ifndef ATELIER_ENGINE_LOCAL_PODSPEC_H
#define ATELIER_ENGINE_LOCAL_PODSPEC_H

#include "engine/local/local_internal.h"

/* *ret_claims: the names of the claims it mounts, an array of texts. NOT_FOUND when a Secret, ConfigMap or claim that
 * it names is not there (yet); INVALID when it can never start. Values of secrets never appear in errors. */
int podspec_render(struct local *local, const struct object *pod, cJSON **ret, cJSON **ret_claims, struct error *error);

/* "$(NAME)" becomes the value of member NAME of <env>; "$$" is one "$"; unknown names stay as they are. malloc'ed. */
char *podspec_expand(const char *text, const cJSON *env);

#endif
