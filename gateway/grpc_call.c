/* What becomes of a gRPC call, from its head to the last byte of its answer? */
#include "gateway/grpc_call.h"

#include "gateway/check_calls.h"
#include "gateway/headers.h"
#include "gateway/internal.h"

static struct metric passed_on =
    METRIC_COUNTER("atelier_gateway_grpc_calls_total", "gRPC calls passed on to workloads.");
static struct metric refused =
    METRIC_COUNTER("atelier_gateway_grpc_refusals_total", "gRPC calls answered with a refusal.");
static struct metric revoked =
    METRIC_COUNTER("atelier_gateway_grpc_revocations_total", "gRPC calls ended because access was taken back.");

enum { FIELDS_MAX = LIMIT_FIELDS + 16, MESSAGE_MAX = 256 };

static nghttp2_session *client_of(const struct grpc_call *call)
{
    return call->grpc->client.session;
}

/* --- answers of ours ---------------------------------------------------------------------------------------------- */

/* gRPC's Percent-Encoding: what is not printable ASCII, and '%'. */
static void print_message(const char *why, char ret[3 * MESSAGE_MAX + 1])
{
    char *at = ret;
    for (size_t i = 0; why[i] && i < MESSAGE_MAX; i++) {
        unsigned char c = (unsigned char)why[i];
        if (c >= 0x20 && c < 0x7f && c != '%')
            *at++ = (char)c;
        else
            at += snprintf(at, 4, "%%%02X", c);
    }
    *at = '\0';
}

static void answer_status(struct grpc_call *call, enum grpc_status status, const char *why)
{
    char number[8], message[3 * MESSAGE_MAX + 1];
    snprintf(number, sizeof(number), "%d", (int)status);
    print_message(why, message);
    const nghttp2_nv fields[] = {
        h2_field(SLICE(":status"), SLICE("200")),
        h2_field(SLICE("content-type"), SLICE("application/grpc")),
        h2_field(SLICE("grpc-status"), slice_of(number)),
        h2_field(SLICE("grpc-message"), slice_of(message)),
    };
    call->answered = true;
    metric_add(&refused, 1);
    if (nghttp2_submit_response(client_of(call), call->id, fields, COUNT_OF(fields), NULL) != 0)
        nghttp2_submit_rst_stream(client_of(call), NGHTTP2_FLAG_NONE, call->id, NGHTTP2_INTERNAL_ERROR);
}

/* To somebody who does not speak gRPC (its specification asks for 415), or to another host. */
static void answer_http(struct grpc_call *call, const char *status)
{
    const nghttp2_nv fields[] = {h2_field(SLICE(":status"), slice_of(status))};
    call->answered = true;
    metric_add(&refused, 1);
    if (nghttp2_submit_response(client_of(call), call->id, fields, COUNT_OF(fields), NULL) != 0)
        nghttp2_submit_rst_stream(client_of(call), NGHTTP2_FLAG_NONE, call->id, NGHTTP2_INTERNAL_ERROR);
}

static enum grpc_status status_of_http(int status)
{
    switch (status) {
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
    case 404:
        return GRPC_PERMISSION_DENIED;
    case 429:
        return GRPC_RESOURCE_EXHAUSTED;
    default:
        return GRPC_UNAVAILABLE;
    }
}

/* --- letting go --------------------------------------------------------------------------------------------------- */

/* An exchange ends through its connection, which has none of its own while it speaks HTTP/2. */
static void end_exchange(struct grpc_call *call)
{
    struct connection *connection = call->grpc->connection;
    if (!call->exchange)
        return;
    connection->exchange = call->exchange;
    call->exchange = NULL;
    exchange_end(connection);
}

void grpc_call_detach(struct grpc_call *call)
{
    struct grpc_workload *workload = call->workload;
    grpc_call_wait_end(call);
    check_call_end(call);
    size_t up = h2_queue_free(&call->up), down = h2_queue_free(&call->down);
    call->grpc->held -= up + down;
    nghttp2_session_consume(client_of(call), call->id, up);
    if (workload) {
        call->workload = NULL;
        workload->call_count--;
        if (call->workload_id > 0)
            nghttp2_session_consume(workload->wire.session, call->workload_id, down);
        if (call->workload_open) {
            nghttp2_session_set_stream_user_data(workload->wire.session, call->workload_id, NULL);
            nghttp2_submit_rst_stream(workload->wire.session, NGHTTP2_FLAG_NONE, call->workload_id, NGHTTP2_CANCEL);
        }
        call->workload_open = false;
    }
    h2_heading_free(call->request);
    h2_heading_free(call->trailers);
    call->request = call->trailers = NULL;
    end_exchange(call);
}

void grpc_call_close(struct grpc_call *call)
{
    grpc_call_detach(call);
    link_remove(&call->link);
    call->grpc->call_count--;
    free(call);
}

void grpc_call_say(struct grpc_call *call, enum grpc_status status, const char *why)
{
    if (call->answered)
        nghttp2_submit_rst_stream(client_of(call), NGHTTP2_FLAG_NONE, call->id, NGHTTP2_INTERNAL_ERROR);
    else
        answer_status(call, status, why);
    grpc_call_detach(call);
}

void grpc_call_fail(struct grpc_call *call, enum grpc_status status, const char *why)
{
    if (call->exchange)
        grpc_call_say(call, status, why);
}

static struct grpc_call *call_of(const struct exchange *exchange)
{
    const struct grpc *grpc = exchange->connection->grpc;
    for (struct link *link = grpc->calls.next; link != &grpc->calls; link = link->next) {
        struct grpc_call *call = OWNER_OF(link, struct grpc_call, link);
        if (call->exchange == exchange)
            return call;
    }
    return NULL;
}

static void on_revoked(struct permit *permit)
{
    struct grpc_call *call = call_of(OWNER_OF(permit, struct exchange, permit));
    struct io *io = &call->grpc->connection->io;
    metric_add(&revoked, 1);
    if (call->answered)
        nghttp2_submit_rst_stream(client_of(call), NGHTTP2_FLAG_NONE, call->id, NGHTTP2_INADEQUATE_SECURITY);
    else
        answer_status(call, GRPC_PERMISSION_DENIED, "access was taken back");
    grpc_call_detach(call);
    io_again(io); /* both resets leave in this turn */
}

/* --- to the workload ---------------------------------------------------------------------------------------------- */

/* What goes on from a queue. */
static size_t take(struct grpc_call *call, struct h2_queue *queue, uint8_t *into, size_t count)
{
    size_t taken = h2_queue_take(queue, into, count);
    call->grpc->held -= taken;
    call->grpc->moved += taken;
    return taken;
}

static ssize_t read_up(nghttp2_session *session, int32_t id, uint8_t *into, size_t count, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, id);
    (void)source;
    (void)user;
    if (!call)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t taken = take(call, &call->up, into, count);
    nghttp2_session_consume(client_of(call), call->id, taken);
    if (h2_queue_waiting(&call->up) == 0 && call->up_ended)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (taken == 0)
        return NGHTTP2_ERR_DEFERRED;
    return (ssize_t)taken;
}

static size_t add_passed(nghttp2_nv *fields, size_t count, const struct http_fields *from, const char *but)
{
    for (size_t i = 0; i < from->count; i++)
        if (headers_pass_grpc(from->at[i].name) && !slice_is_nocase(from->at[i].name, but))
            fields[count++] = h2_field(from->at[i].name, from->at[i].value);
    return count;
}

void grpc_call_send_on(struct grpc_call *call)
{
    const struct h2_heading *heading = call->request;
    const struct exchange *exchange = call->exchange;
    const struct target *target = &exchange->target;
    nghttp2_nv fields[FIELDS_MAX];
    nghttp2_data_provider provider = {.read_callback = read_up};
    bool no_data = call->up_ended && h2_queue_waiting(&call->up) == 0;
    size_t count = 0;
    fields[count++] = h2_field(SLICE(":method"), SLICE("POST"));
    fields[count++] = h2_field(SLICE(":scheme"), SLICE("http"));
    fields[count++] = h2_field(SLICE(":authority"), slice_of(exchange->host.text));
    fields[count++] = h2_field(SLICE(":path"), heading->path);
    fields[count++] = h2_field(SLICE("te"), SLICE("trailers"));
    count = add_passed(fields, count, &heading->fields, target->header_name);
    fields[count++] = h2_field(SLICE("x-forwarded-for"), slice_of(call->grpc->connection->peer));
    fields[count++] = h2_field(SLICE("x-forwarded-proto"), SLICE("https"));
    fields[count++] = h2_field(SLICE("x-forwarded-host"), slice_of(exchange->host.text));
    if (exchange->permit.identity.email[0])
        fields[count++] = h2_field(SLICE("x-atelier-user"), slice_of(exchange->permit.identity.email));
    fields[count++] = h2_field(SLICE("x-request-id"), slice_of(exchange->id));
    if (target->header_name[0]) {
        fields[count] = h2_field(slice_of(target->header_name), slice_of(target->header_value));
        fields[count++].flags = NGHTTP2_NV_FLAG_NO_INDEX; /* RFC 7541 7.1.3 */
    }
    call->workload_id =
        nghttp2_submit_request(call->workload->wire.session, NULL, fields, count, no_data ? NULL : &provider, call);
    if (call->workload_id < 0) {
        call->workload_id = 0;
        call->workload->retired = true; /* it takes no more; the next call finds another */
        grpc_call_fail(call, GRPC_UNAVAILABLE, "the workload takes no more calls on this connection: call again");
        return;
    }
    call->workload_open = true;
    metric_add(&passed_on, 1);
    h2_heading_free(call->request);
    call->request = NULL;
    call->exchange->request.fields.count = 0; /* they pointed there */
}

void grpc_call_resume_up(struct grpc_call *call)
{
    if (call->asking)
        check_call_read(call);
    else if (call->workload_open)
        nghttp2_session_resume_data(call->workload->wire.session, call->workload_id);
}

/* --- beginning ---------------------------------------------------------------------------------------------------- */

static bool speaks_grpc(const struct h2_heading *heading)
{
    const struct header *type = http_fields_find(&heading->fields, "content-type");
    static const char expected[] = "application/grpc";
    if (!slice_is(heading->method, "POST") || !type || !slice_starts(type->value, expected))
        return false;
    struct slice rest = slice_skip(type->value, sizeof(expected) - 1);
    return rest.n == 0 || rest.p[0] == '+' || rest.p[0] == ';';
}

static size_t count_fields(const struct http_fields *fields, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < fields->count; i++)
        count += slice_is_nocase(fields->at[i].name, name);
    return count;
}

static void note_caller(struct grpc *grpc, struct exchange *exchange)
{
    const struct identity *identity = &exchange->permit.identity;
    if (grpc->noted_user == identity->user_id && grpc->noted_credential == identity->credential_id)
        return;
    grpc->noted_user = identity->user_id;
    grpc->noted_credential = identity->credential_id;
    dispatch_note_call(exchange);
}

/* Of a label without names nothing is found, for whoever asks. */
static void find_route(struct exchange *exchange)
{
    const struct gateway_options *options = &exchange->connection->io.loop->gateway->options;
    struct slice label = slice_of(exchange->host.label);
    if (!route_parse_grpc(label, &exchange->route) && options->find_label)
        options->find_label(options->context, label, &exchange->route);
}

/* Which application of Serve's answers, as it tells by the metadata. Of several it takes the last, and what is asked of
 * itself, such as which there are, is about none of them. */
static struct slice asked_application(const struct h2_heading *heading)
{
    const struct header *application = http_fields_find(&heading->fields, "application");
    if (count_fields(&heading->fields, "application") != 1 ||
        slice_starts(heading->path, "/ray.serve.RayServeAPIService/"))
        return (struct slice){NULL, 0};
    return application->value;
}

static int decide(struct grpc_call *call, char ret_why[DISPATCH_WHY_SIZE])
{
    struct grpc *grpc = call->grpc;
    struct exchange *exchange = exchange_begin(grpc->connection);
    const struct h2_heading *heading = call->request;
    call->exchange = exchange;
    exchange->body_done = true;
    exchange->request.method = heading->method;
    exchange->request.target = exchange->request.path = heading->path;
    exchange->request.fields = heading->fields;
    host_parse(heading->authority, grpc->connection->io.loop->gateway->options.base_domain, &exchange->host);
    if (exchange->host.kind != HOST_GRPC)
        return 421;
    find_route(exchange);
    exchange->route.tail = asked_application(heading);
    return dispatch_call(grpc->connection, ret_why);
}

void grpc_call_refuse(struct grpc_call *call, int status, const char *why)
{
    grpc_call_fail(call, status_of_http(status), why);
}

void grpc_call_go(struct grpc_call *call)
{
    struct grpc *grpc = call->grpc;
    struct exchange *exchange = call->exchange;
    note_caller(grpc, exchange);
    resource_touch(exchange->resource);
    call->workload = grpc_workload_find(grpc, exchange->route.namespace, &exchange->target);
    if (!call->workload) {
        grpc_call_fail(call, GRPC_UNAVAILABLE, "too many connections are being made: call again");
        return;
    }
    call->workload->call_count++;
    if (call->workload->upstream)
        grpc_call_send_on(call);
}

static void begin(struct grpc_call *call)
{
    struct connection *connection = call->grpc->connection;
    char why[DISPATCH_WHY_SIZE] = "";
    int status = decide(call, why);
    connection->exchange = NULL; /* the call's */
    if (status == 421) {
        answer_http(call, "421");
        grpc_call_detach(call);
        return;
    }
    if (status > CALL_RESUMES) {
        grpc_call_refuse(call, status, why);
        return;
    }
    call->exchange->permit.revoked = on_revoked;
    permit_open(connection->io.loop, &call->exchange->permit);
    if (status == CALL_GOES)
        grpc_call_go(call);
    else
        grpc_call_wait(call, status == CALL_RESUMES);
}

void grpc_call_open(struct grpc *grpc, int32_t id, struct h2_heading *heading, bool ended)
{
    struct grpc_call *call = memory_get(sizeof(*call));
    *call = (struct grpc_call){.grpc = grpc, .id = id, .request = heading, .up_ended = ended};
    link_append(&grpc->calls, &call->link);
    grpc->call_count++;
    nghttp2_session_set_stream_user_data(grpc->client.session, id, call);
    if (heading->too_large || heading->path.n > LIMIT_TARGET_BYTES)
        answer_status(call, GRPC_RESOURCE_EXHAUSTED, "the metadata is larger than 16 KiB or has more than 100 entries");
    else if (!speaks_grpc(heading))
        answer_http(call, "415");
    else if (heading->path.n == 0 || heading->path.p[0] != '/')
        answer_status(call, GRPC_UNIMPLEMENTED, "expected /SERVICE/METHOD");
    else if (count_fields(&heading->fields, "authorization") > 1)
        answer_status(call, GRPC_UNAUTHENTICATED, "present one token: there are several authorization metadata");
    else if (grpc->connection->listener == LISTENER_CHECK)
        check_call_begin(call);
    else
        begin(call);
    if (!call->exchange && !call->asking)
        grpc_call_detach(call);
}

/* --- from the workload -------------------------------------------------------------------------------------------- */

static void submit_trailers(struct grpc_call *call)
{
    nghttp2_nv fields[FIELDS_MAX];
    size_t count = add_passed(fields, 0, &call->trailers->fields, "");
    nghttp2_submit_trailer(client_of(call), call->id, fields, count);
}

static ssize_t read_down(nghttp2_session *session, int32_t id, uint8_t *into, size_t count, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, id);
    (void)source;
    (void)user;
    if (!call)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t taken = take(call, &call->down, into, count);
    if (taken > 0 && call->workload)
        nghttp2_session_consume(call->workload->wire.session, call->workload_id, taken);
    if (call->down_ended && h2_queue_waiting(&call->down) == 0) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (call->trailers) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(call);
        }
    } else if (taken == 0) {
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)taken;
}

static void begin_answer(struct grpc_call *call, const struct h2_heading *heading, bool ended)
{
    nghttp2_nv fields[FIELDS_MAX];
    nghttp2_data_provider provider = {.read_callback = read_down};
    size_t count = 0;
    fields[count++] = h2_field(SLICE(":status"), heading->status);
    count = add_passed(fields, count, &heading->fields, "");
    fields[count++] = h2_field(SLICE("x-request-id"), slice_of(call->exchange->id));
    call->answered = true;
    call->down_ended = ended;
    if (nghttp2_submit_response(client_of(call), call->id, fields, count, ended ? NULL : &provider) != 0)
        grpc_call_fail(call, GRPC_UNAVAILABLE, "");
}

void grpc_call_reply(struct grpc_call *call, struct slice message)
{
    const uint8_t prefix[] = {0, (uint8_t)(message.n >> 24), (uint8_t)(message.n >> 16), (uint8_t)(message.n >> 8),
                              (uint8_t)message.n};
    const nghttp2_nv fields[] = {h2_field(SLICE(":status"), SLICE("200")),
                                 h2_field(SLICE("content-type"), SLICE("application/grpc"))};
    nghttp2_data_provider provider = {.read_callback = read_down};
    h2_queue_add(&call->down, prefix, sizeof(prefix));
    h2_queue_add(&call->down, (const uint8_t *)message.p, message.n);
    call->grpc->held += sizeof(prefix) + message.n;
    call->trailers = h2_heading_new(call->grpc->connection->io.loop);
    h2_heading_add(call->trailers, SLICE("grpc-status"), SLICE("0"));
    call->answered = call->down_ended = true;
    if (nghttp2_submit_response(client_of(call), call->id, fields, COUNT_OF(fields), &provider) != 0)
        grpc_call_say(call, GRPC_UNAVAILABLE, "");
}

void grpc_call_answer(struct grpc_call *call, struct h2_heading *heading, bool ended)
{
    if (heading->too_large) {
        grpc_call_fail(call, GRPC_RESOURCE_EXHAUSTED, "the workload's metadata is larger than 16 KiB");
    } else if (call->answered) {
        h2_heading_free(call->trailers);
        call->trailers = heading;
        grpc_call_answer_ended(call);
        return;
    } else if (heading->status.n == 3 && heading->status.p[0] != '1') {
        begin_answer(call, heading, ended);
    } else {
        h2_count(&call->workload->wire, NULL); /* 1xx, of which gRPC has none */
    }
    h2_heading_free(heading);
}

void grpc_call_answer_data(struct grpc_call *call, const uint8_t *bytes, size_t count)
{
    h2_queue_add(&call->down, bytes, count);
    call->grpc->held += count;
    resource_touch(call->exchange->resource);
    nghttp2_session_resume_data(client_of(call), call->id);
}

void grpc_call_answer_ended(struct grpc_call *call)
{
    call->down_ended = true;
    nghttp2_session_resume_data(client_of(call), call->id);
}
