/* What does the workload answer, and how does it reach the client? */
#include "gateway/dial.h"
#include "gateway/headers.h"
#include "gateway/internal.h"
#include "gateway/proxy.h"
#include "gateway/reply.h"
#include "gateway/tunnel.h"
#include "gateway/upstream.h"

static struct metric broken =
    METRIC_COUNTER("atelier_gateway_upstream_faults_total", "Answers of workloads that were refused or broke off.");

static enum flow over(enum step step, enum step *ret_step)
{
    *ret_step = step;
    return FLOW_OVER;
}

enum step proxy_fail(struct connection *connection, int status, const char *why)
{
    struct exchange *exchange = connection->exchange;
    if (exchange->dial)
        dial_abandon(exchange->dial);
    exchange->dial = NULL;
    if (exchange->upstream)
        upstream_close(exchange->upstream);
    exchange->upstream = NULL;
    if (exchange->head_done)
        return connection_close(connection, CLOSE_UPSTREAM_BROKEN);
    return reply_unavailable(connection, status, why);
}

static enum flow fail(struct connection *connection, const char *why, enum step *ret_step)
{
    metric_add(&broken, 1);
    return over(proxy_fail(connection, 502, why), ret_step);
}

/* --- the body ----------------------------------------------------------------------------------------------------- */

/* <down> holds fresh bytes of the body; what may go on becomes the connection's output. */
static enum flow pass_body(struct connection *connection, enum step *ret_step)
{
    struct exchange *exchange = connection->exchange;
    struct chunk *down = exchange->down;
    size_t count = chunk_waiting(down), used = count;
    struct http_fault fault;
    enum http_verdict verdict;
    switch (exchange->down_framing) {
    case HTTP_BODY_LENGTH:
        used = count < exchange->down_left ? count : (size_t)exchange->down_left;
        exchange->down_left -= used;
        exchange->down_done = exchange->down_left == 0;
        down->end = down->start + used;
        break;
    case HTTP_BODY_CHUNKED:
        verdict = http_chunked_decode(&exchange->down_chunked, down->bytes + down->start, count, &count, &used, &fault);
        if (verdict == HTTP_REFUSED)
            return fail(connection, fault.what, ret_step);
        exchange->down_done = verdict == HTTP_DONE;
        if (used < chunk_waiting(down))
            exchange->reusable = false;
        down->end = down->start + count;
        break;
    case HTTP_BODY_UNTIL_CLOSE:
        break;
    case HTTP_BODY_NONE:
        used = 0;
        down->end = down->start;
        break;
    }
    /* Bytes after the answer are an answer to nothing: whoever got them next would believe them (attack 14). */
    if (exchange->down_framing != HTTP_BODY_CHUNKED && used < count)
        exchange->reusable = false;
    if (exchange->frame && exchange->down_framing != HTTP_BODY_NONE)
        chunk_frame(down, exchange->down_done);
    connection->rest[0] = chunk_slice(down);
    return FLOW_MOVED;
}

/* --- the head ----------------------------------------------------------------------------------------------------- */

static struct slice prefix_to_restore(const struct exchange *exchange)
{
    if (!exchange->target.strip_prefix)
        return (struct slice){NULL, 0};
    return (struct slice){exchange->request.path.p, exchange->request.path.n - exchange->route.tail.n};
}

static bool write_head(struct connection *connection, const struct http_response *response, bool upgrade,
                       struct http_fault *fault)
{
    struct exchange *exchange = connection->exchange;
    struct headers_return back = {
        .response = response,
        .host = &exchange->host,
        .prefix = prefix_to_restore(exchange),
        .secure = connection_is_secure(connection),
        .main_host = exchange->host.kind == HOST_MAIN,
        .cookie = exchange->host.kind == HOST_MAIN && exchange->by_cookie,
        .upgrade = upgrade,
        .chunked = exchange->frame,
        .keep_alive = !connection->close_after,
    };
    struct chunk *out = connection_out(connection);
    size_t before = out->end;
    if (headers_write_response(out, &back, fault))
        return true;
    out->end = before; /* half a head must not go out */
    out->full = false;
    return false;
}

static enum flow pass_upgrade(struct connection *connection, const struct http_response *response, enum step *ret_step)
{
    struct exchange *exchange = connection->exchange;
    struct http_fault fault;
    const struct header *upgrade = http_fields_find(&response->fields, "Upgrade");
    if (!exchange->request.websocket || !exchange->up_done || !upgrade ||
        !slice_is_nocase(upgrade->value, "websocket") ||
        !http_fields_has_token(&response->fields, "Connection", "upgrade"))
        return fail(connection, "the workload switched protocols without being asked", ret_step);
    if (!write_head(connection, response, true, &fault))
        return fail(connection, fault.what, ret_step);
    return over(tunnel_begin(connection), ret_step);
}

static enum flow pass_head(struct connection *connection, const struct http_response *response, enum step *ret_step)
{
    struct exchange *exchange = connection->exchange;
    struct http_fault fault;
    bool open_ended = response->framing == HTTP_BODY_CHUNKED || response->framing == HTTP_BODY_UNTIL_CLOSE;
    exchange->frame = open_ended && exchange->request.minor == 1;
    /* A refused upgrade ends the connection: the client may already speak WebSocket, and that is no request. */
    connection->close_after = !exchange->request.keep_alive || !exchange->body_done || exchange->request.websocket ||
                              (open_ended && !exchange->frame) || connection->io.loop->draining;
    exchange->reusable = response->keep_alive && !exchange->request.websocket;
    exchange->down_framing = response->framing;
    exchange->down_left = response->length;
    exchange->down_done = response->framing == HTTP_BODY_NONE;
    if (!write_head(connection, response, false, &fault))
        return fail(connection, fault.what, ret_step);
    exchange->head_done = true;
    return pass_body(connection, ret_step);
}

static enum flow take_head(struct connection *connection, enum step *ret_step)
{
    struct exchange *exchange = connection->exchange;
    struct http_response *response = &connection->io.loop->response;
    struct http_fault fault;
    size_t bytes;
    for (;;) {
        struct slice all = chunk_slice(exchange->down);
        enum http_verdict verdict = http_scan(&exchange->down_scan, all, false, &bytes, &fault);
        if (verdict == HTTP_MORE)
            return FLOW_MOVED;
        struct slice head = {all.p, bytes};
        if (verdict == HTTP_REFUSED || !http_response_parse(head, exchange->request.head, response, &fault))
            return fail(connection, fault.what, ret_step);
        exchange->down->start += bytes;
        exchange->down_scan = (struct http_scan){0};
        if (response->status == 101)
            return pass_upgrade(connection, response, ret_step);
        if (response->status >= 200)
            return pass_head(connection, response, ret_step);
        if (++exchange->interim > gateway_limits.interim_responses)
            return fail(connection, "the workload sends interim answers only", ret_step);
    }
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static enum flow on_end(struct connection *connection, bool orderly, enum step *ret_step)
{
    struct exchange *exchange = connection->exchange;
    if (!exchange->answered && proxy_retry(connection, ret_step))
        return FLOW_OVER;
    if (!exchange->head_done)
        return fail(connection, "the workload closed the connection without an answer", ret_step);
    if (exchange->down_framing != HTTP_BODY_UNTIL_CLOSE || !orderly)
        return fail(connection, "the workload's answer broke off", ret_step);
    exchange->down_done = true;
    exchange->reusable = false;
    if (exchange->frame)
        chunk_add_text(connection_out(connection), "0\r\n\r\n");
    return FLOW_MOVED;
}

static enum flow finish(struct connection *connection, enum step *ret_step)
{
    struct exchange *exchange = connection->exchange;
    if (exchange->reusable && exchange->up_done)
        upstream_give(exchange->upstream);
    else
        upstream_close(exchange->upstream);
    exchange->upstream = NULL;
    connection->close_after = connection->close_after || !exchange->body_done;
    return over(connection_finish(connection), ret_step);
}

static struct chunk *make_room(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    struct chunk_pool *pool = &connection->io.loop->chunks;
    /* Between pieces of a body the buffer is empty, and may be exchanged for one of the size that pays. */
    if (exchange->head_done)
        chunk_give(pool, &exchange->down);
    if (!exchange->down) {
        exchange->down = chunk_take(pool, exchange->down_large);
        exchange->down->start = exchange->down->end = exchange->head_done ? CHUNK_HEADROOM : 0;
    }
    return exchange->down;
}

enum flow proxy_download(struct connection *connection, enum step *ret_step)
{
    struct exchange *exchange = connection->exchange;
    switch (connection_flush(connection)) {
    case FLUSH_BROKEN:
        return over(connection_close(connection, CLOSE_CLIENT_GONE), ret_step);
    case FLUSH_BLOCKED:
        return FLOW_STUCK;
    case FLUSH_DONE:
        break;
    }
    if (exchange->head_done && exchange->down)
        exchange->down->start = exchange->down->end; /* what was to go out is out */
    if (exchange->down_done)
        return finish(connection, ret_step);
    if (!exchange->upstream->io.readable)
        return FLOW_STUCK;
    struct chunk *down = make_room(connection);
    size_t room = chunk_room(down) - CHUNK_TAILROOM;
    ssize_t got = io_read(&exchange->upstream->io, down->bytes + down->end, room);
    if (got == IO_AGAIN)
        return FLOW_STUCK;
    if (got <= 0)
        return on_end(connection, got == IO_END, ret_step);
    exchange->answered = true;
    exchange->down_large = (size_t)got == room;
    down->end += (size_t)got;
    return exchange->head_done ? pass_body(connection, ret_step) : take_head(connection, ret_step);
}
