/* How do calls reach their workload, and its answers them? */
#include "gateway/dial.h"
#include "gateway/grpc_call.h"
#include "gateway/hold.h"
#include "gateway/internal.h"
#include "gateway/upstream.h"

/* --- what the workload says --------------------------------------------------------------------------------------- */

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct grpc_workload *workload = OWNER_OF(user, struct grpc_workload, wire);
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    h2_count(&workload->wire, frame);
    if (frame->hd.type == NGHTTP2_GOAWAY)
        workload->retired = true;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        struct h2_heading *heading = h2_take_heading(&workload->wire);
        if (call && heading)
            grpc_call_answer(call, heading, ended);
        else
            h2_heading_free(heading);
    } else if (frame->hd.type == NGHTTP2_DATA && call && ended) {
        grpc_call_answer_ended(call);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t count, void *user)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, id);
    (void)flags;
    (void)user;
    if (call)
        grpc_call_answer_data(call, bytes, count);
    else
        nghttp2_session_consume(session, id, count);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, id);
    (void)user;
    if (!call)
        return 0;
    call->workload_open = false;
    if (!call->down_ended)
        grpc_call_fail(call, code == NGHTTP2_ENHANCE_YOUR_CALM ? GRPC_RESOURCE_EXHAUSTED : GRPC_UNAVAILABLE,
                       "the workload broke the call off");
    return 0;
}

static nghttp2_session_callbacks *callbacks;
static pthread_once_t callbacks_once = PTHREAD_ONCE_INIT;

static void make_callbacks(void)
{
    callbacks = h2_callbacks_new();
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

/* --- reaching it -------------------------------------------------------------------------------------------------- */

static void each_call(struct grpc_workload *workload, void (*run)(struct grpc_call *call))
{
    struct grpc *grpc = workload->grpc;
    for (struct link *link = grpc->calls.next, *next; link != &grpc->calls; link = next) {
        struct grpc_call *call = OWNER_OF(link, struct grpc_call, link);
        next = link->next; /* what runs frees no call: that is the client's stream's end to do */
        if (call->workload == workload)
            run(call);
    }
}

static void end_call(struct grpc_call *call)
{
    if (call->down_ended)
        call->workload_open = false; /* what it said is still passed on */
    else
        grpc_call_fail(call, GRPC_UNAVAILABLE, "the workload closed the connection");
}

static void drop_workload(struct grpc_call *call)
{
    call->workload->call_count--;
    call->workload = NULL;
    call->workload_open = false;
}

static void workload_free(struct grpc_workload *workload)
{
    each_call(workload, end_call);
    each_call(workload, drop_workload);
    if (workload->dial)
        dial_abandon(workload->dial);
    if (workload->grpc->dialling == workload)
        workload->grpc->dialling = NULL;
    h2_close(&workload->wire);
    if (workload->upstream)
        upstream_close(workload->upstream);
    link_remove(&workload->link);
    free(workload);
}

void grpc_workload_give_up(struct grpc_workload *workload, const char *why)
{
    struct grpc *grpc = workload->grpc;
    for (struct link *link = grpc->calls.next; link != &grpc->calls; link = link->next) {
        struct grpc_call *call = OWNER_OF(link, struct grpc_call, link);
        if (call->workload != workload)
            continue;
        drop_workload(call);
        if (grpc_call_wait_on(call))
            continue;
        bool starting = call->exchange && call->exchange->target.state == TARGET_STARTING;
        grpc_call_fail(call, GRPC_UNAVAILABLE, starting ? HOLD_STARTING : why);
    }
    workload_free(workload);
}

static void on_dialled(struct connection *connection, int fd, const struct error *error)
{
    struct grpc_workload *workload = connection->grpc->dialling;
    workload->dial = NULL;
    workload->grpc->dialling = NULL;
    if (fd >= 0)
        workload->upstream = upstream_new(connection, workload->namespace, &workload->target, fd);
    if (workload->upstream) {
        h2_open(&workload->wire, &workload->upstream->io, false, callbacks);
        each_call(workload, grpc_call_send_on);
    } else {
        grpc_workload_give_up(workload, error->message[0] ? error->message : "the workload cannot be reached");
    }
    connection_run(connection);
}

static bool leads_to(const struct grpc_workload *workload, const char *namespace, const struct target *target)
{
    return !workload->retired && strcmp(workload->namespace, namespace) == 0 &&
           strcmp(workload->target.service, target->service) == 0 && strcmp(workload->target.port, target->port) == 0 &&
           strcmp(workload->target.owner_kind, target->owner_kind) == 0 &&
           strcmp(workload->target.owner_name, target->owner_name) == 0;
}

struct grpc_workload *grpc_workload_find(struct grpc *grpc, const char *namespace, const struct target *target)
{
    for (struct link *link = grpc->workloads.next; link != &grpc->workloads; link = link->next) {
        struct grpc_workload *workload = OWNER_OF(link, struct grpc_workload, link);
        if (leads_to(workload, namespace, target))
            return workload;
        workload->retired = workload->retired || workload->call_count == 0;
    }
    if (grpc->dialling)
        return NULL;
    pthread_once(&callbacks_once, make_callbacks);
    struct grpc_workload *workload = memory_get(sizeof(*workload));
    workload->grpc = grpc;
    workload->target = *target;
    snprintf(workload->namespace, sizeof(workload->namespace), "%s", namespace);
    workload->dial = dial_start(grpc->connection, namespace, target, on_dialled);
    if (!workload->dial) {
        free(workload);
        return NULL;
    }
    link_append(&grpc->workloads, &workload->link);
    grpc->dialling = workload;
    grpc->dial_until_ms = grpc->connection->io.loop->now_ms + gateway_limits.dial_ms;
    return workload;
}

/* --- moving bytes ------------------------------------------------------------------------------------------------- */

static enum h2_flow workload_step(struct grpc_workload *workload)
{
    if (!workload->upstream)
        return H2_STILL;
    if (workload->retired && workload->call_count == 0)
        return H2_OVER;
    enum h2_flow in = h2_receive(&workload->wire);
    enum h2_flow out = in == H2_OVER ? H2_OVER : h2_send(&workload->wire);
    return out == H2_OVER ? H2_OVER : in == H2_MOVED ? H2_MOVED : out;
}

enum h2_flow grpc_workloads_step(struct grpc *grpc)
{
    enum h2_flow flow = H2_STILL;
    for (struct link *link = grpc->workloads.next, *next; link != &grpc->workloads; link = next) {
        struct grpc_workload *workload = OWNER_OF(link, struct grpc_workload, link);
        next = link->next;
        enum h2_flow here = workload_step(workload);
        if (here == H2_OVER)
            workload_free(workload);
        if (here != H2_STILL)
            flow = H2_MOVED;
    }
    return flow;
}

void grpc_workloads_end(struct grpc *grpc)
{
    while (!link_is_empty(&grpc->workloads))
        workload_free(OWNER_OF(grpc->workloads.next, struct grpc_workload, link));
}
