/* How do bytes get through an open WebSocket, and when is it over? */
#include "gateway/tunnel.h"

#include "gateway/internal.h"
#include "gateway/upstream.h"
#include "gateway/websocket.h"

struct direction {
    struct chunk *chunk;
    bool ended; /* the source has said its last byte */
    bool shut;  /* and the sink knows */
    struct websocket_meter meter;
};
struct tunnel {
    struct connection *connection;
    struct upstream *upstream;
    struct resource *resource;
    _Atomic int64_t *counted;
    struct permit permit;
    struct direction up, down;
    enum { UNWATCHED, WATCHED_STALL, WATCHED_END } watched; /* which deadline is set */
    int64_t moved, moved_mark;
};

static struct metric tunnels = METRIC_GAUGE("atelier_gateway_websockets", "Open WebSockets to workloads.");

static void on_revoked(struct permit *permit)
{
    connection_close(OWNER_OF(permit, struct tunnel, permit)->connection, CLOSE_REVOKED);
}

enum step tunnel_begin(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    struct loop *loop = connection->io.loop;
    struct tunnel *tunnel = memory_get(sizeof(*tunnel));
    tunnel->connection = connection;
    tunnel->upstream = exchange->upstream;
    exchange->upstream = NULL;
    tunnel->resource = exchange->resource;
    exchange->resource = NULL;
    tunnel->counted = exchange->counted;
    exchange->counted = NULL;
    permit_close(&exchange->permit);
    tunnel->permit = exchange->permit;
    tunnel->permit.revoked = on_revoked;
    permit_open(loop, &tunnel->permit);
    /* What either side sent ahead is the beginning of its stream. */
    if (chunk_waiting(exchange->down) > 0) {
        tunnel->down.chunk = exchange->down;
        exchange->down = NULL;
    }
    if (chunk_waiting(connection->in) > 0) {
        tunnel->up.chunk = connection->in;
        connection->in = NULL;
    }
    exchange_end(connection);
    chunk_give(&loop->chunks, &connection->in);
    connection->tunnel = tunnel;
    timer_clear(loop, &connection->timer);
    connection_set_state(connection, CONNECTION_TUNNEL);
    metric_add(&tunnels, 1);
    return STEP_AGAIN;
}

void tunnel_end(struct connection *connection)
{
    struct tunnel *tunnel = connection->tunnel;
    struct loop *loop = connection->io.loop;
    if (!tunnel)
        return;
    connection->tunnel = NULL;
    permit_close(&tunnel->permit);
    upstream_close(tunnel->upstream);
    if (tunnel->counted)
        atomic_fetch_sub(tunnel->counted, 1);
    resource_give(loop->gateway->resources, tunnel->resource);
    chunk_give(&loop->chunks, &tunnel->up.chunk);
    chunk_give(&loop->chunks, &tunnel->down.chunk);
    free(tunnel);
    metric_add(&tunnels, -1);
}

enum pump { PUMP_MOVED, PUMP_STUCK, PUMP_BROKEN };

static enum pump push(struct tunnel *tunnel, struct direction *direction, struct io *to)
{
    struct chunk *chunk = direction->chunk;
    while (chunk_waiting(chunk) > 0) {
        if (!to->writable)
            return PUMP_STUCK;
        ssize_t sent = io_write(to, &(struct iovec){chunk->bytes + chunk->start, chunk_waiting(chunk)}, 1);
        if (sent == IO_BROKEN)
            return PUMP_BROKEN;
        if (sent == IO_AGAIN)
            return PUMP_STUCK;
        chunk->start += (size_t)sent;
        tunnel->moved += sent;
    }
    return PUMP_MOVED;
}

static enum pump pull(struct tunnel *tunnel, struct direction *direction, struct io *from, struct io *to)
{
    struct chunk_pool *pool = &from->loop->chunks;
    if (direction->ended) {
        if (!direction->shut)
            io_shut_down(to);
        direction->shut = true;
        return PUMP_STUCK;
    }
    if (!from->readable)
        return PUMP_STUCK;
    struct chunk *chunk = direction->chunk = chunk_take(pool, false);
    ssize_t got = io_read(from, chunk->bytes, chunk_room(chunk));
    if (got <= 0) {
        chunk_give(pool, &direction->chunk);
        direction->ended = got == IO_END;
        return got == IO_BROKEN ? PUMP_BROKEN : got == IO_END ? PUMP_MOVED : PUMP_STUCK;
    }
    chunk->end = (size_t)got;
    if (websocket_meter_feed(&direction->meter, chunk->bytes, (size_t)got))
        resource_touch(tunnel->resource);
    return PUMP_MOVED;
}

static enum pump pump(struct tunnel *tunnel, struct direction *direction, struct io *from, struct io *to)
{
    if (direction->chunk) {
        enum pump pushed = push(tunnel, direction, to);
        if (pushed != PUMP_MOVED)
            return pushed;
        chunk_give(&from->loop->chunks, &direction->chunk);
    }
    return pull(tunnel, direction, from, to);
}

/* An idle tunnel needs no deadline: keep-alives of the kernel notice a peer that is gone. */
static enum step wait(struct connection *connection)
{
    struct tunnel *tunnel = connection->tunnel;
    struct loop *loop = connection->io.loop;
    bool ending = tunnel->up.ended || tunnel->down.ended;
    bool pending = tunnel->up.chunk || tunnel->down.chunk || connection_has_output(connection);
    if (!ending && !pending) {
        if (tunnel->watched != UNWATCHED)
            timer_clear(loop, &connection->timer);
        tunnel->watched = UNWATCHED;
    } else if (tunnel->watched != (ending ? WATCHED_END : WATCHED_STALL)) {
        tunnel->watched = ending ? WATCHED_END : WATCHED_STALL;
        tunnel->moved_mark = tunnel->moved;
        timer_set(loop, &connection->timer, ending ? gateway_limits.tunnel_end_ms : gateway_limits.tunnel_stall_ms);
    }
    return STEP_WAIT;
}

enum step tunnel_step(struct connection *connection)
{
    struct tunnel *tunnel = connection->tunnel;
    enum pump up = pump(tunnel, &tunnel->up, &connection->io, &tunnel->upstream->io);
    enum pump down = PUMP_STUCK;
    enum flush flush = connection_flush(connection); /* the 101 goes first */
    if (flush == FLUSH_DONE)
        down = pump(tunnel, &tunnel->down, &tunnel->upstream->io, &connection->io);
    if (up == PUMP_BROKEN || down == PUMP_BROKEN || flush == FLUSH_BROKEN)
        return connection_close(connection, CLOSE_TUNNEL_ENDED);
    if (tunnel->up.shut && tunnel->down.shut)
        return connection_close(connection, CLOSE_TUNNEL_ENDED);
    return up == PUMP_MOVED || down == PUMP_MOVED ? STEP_AGAIN : wait(connection);
}

enum step tunnel_timeout(struct connection *connection)
{
    struct tunnel *tunnel = connection->tunnel;
    tunnel->watched = UNWATCHED;
    if (tunnel->moved > tunnel->moved_mark)
        return wait(connection);
    bool ending = tunnel->up.ended || tunnel->down.ended;
    return connection_close(connection, ending ? CLOSE_TUNNEL_ENDED : CLOSE_TUNNEL_STALLED);
}
