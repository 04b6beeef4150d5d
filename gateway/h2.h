/*
 * HTTP/2 (RFC 9113) over an io, in either role: nghttp2 parses and writes frames, this file moves them without blocking
 * and holds the peer to limits that nghttp2 has none for.
 *
 * Back pressure is end to end. What arrives in a stream's window is given back only when its bytes have left at the
 * other end (h2_queue), and nothing is read from a peer that does not take what is written to it, so that answers to
 * PING, SETTINGS and resets cannot pile up either. Threads: the loop's.
 */
#ifndef ATELIER_GATEWAY_H2_H
#define ATELIER_GATEWAY_H2_H

#include <nghttp2/nghttp2.h>

#include "gateway/http1.h"
#include "gateway/loop.h"

/* --- header blocks ------------------------------------------------------------------------------------------------ */
/* One, as it arrives: at most LIMIT_FIELDS and LIMIT_HEAD_BYTES in all. */
struct h2_heading {
    struct loop *loop;
    struct chunk *bytes; /* what the slices point into */
    struct http_fields fields;
    struct slice method, path, authority, status; /* pseudo-headers; empty if absent */
    bool too_large;                               /* the rest was not kept */
};
struct h2_heading *h2_heading_new(struct loop *loop);
void h2_heading_add(struct h2_heading *heading, struct slice name, struct slice value);
void h2_heading_free(struct h2_heading *heading); /* NULL is fine */
nghttp2_nv h2_field(struct slice name, struct slice value);

/* --- bytes of one direction of a stream --------------------------------------------------------------------------- */
struct h2_queue {
    struct buffer bytes;
    size_t start;
};
static inline size_t h2_queue_waiting(const struct h2_queue *queue)
{
    return queue->bytes.n - queue->start;
}
void h2_queue_add(struct h2_queue *queue, const uint8_t *bytes, size_t count);
size_t h2_queue_take(struct h2_queue *queue, uint8_t *into, size_t count); /* how many there were, at most <count> */
size_t h2_queue_free(struct h2_queue *queue);                              /* how many were still waiting */

/* --- a connection ------------------------------------------------------------------------------------------------- */
struct h2_wire {
    struct io *io;
    nghttp2_session *session;
    struct chunk *out;          /* frames on their way */
    struct slice rest;          /* of a frame that did not fit: the session's, until it is asked for the next one */
    struct h2_heading *heading; /* a block that has begun */
    int64_t heading_since_ms, control_since_ms;
    int64_t controls;
    int64_t went;
    bool settled; /* the peer's first SETTINGS came */
    bool flooded; /* and was told so: once that is out the connection ends */
};
/* Callbacks that gather header blocks and count frames that are not valid, for a role to add its own to; kept for good.
 * What callbacks get as the user's data is the h2_wire. */
nghttp2_session_callbacks *h2_callbacks_new(void);
/* Prepares the session and queues our SETTINGS. <io> stays the caller's. */
void h2_open(struct h2_wire *wire, struct io *io, bool server, const nghttp2_session_callbacks *callbacks);
void h2_close(struct h2_wire *wire); /* not from within a callback; fine when it is not open */

enum h2_flow { H2_STILL, H2_MOVED, H2_OVER };
/* Reads once, if what is due to the peer has been taken. OVER: it has closed, or broke the protocol. */
enum h2_flow h2_receive(struct h2_wire *wire);
bool h2_take(struct h2_wire *wire, struct slice bytes); /* what was read before it was known to be HTTP/2 */
/* Writes until there is nothing, or the socket takes no more. OVER: broken, or all is said. */
enum h2_flow h2_send(struct h2_wire *wire);
static inline bool h2_has_output(const struct h2_wire *wire)
{
    return chunk_waiting(wire->out) + wire->rest.n > 0;
}

/* The block that a HEADERS frame has completed: now the caller's. NULL if there is none. */
struct h2_heading *h2_take_heading(struct h2_wire *wire);
/* Every frame, good (or NULL for one that is not): too many of those that do nothing are a flood. */
void h2_count(struct h2_wire *wire, const nghttp2_frame *frame);

#endif
