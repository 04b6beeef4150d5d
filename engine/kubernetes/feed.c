/* How does a thread of its own read what the client's thread receives? */
#include "engine/kubernetes/feed.h"

#include <pthread.h>

#include "engine/kubernetes/status.h"

/* A Status object; more of it says nothing. And what may wait for the reader: a page of 500 large objects. */
enum { FEED_STATUS_BYTES = 64 << 10, FEED_BYTES_MAX = 64 << 20 };

struct feed {
    pthread_mutex_t lock; /* guards everything below; `end` takes it, so the stream lives while it is held */
    pthread_cond_t changed;
    struct kube_stream *stream;
    struct buffer bytes;
    int status, retry_after_s;
    bool interrupted, ended;
    int result;
    struct error error;
};

static void on_begin(void *context, int status, const char *content_type, int retry_after_s)
{
    struct feed *feed = context;
    (void)content_type;
    pthread_mutex_lock(&feed->lock);
    feed->status = status;
    feed->retry_after_s = retry_after_s;
    pthread_mutex_unlock(&feed->lock);
}

static bool on_data(void *context, struct slice bytes)
{
    struct feed *feed = context;
    pthread_mutex_lock(&feed->lock);
    size_t most = feed->status >= 300 ? FEED_STATUS_BYTES : FEED_BYTES_MAX;
    bool room = feed->bytes.n + bytes.n <= most;
    if (room)
        buffer_add_slice(&feed->bytes, bytes);
    pthread_cond_signal(&feed->changed);
    pthread_mutex_unlock(&feed->lock);
    return room;
}

static void on_end(void *context, int result, const struct error *error)
{
    struct feed *feed = context;
    pthread_mutex_lock(&feed->lock);
    feed->ended = true;
    feed->result = result;
    if (error)
        feed->error = *error;
    pthread_cond_signal(&feed->changed);
    pthread_mutex_unlock(&feed->lock);
}

int feed_open(struct kube_client *client, const struct kube_request *request, struct feed **ret, struct error *error)
{
    struct feed *feed = memory_get(sizeof(*feed));
    const struct kube_sink sink = {.begin = on_begin, .data = on_data, .end = on_end, .context = feed};
    pthread_mutex_init(&feed->lock, NULL);
    pthread_cond_init(&feed->changed, NULL);
    pthread_mutex_lock(&feed->lock);
    int r = kube_stream_start(client, request, &sink, &feed->stream, error);
    pthread_mutex_unlock(&feed->lock);
    if (r < 0) {
        feed->ended = true;
        feed_close(feed);
        return r;
    }
    *ret = feed;
    return 0;
}

static int give_end(struct feed *feed, struct error *error)
{
    if (feed->status >= 300)
        return kube_status_error(feed->status, feed->retry_after_s, buffer_slice(&feed->bytes), error);
    if (feed->result < 0)
        return error_set(error, feed->error.code ? feed->error.code : ERROR_UNAVAILABLE, NULL, "%s",
                         feed->error.message);
    return 0;
}

int feed_read(struct feed *feed, struct buffer *ret, struct error *error)
{
    pthread_mutex_lock(&feed->lock);
    while (!feed->interrupted && !feed->ended && (feed->status >= 300 || feed->bytes.n == 0))
        pthread_cond_wait(&feed->changed, &feed->lock);
    int r;
    if (feed->interrupted) {
        r = error_set(error, ERROR_UNAVAILABLE, NULL, "the engine is stopping");
    } else if (feed->status < 300 && feed->bytes.n) {
        buffer_add_slice(ret, buffer_slice(&feed->bytes));
        buffer_clear(&feed->bytes);
        if (feed->bytes.capacity > FEED_STATUS_BYTES)
            buffer_free(&feed->bytes);
        r = 1;
    } else {
        r = give_end(feed, error);
    }
    pthread_mutex_unlock(&feed->lock);
    return r;
}

void feed_interrupt(struct feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    feed->interrupted = true;
    pthread_cond_signal(&feed->changed);
    pthread_mutex_unlock(&feed->lock);
}

void feed_close(struct feed *feed)
{
    if (!feed)
        return;
    pthread_mutex_lock(&feed->lock);
    if (!feed->ended)
        kube_stream_cancel(feed->stream);
    while (!feed->ended)
        pthread_cond_wait(&feed->changed, &feed->lock);
    pthread_mutex_unlock(&feed->lock);
    buffer_free(&feed->bytes);
    pthread_mutex_destroy(&feed->lock);
    pthread_cond_destroy(&feed->changed);
    free(feed);
}
