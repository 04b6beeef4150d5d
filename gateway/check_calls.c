/* What does a proxy that asks by gRPC hear? */
#include "gateway/check_calls.h"

#include "gateway/check_message.h"

#define METHOD "/envoy.service.auth.v3.Authorization/Check"
enum { PREFIX_BYTES = 5 }; /* of a message: whether it is compressed, and its length (gRPC's PROTOCOL-HTTP2.md) */

/* --- the message -------------------------------------------------------------------------------------------------- */

static void stop_asking(struct grpc_call *call)
{
    if (!call->asking)
        return;
    call->asking = false;
    call->grpc->asking_count--;
}

static void drop_message(struct grpc_call *call)
{
    size_t count = h2_queue_free(&call->up);
    call->grpc->held -= count;
    call->grpc->moved += count;
    nghttp2_session_consume(call->grpc->client.session, call->id, count);
}

void check_call_begin(struct grpc_call *call)
{
    if (!slice_is(call->request->path, METHOD)) {
        grpc_call_say(call, GRPC_UNIMPLEMENTED, "only " METHOD " is answered here");
        return;
    }
    h2_heading_free(call->request);
    call->request = NULL;
    call->asking = true;
    call->ask_until_ms = call->grpc->connection->io.loop->now_ms + gateway_limits.head_ms;
    call->grpc->asking_count++;
    check_call_read(call);
}

/* Decided like one that came by itself; the answer may be there when this returns. */
static void ask(struct grpc_call *call, struct slice message)
{
    AUTO_BUFFER struct buffer head = {0};
    const char *why;
    if (!check_request_read(message, &head, &why)) {
        grpc_call_say(call, GRPC_INVALID_ARGUMENT, why);
        return;
    }
    drop_message(call);
    stop_asking(call);
    call->asked = connection_open_asked(call->grpc->connection, call, buffer_slice(&head));
    connection_run(call->asked);
}

void check_call_read(struct grpc_call *call)
{
    struct slice bytes = {call->up.bytes.p + call->up.start, h2_queue_waiting(&call->up)};
    uint32_t length = 0;
    if (bytes.n < PREFIX_BYTES) {
        if (call->up_ended)
            grpc_call_say(call, GRPC_INVALID_ARGUMENT, "expected one CheckRequest");
        return;
    }
    for (size_t i = 1; i < PREFIX_BYTES; i++)
        length = length << 8 | (unsigned char)bytes.p[i];
    struct slice message = slice_skip(bytes, PREFIX_BYTES);
    if (bytes.p[0] != 0)
        grpc_call_say(call, GRPC_UNIMPLEMENTED, "compressed messages are not read");
    else if (length > LIMIT_CHECK_BYTES)
        grpc_call_say(call, GRPC_RESOURCE_EXHAUSTED, "CheckRequest is larger than 128 KiB");
    else if (message.n > length || (call->up_ended && message.n < length))
        grpc_call_say(call, GRPC_INVALID_ARGUMENT, "expected one CheckRequest, of the length that it says");
    else if (call->up_ended)
        ask(call, message);
}

void check_calls_look(struct grpc *grpc)
{
    int64_t now_ms = grpc->connection->io.loop->now_ms;
    grpc->ask_look_ms = 0;
    for (struct link *link = grpc->calls.next; link != &grpc->calls; link = link->next) {
        struct grpc_call *call = OWNER_OF(link, struct grpc_call, link);
        if (call->asking && now_ms >= call->ask_until_ms)
            grpc_call_say(call, GRPC_DEADLINE_EXCEEDED, "CheckRequest took too long");
    }
}

void check_call_end(struct grpc_call *call)
{
    struct connection *asked = call->asked;
    stop_asking(call);
    if (!asked)
        return;
    call->asked = NULL;
    asked->asker = NULL;
    connection_close(asked, CLOSE_CLIENT_GONE);
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

/* The proxy's connection may be waiting for something else. */
static enum step answer(struct connection *asked, struct slice message)
{
    struct grpc_call *call = asked->asker;
    call->asked = NULL;
    asked->asker = NULL;
    grpc_call_reply(call, message);
    io_again(&call->grpc->connection->io);
    return connection_close(asked, CLOSE_DONE);
}

enum step check_call_pass(struct connection *asked)
{
    AUTO_BUFFER struct buffer message = {0};
    check_response_pass(slice_of(asked->exchange->permit.identity.email), &message);
    return answer(asked, buffer_slice(&message));
}

enum step check_call_deny(struct connection *asked)
{
    AUTO_BUFFER struct buffer message = {0};
    AUTO_BUFFER struct buffer said = {0};
    struct http_response *response = &asked->io.loop->response;
    struct http_scan scan = {0};
    struct http_fault fault;
    size_t head_bytes;
    if (asked->out)
        buffer_add_slice(&said, chunk_slice(asked->out));
    for (size_t i = 0; i < COUNT_OF(asked->rest); i++)
        buffer_add_slice(&said, asked->rest[i]);
    bool to_head = asked->exchange && asked->exchange->request.head;
    if (http_scan(&scan, buffer_slice(&said), false, &head_bytes, &fault) != HTTP_DONE ||
        !http_response_parse((struct slice){said.p, head_bytes}, to_head, response, &fault))
        return connection_close(asked, CLOSE_REFUSED);
    check_response_deny(response, slice_skip(buffer_slice(&said), head_bytes), &message);
    return answer(asked, buffer_slice(&message));
}

void check_call_unanswered(struct connection *asked)
{
    struct grpc_call *call = asked->asker;
    if (!call)
        return;
    call->asked = NULL;
    asked->asker = NULL;
    grpc_call_say(call, GRPC_UNAVAILABLE, "the request could not be decided");
    io_again(&call->grpc->connection->io);
}
