/* How does an answer without end reach its reader, and when does it end after all? */
#include <pthread.h>

#include "gateway/api.h"
#include "gateway/internal.h"

struct stream {
    struct loop *loop;
    struct api_job *job; /* the loop's, while it lives */
    struct message start, wake, late;
    struct permit *permit; /* the exchange's; the loop's */
    struct access access;
    bool has_access, in_part, chunked, wants_body, ended; /* ended: the final chunk is queued; the loop's */
    char *namespace, *kind, *name;
    struct buffer head, sending; /* the loop's once started */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t idle;  /* in_callback became false */
    struct buffer pending;
    size_t sending_size;
    unsigned references; /* the writer, the loop, every message under way */
    bool posted, closed, gone, behind, told, in_callback;
    pthread_t caller;
    void (*on_gone)(void *context);
    void *on_gone_context;
};

static struct metric streams_open = METRIC_GAUGE("atelier_gateway_streams", "Open API streams.");

static char *text_or_null(const char *text)
{
    return text ? memory_text(text) : NULL;
}

static void stream_free(struct stream *stream)
{
    pthread_cond_destroy(&stream->idle);
    pthread_mutex_destroy(&stream->lock);
    buffer_free(&stream->head);
    buffer_free(&stream->sending);
    buffer_free(&stream->pending);
    free(stream->namespace);
    free(stream->kind);
    free(stream->name);
    free(stream);
    metric_add(&streams_open, -1);
}

static void release(struct stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    bool last = --stream->references == 0;
    pthread_mutex_unlock(&stream->lock);
    if (last)
        stream_free(stream);
}

/* With the lock held: have the loop look at the stream. */
static void post_wake(struct stream *stream)
{
    if (stream->posted)
        return;
    stream->posted = true;
    stream->references++;
    loop_post(stream->loop, &stream->wake);
}

/* --- the writer's side -------------------------------------------------------------------------------------------- */

bool stream_write(struct stream *stream, struct slice data)
{
    pthread_mutex_lock(&stream->lock);
    bool open = !stream->gone && !stream->closed && !stream->behind;
    if (open && stream->pending.n + stream->sending_size + data.n > (size_t)gateway_limits.stream_bytes) {
        stream->behind = true;
        open = false;
        post_wake(stream);
    }
    if (open && data.n > 0) {
        buffer_add_slice(&stream->pending, data);
        post_wake(stream);
    }
    pthread_mutex_unlock(&stream->lock);
    return open;
}

void stream_close(struct stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    stream->closed = true;
    stream->on_gone = NULL;
    /* The callback may be running on the loop: its context must live until it has returned. */
    while (stream->in_callback && !pthread_equal(stream->caller, pthread_self()))
        pthread_cond_wait(&stream->idle, &stream->lock);
    if (!stream->gone)
        post_wake(stream);
    pthread_mutex_unlock(&stream->lock);
    release(stream);
}

/* With the lock held; drops it around the call. */
static void tell_gone(struct stream *stream)
{
    if (!stream->gone || !stream->on_gone || stream->told)
        return;
    void (*gone)(void *) = stream->on_gone;
    void *context = stream->on_gone_context;
    stream->told = stream->in_callback = true;
    stream->caller = pthread_self();
    pthread_mutex_unlock(&stream->lock);
    gone(context);
    pthread_mutex_lock(&stream->lock);
    stream->in_callback = false;
    pthread_cond_broadcast(&stream->idle);
}

static void on_late(struct loop *loop, struct message *message)
{
    (void)loop;
    struct stream *stream = OWNER_OF(message, struct stream, late);
    pthread_mutex_lock(&stream->lock);
    tell_gone(stream);
    pthread_mutex_unlock(&stream->lock);
    release(stream);
}

void stream_on_gone(struct stream *stream, void (*gone)(void *context), void *context)
{
    pthread_mutex_lock(&stream->lock);
    stream->on_gone = gone;
    stream->on_gone_context = context;
    if (stream->gone && !stream->told) {
        stream->references++;
        loop_post(stream->loop, &stream->late);
    }
    pthread_mutex_unlock(&stream->lock);
}

/* --- the loop's side ---------------------------------------------------------------------------------------------- */

static void mark_gone(struct stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    stream->gone = true;
    tell_gone(stream);
    pthread_mutex_unlock(&stream->lock);
}

void stream_abandon(struct exchange *exchange)
{
    struct stream *stream = exchange->stream;
    if (!stream)
        return;
    exchange->stream = NULL;
    stream->job = NULL;
    mark_gone(stream);
    release(stream);
}

static void on_revoked(struct permit *permit)
{
    struct exchange *exchange = OWNER_OF(permit, struct exchange, permit);
    connection_close(exchange->connection, CLOSE_REVOKED);
}

/* The head goes out; from here the exchange knows the stream. */
static void on_start(struct loop *loop, struct message *message)
{
    struct stream *stream = OWNER_OF(message, struct stream, start);
    struct connection *connection = stream->job->connection;
    if (!connection) {
        stream->job = NULL;
        mark_gone(stream);
        release(stream);
        return;
    }
    struct exchange *exchange = connection->exchange;
    exchange->stream = stream;
    exchange->reply_started = true;
    exchange->permit.access = stream->access;
    exchange->permit.decide = stream->has_access;
    exchange->permit.in_part = stream->in_part;
    exchange->permit.revoked = on_revoked;
    permit_open(loop, &exchange->permit);
    connection->close_after = !stream->chunked || !exchange->request.keep_alive;
    connection->rest[0] = buffer_slice(&stream->head);
    connection_set_state(connection, CONNECTION_STREAM);
    connection_run(connection);
}

static void on_wake(struct loop *loop, struct message *message)
{
    (void)loop;
    struct stream *stream = OWNER_OF(message, struct stream, wake);
    pthread_mutex_lock(&stream->lock);
    stream->posted = false;
    pthread_mutex_unlock(&stream->lock);
    if (stream->job && stream->job->connection && stream->job->connection->exchange &&
        stream->job->connection->exchange->stream == stream)
        connection_run(stream->job->connection);
    release(stream);
}

/* Takes what has been written since; false if there is nothing. */
static bool take_pending(struct stream *stream, bool *ret_closed, bool *ret_behind)
{
    pthread_mutex_lock(&stream->lock);
    buffer_free(&stream->sending);
    stream->sending = stream->pending;
    stream->sending_size = stream->sending.n;
    stream->pending = (struct buffer){0};
    *ret_closed = stream->closed;
    *ret_behind = stream->behind;
    pthread_mutex_unlock(&stream->lock);
    return stream->sending.n > 0;
}

static void queue_data(struct connection *connection, struct stream *stream)
{
    if (stream->chunked) {
        char size[24];
        snprintf(size, sizeof(size), "%zx\r\n", stream->sending.n);
        chunk_add_text(connection_out(connection), size);
        buffer_add_text(&stream->sending, "\r\n");
    }
    connection->rest[0] = buffer_slice(&stream->sending);
}

enum step stream_step(struct connection *connection)
{
    struct stream *stream = connection->exchange->stream;
    if (connection->io.ended || connection->io.broken)
        return connection_close(connection, CLOSE_CLIENT_GONE);
    bool had_output = connection_has_output(connection);
    enum flush flush = connection_flush(connection);
    if (flush == FLUSH_BROKEN)
        return connection_close(connection, CLOSE_CLIENT_GONE);
    bool closed, behind;
    if (flush == FLUSH_BLOCKED) {
        if (!had_output)
            connection_watch_writing(connection);
        pthread_mutex_lock(&stream->lock);
        behind = stream->behind;
        pthread_mutex_unlock(&stream->lock);
        return behind ? connection_close(connection, CLOSE_STREAM_BEHIND) : STEP_WAIT;
    }
    if (stream->ended || !stream->wants_body)
        return connection_finish(connection);
    bool more = take_pending(stream, &closed, &behind);
    if (behind)
        return connection_close(connection, CLOSE_STREAM_BEHIND);
    if (more) {
        queue_data(connection, stream);
        connection_watch_writing(connection);
        return STEP_AGAIN;
    }
    if (!closed)
        return STEP_WAIT;
    stream->ended = true;
    if (stream->chunked)
        chunk_add_text(connection_out(connection), "0\r\n\r\n");
    return STEP_AGAIN;
}

/* --- beginning ---------------------------------------------------------------------------------------------------- */

struct stream *response_stream(struct response *response, const char *type, const struct access *access, bool in_part)
{
    struct api_job *job = response->job;
    struct stream *stream = memory_get(sizeof(*stream));
    pthread_mutex_init(&stream->lock, NULL);
    pthread_cond_init(&stream->idle, NULL);
    stream->loop = job->loop;
    stream->job = job;
    stream->start.run = on_start;
    stream->wake.run = on_wake;
    stream->late.run = on_late;
    stream->references = 2;
    stream->chunked = !job->http10;
    stream->wants_body = job->wants_body;
    stream->has_access = access != NULL;
    stream->in_part = in_part;
    if (access) {
        stream->namespace = text_or_null(access->namespace);
        stream->kind = text_or_null(access->kind);
        stream->name = text_or_null(access->name);
        stream->access = (struct access){
            .namespace = stream->namespace, .kind = stream->kind, .name = stream->name, .verb = access->verb};
    }
    if (type)
        snprintf(response->type, sizeof(response->type), "%s", type);
    response->stream = stream;
    metric_add(&streams_open, 1);
    api_print_head(job, true, !stream->chunked, &stream->head);
    loop_post(job->loop, &stream->start);
    return stream;
}
