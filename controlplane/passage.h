/*
 * One request on its way to the cluster's own API, and the answer on its way back.
 *
 * What comes here is authorized already; the cluster decides a second time in the role that the request names. An
 * answer without end (a watch, a followed log) becomes a stream that ends when either side does or when the policy no
 * longer allows it; any other one is collected as far as LIMIT_PASSAGE_EARLY and streamed from there.
 *
 * Threads: the calls below belong to a worker; the answer arrives on the engine's thread. Every passage's mutex guards
 * what both touch; the mutex of `passages` guards their list and is taken first where both are.
 */
#ifndef ATELIER_CONTROLPLANE_PASSAGE_H
#define ATELIER_CONTROLPLANE_PASSAGE_H

#include "controlplane/call.h"

struct passages;
struct passages *passages_new(void);
void passages_stop(struct passages *passages); /* cancels all and waits until they have ended; NULL is fine */
void passages_free(struct passages *passages); /* after passages_stop; NULL is fine */

/*
 * Sends <request> and gives the client the cluster's answer. <access> is what a stream hangs on. <endless>: a watch or
 * a followed log. NOT_FOUND if the cluster says 404, in our own bytes; UNAVAILABLE if it cannot be asked.
 */
int passage_answer(struct call *call, const struct engine_request *request, const struct access *access, bool endless,
                   struct error *error);

/* The whole answer of the cluster, whatever its status. */
struct passage_result {
    int status;
    char type[128]; /* Content-Type */
    struct buffer body;
    struct buffer warnings; /* values of its Warning headers, each ended by a 0 */
};
static inline void passage_result_free(struct passage_result *result)
{
    buffer_free(&result->body);
    buffer_free(&result->warnings);
}
#define AUTO_PASSED __attribute__((cleanup(passage_result_free)))
/* Sends <request> and waits for all of its answer, at most LIMIT_PASSAGE_BODY. *ret is released by
 * passage_result_free, also on failure. */
int passage_collect(struct call *call, const struct engine_request *request, struct passage_result *ret,
                    struct error *error);
/* A collected answer, given to the client as it is. */
void passage_give(const struct call *call, const struct passage_result *result);
/* A collected answer that must be JSON of a success; otherwise the error that its Status object means. */
int passage_json(const struct passage_result *result, cJSON **ret, struct error *error);

#endif
