/* How do HTTP/2 frames travel, and when has a peer sent too many? */
#include "gateway/h2.h"

#include "base/metrics.h"
#include "gateway/limits.h"

enum { READ_BYTES = 16384 };

static struct metric floods =
    METRIC_COUNTER("atelier_gateway_h2_floods_total", "HTTP/2 connections ended for frames that do nothing.");

/* --- header blocks ------------------------------------------------------------------------------------------------ */

struct h2_heading *h2_heading_new(struct loop *loop)
{
    struct h2_heading *heading = memory_get(sizeof(*heading));
    heading->loop = loop;
    heading->bytes = chunk_take(&loop->chunks, false);
    return heading;
}

void h2_heading_free(struct h2_heading *heading)
{
    if (!heading)
        return;
    chunk_give(&heading->loop->chunks, &heading->bytes);
    free(heading);
}

static struct slice keep(struct h2_heading *heading, struct slice text)
{
    struct slice kept = {heading->bytes->bytes + heading->bytes->end, text.n};
    chunk_add(heading->bytes, text);
    return kept;
}

void h2_heading_add(struct h2_heading *heading, struct slice name, struct slice value)
{
    if (heading->too_large || heading->bytes->end + name.n + value.n > LIMIT_HEAD_BYTES ||
        heading->fields.count == LIMIT_FIELDS) {
        heading->too_large = true;
        return;
    }
    struct slice kept_name = keep(heading, name), kept = keep(heading, value);
    if (slice_is(name, ":method"))
        heading->method = kept;
    else if (slice_is(name, ":path"))
        heading->path = kept;
    else if (slice_is(name, ":authority"))
        heading->authority = kept;
    else if (slice_is(name, ":status"))
        heading->status = kept;
    else if (name.n > 0 && name.p[0] != ':')
        heading->fields.at[heading->fields.count++] = (struct header){kept_name, kept};
}

nghttp2_nv h2_field(struct slice name, struct slice value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.p, (uint8_t *)(uintptr_t)value.p, name.n, value.n,
                        NGHTTP2_NV_FLAG_NONE};
}

/* --- queues ------------------------------------------------------------------------------------------------------- */

void h2_queue_add(struct h2_queue *queue, const uint8_t *bytes, size_t count)
{
    if (queue->start > queue->bytes.n / 2) {
        buffer_drop(&queue->bytes, queue->start);
        queue->start = 0;
    }
    buffer_add(&queue->bytes, bytes, count);
}

size_t h2_queue_take(struct h2_queue *queue, uint8_t *into, size_t count)
{
    size_t waiting = h2_queue_waiting(queue);
    count = count < waiting ? count : waiting;
    if (count == 0)
        return 0;
    memcpy(into, queue->bytes.p + queue->start, count);
    queue->start += count;
    if (count == waiting)
        h2_queue_free(queue); /* an idle stream holds nothing */
    return count;
}

size_t h2_queue_free(struct h2_queue *queue)
{
    size_t waiting = h2_queue_waiting(queue);
    buffer_free(&queue->bytes);
    *queue = (struct h2_queue){0};
    return waiting;
}

/* --- a connection ------------------------------------------------------------------------------------------------- */

static nghttp2_option *make_options(void)
{
    nghttp2_option *option;
    if (nghttp2_option_new(&option) != 0)
        memory_oom(0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_max_continuations(option, LIMIT_H2_CONTINUATIONS);
    nghttp2_option_set_stream_reset_rate_limit(option, (uint64_t)gateway_limits.grpc_resets,
                                               (uint64_t)gateway_limits.grpc_resets_per_s);
    return option;
}

void h2_open(struct h2_wire *wire, struct io *io, bool server, const nghttp2_session_callbacks *callbacks)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, server ? (uint32_t)gateway_limits.grpc_streams : 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, LIMIT_H2_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, LIMIT_HEAD_BYTES},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };
    nghttp2_option *option = make_options();
    *wire = (struct h2_wire){.io = io, .heading_since_ms = io->loop->now_ms, .control_since_ms = io->loop->now_ms};
    int failed = server ? nghttp2_session_server_new2(&wire->session, callbacks, wire, option)
                        : nghttp2_session_client_new2(&wire->session, callbacks, wire, option);
    nghttp2_option_del(option);
    if (failed ||
        nghttp2_submit_settings(wire->session, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings) - (server ? 1 : 0)) ||
        nghttp2_session_set_local_window_size(wire->session, NGHTTP2_FLAG_NONE, 0, LIMIT_H2_CONNECTION_WINDOW))
        memory_oom(0);
}

void h2_close(struct h2_wire *wire)
{
    if (!wire->session)
        return;
    nghttp2_session_del(wire->session);
    wire->session = NULL;
    wire->rest = (struct slice){NULL, 0};
    chunk_give(&wire->io->loop->chunks, &wire->out);
    h2_heading_free(wire->heading);
    wire->heading = NULL;
}

enum h2_flow h2_receive(struct h2_wire *wire)
{
    uint8_t bytes[READ_BYTES];
    if (wire->flooded || h2_has_output(wire) || !wire->io->readable)
        return H2_STILL;
    ssize_t got = io_read(wire->io, bytes, sizeof(bytes));
    if (got == IO_AGAIN)
        return H2_STILL;
    if (got <= 0)
        return H2_OVER;
    return nghttp2_session_mem_recv(wire->session, bytes, (size_t)got) < 0 ? H2_OVER : H2_MOVED;
}

bool h2_take(struct h2_wire *wire, struct slice bytes)
{
    return bytes.n == 0 || nghttp2_session_mem_recv(wire->session, (const uint8_t *)bytes.p, bytes.n) >= 0;
}

/* Frames are gathered: each would be a record and a system call of its own. */
static bool gather(struct h2_wire *wire)
{
    while (wire->rest.n == 0) {
        const uint8_t *frame;
        ssize_t length = nghttp2_session_mem_send(wire->session, &frame);
        if (length <= 0)
            return length == 0;
        if (!wire->out)
            wire->out = chunk_take(&wire->io->loop->chunks, false);
        if ((size_t)length <= chunk_room(wire->out))
            chunk_add(wire->out, (struct slice){(const char *)frame, (size_t)length});
        else
            wire->rest = (struct slice){(const char *)frame, (size_t)length};
    }
    return true;
}

static void sent_bytes(struct h2_wire *wire, size_t sent)
{
    size_t first = chunk_waiting(wire->out);
    first = first < sent ? first : sent;
    wire->went += (int64_t)sent;
    if (wire->out)
        wire->out->start += first;
    wire->rest = slice_skip(wire->rest, sent - first);
    if (chunk_waiting(wire->out) == 0)
        chunk_give(&wire->io->loop->chunks, &wire->out);
}

static enum h2_flow write_some(struct h2_wire *wire)
{
    struct iovec parts[2];
    int count = 0;
    if (chunk_waiting(wire->out) > 0)
        parts[count++] = (struct iovec){wire->out->bytes + wire->out->start, chunk_waiting(wire->out)};
    if (wire->rest.n > 0)
        parts[count++] = (struct iovec){(void *)(uintptr_t)wire->rest.p, wire->rest.n};
    ssize_t sent = io_write(wire->io, parts, count);
    if (sent == IO_BROKEN)
        return H2_OVER;
    if (sent == IO_AGAIN)
        return H2_STILL;
    sent_bytes(wire, (size_t)sent);
    return H2_MOVED;
}

enum h2_flow h2_send(struct h2_wire *wire)
{
    enum h2_flow flow = H2_STILL;
    while (wire->io->writable) {
        if (!h2_has_output(wire) && !gather(wire))
            return H2_OVER;
        if (!h2_has_output(wire))
            break;
        enum h2_flow written = write_some(wire);
        if (written == H2_OVER)
            return H2_OVER;
        if (written == H2_STILL)
            break;
        flow = H2_MOVED;
    }
    bool all_said =
        !h2_has_output(wire) && !nghttp2_session_want_read(wire->session) && !nghttp2_session_want_write(wire->session);
    return all_said || wire->io->broken ? H2_OVER : flow;
}

/* --- callbacks ---------------------------------------------------------------------------------------------------- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_wire *wire = user;
    (void)session;
    (void)frame;
    h2_heading_free(wire->heading);
    wire->heading = h2_heading_new(wire->io->loop);
    wire->heading_since_ms = wire->io->loop->now_ms;
    return 0;
}

static struct slice text_of(const nghttp2_rcbuf *counted)
{
    nghttp2_vec vec = nghttp2_rcbuf_get_buf((nghttp2_rcbuf *)(uintptr_t)counted);
    return (struct slice){(const char *)vec.base, vec.len};
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value,
                     uint8_t flags, void *user)
{
    struct h2_wire *wire = user;
    (void)session;
    (void)frame;
    (void)flags;
    if (wire->heading)
        h2_heading_add(wire->heading, text_of(name), text_of(value));
    return 0;
}

struct h2_heading *h2_take_heading(struct h2_wire *wire)
{
    struct h2_heading *heading = wire->heading;
    wire->heading = NULL;
    return heading;
}

static bool does_nothing(const nghttp2_frame *frame)
{
    switch (frame->hd.type) {
    case NGHTTP2_PING:
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PRIORITY:
        return true;
    case NGHTTP2_DATA:
        return frame->hd.length == 0 && !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    default:
        return false;
    }
}

void h2_count(struct h2_wire *wire, const nghttp2_frame *frame)
{
    int64_t now_ms = wire->io->loop->now_ms;
    wire->settled = wire->settled || (frame && frame->hd.type == NGHTTP2_SETTINGS);
    if (frame && !does_nothing(frame))
        return;
    if (!frame)
        h2_heading_free(h2_take_heading(wire)); /* a broken block */
    if (now_ms - wire->control_since_ms >= gateway_limits.h2_control_ms) {
        wire->control_since_ms = now_ms;
        wire->controls = 0;
    }
    if (++wire->controls <= gateway_limits.h2_control_frames || wire->flooded)
        return;
    metric_add(&floods, 1);
    wire->flooded = true;
    nghttp2_session_terminate_session(wire->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    (void)session;
    (void)frame;
    (void)error;
    h2_count(user, NULL);
    return 0;
}

nghttp2_session_callbacks *h2_callbacks_new(void)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        memory_oom(0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    return callbacks;
}
