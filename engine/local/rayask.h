/*
 * Asks the head of a Ray cluster: HTTP to its dashboard (Jobs and Serve API), with the cluster's token, or to another
 * of its ports, from inside its sandbox.
 *
 * A tenant's program answers, or something that pretends to be Ray: every answer is bounded in size and time, and no
 * redirection is followed. Threads: any; blocks until the deadline at most.
 */
#ifndef ATELIER_ENGINE_LOCAL_RAYASK_H
#define ATELIER_ENGINE_LOCAL_RAYASK_H

#include "engine/local/local_internal.h"

/* The head pod that is not on its way out; a reference, or NULL. */
struct object *ray_find_head(struct local *local, const struct object *cluster);
/* "X-Ray-Authorization: Bearer …"; NULL while the Secret is not there. The caller wipes and frees it. */
char *ray_token_line(struct local *local, const struct object *cluster);

struct ray_question {
    const char *method, *path; /* "GET", "/api/jobs/" */
    const cJSON *body;         /* sent as JSON; or NULL */
    uint16_t port;             /* 0: the dashboard; another one is not given the token */
    int64_t deadline_ms;       /* 0: 10 s */
    size_t keep_bytes;         /* 0: an answer beyond 1 MiB fails; else only its last so many bytes are kept */
};
struct ray_answer {
    long status;
    struct buffer body; /* the caller's */
    bool cut;           /* its beginning was dropped */
};
/* UNAVAILABLE: there is no head, or it does not take the question. TIMEOUT, UPSTREAM: it does not answer as HTTP. */
int ray_ask(struct local *local, const struct object *cluster, const struct ray_question *question,
            struct ray_answer *ret, struct error *error);
/* As above, and the answer is JSON: *ret_status is the HTTP status, *ret NULL if the body is not a JSON object (then
 * *ret_text, if asked for, is what there is of it: the caller's). */
int ray_ask_json(struct local *local, const struct object *cluster, const struct ray_question *question,
                 long *ret_status, cJSON **ret, char **ret_text, struct error *error);

#endif
