/*
 * PostgreSQL: a pool of connections, transactions, migrations, notifications. SQL lives in the rooms that own the
 * tables; this room owns how statements run.
 *
 * Threads: any thread may take a connection; a connection belongs to one thread until it is given back. Calls block.
 * While the server is away they answer UNAVAILABLE within 2 s; the pool reconnects by itself.
 */
#ifndef ATELIER_STORE_STORE_H
#define ATELIER_STORE_STORE_H

#include <libpq-fe.h>

#include "base/error.h"
#include "base/text.h"

struct store;
struct store_connection;

struct store_options {
    const char *url;      /* libpq connection string or postgres:// URL; may hold a password: never logged */
    unsigned connections; /* pool size, 1..64 */
};
/* Does not need the server to be up. */
int store_new(const struct store_options *options, struct store **ret, struct error *error);
void store_free(struct store *store);
bool store_ready(struct store *store); /* a cheap check: the last attempt to talk to the server worked */
/* Waits until the server answers, at most timeout_ms. */
int store_wait(struct store *store, int64_t timeout_ms, struct error *error);

/* Applies the embedded migrations (store/migrations/NNNN_name.sql of every room, in order) under an advisory lock; each
 * in its own transaction; refuses a database migrated by a newer release. */
int store_migrate(struct store *store, struct error *error);

int store_take(struct store *store, struct store_connection **ret, struct error *error);
void store_give(struct store_connection *connection); /* an open transaction is rolled back; NULL is fine */
static inline void store_give_cleanup(struct store_connection **connection)
{
    store_give(*connection);
}
#define AUTO_CONNECTION __attribute__((cleanup(store_give_cleanup)))

/* A parameter: text as it is; NULL text is SQL NULL. Invalid UTF-8 or NUL is BAD_REQUEST, never sent. */
struct store_value {
    const char *text; /* NUL-terminated, or NULL */
    char number[24];
};
#define STORE_TEXT(t) ((struct store_value){.text = (t)})
#define STORE_NULL ((struct store_value){.text = NULL})
struct store_value store_i64(int64_t number); /* use through STORE_I64 only */
#define STORE_I64(n) store_i64(n)

/* Runs one named statement (prepared once a connection; <name>, at most 63 bytes, must be unique to <sql>). *ret (may
 * be NULL) is the caller's: PQclear. SQLSTATE maps: 23505 EXISTS, 23503/23514/22xxx INVALID, 40001/40P01 CONFLICT,
 * connection UNAVAILABLE. */
int store_run(struct store_connection *connection, const char *name, const char *sql, const struct store_value *values,
              size_t count, PGresult **ret, struct error *error);
#define store_run_v(connection, name, sql, ret, error, ...)                                                            \
    store_run((connection), (name), (sql), (const struct store_value[]){__VA_ARGS__},                                  \
              COUNT_OF(((const struct store_value[]){__VA_ARGS__})), (ret), (error))
/* Runs one named statement <times> times, with <count> values each (one set after the other in <values>), in a
 * transaction of its own and one exchange with the server: either all are kept, and rets[i] (the caller's) is what the
 * i-th gave, or none, and no rets[i] is set. Errors are those of the first that failed. Not within store_begin. */
int store_run_each(struct store_connection *connection, const char *name, const char *sql,
                   const struct store_value *values, size_t count, size_t times, PGresult **rets, struct error *error);
static inline void store_clear_cleanup(PGresult **result)
{
    PQclear(*result);
}
#define AUTO_RESULT __attribute__((cleanup(store_clear_cleanup)))
int store_begin(struct store_connection *connection, struct error *error);
int store_commit(struct store_connection *connection, struct error *error);
void store_rollback(struct store_connection *connection);

/* Column readers; the text is the result's. NULL cells: NULL, 0, false. */
const char *store_text(const PGresult *result, int row, const char *column);
int64_t store_number(const PGresult *result, int row, const char *column);
bool store_flag(const PGresult *result, int row, const char *column);

/* LISTEN on a channel from one own thread; the callback also runs with payload "" after every reconnection: what was
 * notified meanwhile is lost, so look at everything. At most 16 channels; call before or after store_wait. */
typedef void (*store_listener)(void *context, const char *channel, const char *payload);
int store_listen(struct store *store, const char *channel, store_listener listener, void *context, struct error *error);
/* Ends every listening with that context and waits for a call that is under way; not from within a listener. */
void store_unlisten(struct store *store, void *context);

#endif
