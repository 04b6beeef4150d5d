/* How does a request get to its workload? */
#include "gateway/proxy.h"

#include "gateway/body.h"
#include "gateway/dial.h"
#include "gateway/headers.h"
#include "gateway/hold.h"
#include "gateway/internal.h"
#include "gateway/reply.h"
#include "gateway/upstream.h"

static struct metric requests = METRIC_COUNTER("atelier_gateway_proxied_requests_total", "Requests sent to workloads.");
static struct metric retries = METRIC_COUNTER("atelier_gateway_proxied_retries_total",
                                              "Requests sent again because a pooled connection had closed.");

/* --- reaching ----------------------------------------------------------------------------------------------------- */

static bool may_repeat(const struct exchange *exchange)
{
    return exchange->request.safe && exchange->request.framing == HTTP_BODY_NONE;
}

static void on_dialled(struct connection *connection, int fd, const struct error *error)
{
    struct exchange *exchange = connection->exchange;
    exchange->dial = NULL;
    if (fd >= 0)
        exchange->upstream = upstream_new(connection, exchange->route.namespace, &exchange->target, fd);
    if (!exchange->upstream && !hold_begin(connection))
        proxy_fail(connection, 503, error->message[0] ? error->message : "the workload cannot be reached");
    connection_run(connection);
}

static enum step dial(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    exchange->fresh = true;
    exchange->wait = WAIT_NOTHING;
    exchange->dial = dial_start(connection, exchange->route.namespace, &exchange->target, on_dialled);
    if (!exchange->dial)
        return proxy_fail(connection, 503, "too many connections are being made");
    timer_set(connection->io.loop, &connection->timer, gateway_limits.dial_ms);
    return STEP_WAIT;
}

bool proxy_retry(struct connection *connection, enum step *ret_step)
{
    struct exchange *exchange = connection->exchange;
    if (exchange->fresh || exchange->answered || !may_repeat(exchange))
        return false;
    metric_add(&retries, 1);
    upstream_close(exchange->upstream);
    exchange->upstream = NULL;
    exchange->up_head_sent = 0;
    exchange->up_done = exchange->up_broken = false;
    *ret_step = dial(connection);
    return true;
}

static void on_revoked(struct permit *permit)
{
    connection_close(OWNER_OF(permit, struct exchange, permit)->connection, CLOSE_REVOKED);
}

static bool write_head(struct connection *connection, struct http_fault *fault)
{
    struct exchange *exchange = connection->exchange;
    struct headers_forward forward = {
        .request = &exchange->request,
        .host = &exchange->host,
        .route = &exchange->route,
        .target = &exchange->target,
        .email = exchange->permit.identity.email,
        .peer = connection->peer,
        .request_id = exchange->id,
        .secure = connection_is_secure(connection),
        .main_host = exchange->host.kind == HOST_MAIN,
        .read_only = exchange->read_only,
    };
    exchange->up_head = chunk_take(&connection->io.loop->chunks, false);
    return headers_write_request(exchange->up_head, &forward, fault);
}

enum step proxy_begin(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    struct http_fault fault;
    body_begin(exchange);
    if (!body_fits(exchange, (uint64_t)gateway_limits.proxy_body_bytes, &fault) || !write_head(connection, &fault))
        return reply_fault(connection, &fault);
    metric_add(&requests, 1);
    if (!exchange->request.safe || exchange->route.kind == ROUTE_SERVE)
        resource_touch(exchange->resource);
    exchange->permit.revoked = on_revoked;
    permit_open(connection->io.loop, &exchange->permit);
    connection_set_state(connection, CONNECTION_PROXY);
    int64_t max_idle_ms = may_repeat(exchange) ? gateway_limits.upstream_idle_ms : gateway_limits.upstream_fresh_ms;
    exchange->upstream = upstream_take(connection, exchange->route.namespace, &exchange->target, max_idle_ms);
    return exchange->upstream ? STEP_AGAIN : dial(connection);
}

/* --- upload ------------------------------------------------------------------------------------------------------- */

static size_t unsent(const struct exchange *exchange)
{
    size_t head = exchange->up_head ? exchange->up_head->end - exchange->up_head_sent : 0;
    return head + chunk_waiting(exchange->up_body);
}

static enum flow send_queued(struct exchange *exchange)
{
    struct io *io = &exchange->upstream->io;
    if (!io->writable)
        return FLOW_STUCK;
    struct iovec parts[2];
    int count = 0;
    size_t head = exchange->up_head ? exchange->up_head->end - exchange->up_head_sent : 0;
    if (head > 0)
        parts[count++] = (struct iovec){exchange->up_head->bytes + exchange->up_head_sent, head};
    if (chunk_waiting(exchange->up_body) > 0)
        parts[count++] =
            (struct iovec){exchange->up_body->bytes + exchange->up_body->start, chunk_waiting(exchange->up_body)};
    ssize_t sent = io_write(io, parts, count);
    if (sent == IO_AGAIN)
        return FLOW_STUCK;
    if (sent == IO_BROKEN) {
        /* It may have answered before it closed ("too large"): look. */
        exchange->up_broken = io->readable = true;
        return FLOW_MOVED;
    }
    size_t of_head = (size_t)sent < head ? (size_t)sent : head;
    exchange->up_head_sent += of_head;
    if (exchange->up_body)
        exchange->up_body->start += (size_t)sent - of_head;
    return unsent(exchange) > 0 ? FLOW_STUCK : FLOW_MOVED;
}

static enum flow over(enum step step, enum step *ret_step)
{
    *ret_step = step;
    return FLOW_OVER;
}

static enum flow refuse_body(struct connection *connection, const struct http_fault *fault, enum step *ret_step)
{
    struct exchange *exchange = connection->exchange;
    if (exchange->head_done)
        return over(connection_close(connection, CLOSE_REFUSED), ret_step);
    upstream_close(exchange->upstream);
    exchange->upstream = NULL;
    return over(reply_fault(connection, fault), ret_step);
}

static enum flow take_body(struct connection *connection, enum step *ret_step)
{
    struct exchange *exchange = connection->exchange;
    struct chunk_pool *pool = &connection->io.loop->chunks;
    struct http_fault fault;
    if (!exchange->head_done) {
        body_continue(exchange);
        if (connection_flush(connection) == FLUSH_BROKEN)
            return over(connection_close(connection, CLOSE_CLIENT_GONE), ret_step);
    }
    chunk_give(pool, &exchange->up_body);
    struct chunk *body = exchange->up_body = chunk_take(pool, exchange->up_large);
    body->start = body->end = CHUNK_HEADROOM;
    size_t room = chunk_room(body) - CHUNK_TAILROOM;
    switch (body_read(exchange, body, (uint64_t)gateway_limits.proxy_body_bytes, &fault)) {
    case BODY_MORE:
        exchange->up_large = chunk_waiting(body) == room;
        if (exchange->request.framing == HTTP_BODY_CHUNKED)
            chunk_frame(body, exchange->body_done);
        return FLOW_MOVED;
    case BODY_WAIT:
    case BODY_END:
        chunk_give(pool, &exchange->up_body);
        return FLOW_STUCK;
    case BODY_GONE:
        return over(connection_close(connection, CLOSE_CLIENT_GONE), ret_step);
    case BODY_REFUSED:
        break;
    }
    return refuse_body(connection, &fault, ret_step);
}

static enum flow upload(struct connection *connection, enum step *ret_step)
{
    struct exchange *exchange = connection->exchange;
    if (exchange->up_done || exchange->up_broken)
        return FLOW_STUCK;
    if (unsent(exchange) > 0 && send_queued(exchange) == FLOW_STUCK)
        return FLOW_STUCK;
    if (exchange->up_broken)
        return FLOW_MOVED;
    if (!exchange->body_done)
        return take_body(connection, ret_step);
    chunk_give(&connection->io.loop->chunks, &exchange->up_body);
    exchange->up_done = true;
    return FLOW_STUCK;
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

static enum wait awaited(const struct connection *connection)
{
    const struct exchange *exchange = connection->exchange;
    if (connection_has_output(connection))
        return WAIT_CLIENT_READS;
    if (connection->io.ended)
        return WAIT_HALF_CLOSED;
    if (!exchange->body_done && !exchange->up_broken && unsent(exchange) == 0)
        return WAIT_CLIENT_SENDS;
    return WAIT_UPSTREAM;
}

static void set_deadline(struct connection *connection, enum wait wait)
{
    struct loop *loop = connection->io.loop;
    switch (wait) {
    case WAIT_CLIENT_READS:
        connection_watch_writing(connection);
        break;
    case WAIT_CLIENT_SENDS:
        connection->came_mark = connection->came;
        timer_set(loop, &connection->timer, gateway_limits.body_window_ms);
        break;
    case WAIT_HALF_CLOSED:
        timer_set(loop, &connection->timer, gateway_limits.half_close_ms);
        break;
    case WAIT_UPSTREAM:
    case WAIT_NOTHING:
        timer_set(loop, &connection->timer, gateway_limits.response_ms);
        break;
    }
}

/* Until the answer's head is out everything may still be needed again; after it, only what is in flight. */
static void release_buffers(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    struct chunk_pool *pool = &connection->io.loop->chunks;
    if (exchange->head_done && exchange->up_done) {
        chunk_give(pool, &exchange->up_head);
        if (chunk_waiting(connection->in) == 0)
            chunk_give(pool, &connection->in);
    }
    if (exchange->down && chunk_waiting(exchange->down) == 0)
        chunk_give(pool, &exchange->down);
}

enum step proxy_step(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    enum step step = STEP_WAIT;
    if (connection->io.broken)
        return connection_close(connection, CLOSE_CLIENT_GONE);
    if (!exchange->upstream)
        return STEP_WAIT; /* the dial's message brings it on */
    enum flow up = upload(connection, &step);
    if (up == FLOW_OVER)
        return step;
    enum flow down = proxy_download(connection, &step);
    if (down == FLOW_OVER)
        return step;
    if (up == FLOW_MOVED || down == FLOW_MOVED)
        return STEP_AGAIN;
    release_buffers(connection);
    enum wait wait = awaited(connection);
    if (wait != exchange->wait || wait == WAIT_UPSTREAM)
        set_deadline(connection, wait);
    exchange->wait = wait;
    return STEP_WAIT;
}

static enum step on_slow_body(struct connection *connection)
{
    if (connection->exchange->head_done)
        return connection_close(connection, CLOSE_BODY_SLOW);
    struct http_fault fault = {408, "the request body came too slowly"};
    enum step step;
    refuse_body(connection, &fault, &step);
    return step;
}

enum step proxy_timeout(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    bool slow;
    switch (exchange->wait) {
    case WAIT_CLIENT_READS:
        slow = connection_has_output(connection) && connection_reads_too_slowly(connection);
        if (slow)
            return connection_close(connection, CLOSE_READER_SLOW);
        break;
    case WAIT_CLIENT_SENDS:
        slow = connection->came - connection->came_mark < gateway_limits.body_window_bytes;
        if (slow)
            return on_slow_body(connection);
        break;
    case WAIT_HALF_CLOSED:
        return connection_close(connection, CLOSE_CLIENT_GONE);
    case WAIT_UPSTREAM:
    case WAIT_NOTHING:
        if (exchange->head_done)
            return connection_close(connection, CLOSE_UPSTREAM_SLOW);
        return proxy_fail(connection, 504, "the workload did not answer in time");
    }
    set_deadline(connection, exchange->wait);
    return STEP_WAIT;
}
