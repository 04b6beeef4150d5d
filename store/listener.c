/* Who hears what other processes notify? (one thread with one connection of its own) */
#include "store/internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/log.h"

static void drain(int fd)
{
    uint64_t count;
    while (read(fd, &count, sizeof(count)) > 0)
        ;
}

static void wake(struct store *store)
{
    uint64_t one = 1;
    while (write(store->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

static unsigned channels_now(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    unsigned count = store->channel_count;
    pthread_mutex_unlock(&store->lock);
    return count;
}

static void call(struct store *store, struct store_channel *channel, const char *payload)
{
    pthread_mutex_lock(&store->calling);
    if (channel->listener)
        channel->listener(channel->context, channel->name, payload);
    pthread_mutex_unlock(&store->calling);
}

/* LISTENs on what is not listened on yet. Whatever was notified before is unknown, hence the empty payload. */
static int start_channels(struct store *store, PGconn *pg, struct error *error)
{
    unsigned count = channels_now(store);
    for (unsigned i = 0; i < count; i++) {
        struct store_channel *channel = &store->channels[i];
        char sql[128];
        if (atomic_load(&channel->started))
            continue;
        snprintf(sql, sizeof(sql), "LISTEN \"%s\"", channel->name);
        int failed = connection_query(pg, sql, STORE_STATEMENT_MS, NULL, error);
        if (failed)
            return failed;
        atomic_store(&channel->started, true);
        call(store, channel, "");
    }
    return 0;
}

static void deliver(struct store *store, PGconn *pg)
{
    PGnotify *notice;
    while ((notice = PQnotifies(pg))) {
        unsigned count = channels_now(store);
        for (unsigned i = 0; i < count; i++)
            if (strcmp(store->channels[i].name, notice->relname) == 0)
                call(store, &store->channels[i], notice->extra);
        PQfreemem(notice);
    }
}

/* Waits for input, a wake-up or the heartbeat; negative once the connection is of no use. */
static int listen_once(struct store *store, PGconn *pg, struct error *error)
{
    struct pollfd wanted[] = {{.fd = PQsocket(pg), .events = POLLIN}, {.fd = store->wake_fd, .events = POLLIN}};
    int count = poll(wanted, COUNT_OF(wanted), STORE_HEARTBEAT_MS);
    if (wanted[1].revents)
        drain(store->wake_fd);
    if (count == 0) {
        int failed = connection_query(pg, "SELECT 1", STORE_CONNECT_MS, NULL, error);
        if (failed)
            return failed;
    }
    if (!PQconsumeInput(pg))
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the listening connection was lost");
    deliver(store, pg);
    return 0;
}

static void listen_connected(struct store *store, PGconn *pg, struct error *error)
{
    int failed = 0;
    while (!failed && !atomic_load(&store->stopping)) {
        failed = start_channels(store, pg, error);
        deliver(store, pg); /* what came in with the answers to LISTEN: no poll would report it */
        if (!failed)
            failed = listen_once(store, pg, error);
    }
    for (unsigned i = 0; i < STORE_CHANNELS_MAX; i++)
        atomic_store(&store->channels[i].started, false);
}

static void *listener_run(void *argument)
{
    struct store *store = argument;
    int64_t backoff_ms = STORE_BACKOFF_MIN_MS;
    while (!atomic_load(&store->stopping)) {
        struct error error = {0};
        PGconn *pg = NULL;
        int failed = store_connection_open(store, STORE_CONNECT_MS, &pg, &error);
        pool_note(store, !failed, &error);
        if (!failed) {
            backoff_ms = STORE_BACKOFF_MIN_MS;
            listen_connected(store, pg, &error);
            PQfinish(pg);
            if (!atomic_load(&store->stopping))
                pool_note(store, false, &error);
        }
        struct pollfd wanted = {.fd = store->wake_fd, .events = POLLIN};
        if (!atomic_load(&store->stopping) && poll(&wanted, 1, (int)backoff_ms) > 0)
            drain(store->wake_fd);
        backoff_ms = backoff_ms * 2 < STORE_BACKOFF_MAX_MS ? backoff_ms * 2 : STORE_BACKOFF_MAX_MS;
    }
    return NULL;
}

/* A channel's name goes into SQL as an identifier. */
static bool valid_channel(const char *name)
{
    size_t n = strlen(name);
    return n >= 1 && n <= 63 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

/* Takes over the entry of a listener that has left; LISTENing again is harmless, and brings the first call. */
static bool reuse_channel(struct store *store, const char *name, store_listener listener, void *context)
{
    unsigned count = channels_now(store);
    for (unsigned i = 0; i < count; i++) {
        struct store_channel *entry = &store->channels[i];
        pthread_mutex_lock(&store->calling);
        bool free_entry = !entry->listener && strcmp(entry->name, name) == 0;
        if (free_entry) {
            entry->listener = listener;
            entry->context = context;
            atomic_store(&entry->started, false);
        }
        pthread_mutex_unlock(&store->calling);
        if (free_entry)
            return true;
    }
    return false;
}

static int add_channel(struct store *store, const char *name, store_listener listener, void *context,
                       struct error *error)
{
    if (store->channel_count == STORE_CHANNELS_MAX)
        return error_set(error, ERROR_INTERNAL, NULL, "more than %u channels", STORE_CHANNELS_MAX);
    struct store_channel *entry = &store->channels[store->channel_count];
    entry->name = memory_text(name);
    entry->listener = listener;
    entry->context = context;
    store->channel_count++;
    return 0;
}

int store_listen(struct store *store, const char *channel, store_listener listener, void *context, struct error *error)
{
    int failed = 0;
    if (!valid_channel(channel))
        return error_set(error, ERROR_INVALID, "channel", "expected 1 to 63 of a-z, 0-9 and '_'");
    bool reused = reuse_channel(store, channel, listener, context);
    pthread_mutex_lock(&store->lock);
    if (!reused)
        failed = add_channel(store, channel, listener, context, error);
    if (!failed && !store->listening) {
        if (pthread_create(&store->listener, NULL, listener_run, store) != 0)
            failed = error_set(error, ERROR_INTERNAL, NULL, "cannot start the listener thread");
        else
            store->listening = true;
    }
    pthread_mutex_unlock(&store->lock);
    wake(store);
    return failed;
}

void store_unlisten(struct store *store, void *context)
{
    unsigned count = channels_now(store);
    pthread_mutex_lock(&store->calling);
    for (unsigned i = 0; i < count; i++)
        if (store->channels[i].context == context)
            store->channels[i].listener = NULL;
    pthread_mutex_unlock(&store->calling);
}

void listener_stop(struct store *store)
{
    atomic_store(&store->stopping, true);
    wake(store);
    if (store->listening)
        pthread_join(store->listener, NULL);
    store->listening = false;
}
