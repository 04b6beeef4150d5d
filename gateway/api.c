/* How does a request reach its handler, and the answer its client? */
#include "gateway/api.h"

#include "base/clock.h"
#include "gateway/body.h"
#include "gateway/internal.h"
#include "gateway/reply.h"

static struct metric requests = METRIC_COUNTER("atelier_gateway_api_requests_total", "Requests given to the API.");
static struct metric overloads =
    METRIC_COUNTER("atelier_gateway_api_overloads_total", "API requests refused because too many waited.");

/* --- the body ----------------------------------------------------------------------------------------------------- */

static uint64_t body_limit(const struct exchange *exchange)
{
    if (exchange->connection->listener == LISTENER_WEBHOOK)
        return (uint64_t)gateway_limits.webhook_body_bytes;
    enum identity_kind kind = exchange->permit.identity.kind;
    if (kind == IDENTITY_ANONYMOUS || kind == IDENTITY_APPLICATION) /* which the API takes nothing of */
        return (uint64_t)gateway_limits.api_anonymous_bytes;
    const struct header *type = http_fields_find(&exchange->request.fields, "Content-Type");
    bool apply =
        type && slice_is(exchange->request.method, "PATCH") && slice_starts(type->value, "application/apply-patch");
    return (uint64_t)(apply ? gateway_limits.api_apply_bytes : gateway_limits.api_body_bytes);
}

static struct api_job *job_of(struct exchange *exchange)
{
    if (!exchange->job) {
        exchange->job = memory_get(sizeof(*exchange->job));
        exchange->job->loop = exchange->connection->io.loop;
        exchange->job->connection = exchange->connection;
    }
    return exchange->job;
}

/* Memory is taken as bytes arrive, never on the word of a Content-Length; and counted for the whole gateway. */
static bool keep_body(struct exchange *exchange, const struct chunk *piece)
{
    struct api_job *job = job_of(exchange);
    struct gateway *gateway = exchange->connection->io.loop->gateway;
    int64_t more = (int64_t)chunk_waiting(piece);
    if (atomic_fetch_add(&gateway->body_bytes, more) + more > gateway_limits.api_bodies_bytes) {
        atomic_fetch_sub(&gateway->body_bytes, more);
        return false;
    }
    job->body_counted += more;
    buffer_add_slice(&job->body, chunk_slice(piece));
    return true;
}

static enum step hand_over(struct connection *connection);

enum step api_collect(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    struct loop *loop = connection->io.loop;
    struct http_fault fault = {503, "too many requests are being received"};
    body_continue(exchange);
    if (connection_flush(connection) == FLUSH_BROKEN)
        return connection_close(connection, CLOSE_CLIENT_GONE);
    struct chunk *piece = chunk_take(&loop->chunks, false);
    enum body result = body_read(exchange, piece, body_limit(exchange), &fault);
    bool kept = result != BODY_MORE || keep_body(exchange, piece);
    chunk_give(&loop->chunks, &piece);
    if (result == BODY_REFUSED || !kept)
        return reply_fault(connection, &fault);
    switch (result) {
    case BODY_GONE:
        return connection_close(connection, CLOSE_CLIENT_GONE);
    case BODY_WAIT:
        return STEP_WAIT;
    default:
        return exchange->body_done ? hand_over(connection) : STEP_AGAIN;
    }
}

enum step api_body_timeout(struct connection *connection)
{
    if (connection->came - connection->came_mark < gateway_limits.body_window_bytes)
        return reply_fault(connection, &(struct http_fault){408, "the request body came too slowly"});
    connection->came_mark = connection->came;
    timer_set(connection->io.loop, &connection->timer, gateway_limits.body_window_ms);
    return STEP_WAIT;
}

enum step api_begin(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    struct http_fault fault;
    body_begin(exchange);
    if (exchange->body_done)
        return hand_over(connection);
    if (!body_fits(exchange, body_limit(exchange), &fault))
        return reply_fault(connection, &fault);
    connection_set_state(connection, CONNECTION_BODY);
    connection->came_mark = connection->came;
    timer_set(connection->io.loop, &connection->timer, gateway_limits.body_window_ms);
    return STEP_AGAIN;
}

/* --- the job ------------------------------------------------------------------------------------------------------ */

/* Moves a slice of the head to the same place in its copy. */
static struct slice moved(struct slice slice, const char *from, const char *to)
{
    return slice.n > 0 ? (struct slice){to + (slice.p - from), slice.n} : (struct slice){to, 0};
}

static void copy_request(struct exchange *exchange, struct api_job *job)
{
    const struct http_request *from = &exchange->request;
    struct request *to = &job->request;
    const char *old = exchange->connection->in->bytes;
    const char *new = arena_text_n(job->arena, old, exchange->head_bytes);
    struct header *headers = arena_get(job->arena, (from->fields.count + 1) * sizeof(*headers));
    for (size_t i = 0; i < from->fields.count; i++)
        headers[i] =
            (struct header){moved(from->fields.at[i].name, old, new), moved(from->fields.at[i].value, old, new)};
    to->arena = job->arena;
    to->method = moved(from->method, old, new);
    to->target = moved(from->target, old, new);
    to->path = moved(from->path, old, new);
    to->query = moved(from->query, old, new);
    to->headers = headers;
    to->header_count = from->fields.count;
    to->body = buffer_slice(&job->body);
    to->host = slice_of(arena_text(job->arena, exchange->host.text));
    to->host_resource = arena_text(job->arena, exchange->host.label);
    to->identity = &job->identity;
    to->local = exchange->connection->listener == LISTENER_ADMIN;
    to->secure = connection_is_secure(exchange->connection);
    snprintf(to->peer, sizeof(to->peer), "%s", exchange->connection->peer);
    memcpy(to->id, exchange->id, sizeof(to->id));
}

static void handle(struct crew_job *crew_job)
{
    struct api_job *job = OWNER_OF(crew_job, struct api_job, job);
    job->handler(job->loop->gateway->options.context, &job->request, &job->response);
    loop_post(job->loop, &job->done);
}

/* The answer is ready, and this is the connection's loop again. */
static void on_done(struct loop *loop, struct message *message)
{
    (void)loop;
    struct api_job *job = OWNER_OF(message, struct api_job, done);
    struct connection *connection = job->connection;
    job->finished = true;
    if (!connection) {
        api_job_free(job);
        return;
    }
    if (job->response.stream)
        return; /* its own messages drive it */
    struct exchange *exchange = connection->exchange;
    connection->close_after = !exchange->request.keep_alive || loop->draining;
    exchange->reply_started = true;
    buffer_clear(&connection->owned);
    api_print_head(job, false, connection->close_after, &connection->owned);
    connection->rest[0] = buffer_slice(&connection->owned);
    bool bodyless = !job->wants_body || job->response.status == 204 || job->response.status == 304;
    connection->rest[1] = bodyless ? (struct slice){NULL, 0} : buffer_slice(&job->response.body);
    connection_set_state(connection, CONNECTION_REPLY);
    connection_run(connection);
}

static enum step hand_over(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    struct gateway *gateway = connection->io.loop->gateway;
    struct api_job *job = job_of(exchange);
    job->policy = policy_take(gateway->options.auth);
    job->identity = exchange->permit.identity;
    /* The body may have taken long to come: what was true at its head must be true now. */
    if (job->identity.kind != IDENTITY_ANONYMOUS && !policy_still_valid(job->policy, &job->identity))
        return reply_fault(connection, &(struct http_fault){401, "sign in or present a token"});
    bool webhook = connection->listener == LISTENER_WEBHOOK;
    job->crew = webhook ? gateway->admitters : gateway->workers;
    job->handler = webhook ? gateway->options.webhook_handler : gateway->options.handler;
    job->arena = arena_new(8192);
    copy_request(exchange, job);
    job->request.policy = job->policy;
    job->response = (struct response){.status = 200, .job = job};
    job->wants_body = !exchange->request.head;
    job->http10 = exchange->request.minor == 0;
    job->done.run = on_done;
    job->job.run = handle;
    job->job.tenant = (uint64_t)job->identity.user_id;
    connection_set_state(connection, CONNECTION_API);
    metric_add(&requests, 1);
    job->submitted = crew_add(job->crew, &job->job);
    if (job->submitted)
        return STEP_WAIT;
    metric_add(&overloads, 1);
    return reply_fault(connection, &(struct http_fault){503, "too many requests wait; try again"});
}

enum step api_wait(struct connection *connection)
{
    /* Half-closed clients still get their answer; the worker's message brings it. */
    return connection->io.broken ? connection_close(connection, CLOSE_CLIENT_GONE) : STEP_WAIT;
}

void api_abandon(struct exchange *exchange)
{
    struct api_job *job = exchange->job;
    if (!job)
        return;
    stream_abandon(exchange);
    exchange->job = NULL;
    job->connection = NULL;
    /* A worker that has it answers once more, with `done`; nobody listens then, and that frees it. */
    if (!job->submitted || job->finished || crew_cancel(job->crew, &job->job))
        api_job_free(job);
}

void api_job_free(struct api_job *job)
{
    atomic_fetch_sub(&job->loop->gateway->body_bytes, job->body_counted);
    if (job->policy)
        policy_release(job->policy);
    buffer_free(&job->body);
    buffer_free(&job->response.head);
    buffer_free(&job->response.body);
    arena_free(job->arena);
    free(job);
}
