/*
 * One client's connection: in exactly one state, each of which is one handler; one way out, which counts why.
 *
 * HEAD reads a request head, then `dispatch` decides what it becomes. An exchange (the request in progress) exists from
 * there until its answer is out. The head stays where it was parsed (`in`) as long as the exchange does; what follows
 * it there is the body's beginning or the next request.
 */
#ifndef ATELIER_GATEWAY_CONNECTION_H
#define ATELIER_GATEWAY_CONNECTION_H

#include <sys/socket.h>

#include "gateway/listener.h"
#include "gateway/loop.h"

#define CONNECTION_STATE_TABLE(X)                                                                                      \
    X(HEAD)    /* between requests, or reading a head */                                                               \
    X(BODY)    /* collecting an API request's body */                                                                  \
    X(API)     /* a worker has the request */                                                                          \
    X(REPLY)   /* an answer of ours is on its way */                                                                   \
    X(STREAM)  /* an answer without end */                                                                             \
    X(HELD)    /* the workload is starting, and the request waits for it */                                            \
    X(PROXY)   /* a workload answers */                                                                                \
    X(TUNNEL)  /* bytes both ways after 101 */                                                                         \
    X(FORWARD) /* a WebSocket that carries one TCP stream */                                                           \
    X(GRPC)    /* HTTP/2 */                                                                                            \
    X(LINGER)  /* everything is said; the client may finish reading */                                                 \
    X(CLOSED)
enum connection_state {
#define X(id) CONNECTION_##id,
    CONNECTION_STATE_TABLE(X)
#undef X
        CONNECTION_STATES
};

/* identifier, label in atelier_gateway_connections_closed_total, what happened */
#define CONNECTION_CLOSE_TABLE(X)                                                                                      \
    X(DONE, "done", "the answer was the last one")                                                                     \
    X(CLIENT_GONE, "client_gone", "the client closed")                                                                 \
    X(IDLE, "idle", "no request came")                                                                                 \
    X(EVICTED, "evicted", "the longest idle one made room")                                                            \
    X(HEAD_SLOW, "head_slow", "a head took too long")                                                                  \
    X(BODY_SLOW, "body_slow", "a body came too slowly")                                                                \
    X(READER_SLOW, "reader_slow", "the answer was read too slowly")                                                    \
    X(REFUSED, "refused", "what came was not HTTP as it is spoken here")                                               \
    X(UPSTREAM_BROKEN, "upstream_broken", "the workload's answer broke off or was malformed")                          \
    X(UPSTREAM_SLOW, "upstream_slow", "the workload stopped answering")                                                \
    X(REVOKED, "revoked", "the caller may no longer do this")                                                          \
    X(TUNNEL_ENDED, "tunnel_ended", "one side of a tunnel closed")                                                     \
    X(TUNNEL_STALLED, "tunnel_stalled", "one side of a tunnel took nothing")                                           \
    X(TUNNEL_BROKEN, "tunnel_broken", "a tunnel's WebSocket broke the protocol")                                       \
    X(STREAM_ENDED, "stream_ended", "a stream ended")                                                                  \
    X(STREAM_BEHIND, "stream_behind", "a stream's reader fell too far behind")                                         \
    X(FLOODED, "flooded", "more was asked of HTTP/2 than it needs")                                                    \
    X(DRAINED, "drained", "the gateway stops")                                                                         \
    X(STRANGER, "stranger", "another user came to the admin socket")
enum connection_close {
#define X(id, label, text) CLOSE_##id,
    CONNECTION_CLOSE_TABLE(X)
#undef X
        CLOSE_REASONS
};

/* What a state's handler says: run the (perhaps new) state's handler now, wait for an event, or: it is closed. */
enum step { STEP_AGAIN, STEP_WAIT, STEP_CLOSED };

struct exchange;
struct tunnel;
struct forward;
struct grpc;
struct grpc_call;
struct connection {
    struct io io;
    unsigned magic;
    enum connection_state state;
    enum listener_kind listener;
    bool close_after; /* the answer under way is the last one */
    bool heading;     /* the head's deadline is set */
    bool outer_tls;   /* TLS ended before it came here; LISTENER_CHECK: that of the request that is asked about */
    uint16_t turn;    /* requests since others had their turn */
    struct link all, idle;
    struct timer timer;
    struct grave grave;
    struct chunk *in, *out;
    struct slice rest[2]; /* borrowed; goes out after <out> */
    struct buffer owned;  /* what <rest> may point into; freed with the answer */
    struct http_scan scan;
    int64_t came, came_mark, went, went_mark; /* bytes from and to the client, and when a deadline last looked */
    struct exchange *exchange;                /* HEAD: NULL */
    struct tunnel *tunnel;
    struct forward *forward;
    struct grpc *grpc;
    struct grpc_call
        *asker; /* of a request that is asked about by gRPC: there is no socket, and what is answered is its */
    char peer[48];
    char door[64]; /* as its listener's */
};

/* Takes over <fd>. */
void connection_open(struct loop *loop, const struct listener *listener, int fd, const struct sockaddr_storage *peer);
/* One that decides what came by gRPC over <proxy>, and then closes: <head> is what it reads. connection_run is due. */
struct connection *connection_open_asked(const struct connection *proxy, struct grpc_call *asker, struct slice head);
/* Closes the connection that has been idle longest, if any is. */
bool connection_evict_idle(struct loop *loop);
/* The one way out. Everything that hangs on the connection is let go. */
enum step connection_close(struct connection *connection, enum connection_close why);
void connection_run(struct connection *connection); /* its io, or something it waits for, has news */
void connection_set_state(struct connection *connection, enum connection_state state);
/* An answer is out: the next request, linger, or the end. */
enum step connection_finish(struct connection *connection);

enum flush { FLUSH_DONE, FLUSH_BLOCKED, FLUSH_BROKEN };
/* Writes <out> and <rest>; gives <out> back once it is empty. */
enum flush connection_flush(struct connection *connection);
static inline bool connection_is_secure(const struct connection *connection)
{
    return connection->io.tls != NULL || connection->outer_tls;
}
static inline bool connection_has_output(const struct connection *connection)
{
    return chunk_waiting(connection->out) + connection->rest[0].n + connection->rest[1].n > 0;
}
struct chunk *connection_out(struct connection *connection); /* <out>, taken if there is none */
/* Watches that the client keeps reading: sets the write window's deadline. Then, when it passes: */
void connection_watch_writing(struct connection *connection);
bool connection_reads_too_slowly(struct connection *connection);
/* Bytes after the head that were read along with it. */
struct slice connection_ahead(const struct connection *connection);

/* dispatch.c: what the request in <exchange> becomes. */
enum step dispatch(struct connection *connection);
/* The same for one that has waited (hold.c): target and policy, anew. */
enum step dispatch_again(struct connection *connection);
/*
 * May the gRPC call in <exchange> go to its target? Its host, route and request are filled; then so are permit, target
 * and resource, which counts one that goes. CALL_WAITS: its cluster is starting, and it is one of those that wait
 * (hold.h); CALL_RESUMES: the caller may start the cluster, which is suspended (resume.h). Otherwise the HTTP status
 * that says why not, with a text. Nobody learns from either what exists that they may not see.
 */
enum { DISPATCH_WHY_SIZE = 256, CALL_GOES = 0, CALL_WAITS, CALL_RESUMES };
int dispatch_call(struct connection *connection, char ret_why[DISPATCH_WHY_SIZE]);
/* The same for one that has waited: who asks is known. */
int dispatch_call_again(struct connection *connection, char ret_why[DISPATCH_WHY_SIZE]);
void dispatch_note_call(
    const struct exchange *exchange); /* into the audit log: this caller begins to make such calls */

#endif
