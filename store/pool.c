/* Which connection may this thread use, and what happens while the server is away? */
#include "store/internal.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metrics.h"

#define STORE_MAGIC 0x73746f72u
#define CONNECTION_MAGIC 0x636f6e6eu

static struct metric connects = METRIC_COUNTER("atelier_store_connects_total", "Connections made to PostgreSQL");
static struct metric connect_failures =
    METRIC_COUNTER("atelier_store_connect_failures_total", "Attempts to connect to PostgreSQL that failed");

/* Reads the URL once, so that a mistake is found at start and the password is known to whoever prints messages. */
static int parse_url(const char *url, char **ret_password, struct error *error)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL); /* its message may quote the URL: not asked for */
    bool valid = options != NULL;
    char *password = NULL;
    for (const PQconninfoOption *o = options; o && o->keyword; o++) {
        if (!o->val || !*o->val)
            continue;
        if (strcmp(o->keyword, "password") == 0)
            password = memory_text(o->val);
        if (strcmp(o->keyword, "host") == 0 && strchr(o->val, '@') && o->val[0] != '/' && o->val[0] != '@')
            valid = false; /* an unescaped '@' in the password: the rest of it would pass for a host name */
    }
    PQconninfoFree(options);
    if (!valid) {
        if (password)
            memory_wipe(password, strlen(password));
        free(password);
        return error_set(
            error, ERROR_INVALID, "DATABASE_URL",
            "is not a libpq connection string or postgresql:// URL (percent-encode '@', ':' and '/' in it)");
    }
    *ret_password = password;
    return 0;
}

int store_new(const struct store_options *options, struct store **ret, struct error *error)
{
    char *password = NULL;
    if (options->connections < 1 || options->connections > STORE_CONNECTIONS_MAX)
        return error_set(error, ERROR_INVALID, "connections", "expected 1 to %u", STORE_CONNECTIONS_MAX);
    int failed = parse_url(options->url, &password, error);
    if (failed)
        return failed;
    struct store *store = memory_get(sizeof(*store));
    store->magic = STORE_MAGIC;
    store->url = memory_text(options->url);
    store->password = password;
    store->connection_count = options->connections;
    store->connections = memory_get(options->connections * sizeof(*store->connections));
    store->backoff_ms = STORE_BACKOFF_MIN_MS;
    store->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&store->lock, NULL);
    pthread_mutex_init(&store->calling, NULL);
    clock_condition(&store->given);
    for (unsigned i = options->connections; i-- > 0;) {
        struct store_connection *c = &store->connections[i];
        *c = (struct store_connection){.magic = CONNECTION_MAGIC, .store = store, .next_idle = store->idle};
        store->idle = c;
    }
    *ret = store;
    return 0;
}

void store_free(struct store *store)
{
    if (!store)
        return;
    assert(store->magic == STORE_MAGIC && store->taken == 0);
    listener_stop(store);
    for (unsigned i = 0; i < store->connection_count; i++)
        pool_disconnect(&store->connections[i]);
    for (unsigned i = 0; i < store->channel_count; i++)
        free(store->channels[i].name);
    if (store->password)
        memory_wipe(store->password, strlen(store->password));
    memory_wipe(store->url, strlen(store->url));
    free(store->password);
    free(store->url);
    free(store->connections);
    close(store->wake_fd);
    pthread_cond_destroy(&store->given);
    pthread_mutex_destroy(&store->calling);
    pthread_mutex_destroy(&store->lock);
    store->magic = 0;
    free(store);
}

bool store_ready(struct store *store)
{
    return atomic_load(&store->ready);
}

void pool_note(struct store *store, bool works, const struct error *error)
{
    if (atomic_exchange(&store->ready, works) == works)
        return;
    if (works)
        log_line(LOG_INFO, "database connected");
    else
        log_line(LOG_WARN, "database not available", LOG_FAULT(error));
}

void pool_disconnect(struct store_connection *c)
{
    size_t at = 0;
    void *sql;
    while (c->prepared && map_next(c->prepared, &at, NULL, &sql))
        free(sql);
    map_free(c->prepared);
    c->prepared = NULL;
    PQfinish(c->pg);
    c->pg = NULL;
}

static bool may_try(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    bool may = clock_monotonic_ms() >= store->retry_at_ms;
    pthread_mutex_unlock(&store->lock);
    return may;
}

static void note_attempt(struct store *store, bool worked)
{
    pthread_mutex_lock(&store->lock);
    if (worked) {
        store->backoff_ms = STORE_BACKOFF_MIN_MS;
        store->retry_at_ms = 0;
    } else {
        store->retry_at_ms = clock_monotonic_ms() + store->backoff_ms;
        store->backoff_ms *= 2;
        if (store->backoff_ms > STORE_BACKOFF_MAX_MS)
            store->backoff_ms = STORE_BACKOFF_MAX_MS;
    }
    pthread_mutex_unlock(&store->lock);
}

int pool_connect(struct store_connection *c, struct error *error)
{
    struct error detail = {0};
    pool_disconnect(c);
    if (!may_try(c->store))
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the database is not available; try again shortly");
    int failed = store_connection_open(c->store, STORE_CONNECT_MS, &c->pg, &detail);
    note_attempt(c->store, !failed);
    pool_note(c->store, !failed, &detail);
    metric_add(failed ? &connect_failures : &connects, 1);
    if (failed) /* where the database lives is the operator's business, so the detail goes to the log only */
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the database is not available; try again shortly");
    c->prepared = map_new();
    return 0;
}

/* An idle connection has nothing to say, except that its server has gone. */
static bool still_good(struct store_connection *c)
{
    struct pollfd wanted = {.fd = c->pg ? PQsocket(c->pg) : -1, .events = POLLIN | POLLRDHUP};
    if (!c->pg || PQstatus(c->pg) != CONNECTION_OK)
        return false;
    if (poll(&wanted, 1, 0) <= 0)
        return true;
    return PQconsumeInput(c->pg) && PQstatus(c->pg) == CONNECTION_OK && !(wanted.revents & (POLLRDHUP | POLLHUP));
}

static struct store_connection *take_idle(struct store *store)
{
    int64_t until_ms = clock_monotonic_ms() + STORE_TAKE_MS;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_mutex_lock(&store->lock);
    while (!store->idle && pthread_cond_timedwait(&store->given, &store->lock, &until) != ETIMEDOUT)
        ;
    struct store_connection *c = store->idle;
    if (c) {
        store->idle = c->next_idle;
        store->taken++;
    }
    pthread_mutex_unlock(&store->lock);
    return c;
}

static void put_idle(struct store_connection *c)
{
    struct store *store = c->store;
    pthread_mutex_lock(&store->lock);
    c->next_idle = store->idle;
    store->idle = c;
    store->taken--;
    pthread_cond_signal(&store->given);
    pthread_mutex_unlock(&store->lock);
}

int store_take(struct store *store, struct store_connection **ret, struct error *error)
{
    assert(store->magic == STORE_MAGIC);
    struct store_connection *c = take_idle(store);
    if (!c)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "every database connection is busy; try again shortly");
    c->in_transaction = false;
    int failed = still_good(c) ? 0 : pool_connect(c, error);
    if (failed) {
        put_idle(c);
        return failed;
    }
    *ret = c;
    return 0;
}

void store_give(struct store_connection *c)
{
    if (!c)
        return;
    assert(c->magic == CONNECTION_MAGIC);
    if (c->in_transaction)
        store_rollback(c);
    if (c->pg && PQtransactionStatus(c->pg) != PQTRANS_IDLE)
        pool_disconnect(c);
    put_idle(c);
}

int store_wait(struct store *store, int64_t timeout_ms, struct error *error)
{
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    for (;;) {
        AUTO_CONNECTION struct store_connection *c = NULL;
        int failed = store_take(store, &c, error);
        if (!failed)
            failed = store_run(c, "store_wait", "SELECT 1", NULL, 0, NULL, error);
        if (!failed || clock_monotonic_ms() >= deadline_ms)
            return failed;
        clock_sleep_ms(20);
    }
}
