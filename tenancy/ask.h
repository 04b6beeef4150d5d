/* What does a workload's own API say? One GET to a service of a profile, with the credential that the platform gave it.
 */
#ifndef ATELIER_TENANCY_ASK_H
#define ATELIER_TENANCY_ASK_H

#include "engine/engine.h"

struct ask {
    struct engine *engine;
    const char *namespace, *service, *port;
    const char *secret, *key; /* the Secret that holds the credential */
    const char *header;       /* what stands before it: "Authorization: token " */
    size_t bytes_max;         /* of the answer; 0: ASK_BYTES */
};
#define ASK_MS 5000        /* for one answer, dialling aside */
#define ASK_BYTES 1048576U /* some thousand kernels, jobs or actors */
/* Blocks. *ret is the JSON of a 200; otherwise *ret_status says what came, 0 for nothing (base/fetch.h). UNAVAILABLE
 * also while the Secret is not there. */
int ask_json(const struct ask *ask, const char *path, int *ret_status, cJSON **ret, struct error *error);

#endif
