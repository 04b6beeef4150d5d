/* Does the store run statements, migrate, listen, and survive its server? (on a real PostgreSQL) */
#include "tests/integration/postgres.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/random.h"
#include "store/internal.h"

/* How long a test waits for what must come: a slow machine, or one under sanitizers, is not a defect. */
enum { PATIENCE_MS = 60000 };

static char *url;

static struct store *store_of(const char *database_url, unsigned connections)
{
    struct store *store = NULL;
    struct error error = {0};
    assert_int_equal(store_new(&(struct store_options){database_url, connections}, &store, &error), 0);
    assert_int_equal(store_wait(store, PATIENCE_MS, &error), 0);
    return store;
}

static void runs_typed_values(void **state)
{
    (void)state;
    struct store *store = store_of(url, 2);
    struct error error = {0};
    AUTO_CONNECTION struct store_connection *c = NULL;
    assert_int_equal(store_take(store, &c, &error), 0);
    for (int round = 0; round < 3; round++) { /* prepared once, run again */
        AUTO_RESULT PGresult *rows = NULL;
        assert_int_equal(store_run_v(c, "values",
                                     "SELECT $1::text AS a, $2::bigint AS b, $3::text AS c, true AS d, $4::text AS e",
                                     &rows, &error, STORE_TEXT("'; DROP TABLE x; --"), STORE_I64(INT64_MIN), STORE_NULL,
                                     STORE_TEXT("")),
                         0);
        assert_string_equal(store_text(rows, 0, "a"), "'; DROP TABLE x; --");
        assert_true(store_number(rows, 0, "b") == INT64_MIN);
        assert_null(store_text(rows, 0, "c"));
        assert_true(store_flag(rows, 0, "d"));
        assert_string_equal(store_text(rows, 0, "e"), "");
        assert_int_equal(store_number(rows, 0, "c"), 0);
        assert_false(store_flag(rows, 0, "c"));
    }
    assert_int_equal(store_run_v(c, "values", "SELECT 2", NULL, &error, STORE_NULL), -ERROR_INTERNAL);
    assert_int_equal(store_run(c, "a_name_that_postgresql_would_cut_off_because_it_has_64_characters", "SELECT 1", NULL,
                               0, NULL, &error),
                     -ERROR_INTERNAL);
    assert_int_equal(store_run_v(c, "utf8", "SELECT $1::text", NULL, &error, STORE_TEXT("a\xff")), -ERROR_BAD_REQUEST);
    store_give(TAKE_POINTER(c));
    store_free(store);
}

static int run(struct store_connection *c, const char *sql, struct error *error)
{
    char name[2 * DIGEST_SIZE + 1];
    digest_sha256_hex(slice_of(sql), name);
    name[32] = '\0';
    return store_run(c, name, sql, NULL, 0, NULL, error);
}

static void maps_sqlstates(void **state)
{
    (void)state;
    struct store *store = store_of(url, 1);
    struct error error = {0};
    struct store_connection *c = NULL;
    assert_int_equal(store_take(store, &c, &error), 0);
    assert_int_equal(run(c, "CREATE TEMP TABLE t (a int PRIMARY KEY CHECK (a > 0), b int REFERENCES t)", &error), 0);
    assert_int_equal(run(c, "INSERT INTO t VALUES (1)", &error), 0);
    assert_int_equal(run(c, "INSERT INTO t VALUES (1)", &error), -ERROR_EXISTS);
    assert_int_equal(run(c, "INSERT INTO t VALUES (0)", &error), -ERROR_INVALID);
    assert_int_equal(run(c, "INSERT INTO t VALUES (2, 9)", &error), -ERROR_INVALID);
    assert_int_equal(run(c, "SELECT 'very secret'::int", &error), -ERROR_INVALID);
    assert_null(strstr(error.message, "very secret"));
    assert_int_equal(run(c, "SELECT 1/0", &error), -ERROR_INVALID);
    assert_int_equal(run(c, "SELEKT", &error), -ERROR_INTERNAL);
    assert_int_equal(run(c, "SET statement_timeout = 50", &error), 0);
    assert_int_equal(run(c, "SELECT pg_sleep(5)", &error), -ERROR_TIMEOUT);
    assert_int_equal(run(c, "COPY t TO STDOUT", &error), -ERROR_INTERNAL); /* dropped, not stuck */
    store_give(c);
    assert_int_equal(store_take(store, &c, &error), 0); /* and replaced */
    assert_int_equal(run(c, "SELECT 1", &error), 0);
    store_give(c);
    store_free(store);
}

static int64_t count_rows(struct store *store, const char *table)
{
    char sql[80];
    struct error error = {0};
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    snprintf(sql, sizeof(sql), "SELECT count(*) AS n FROM %s", table);
    assert_int_equal(store_take(store, &c, &error), 0);
    assert_int_equal(store_run(c, sql, sql, NULL, 0, &rows, &error), 0);
    return store_number(rows, 0, "n");
}

static void rolls_back_what_is_not_committed(void **state)
{
    (void)state;
    struct store *store = store_of(url, 2);
    struct error error = {0};
    struct store_connection *c = NULL;
    assert_int_equal(store_take(store, &c, &error), 0);
    assert_int_equal(run(c, "CREATE TABLE IF NOT EXISTS kept (a int PRIMARY KEY)", &error), 0);
    assert_int_equal(store_begin(c, &error), 0);
    assert_int_equal(run(c, "INSERT INTO kept VALUES (1)", &error), 0);
    store_give(c); /* forgotten: rolled back */
    assert_int_equal(count_rows(store, "kept"), 0);
    assert_int_equal(store_take(store, &c, &error), 0);
    assert_int_equal(store_begin(c, &error), 0);
    assert_int_equal(run(c, "INSERT INTO kept VALUES (2)", &error), 0);
    assert_int_equal(store_commit(c, &error), 0);
    assert_int_equal(store_begin(c, &error), 0);
    assert_int_equal(run(c, "INSERT INTO kept VALUES (3)", &error), 0);
    assert_int_equal(run(c, "INSERT INTO kept VALUES (2)", &error), -ERROR_EXISTS);
    assert_int_equal(store_commit(c, &error), -ERROR_INTERNAL); /* a failed transaction never passes for committed */
    store_give(c);
    assert_int_equal(count_rows(store, "kept"), 1);
    store_free(store);
}

/* Inserts a and b together, and says what became of it. */
static int insert_both(struct store_connection *c, int64_t a, int64_t b, struct error *error)
{
    PGresult *rows[2];
    const struct store_value values[] = {STORE_I64(a), STORE_I64(b)};
    int failed =
        store_run_each(c, "insert_each", "INSERT INTO together VALUES ($1) RETURNING a", values, 1, 2, rows, error);
    if (failed) {
        assert_null(rows[0]);
        assert_null(rows[1]);
        return failed;
    }
    assert_int_equal(store_number(rows[0], 0, "a"), a);
    assert_int_equal(store_number(rows[1], 0, "a"), b);
    PQclear(rows[0]);
    PQclear(rows[1]);
    return 0;
}

static void runs_all_or_none(void **state)
{
    (void)state;
    struct store *store = store_of(url, 2);
    struct error error = {0};
    struct store_connection *c = NULL;
    assert_int_equal(store_take(store, &c, &error), 0);
    assert_int_equal(run(c,
                         "CREATE TABLE IF NOT EXISTS together"
                         " (a int CHECK (a > 0), UNIQUE (a) DEFERRABLE INITIALLY DEFERRED)",
                         &error),
                     0);
    assert_int_equal(insert_both(c, 1, 2, &error), 0);
    assert_int_equal(insert_both(c, 3, -1, &error), -ERROR_INVALID);
    assert_int_equal(insert_both(c, -1, 3, &error), -ERROR_INVALID);
    assert_int_equal(insert_both(c, 3, 1, &error), -ERROR_EXISTS); /* which only the commit finds out */
    assert_int_equal(count_rows(store, "together"), 2);
    assert_int_equal(run(c, "SELECT 1", &error), 0); /* the connection is of use for anything else */
    assert_int_equal(insert_both(c, 3, 4, &error), 0);
    postgres_kill();
    assert_int_equal(insert_both(c, 5, 6, &error), -ERROR_UNAVAILABLE);
    store_give(c);
    postgres_start();
    assert_int_equal(store_wait(store, PATIENCE_MS, &error), 0);
    assert_int_equal(count_rows(store, "together"), 4);
    store_free(store);
}

static void comes_back_after_kill(void **state)
{
    (void)state;
    struct store *store = store_of(url, 3);
    struct error error = {0};
    struct store_connection *a = NULL, *b = NULL;
    assert_int_equal(store_take(store, &a, &error), 0);
    assert_int_equal(store_take(store, &b, &error), 0);
    assert_int_equal(store_begin(a, &error), 0);
    store_give(TAKE_POINTER(b));
    postgres_kill();
    int64_t before_ms = clock_monotonic_ms();
    assert_int_equal(run(a, "SELECT 1", &error), -ERROR_UNAVAILABLE);
    assert_int_equal(run(a, "SELECT 1", &error), -ERROR_UNAVAILABLE); /* the transaction is never continued elsewhere */
    store_give(TAKE_POINTER(a));
    for (int i = 0; i < 20; i++)
        assert_int_equal(store_take(store, &a, &error), -ERROR_UNAVAILABLE);
    assert_true(clock_monotonic_ms() - before_ms < 20 * STORE_TAKE_MS / 2); /* they do not wait one by one */
    assert_false(store_ready(store));
    postgres_start();
    assert_int_equal(store_wait(store, PATIENCE_MS, &error), 0);
    assert_true(store_ready(store));
    for (int i = 0; i < 3; i++)
        assert_int_equal(count_rows(store, "kept"), 1);
    store_free(store);
}

static void begin_replaces_a_dead_connection(void **state)
{
    (void)state;
    struct store *store = store_of(url, 1);
    struct error error = {0};
    struct store_connection *c = NULL;
    assert_int_equal(store_take(store, &c, &error), 0);
    postgres_kill();
    postgres_start();
    assert_int_equal(store_begin(c, &error), 0);
    assert_int_equal(run(c, "SELECT 1", &error), 0);
    assert_int_equal(store_commit(c, &error), 0);
    store_give(c);
    store_free(store);
}

static void a_hanging_server_is_given_up(void **state)
{
    (void)state;
    struct store *store = store_of(url, 1);
    struct store *fresh = NULL;
    struct error error = {0};
    struct store_connection *c = NULL;
    assert_int_equal(store_new(&(struct store_options){url, 1}, &fresh, &error), 0);
    assert_int_equal(store_take(store, &c, &error), 0);
    postgres_pause();
    int64_t before_ms = clock_monotonic_ms();
    struct store_connection *none = NULL;
    assert_int_equal(store_take(fresh, &none, &error), -ERROR_UNAVAILABLE);
    int64_t connect_ms = clock_monotonic_ms() - before_ms;
    before_ms = clock_monotonic_ms();
    assert_int_equal(run(c, "SELECT 1", &error), -ERROR_UNAVAILABLE);
    int64_t statement_ms = clock_monotonic_ms() - before_ms;
    before_ms = clock_monotonic_ms();
    assert_int_equal(store_take(store, &none, &error), -ERROR_UNAVAILABLE); /* the only one is taken */
    int64_t take_ms = clock_monotonic_ms() - before_ms;
    postgres_resume();
    assert_true(connect_ms < STORE_STATEMENT_MS && take_ms < STORE_STATEMENT_MS);
    assert_in_range(statement_ms, STORE_STATEMENT_MS - 100, PATIENCE_MS);
    store_give(c);
    assert_int_equal(store_wait(store, PATIENCE_MS, &error), 0);
    store_free(store);
    store_free(fresh);
}

#define WORKERS 6
#define ROUNDS 200
static void *worker(void *argument)
{
    struct store *store = argument;
    for (int i = 0; i < ROUNDS; i++) {
        struct error error = {0};
        AUTO_CONNECTION struct store_connection *c = NULL;
        if (store_take(store, &c, &error) != 0 || store_begin(c, &error) != 0 ||
            run(c, "UPDATE counter SET n = n + 1", &error) != 0 || store_commit(c, &error) != 0)
            return error.message[0] ? memory_text(error.message) : memory_text("?");
    }
    return NULL;
}

static void threads_share_the_pool(void **state)
{
    (void)state;
    struct store *store = store_of(url, 3);
    struct error error = {0};
    struct store_connection *c = NULL;
    pthread_t threads[WORKERS];
    assert_int_equal(store_take(store, &c, &error), 0);
    assert_int_equal(run(c, "CREATE TABLE counter AS SELECT 0 AS n", &error), 0);
    store_give(c);
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&threads[i], NULL, worker, store);
    for (int i = 0; i < WORKERS; i++) {
        void *failure = NULL;
        pthread_join(threads[i], &failure);
        assert_null(failure);
    }
    AUTO_RESULT PGresult *rows = NULL;
    assert_int_equal(store_take(store, &c, &error), 0);
    assert_int_equal(store_run(c, "counted", "SELECT n FROM counter", NULL, 0, &rows, &error), 0);
    assert_int_equal(store_number(rows, 0, "n"), WORKERS * ROUNDS);
    store_give(c);
    store_free(store);
}

struct heard {
    pthread_mutex_t lock;
    int calls, empties;
    char last[64];
};

static void hear(void *context, const char *channel, const char *payload)
{
    struct heard *heard = context;
    (void)channel;
    pthread_mutex_lock(&heard->lock);
    heard->calls++;
    heard->empties += !payload[0];
    snprintf(heard->last, sizeof(heard->last), "%s", payload);
    pthread_mutex_unlock(&heard->lock);
}

static bool wait_heard(struct heard *heard, int empties, const char *last)
{
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS; clock_monotonic_ms() < until; clock_sleep_ms(10)) {
        pthread_mutex_lock(&heard->lock);
        bool good = heard->empties >= empties && strcmp(heard->last, last) == 0;
        pthread_mutex_unlock(&heard->lock);
        if (good)
            return true;
    }
    return false;
}

static void notify(struct store *store, const char *channel, const char *payload)
{
    struct error error = {0};
    AUTO_CONNECTION struct store_connection *c = NULL;
    assert_int_equal(store_take(store, &c, &error), 0);
    assert_int_equal(
        store_run_v(c, "notify", "SELECT pg_notify($1, $2)", NULL, &error, STORE_TEXT(channel), STORE_TEXT(payload)),
        0);
}

static void listens_and_listens_again(void **state)
{
    (void)state;
    static struct heard one = {.lock = PTHREAD_MUTEX_INITIALIZER}, two = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct store *store = store_of(url, 1);
    struct error error = {0};
    assert_int_equal(store_listen(store, "bad\"name", hear, &one, &error), -ERROR_INVALID);
    assert_int_equal(store_listen(store, "channel_one", hear, &one, &error), 0);
    assert_true(wait_heard(&one, 1, ""));
    notify(store, "channel_one", "first");
    assert_true(wait_heard(&one, 1, "first"));
    assert_int_equal(store_listen(store, "channel_two", hear, &two, &error), 0);
    assert_true(wait_heard(&two, 1, ""));
    postgres_kill();
    postgres_start();
    assert_true(wait_heard(&one, 2, ""));
    assert_true(wait_heard(&two, 2, ""));
    assert_int_equal(store_wait(store, PATIENCE_MS, &error), 0);
    notify(store, "channel_two", "second");
    assert_true(wait_heard(&two, 2, "second"));
    store_unlisten(store, &two);
    int calls = two.calls;
    notify(store, "channel_two", "third");
    notify(store, "channel_one", "fourth");
    assert_true(wait_heard(&one, 2, "fourth"));
    assert_int_equal(two.calls, calls);
    assert_int_equal(store_listen(store, "channel_two", hear, &two, &error), 0);
    assert_true(wait_heard(&two, 3, ""));
    store_free(store);
}

#define MIGRATION(number, name, sql)                                                                                   \
    {                                                                                                                  \
        number, name, sql, sizeof(sql) - 1                                                                             \
    }
static const struct store_migration first[] = {
    MIGRATION(1, "one", "CREATE TABLE m1 (a int); INSERT INTO m1 VALUES (1);"),
    MIGRATION(20, "far", "CREATE TABLE m20 (a int);"),
};
static const struct store_migration second[] = {
    MIGRATION(1, "one", "CREATE TABLE m1 (a int); INSERT INTO m1 VALUES (1);"),
    MIGRATION(2, "between", "INSERT INTO m1 VALUES (2);"),
    MIGRATION(20, "far", "CREATE TABLE m20 (a int);"),
};
static const struct store_migration changed[] = {
    MIGRATION(1, "one", "CREATE TABLE m1 (a int); INSERT INTO m1 VALUES (9);"),
};
static const struct store_migration failing[] = {
    MIGRATION(1, "one", "CREATE TABLE m1 (a int); INSERT INTO m1 VALUES (1);"),
    MIGRATION(2, "between", "INSERT INTO m1 VALUES (2);"),
    MIGRATION(3, "broken", "INSERT INTO m1 VALUES (3); SELECT nonsense;"),
    MIGRATION(20, "far", "CREATE TABLE m20 (a int);"),
};

static void *migrate_thread(void *argument)
{
    struct error error = {0};
    return migration_apply(argument, first, COUNT_OF(first), &error) ? memory_text(error.message) : NULL;
}

static void migrates_forward_only(void **state)
{
    (void)state;
    AUTO_FREE char *own = postgres_database("migrate");
    struct store *store = store_of(own, 3);
    struct error error = {0};
    pthread_t threads[3];
    for (size_t i = 0; i < COUNT_OF(threads); i++) /* three replicas at once: one applies, the others find it done */
        pthread_create(&threads[i], NULL, migrate_thread, store);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *failure = NULL;
        pthread_join(threads[i], &failure);
        assert_null(failure);
    }
    assert_int_equal(count_rows(store, "m1"), 1);
    assert_int_equal(migration_apply(store, failing, COUNT_OF(failing), &error), -ERROR_INTERNAL);
    assert_non_null(strstr(error.message, "0003 broken"));
    assert_int_equal(count_rows(store, "m1"), 2); /* 2 stays, 3 went as a whole */
    assert_int_equal(migration_apply(store, second, COUNT_OF(second), &error), 0);
    assert_int_equal(migration_apply(store, changed, COUNT_OF(changed), &error), -ERROR_INVALID);
    assert_int_equal(migration_apply(store, first, COUNT_OF(first), &error), -ERROR_INVALID); /* an older release */
    assert_non_null(strstr(error.message, "newer release"));
    assert_int_equal(count_rows(store, "schema_migrations"), 3);
    store_free(store);
}

static void migrates_what_is_embedded(void **state)
{
    (void)state;
    AUTO_FREE char *own = postgres_database("embedded");
    struct store *store = store_of(own, 2);
    struct error error = {0};
    assert_int_equal(store_migrate(store, &error), 0);
    assert_int_equal(store_migrate(store, &error), 0);
    assert_int_equal(count_rows(store, "schema_migrations"), store_migration_count);
    assert_int_equal(count_rows(store, "users"), 0);
    store_free(store);
}

static int setup(void **state)
{
    (void)state;
    url = postgres_database("store");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(url);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_typed_values),
        cmocka_unit_test(maps_sqlstates),
        cmocka_unit_test(rolls_back_what_is_not_committed),
        cmocka_unit_test(runs_all_or_none),
        cmocka_unit_test(comes_back_after_kill),
        cmocka_unit_test(begin_replaces_a_dead_connection),
        cmocka_unit_test(a_hanging_server_is_given_up),
        cmocka_unit_test(threads_share_the_pool),
        cmocka_unit_test(listens_and_listens_again),
        cmocka_unit_test(migrates_forward_only),
        cmocka_unit_test(migrates_what_is_embedded),
    };
    return cmocka_run_group_tests_name("integration/store", tests, setup, teardown);
}
