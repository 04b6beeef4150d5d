/*
 * Requests for the API: body collected, handled on a worker thread, answered through the loop that owns the connection.
 *
 * A job is made when the request is complete and holds copies of everything, so the worker and the loop share nothing
 * while it runs. It belongs to the worker until its `done` message arrives; if the client is gone by then it is
 * dropped.
 */
#ifndef ATELIER_GATEWAY_API_H
#define ATELIER_GATEWAY_API_H

#include "gateway/crew.h"
#include "gateway/exchange.h"

struct stream;
struct api_job;
struct response {
    int status;
    struct buffer head; /* complete lines */
    char type[128];
    struct buffer body;
    bool has_body;
    struct stream *stream;
    struct api_job *job;
};
struct api_job {
    struct crew_job job;
    struct message done;
    struct loop *loop;
    struct connection *connection; /* NULL once it is gone; the loop's */
    struct crew *crew;             /* whose threads run it, and what they call */
    gateway_handler handler;
    const struct policy *policy;
    struct arena *arena;
    struct buffer body;
    int64_t body_counted; /* of gateway->body_bytes */
    struct request request;
    struct identity identity;
    struct response response;
    bool wants_body; /* not a HEAD request */
    bool http10;
    bool submitted; /* to the workers, which took it */
    bool finished;  /* the handler has returned and the loop knows */
};
/* Takes the exchange on: collects the body if there is one, then hands it to a worker. */
enum step api_begin(struct connection *connection);
enum step api_collect(struct connection *connection); /* state BODY */
enum step api_body_timeout(struct connection *connection);
enum step api_wait(struct connection *connection); /* state API */
void api_abandon(struct exchange *exchange);       /* the exchange ends: its job is dropped or runs on unheard */
void api_job_free(struct api_job *job);
/* The answer's head into <ret>: everything up to the empty line. */
void api_print_head(const struct api_job *job, bool stream, bool close, struct buffer *ret);

/* stream.c */
enum step stream_step(struct connection *connection); /* state STREAM */
void stream_abandon(struct exchange *exchange);       /* the connection is gone */

#endif
