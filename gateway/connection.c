/* What does this client's connection wait for, and what happens when it comes? */
#include "gateway/connection.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/log.h"
#include "gateway/api.h"
#include "gateway/check_calls.h"
#include "gateway/exchange.h"
#include "gateway/forward.h"
#include "gateway/grpc.h"
#include "gateway/hold.h"
#include "gateway/internal.h"
#include "gateway/proxy.h"
#include "gateway/reply.h"
#include "gateway/tunnel.h"

enum { MAGIC = 0x436f6e6e, SPARE_MAX = 256 };

static struct metric open_connections = METRIC_GAUGE("atelier_gateway_connections", "Open client connections.");
static struct metric closed[CLOSE_REASONS] = {
#define X(id, label, text)                                                                                             \
    [CLOSE_##id] = {.name = "atelier_gateway_connections_closed_total",                                                \
                    .help = "Client connections closed, by reason.",                                                   \
                    .labels = "reason=\"" label "\""},
    CONNECTION_CLOSE_TABLE(X)
#undef X
};
static const char *const close_labels[CLOSE_REASONS] = {
#define X(id, label, text) [CLOSE_##id] = label,
    CONNECTION_CLOSE_TABLE(X)
#undef X
};

static void run_io(struct io *io)
{
    connection_run(OWNER_OF(io, struct connection, io));
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static void describe_peer(const struct sockaddr_storage *peer, char *ret, size_t size)
{
    char address[INET6_ADDRSTRLEN] = "";
    if (peer->ss_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)peer)->sin_addr, address, sizeof(address));
    else if (peer->ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)peer)->sin6_addr, address, sizeof(address));
    snprintf(ret, size, "%s", address[0] ? address : "unix");
}

static void set_socket_options(int fd)
{
    int on = 1, idle = 60, interval = 15, count = 4, unanswered_ms = 120000;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    /* A peer that vanished without a word is noticed within two minutes, also behind an idle tunnel. */
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms, sizeof(unanswered_ms));
}

static void on_timer(struct timer *timer);

static struct connection *take_spare(struct loop *loop)
{
    struct connection *connection = loop->spare_connections;
    if (!connection)
        return memory_get(sizeof(*connection));
    loop->spare_connections = connection->exchange; /* while spare, the field is the list's */
    loop->spare_connection_count--;
    memset(connection, 0, sizeof(*connection));
    return connection;
}

static void release(struct loop *loop, struct grave *grave)
{
    struct connection *connection = OWNER_OF(grave, struct connection, grave);
    if (loop->spare_connection_count >= SPARE_MAX || atomic_load(&loop->stopping)) {
        free(connection);
        return;
    }
    connection->exchange = loop->spare_connections;
    loop->spare_connections = connection;
    loop->spare_connection_count++;
}

void connection_open(struct loop *loop, const struct listener *listener, int fd, const struct sockaddr_storage *peer)
{
    enum listener_kind kind = listener->kind;
    struct connection *connection = take_spare(loop);
    if (!io_open(&connection->io, loop, fd, run_io)) {
        close(fd);
        connection->grave.release = release;
        loop_bury(loop, &connection->grave);
        return;
    }
    connection->magic = MAGIC;
    connection->listener = kind;
    connection->outer_tls = kind == LISTENER_MAIN && loop->gateway->options.tls.outside;
    memcpy(connection->door, listener->door, sizeof(connection->door));
    connection->timer.fire = on_timer;
    describe_peer(peer, connection->peer, sizeof(connection->peer));
    if (kind != LISTENER_ADMIN)
        set_socket_options(fd);
    link_append(&loop->connections, &connection->all);
    link_append(&loop->idle, &connection->idle);
    loop->connection_count++;
    atomic_fetch_add(&loop->gateway->connections, 1);
    metric_add(&open_connections, 1);
    if (kind == LISTENER_ADMIN && !listener_peer_is_local_admin(fd)) {
        connection_close(connection, CLOSE_STRANGER);
        return;
    }
    if (loop->draining) {
        connection_close(connection, CLOSE_DRAINED);
        return;
    }
    if (loop->gateway->tls[kind] && !tls_begin(loop->gateway->tls[kind], &connection->io)) {
        connection_close(connection, CLOSE_REFUSED);
        return;
    }
    timer_set(loop, &connection->timer, gateway_limits.idle_ms);
}

struct connection *connection_open_asked(const struct connection *proxy, struct grpc_call *asker, struct slice head)
{
    struct loop *loop = proxy->io.loop;
    struct connection *connection = take_spare(loop);
    connection->io =
        (struct io){.loop = loop, .fd = -1, .run = run_io, .writable = true}; /* who writes finds it broken */
    connection->magic = MAGIC;
    connection->listener = LISTENER_CHECK;
    connection->timer.fire = on_timer;
    connection->asker = asker;
    memcpy(connection->peer, proxy->peer, sizeof(connection->peer));
    /* One byte more than a head may have is enough for it to be refused. */
    head.n = head.n <= LIMIT_HEAD_BYTES ? head.n : LIMIT_HEAD_BYTES + 1;
    connection->in = chunk_take(&loop->chunks, false);
    chunk_add(connection->in, head);
    return connection;
}

/* --- closing ------------------------------------------------------------------------------------------------------ */

static bool is_worth_a_warning(enum connection_close why)
{
    return why == CLOSE_UPSTREAM_BROKEN || why == CLOSE_STRANGER || why == CLOSE_TUNNEL_BROKEN;
}

static void log_close(struct connection *connection, enum connection_close why)
{
    struct loop *loop = connection->io.loop;
    enum log_level level = LOG_DEBUG;
    /* One line a second at most: what a tenant or client can cause at will must not fill the disk. */
    if (is_worth_a_warning(why) && loop->now_ms - loop->last_warning_ms >= 1000) {
        loop->last_warning_ms = loop->now_ms;
        level = LOG_WARN;
    }
    const struct exchange *exchange = connection->exchange;
    log_line(level, "connection closed", LOG_TEXT("reason", close_labels[why]), LOG_TEXT("peer", connection->peer),
             LOG_TEXT("request", exchange ? exchange->id : ""),
             LOG_TEXT("namespace", exchange ? exchange->route.namespace : ""),
             LOG_TEXT("name", exchange ? exchange->route.name : ""));
}

enum step connection_close(struct connection *connection, enum connection_close why)
{
    assert(connection->magic == MAGIC);
    struct loop *loop = connection->io.loop;
    if (connection->state == CONNECTION_CLOSED)
        return STEP_CLOSED;
    bool counted = connection->all.next != NULL;
    if (counted)
        metric_add(&closed[why], 1);
    log_close(connection, why);
    connection->state = CONNECTION_CLOSED;
    connection->magic = 0;
    io_close(&connection->io);
    timer_clear(loop, &connection->timer);
    tunnel_end(connection);
    forward_end(connection);
    grpc_end(connection);
    check_call_unanswered(connection);
    exchange_end(connection);
    chunk_give(&loop->chunks, &connection->in);
    chunk_give(&loop->chunks, &connection->out);
    buffer_free(&connection->owned);
    link_remove(&connection->all);
    link_remove(&connection->idle);
    if (counted) {
        loop->connection_count--;
        atomic_fetch_sub(&loop->gateway->connections, 1);
        metric_add(&open_connections, -1);
    }
    connection->grave.release = release;
    loop_bury(loop, &connection->grave);
    return STEP_CLOSED;
}

bool connection_evict_idle(struct loop *loop)
{
    if (link_is_empty(&loop->idle))
        return false;
    connection_close(OWNER_OF(loop->idle.next, struct connection, idle), CLOSE_EVICTED);
    return true;
}

/* --- output ------------------------------------------------------------------------------------------------------- */

struct chunk *connection_out(struct connection *connection)
{
    if (!connection->out)
        connection->out = chunk_take(&connection->io.loop->chunks, false);
    return connection->out;
}

static void consume(struct connection *connection, size_t sent)
{
    connection->went += (int64_t)sent;
    size_t from_out = chunk_waiting(connection->out);
    from_out = from_out < sent ? from_out : sent;
    if (connection->out)
        connection->out->start += from_out;
    sent -= from_out;
    for (size_t i = 0; i < 2; i++) {
        size_t taken = connection->rest[i].n < sent ? connection->rest[i].n : sent;
        connection->rest[i] = slice_skip(connection->rest[i], taken);
        sent -= taken;
    }
}

enum flush connection_flush(struct connection *connection)
{
    while (connection_has_output(connection)) {
        if (!connection->io.writable)
            return FLUSH_BLOCKED;
        struct iovec parts[3];
        int count = 0;
        if (chunk_waiting(connection->out) > 0)
            parts[count++] =
                (struct iovec){connection->out->bytes + connection->out->start, chunk_waiting(connection->out)};
        for (size_t i = 0; i < 2; i++)
            if (connection->rest[i].n > 0)
                parts[count++] = (struct iovec){(void *)(uintptr_t)connection->rest[i].p, connection->rest[i].n};
        ssize_t sent = io_write(&connection->io, parts, count);
        if (sent == IO_BROKEN)
            return FLUSH_BROKEN;
        if (sent == IO_AGAIN)
            return FLUSH_BLOCKED;
        consume(connection, (size_t)sent);
    }
    chunk_give(&connection->io.loop->chunks, &connection->out);
    return FLUSH_DONE;
}

void connection_watch_writing(struct connection *connection)
{
    connection->went_mark = connection->went;
    timer_set(connection->io.loop, &connection->timer, gateway_limits.write_window_ms);
}

bool connection_reads_too_slowly(struct connection *connection)
{
    return connection->went - connection->went_mark < gateway_limits.write_window_bytes;
}

/* --- input -------------------------------------------------------------------------------------------------------- */

struct slice connection_ahead(const struct connection *connection)
{
    return connection->in ? chunk_slice(connection->in) : (struct slice){NULL, 0};
}

/* What follows the last request moves to the front, so that a whole head fits behind it. */
static void compact(struct chunk *in)
{
    if (in->start > 0) {
        memmove(in->bytes, in->bytes + in->start, in->end - in->start);
        in->end -= in->start;
        in->start = 0;
    }
}

static enum step wait_for_head(struct connection *connection)
{
    struct loop *loop = connection->io.loop;
    if (chunk_waiting(connection->in) > 0) {
        link_remove(&connection->idle);
        if (!connection->heading)
            timer_set(loop, &connection->timer, gateway_limits.head_ms);
        connection->heading = true;
        return STEP_WAIT;
    }
    chunk_give(&loop->chunks, &connection->in);
    if (!connection->idle.next) {
        link_append(&loop->idle, &connection->idle);
        timer_set(loop, &connection->timer, gateway_limits.idle_ms);
    }
    return STEP_WAIT;
}

static enum step begin_request(struct connection *connection, size_t head_bytes)
{
    struct loop *loop = connection->io.loop;
    struct http_fault fault;
    link_remove(&connection->idle);
    connection->heading = false;
    struct exchange *exchange = exchange_begin(connection);
    exchange->head_bytes = head_bytes;
    connection->in->start = head_bytes;
    struct slice head = {connection->in->bytes, head_bytes};
    bool asked = connection->listener == LISTENER_CHECK;
    if (!(asked ? http_request_parse_asked : http_request_parse)(head, &exchange->request, &fault)) {
        exchange->request.keep_alive = false;
        return reply_fault(connection, &fault);
    }
    /* Whatever the request becomes sets a deadline of its own when it waits. */
    timer_set(loop, &connection->timer, gateway_limits.response_ms);
    return dispatch(connection);
}

/* Who asks by gRPC begins with HTTP/2 at once (RFC 9113 3.3); its preface is no request of HTTP/1.1's (3.4). */
static bool is_preface(const struct connection *connection, size_t head_bytes)
{
    return connection->listener == LISTENER_CHECK && connection->went == 0 &&
           slice_is((struct slice){connection->in->bytes, head_bytes}, "PRI * HTTP/2.0\r\n\r\n");
}

static enum step run_head(struct connection *connection)
{
    struct http_fault fault;
    size_t head_bytes;
    if (tls_speaks_h2(&connection->io))
        return grpc_begin(connection);
    for (;;) {
        if (chunk_waiting(connection->in) > 0) {
            compact(connection->in);
            enum http_verdict verdict =
                http_scan(&connection->scan, chunk_slice(connection->in), true, &head_bytes, &fault);
            if (verdict == HTTP_REFUSED)
                return reply_fault(connection, &fault);
            if (verdict == HTTP_DONE)
                return is_preface(connection, head_bytes) ? grpc_begin(connection)
                                                          : begin_request(connection, head_bytes);
        }
        if (!connection->io.readable)
            return wait_for_head(connection);
        if (!connection->in)
            connection->in = chunk_take(&connection->io.loop->chunks, false);
        ssize_t got = io_read(&connection->io, connection->in->bytes + connection->in->end, chunk_room(connection->in));
        if (got == IO_AGAIN)
            return wait_for_head(connection);
        if (got <= 0)
            return connection_close(connection, CLOSE_CLIENT_GONE);
        connection->in->end += (size_t)got;
    }
}

/* --- answers of ours ---------------------------------------------------------------------------------------------- */

static enum step run_reply(struct connection *connection)
{
    if (connection->asker)
        return check_call_deny(connection);
    switch (connection_flush(connection)) {
    case FLUSH_BROKEN:
        return connection_close(connection, CLOSE_CLIENT_GONE);
    case FLUSH_BLOCKED:
        return connection->io.broken ? connection_close(connection, CLOSE_CLIENT_GONE) : STEP_WAIT;
    case FLUSH_DONE:
        break;
    }
    return connection_finish(connection);
}

enum step connection_finish(struct connection *connection)
{
    exchange_end(connection);
    buffer_free(&connection->owned);
    connection->owned = (struct buffer){0};
    connection->rest[0] = connection->rest[1] = (struct slice){NULL, 0};
    if (connection->close_after || connection->io.loop->draining) {
        io_shut_down(&connection->io);
        connection->came = connection->came_mark = 0;
        connection_set_state(connection, CONNECTION_LINGER);
        return STEP_AGAIN;
    }
    connection->scan = (struct http_scan){0};
    connection_set_state(connection, CONNECTION_HEAD);
    /* Pipelined requests of one client take turns with the other clients. */
    if (++connection->turn >= gateway_limits.requests_per_turn && chunk_waiting(connection->in) > 0) {
        connection->turn = 0;
        io_again(&connection->io);
        return STEP_WAIT;
    }
    return STEP_AGAIN;
}

/* Reads and forgets, so that the kernel does not answer unread bytes with a reset that destroys our answer on its way.
 */
static enum step run_linger(struct connection *connection)
{
    char forgotten[16384];
    chunk_give(&connection->io.loop->chunks, &connection->in);
    while (connection->io.readable) {
        ssize_t got = io_read(&connection->io, forgotten, sizeof(forgotten));
        if (got == IO_AGAIN)
            break;
        connection->came += got;
        if (got <= 0 || connection->came > gateway_limits.linger_bytes)
            return connection_close(connection, CLOSE_DONE);
    }
    return STEP_WAIT;
}

static enum step run_closed(struct connection *connection)
{
    (void)connection;
    return STEP_CLOSED;
}

/* --- states ------------------------------------------------------------------------------------------------------- */

static enum step (*const handlers[CONNECTION_STATES])(struct connection *) = {
    [CONNECTION_HEAD] = run_head,      [CONNECTION_BODY] = api_collect,     [CONNECTION_API] = api_wait,
    [CONNECTION_REPLY] = run_reply,    [CONNECTION_STREAM] = stream_step,   [CONNECTION_PROXY] = proxy_step,
    [CONNECTION_TUNNEL] = tunnel_step, [CONNECTION_FORWARD] = forward_step, [CONNECTION_GRPC] = grpc_step,
    [CONNECTION_LINGER] = run_linger,  [CONNECTION_CLOSED] = run_closed,    [CONNECTION_HELD] = hold_step,
};

void connection_set_state(struct connection *connection, enum connection_state state)
{
    connection->state = state;
    if (state == CONNECTION_REPLY || state == CONNECTION_STREAM)
        connection_watch_writing(connection);
    else if (state == CONNECTION_LINGER)
        timer_set(connection->io.loop, &connection->timer, gateway_limits.linger_ms);
}

void connection_run(struct connection *connection)
{
    for (int i = 0; i < LOOP_STEPS; i++)
        if (handlers[connection->state](connection) != STEP_AGAIN)
            return;
    io_again(&connection->io);
}

static enum step on_head_timeout(struct connection *connection)
{
    if (chunk_waiting(connection->in) == 0)
        return connection_close(connection, CLOSE_IDLE);
    return reply_fault(connection, &(struct http_fault){408, "the request head took too long"});
}

static enum step on_write_timeout(struct connection *connection)
{
    if (connection_has_output(connection) && connection_reads_too_slowly(connection))
        return connection_close(connection, CLOSE_READER_SLOW);
    connection_watch_writing(connection);
    return STEP_WAIT;
}

static enum step on_deadline(struct connection *connection)
{
    switch (connection->state) {
    case CONNECTION_HEAD:
        return on_head_timeout(connection);
    case CONNECTION_BODY:
        return api_body_timeout(connection);
    case CONNECTION_REPLY:
    case CONNECTION_STREAM:
        return on_write_timeout(connection);
    case CONNECTION_PROXY:
        return proxy_timeout(connection);
    case CONNECTION_HELD:
        return hold_timeout(connection);
    case CONNECTION_TUNNEL:
        return tunnel_timeout(connection);
    case CONNECTION_FORWARD:
        return forward_timeout(connection);
    case CONNECTION_GRPC:
        return grpc_timeout(connection);
    case CONNECTION_LINGER:
        return connection_close(connection, CLOSE_DONE);
    case CONNECTION_API:
    case CONNECTION_CLOSED:
    case CONNECTION_STATES:
        break;
    }
    return STEP_WAIT;
}

static void on_timer(struct timer *timer)
{
    struct connection *connection = OWNER_OF(timer, struct connection, timer);
    if (on_deadline(connection) == STEP_AGAIN)
        connection_run(connection);
}
