/* What the files of this room share: the pool, one connection, and the limits. Not for other rooms (tests excepted). */
#ifndef ATELIER_STORE_INTERNAL_H
#define ATELIER_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/migrations.h"
#include "store/store.h"

struct map;

/* Limits of this room, and why. */
#define STORE_CONNECTIONS_MAX 64u   /* PostgreSQL's default max_connections is 100; leave room for people */
#define STORE_CONNECT_MS 1900       /* with STORE_TAKE_MS: callers hear UNAVAILABLE within 2 s */
#define STORE_TAKE_MS 1900          /* waiting for an idle connection */
#define STORE_STATEMENT_MS 10000    /* nothing a request runs may take longer; the client side of the deadline */
#define STORE_SERVER_LIMIT_MS 8000  /* statement_timeout: the server gives up first, so the connection survives */
#define STORE_LOCK_LIMIT_MS 5000    /* lock_timeout: waiting for somebody else's transaction */
#define STORE_BACKOFF_MIN_MS 50     /* after a failed connect, others fail at once for this long ... */
#define STORE_BACKOFF_MAX_MS 1000   /* ... doubling up to this: recovery is noticed within a second */
#define STORE_CHANNELS_MAX 16u      /* LISTEN channels of one process; there are a handful */
#define STORE_HEARTBEAT_MS 15000    /* a silent LISTEN connection is asked whether it lives */
#define STORE_MIGRATE_LOCK_MS 60000 /* another replica may be migrating */
#define STORE_MIGRATE_MS 600000     /* one migration */

struct store_connection {
    unsigned magic;
    struct store *store;
    PGconn *pg;           /* NULL: not connected */
    struct map *prepared; /* statement name -> its SQL (malloc'ed), on this very connection */
    bool in_transaction;
    struct store_connection *next_idle;
};

struct store_channel {
    char *name;
    store_listener listener; /* NULL: it has left; guarded by store.calling, as is <context> */
    void *context;
    _Atomic bool started; /* LISTEN has been sent on the present connection */
};

struct store {
    unsigned magic;
    char *url;
    char *password; /* found in <url>; only to cut it out of libpq's messages */
    _Atomic bool ready;
    pthread_mutex_t lock; /* guards idle, taken, retry_at_ms, backoff_ms, channel_count and the listener's start */
    pthread_cond_t given;
    struct store_connection *connections, *idle;
    unsigned connection_count, taken;
    int64_t retry_at_ms, backoff_ms;
    pthread_mutex_t calling; /* held while a listener runs, so that store_unlisten can wait; never taken with `lock` */
    struct store_channel channels[STORE_CHANNELS_MAX]; /* names below channel_count never change */
    unsigned channel_count;
    pthread_t listener;
    bool listening;
    _Atomic bool stopping;
    int wake_fd; /* eventfd that interrupts the listener */
};

/* connection.c: one libpq connection, without the pool. */
int store_connection_open(const struct store *store, int64_t timeout_ms, PGconn **ret, struct error *error);
/* Waits for everything sent on <pg>; *ret is the first failed or else the last result. Negative: the connection is lost
 * or the deadline (monotonic) has passed, and it must be closed. */
int connection_collect(PGconn *pg, int64_t deadline_ms, PGresult **ret, struct error *error);
/* The same in pipeline mode, up to the one synchronization that was sent after <times> statements: rets[i] (NULL
 * before) is what the i-th gave. *ret_refused: NULL, or the first result that is an error, and then nothing was kept.
 */
int connection_collect_each(PGconn *pg, int64_t deadline_ms, PGresult **rets, size_t times, PGresult **ret_refused,
                            struct error *error);
/* A simple query of our own text: no parameters, any number of statements. */
int connection_query(PGconn *pg, const char *sql, int64_t timeout_ms, PGresult **ret, struct error *error);
int connection_result_error(const char *name, const PGresult *result, struct error *error);
bool connection_poll(int fd, short events, int64_t deadline_ms); /* false: the deadline has passed */

/* pool.c */
int pool_connect(struct store_connection *connection, struct error *error); /* honours the back-off */
void pool_disconnect(struct store_connection *connection);
void pool_note(struct store *store, bool works, const struct error *error); /* logs changes only */

/* listener.c */
void listener_stop(struct store *store);

/* migration.c: store_migrate over a given list. */
int migration_apply(struct store *store, const struct store_migration *list, size_t count, struct error *error);

#endif
