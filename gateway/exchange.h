/* One request in progress, from its parsed head to the end of its answer. Taken from a loop's spare ones. */
#ifndef ATELIER_GATEWAY_EXCHANGE_H
#define ATELIER_GATEWAY_EXCHANGE_H

#include "gateway/connection.h"
#include "gateway/host.h"
#include "gateway/http1.h"
#include "gateway/permit.h"
#include "gateway/resource.h"

struct upstream;
struct dial;
struct api_job;

enum wait { WAIT_NOTHING, WAIT_CLIENT_READS, WAIT_CLIENT_SENDS, WAIT_UPSTREAM, WAIT_HALF_CLOSED };

struct exchange {
    struct connection *connection;
    struct exchange *next_spare;
    size_t head_bytes; /* in connection->in, from its start */
    char id[17];
    struct host host;
    struct route route;
    struct target target;
    struct permit permit; /* holds the identity */
    struct resource *resource;
    _Atomic int64_t *counted; /* the resource's count that holds this one, or NULL */
    struct resource *waiting; /* the profile, while this is one of its requests that wait (hold.c) */
    int64_t wait_until_ms;    /* of the loop's clock; 0: it has not waited */
    bool by_cookie;           /* the identity came from a cookie */
    bool read_only;           /* the caller may not do more than look */
    bool reply_started;       /* bytes of an answer have been written */

    /* The request's body on its way (body.c). */
    struct http_chunked chunked;
    uint64_t body_left, body_seen;
    bool body_done;
    bool continue_due;  /* the client waits for 100 Continue */
    char too_large[96]; /* what body_fits says of one that does not */

    /* An API request. */
    struct api_job *job;
    struct stream *stream; /* once its head is on its way */

    /* A proxied one. */
    struct upstream *upstream;
    struct dial *dial;
    bool packets;            /* it takes and gives whole messages: the channels of a command in a pod */
    const char *subprotocol; /* static; said when a WebSocket of ours opens */
    struct chunk *up_head, *up_body, *down;
    size_t up_head_sent;
    enum wait wait;
    bool up_done;              /* the whole request has been written */
    bool up_broken;            /* the upstream stopped reading; its answer may still come */
    bool fresh;                /* this connection was dialled for this request, or has been retried */
    bool answered;             /* the first byte of an answer came */
    bool head_done;            /* the final answer's head has been passed on */
    bool down_done;            /* the final answer has been taken from the upstream */
    bool reusable;             /* the upstream may be used again */
    bool frame;                /* towards the client the body is chunked */
    bool up_large, down_large; /* the last read filled its buffer: take a large one */
    unsigned interim;          /* 1xx answers so far */
    enum http_framing down_framing;
    struct http_chunked down_chunked;
    uint64_t down_left;
    struct http_scan down_scan;

    struct http_request request; /* last: its array of fields is not cleared */
};
struct exchange *exchange_begin(struct connection *connection);
void exchange_end(struct connection *connection); /* lets go of everything it holds; fine without one */

#endif
