/* How does one stream travel in a WebSocket, or the channels of a command in a pod? */
#include "gateway/forward.h"

#include "gateway/dial.h"
#include "gateway/hold.h"
#include "gateway/internal.h"
#include "gateway/pod_request.h"
#include "gateway/proxy.h"
#include "gateway/reply.h"
#include "gateway/upstream.h"
#include "gateway/websocket.h"

struct forward {
    struct connection *connection;
    struct upstream *upstream;
    struct resource *resource;
    _Atomic int64_t *counted;
    struct permit permit;
    struct websocket_decoder decoder;
    struct chunk *up;      /* frames as they came; decoded in place */
    struct slice data;     /* payload in <up> that the workload has yet to take */
    bool packets;          /* the other side takes and gives whole messages: a pod's channels */
    unsigned char channel; /* of the message whose payload that is */
    struct chunk *down;    /* one frame for the client */
    unsigned close_code;   /* what our Close will say, once it is due */
    bool close_sent, close_received, upstream_ended;
    bool pong_due;
    enum { UNWATCHED, WATCHED_STALL, WATCHED_END } watched; /* which deadline is set */
    unsigned char pong_length;
    unsigned char pong[125];
    int64_t moved, moved_mark;
};

static struct metric forwards = METRIC_GAUGE("atelier_gateway_tunnels", "Open TCP tunnels.");

/* --- beginning ---------------------------------------------------------------------------------------------------- */

/* A Close outside the usual order: only between frames, and only if it can be written at once. */
static void say_close(struct connection *connection, enum websocket_close code)
{
    struct forward *forward = connection->forward;
    if (!forward || forward->close_sent || connection_has_output(connection) || !connection->io.writable)
        return;
    unsigned char frame[4] = {0x80 | WEBSOCKET_CLOSE, 2, (unsigned char)((unsigned)code >> 8), (unsigned char)code};
    io_write(&connection->io, &(struct iovec){frame, sizeof(frame)}, 1);
}

void forward_go_away(struct connection *connection)
{
    say_close(connection, WEBSOCKET_GOING_AWAY);
}

static void on_revoked(struct permit *permit)
{
    struct forward *forward = OWNER_OF(permit, struct forward, permit);
    say_close(forward->connection, WEBSOCKET_POLICY);
    connection_close(forward->connection, CLOSE_REVOKED);
}

static void on_revoked_dialling(struct permit *permit)
{
    connection_close(OWNER_OF(permit, struct exchange, permit)->connection, CLOSE_REVOKED);
}

static void accept_upgrade(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    char accept[WEBSOCKET_ACCEPT_SIZE];
    websocket_accept(http_fields_find(&exchange->request.fields, "Sec-WebSocket-Key")->value, accept);
    struct chunk *out = connection_out(connection);
    chunk_add_text(out, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        "Sec-WebSocket-Accept: ");
    chunk_add_text(out, accept);
    if (exchange->subprotocol) {
        chunk_add_text(out, "\r\nSec-WebSocket-Protocol: ");
        chunk_add_text(out, exchange->subprotocol);
    }
    chunk_add_text(out, "\r\nX-Request-Id: ");
    chunk_add_text(out, exchange->id);
    chunk_add_text(out, "\r\n\r\n");
}

static void open_stream(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    struct loop *loop = connection->io.loop;
    struct forward *forward = memory_get(sizeof(*forward));
    accept_upgrade(connection);
    forward->packets = forward->decoder.takes_text = exchange->packets;
    forward->connection = connection;
    forward->upstream = exchange->upstream;
    exchange->upstream = NULL;
    forward->resource = exchange->resource;
    exchange->resource = NULL;
    forward->counted = exchange->counted;
    exchange->counted = NULL;
    permit_close(&exchange->permit);
    forward->permit = exchange->permit;
    forward->permit.revoked = on_revoked;
    permit_open(loop, &forward->permit);
    if (chunk_waiting(connection->in) > 0) {
        forward->up = connection->in;
        connection->in = NULL;
    }
    exchange_end(connection);
    chunk_give(&loop->chunks, &connection->in);
    connection->forward = forward;
    timer_clear(loop, &connection->timer);
    metric_add(&forwards, 1);
}

static void on_dialled(struct connection *connection, int fd, const struct error *error)
{
    struct exchange *exchange = connection->exchange;
    exchange->dial = NULL;
    if (fd >= 0)
        exchange->upstream = upstream_new(connection, exchange->route.namespace, &exchange->target, fd);
    if (exchange->upstream)
        open_stream(connection);
    else if (exchange->route.kind == ROUTE_POD)
        reply_error(connection, error);
    else if (!hold_begin(connection))
        proxy_fail(connection, 503, error->message[0] ? error->message : "the workload cannot be reached");
    connection_run(connection);
}

enum step forward_begin(struct connection *connection, struct pod_request *request)
{
    struct exchange *exchange = connection->exchange;
    exchange->body_done = true;
    exchange->request.keep_alive = false; /* should it come to an ordinary answer, it is the last */
    exchange->permit.revoked = on_revoked_dialling;
    permit_open(connection->io.loop, &exchange->permit);
    resource_touch(exchange->resource);
    connection_set_state(connection, CONNECTION_FORWARD);
    exchange->dial = request ? dial_pod_start(connection, exchange->route.namespace, request, on_dialled)
                             : dial_within_start(connection, exchange->route.namespace, &exchange->target, on_dialled);
    if (!exchange->dial)
        return proxy_fail(connection, 503, "too many connections are being made");
    timer_set(connection->io.loop, &connection->timer, gateway_limits.dial_ms);
    return STEP_WAIT;
}

void forward_end(struct connection *connection)
{
    struct forward *forward = connection->forward;
    struct loop *loop = connection->io.loop;
    if (!forward)
        return;
    connection->forward = NULL;
    permit_close(&forward->permit);
    upstream_close(forward->upstream);
    if (forward->counted)
        atomic_fetch_sub(forward->counted, 1);
    resource_give(loop->gateway->resources, forward->resource);
    chunk_give(&loop->chunks, &forward->up);
    chunk_give(&loop->chunks, &forward->down);
    free(forward);
    metric_add(&forwards, -1);
}

/* --- towards the client ------------------------------------------------------------------------------------------- */

static void queue_control(struct connection *connection, enum websocket_opcode opcode, const unsigned char *payload,
                          size_t length)
{
    unsigned char header[WEBSOCKET_HEADER_MAX];
    size_t bytes = websocket_header(opcode, length, header);
    struct chunk *out = connection_out(connection);
    chunk_add(out, (struct slice){(const char *)header, bytes});
    chunk_add(out, (struct slice){(const char *)payload, length});
}

static bool read_upstream(struct connection *connection)
{
    struct forward *forward = connection->forward;
    struct io *io = &forward->upstream->io;
    struct chunk_pool *pool = &connection->io.loop->chunks;
    if (forward->upstream_ended || !io->readable)
        return false;
    struct chunk *down = forward->down = chunk_take(pool, false);
    down->start = down->end = WEBSOCKET_HEADER_MAX;
    ssize_t got = io_read(io, down->bytes + down->end, chunk_room(down));
    if (got <= 0) {
        chunk_give(pool, &forward->down);
        if (got == IO_AGAIN)
            return false;
        forward->upstream_ended = true;
        forward->close_code = got == IO_END ? WEBSOCKET_NORMAL : WEBSOCKET_UPSTREAM;
        return true;
    }
    unsigned char header[WEBSOCKET_HEADER_MAX];
    size_t bytes = websocket_header(WEBSOCKET_BINARY, (uint64_t)got, header);
    down->end += (size_t)got;
    down->start -= bytes;
    memcpy(down->bytes + down->start, header, bytes);
    connection->rest[0] = chunk_slice(down);
    io->readable = io->readable || forward->packets; /* a short packet does not mean that no other waits */
    forward->moved += got;
    resource_touch(forward->resource);
    return true;
}

/* Between frames: what is due next. True if something was queued. */
static bool next_frame(struct connection *connection)
{
    struct forward *forward = connection->forward;
    chunk_give(&connection->io.loop->chunks, &forward->down);
    if (forward->close_sent)
        return false;
    if (forward->pong_due) {
        forward->pong_due = false;
        queue_control(connection, WEBSOCKET_PONG, forward->pong, forward->pong_length);
        return true;
    }
    if (forward->close_code) {
        unsigned char code[2] = {(unsigned char)(forward->close_code >> 8), (unsigned char)forward->close_code};
        forward->close_sent = true;
        queue_control(connection, WEBSOCKET_CLOSE, code, sizeof(code));
        return true;
    }
    return read_upstream(connection);
}

/* --- towards the workload ----------------------------------------------------------------------------------------- */

static bool send_data(struct forward *forward)
{
    struct io *io = &forward->upstream->io;
    if (!io->writable)
        return false;
    struct iovec parts[2] = {{&forward->channel, forward->packets ? 1 : 0},
                             {(void *)(uintptr_t)forward->data.p, forward->data.n}};
    if (forward->packets && forward->data.n >= ENGINE_PACKET_BYTES)
        parts[1].iov_len = ENGINE_PACKET_BYTES - 1;
    ssize_t sent = io_write(io, parts, 2);
    if (sent == IO_AGAIN)
        return false;
    if (sent == IO_BROKEN) {
        forward->data.n = 0;
        forward->upstream_ended = true;
        forward->close_code = WEBSOCKET_UPSTREAM;
        return true;
    }
    forward->data = slice_skip(forward->data, (size_t)sent - parts[0].iov_len);
    forward->moved += sent;
    return true;
}

static void on_control(struct forward *forward)
{
    if (forward->decoder.opcode == WEBSOCKET_PING) {
        forward->pong_due = true;
        forward->pong_length = forward->decoder.control_length;
        memcpy(forward->pong, forward->decoder.control, forward->pong_length);
    } else if (forward->decoder.opcode == WEBSOCKET_CLOSE) {
        forward->close_received = true;
        io_shut_down(&forward->upstream->io);
        if (forward->upstream_ended && !forward->close_code)
            forward->close_code = WEBSOCKET_NORMAL;
    }
}

/* True if something happened. */
static bool decode(struct forward *forward)
{
    char *at = forward->up->bytes + forward->up->start;
    size_t left = chunk_waiting(forward->up);
    enum websocket_close code;
    enum websocket_event event = websocket_decode(&forward->decoder, &at, &left, &forward->data, &code);
    forward->up->start = forward->up->end - left;
    switch (event) {
    case WEBSOCKET_DATA:
        resource_touch(forward->resource);
        if (forward->packets && forward->decoder.began) {
            forward->channel = (unsigned char)forward->data.p[0];
            forward->data = slice_skip(forward->data, 1);
        }
        if (forward->upstream_ended)
            forward->data.n = 0;
        break;
    case WEBSOCKET_CONTROL:
        on_control(forward);
        break;
    case WEBSOCKET_BROKEN:
        forward->up->start = forward->up->end;
        forward->close_received = true; /* nothing more can be understood */
        forward->close_code = code;
        break;
    case WEBSOCKET_MORE:
        break;
    }
    return true;
}

/* -1: the client is gone. */
static int receive(struct connection *connection)
{
    struct forward *forward = connection->forward;
    struct chunk_pool *pool = &connection->io.loop->chunks;
    if (forward->data.n > 0)
        return send_data(forward);
    if (chunk_waiting(forward->up) > 0 && !forward->close_received)
        return decode(forward);
    chunk_give(pool, &forward->up);
    if (!connection->io.readable)
        return 0;
    forward->up = chunk_take(pool, false);
    ssize_t got = io_read(&connection->io, forward->up->bytes, chunk_room(forward->up));
    if (got > 0)
        forward->up->end = (size_t)got;
    else
        chunk_give(pool, &forward->up);
    return got > 0 ? 1 : got == IO_AGAIN ? 0 : -1;
}

/* --- the state ---------------------------------------------------------------------------------------------------- */

static enum step wait(struct connection *connection)
{
    struct forward *forward = connection->forward;
    struct loop *loop = connection->io.loop;
    bool ending = forward->close_received || forward->close_sent;
    bool pending = forward->data.n > 0 || connection_has_output(connection);
    if (!ending && !pending) {
        if (forward->watched != UNWATCHED)
            timer_clear(loop, &connection->timer);
        forward->watched = UNWATCHED;
    } else if (forward->watched != (ending ? WATCHED_END : WATCHED_STALL)) {
        forward->watched = ending ? WATCHED_END : WATCHED_STALL;
        forward->moved_mark = forward->moved;
        timer_set(loop, &connection->timer, ending ? gateway_limits.tunnel_end_ms : gateway_limits.tunnel_stall_ms);
    }
    return STEP_WAIT;
}

enum step forward_step(struct connection *connection)
{
    struct forward *forward = connection->forward;
    if (connection->io.broken)
        return connection_close(connection, CLOSE_CLIENT_GONE);
    if (!forward)
        return STEP_WAIT; /* the dial's message brings it on */
    enum flush flush = connection_flush(connection);
    if (flush == FLUSH_BROKEN)
        return connection_close(connection, CLOSE_CLIENT_GONE);
    if (flush == FLUSH_DONE && forward->close_sent && forward->close_received) {
        connection->close_after = true;
        forward_end(connection);
        return connection_finish(connection);
    }
    bool moved = flush == FLUSH_DONE && next_frame(connection);
    int received = receive(connection);
    if (received < 0)
        return connection_close(connection, forward->close_sent ? CLOSE_TUNNEL_ENDED : CLOSE_CLIENT_GONE);
    return moved || received > 0 ? STEP_AGAIN : wait(connection);
}

enum step forward_timeout(struct connection *connection)
{
    struct forward *forward = connection->forward;
    if (!forward)
        return proxy_fail(connection, 504, "the workload was not reached in time");
    forward->watched = UNWATCHED;
    if (forward->moved > forward->moved_mark)
        return wait(connection);
    bool ending = forward->close_received || forward->close_sent;
    return connection_close(connection, ending ? CLOSE_TUNNEL_ENDED : CLOSE_TUNNEL_STALLED);
}
