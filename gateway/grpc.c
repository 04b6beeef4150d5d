/* What does an HTTP/2 connection of a gRPC client wait for, and what happens when it comes? */
#include "gateway/grpc.h"

#include "gateway/check_calls.h"
#include "gateway/internal.h"

/* --- what the client says ----------------------------------------------------------------------------------------- */

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct grpc *grpc = OWNER_OF(user, struct grpc, client);
    bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    h2_count(&grpc->client, frame);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct h2_heading *heading = frame->hd.type == NGHTTP2_HEADERS ? h2_take_heading(&grpc->client) : NULL;
    if (heading && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        grpc_call_open(grpc, frame->hd.stream_id, heading, ended);
        return 0;
    }
    h2_heading_free(heading); /* trailers of a request, which gRPC does not have */
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call && ended) {
        call->up_ended = true;
        grpc_call_resume_up(call);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t count, void *user)
{
    struct grpc *grpc = OWNER_OF(user, struct grpc, client);
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, id);
    (void)flags;
    if (!call || (!call->exchange && !call->asking)) {
        nghttp2_session_consume(session, id, count); /* a refused call's: thrown away */
        return 0;
    }
    h2_queue_add(&call->up, bytes, count);
    grpc->held += count;
    if (call->exchange)
        resource_touch(call->exchange->resource);
    grpc_call_resume_up(call);
    return 0;
}

/* An answer that ends before its request does: the rest need not be sent (RFC 9113 8.1). */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    (void)user;
    if (ends && nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, id);
    (void)code;
    (void)user;
    if (call)
        grpc_call_close(call);
    return 0;
}

static nghttp2_session_callbacks *callbacks;
static pthread_once_t callbacks_once = PTHREAD_ONCE_INIT;

static void make_callbacks(void)
{
    callbacks = h2_callbacks_new();
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

/* --- deadlines ---------------------------------------------------------------------------------------------------- */

/* Sets a deadline when what it bounds begins, and clears it when that is over. */
static void bound(struct grpc *grpc, int64_t *until_ms, bool waiting, int64_t limit_ms)
{
    if (!waiting)
        *until_ms = 0;
    else if (*until_ms == 0)
        *until_ms = grpc->connection->io.loop->now_ms + limit_ms;
}

static bool is_heading(const struct grpc *grpc)
{
    return grpc->client.heading || !grpc->client.settled;
}

static void watch_taking(struct grpc *grpc)
{
    if (grpc->write_until_ms == 0)
        grpc->write_mark = grpc->client.went;
    if (grpc->stall_until_ms == 0 || grpc->moved != grpc->stall_mark) {
        grpc->stall_mark = grpc->moved;
        grpc->stall_until_ms = 0;
    }
    bound(grpc, &grpc->write_until_ms, h2_has_output(&grpc->client), gateway_limits.write_window_ms);
    bound(grpc, &grpc->stall_until_ms, grpc->held > 0 && grpc->waiting_count == 0, gateway_limits.tunnel_stall_ms);
}

static void set_deadline(struct grpc *grpc)
{
    struct connection *connection = grpc->connection;
    struct loop *loop = connection->io.loop;
    bool idle = grpc->call_count == 0;
    watch_taking(grpc);
    bound(grpc, &grpc->idle_until_ms, idle, gateway_limits.idle_ms);
    bound(grpc, &grpc->dial_until_ms, grpc->dialling != NULL, gateway_limits.dial_ms);
    bound(grpc, &grpc->look_at_ms, grpc->waiting_count > 0, gateway_limits.hold_look_ms);
    bound(grpc, &grpc->ask_look_ms, grpc->asking_count > 0, gateway_limits.head_ms);
    const int64_t until[] = {grpc->write_until_ms,
                             grpc->stall_until_ms,
                             grpc->idle_until_ms,
                             grpc->dial_until_ms,
                             grpc->look_at_ms,
                             grpc->ask_look_ms,
                             is_heading(grpc) ? grpc->client.heading_since_ms + gateway_limits.head_ms : 0};
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < COUNT_OF(until); i++)
        if (until[i] > 0 && until[i] < first)
            first = until[i];
    if (first == INT64_MAX)
        timer_clear(loop, &connection->timer);
    else
        timer_set(loop, &connection->timer, first > loop->now_ms ? first - loop->now_ms : 1);
    if (idle && !connection->idle.next)
        link_append(&loop->idle, &connection->idle);
    else if (!idle)
        link_remove(&connection->idle);
}

static void say_goodbye(struct grpc *grpc)
{
    if (grpc->going)
        return;
    grpc->going = true;
    nghttp2_submit_goaway(grpc->client.session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(grpc->client.session), NGHTTP2_NO_ERROR, NULL, 0);
}

static bool has_passed(const struct grpc *grpc, int64_t until_ms)
{
    return until_ms > 0 && grpc->connection->io.loop->now_ms >= until_ms;
}

enum step grpc_timeout(struct connection *connection)
{
    struct grpc *grpc = connection->grpc;
    if (is_heading(grpc) && has_passed(grpc, grpc->client.heading_since_ms + gateway_limits.head_ms))
        return connection_close(connection, CLOSE_HEAD_SLOW);
    if (has_passed(grpc, grpc->write_until_ms)) {
        if (grpc->client.went - grpc->write_mark < gateway_limits.write_window_bytes)
            return connection_close(connection, CLOSE_READER_SLOW);
        grpc->write_until_ms = 0;
    }
    if (has_passed(grpc, grpc->stall_until_ms))
        return connection_close(connection, CLOSE_TUNNEL_STALLED);
    if (grpc->dialling && has_passed(grpc, grpc->dial_until_ms))
        grpc_workload_give_up(grpc->dialling, "the workload cannot be reached in time");
    if (has_passed(grpc, grpc->look_at_ms))
        grpc_calls_look(grpc);
    if (has_passed(grpc, grpc->ask_look_ms))
        check_calls_look(grpc);
    if (has_passed(grpc, grpc->idle_until_ms))
        say_goodbye(grpc);
    return STEP_AGAIN;
}

/* --- a connection's life ------------------------------------------------------------------------------------------ */

enum step grpc_begin(struct connection *connection)
{
    struct grpc *grpc = memory_get(sizeof(*grpc));
    pthread_once(&callbacks_once, make_callbacks);
    grpc->connection = connection;
    link_init(&grpc->calls);
    link_init(&grpc->workloads);
    connection->grpc = grpc;
    h2_open(&grpc->client, &connection->io, true, callbacks);
    connection_set_state(connection, CONNECTION_GRPC);
    bool good = h2_take(&grpc->client, connection_ahead(connection));
    chunk_give(&connection->io.loop->chunks, &connection->in);
    return good ? STEP_AGAIN : connection_close(connection, CLOSE_REFUSED);
}

static enum step close_over(struct connection *connection)
{
    struct grpc *grpc = connection->grpc;
    bool gone = connection->io.broken || connection->io.ended;
    return connection_close(connection, grpc->client.flooded            ? CLOSE_FLOODED
                                        : connection->io.loop->draining ? CLOSE_DRAINED
                                        : gone                          ? CLOSE_CLIENT_GONE
                                        : grpc->going                   ? CLOSE_IDLE
                                                                        : CLOSE_REFUSED);
}

enum step grpc_step(struct connection *connection)
{
    struct grpc *grpc = connection->grpc;
    enum h2_flow in = h2_receive(&grpc->client);
    if (in == H2_OVER) {
        h2_send(&grpc->client); /* a GOAWAY that says why */
        return close_over(connection);
    }
    if (connection->io.loop->draining)
        say_goodbye(grpc);
    enum h2_flow between = grpc_workloads_step(grpc);
    enum h2_flow out = h2_send(&grpc->client);
    if (out == H2_OVER || (grpc->going && grpc->call_count == 0 && !h2_has_output(&grpc->client)))
        return close_over(connection);
    if (in == H2_MOVED || between == H2_MOVED || out == H2_MOVED)
        return STEP_AGAIN;
    set_deadline(grpc);
    return STEP_WAIT;
}

void grpc_go_away(struct connection *connection)
{
    if (connection->grpc)
        io_again(&connection->io);
}

void grpc_end(struct connection *connection)
{
    struct grpc *grpc = connection->grpc;
    if (!grpc)
        return;
    connection->grpc = NULL;
    while (!link_is_empty(&grpc->calls))
        grpc_call_close(OWNER_OF(grpc->calls.next, struct grpc_call, link));
    grpc_workloads_end(grpc);
    h2_close(&grpc->client);
    free(grpc);
}
