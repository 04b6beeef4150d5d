/* Does the database have the tables this release expects, and if not, how does it get them? */
#include "store/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"

/* "atelier" in ASCII: the advisory lock that only one migrating process holds. */
#define MIGRATE_LOCK "27431051700299122"

static int lock(PGconn *pg, struct error *error)
{
    int64_t deadline_ms = clock_monotonic_ms() + STORE_MIGRATE_LOCK_MS;
    for (;;) {
        AUTO_RESULT PGresult *result = NULL;
        int failed = connection_query(pg, "SELECT pg_try_advisory_lock(" MIGRATE_LOCK ") AS held", STORE_STATEMENT_MS,
                                      &result, error);
        if (failed || store_flag(result, 0, "held"))
            return failed;
        if (clock_monotonic_ms() >= deadline_ms)
            return error_set(error, ERROR_UNAVAILABLE, NULL, "another process has been migrating the database for %d s",
                             STORE_MIGRATE_LOCK_MS / 1000);
        clock_sleep_ms(50);
    }
}

static const struct store_migration *find(const struct store_migration *list, size_t count, int64_t number)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].number == number)
            return &list[i];
    return NULL;
}

/* Compares what has been applied with what we carry; marks in <done> what need not be applied. */
static int compare(PGconn *pg, const struct store_migration *list, size_t count, bool *done, struct error *error)
{
    AUTO_RESULT PGresult *rows = NULL;
    int failed = connection_query(pg, "SELECT number, name, sha256 FROM schema_migrations ORDER BY number",
                                  STORE_STATEMENT_MS, &rows, error);
    for (int i = 0; !failed && i < PQntuples(rows); i++) {
        char hash[2 * DIGEST_SIZE + 1];
        int64_t number = store_number(rows, i, "number");
        const struct store_migration *known = find(list, count, number);
        if (!known)
            return error_set(error, ERROR_INVALID, NULL,
                             "the database was migrated by a newer release (migration %04d %s is not known here); "
                             "start that release, or restore a backup from before it",
                             (int)number, store_text(rows, i, "name"));
        digest_sha256_hex((struct slice){known->sql, known->size}, hash);
        if (strcmp(hash, store_text(rows, i, "sha256")) != 0)
            return error_set(
                error, ERROR_INVALID, NULL,
                "migration %04d %s is not the one that was applied to this database; migrations never change",
                known->number, known->name);
        done[known - list] = true;
    }
    return failed;
}

static int apply_one(PGconn *pg, const struct store_migration *migration, struct error *error)
{
    char number[16], hash[2 * DIGEST_SIZE + 1];
    const char *const values[] = {number, migration->name, hash};
    AUTO_RESULT PGresult *result = NULL;
    snprintf(number, sizeof(number), "%d", migration->number);
    digest_sha256_hex((struct slice){migration->sql, migration->size}, hash);
    int failed = connection_query(pg, "BEGIN", STORE_STATEMENT_MS, NULL, error);
    if (!failed)
        failed = connection_query(pg, migration->sql, STORE_MIGRATE_MS, NULL, error);
    if (!failed && PQtransactionStatus(pg) != PQTRANS_INTRANS)
        failed = error_set(error, ERROR_INTERNAL, NULL, "it must not end its transaction");
    if (!failed) {
        PQsendQueryParams(pg, "INSERT INTO schema_migrations(number, name, sha256) VALUES ($1::int, $2, $3)", 3, NULL,
                          values, NULL, NULL, 0);
        failed = connection_collect(pg, clock_monotonic_ms() + STORE_STATEMENT_MS, &result, error);
        if (!failed)
            failed = connection_result_error("schema_migrations", result, error);
    }
    if (!failed)
        failed = connection_query(pg, "COMMIT", STORE_MIGRATE_MS, NULL, error);
    if (failed)
        return error_wrap(error, "migration %04d %s", migration->number, migration->name);
    log_line(LOG_INFO, "migration applied", LOG_NUMBER("number", migration->number), LOG_TEXT("name", migration->name));
    return 0;
}

static int apply_all(PGconn *pg, const struct store_migration *list, size_t count, struct error *error)
{
    AUTO_FREE bool *done = memory_get((count ? count : 1) * sizeof(*done));
    int failed = connection_query(pg,
                                  "SET statement_timeout = 0; SET lock_timeout = 0;"
                                  "SET idle_in_transaction_session_timeout = 0",
                                  STORE_STATEMENT_MS, NULL, error);
    if (!failed)
        failed = lock(pg, error);
    if (!failed)
        failed = connection_query(pg,
                                  "CREATE TABLE IF NOT EXISTS schema_migrations (number integer PRIMARY KEY,"
                                  " name text NOT NULL, sha256 text NOT NULL,"
                                  " applied_at timestamptz NOT NULL DEFAULT now())",
                                  STORE_STATEMENT_MS, NULL, error);
    if (!failed)
        failed = compare(pg, list, count, done, error);
    for (size_t i = 0; !failed && i < count; i++)
        if (!done[i])
            failed = apply_one(pg, &list[i], error);
    return failed;
}

int migration_apply(struct store *store, const struct store_migration *list, size_t count, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    int failed = store_take(store, &c, error);
    if (failed)
        return failed;
    failed = apply_all(c->pg, list, count, error);
    pool_disconnect(c); /* with it go the advisory lock, the lifted time limits and an unfinished transaction */
    return failed;
}

int store_migrate(struct store *store, struct error *error)
{
    return migration_apply(store, store_migrations, store_migration_count, error);
}
