/* Many writers at once: who wins, who shares a commit with whom, and what is left when somebody is killed. */
#include "tests/integration/engine_bench.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"

enum { WRITERS = 8 };

static void make_namespace(struct bench *bench)
{
    must_create(bench, KIND_NAMESPACE, NULL, "{metadata: {name: alice}}");
}

static void make_configmap(struct bench *bench, const char *name)
{
    AUTO_FREE char *yaml = memory_format("{metadata: {name: %s}, data: {n: '0'}}", name);
    must_create(bench, KIND_CONFIGMAP, "alice", yaml);
}

/* One thread that writes one object. */
struct writer {
    struct bench *bench;
    char name[32], key[32];
    const cJSON *replacement; /* instead of a patch */
    int result;
    struct error error;
    pthread_t thread;
    _Atomic pid_t tid; /* 0: it has not begun */
};

static int set_data(struct bench *bench, const char *name, const char *key, const char *value, struct error *error)
{
    AUTO_JSON cJSON *patch = json_object();
    json_set_text(json_object_in(patch, "data"), key, value);
    return engine_patch(bench->engine, KIND_CONFIGMAP, "alice", name, ENGINE_SPEC, ENGINE_PATCH_MERGE, patch, NULL,
                        error);
}

static void *write_once(void *context)
{
    struct writer *writer = context;
    writer->tid = gettid();
    writer->result = writer->replacement ? engine_update(writer->bench->engine, KIND_CONFIGMAP, "alice", writer->name,
                                                         ENGINE_SPEC, writer->replacement, NULL, &writer->error)
                                         : set_data(writer->bench, writer->name, writer->key, "1", &writer->error);
    return NULL;
}

static void start(struct writer *writer, struct bench *bench, const char *name, const char *key)
{
    writer->bench = bench;
    (void)snprintf(writer->name, sizeof(writer->name), "%s", name);
    (void)snprintf(writer->key, sizeof(writer->key), "%s", key);
    assert_int_equal(pthread_create(&writer->thread, NULL, write_once, writer), 0);
}

/* --- one object --------------------------------------------------------------------------------------------------- */

static void test_one_winner(void **state)
{
    struct bench *bench = *state;
    enum { ROUNDS = 30 };
    make_namespace(bench);
    make_configmap(bench, "shared");
    for (int round = 0; round < ROUNDS; round++) {
        struct writer writers[WRITERS] = {0};
        cJSON *replacements[WRITERS];
        int won = 0, conflicts = 0;
        AUTO_JSON cJSON *read = get(bench, KIND_CONFIGMAP, "alice", "shared");
        for (size_t i = 0; i < WRITERS; i++) {
            AUTO_FREE char *value = memory_format("%d-%zu", round, i);
            replacements[i] = json_copy(read);
            json_set_text(json_member(replacements[i], "data"), "n", value);
            writers[i].replacement = replacements[i];
            start(&writers[i], bench, "shared", "");
        }
        AUTO_JSON cJSON *winner = NULL;
        for (size_t i = 0; i < WRITERS; i++) {
            pthread_join(writers[i].thread, NULL);
            won += writers[i].result == 0;
            conflicts += writers[i].result == -ERROR_CONFLICT;
            if (writers[i].result == 0)
                winner = json_copy(json_member(replacements[i], "data"));
            cJSON_Delete(replacements[i]);
        }
        assert_int_equal(won, 1);
        assert_int_equal(conflicts, WRITERS - 1);
        AUTO_JSON cJSON *kept = get(bench, KIND_CONFIGMAP, "alice", "shared");
        assert_true(json_equal(json_member(kept, "data"), winner));
    }
}

static void test_no_lost_patch(void **state)
{
    struct bench *bench = *state;
    struct writer writers[WRITERS] = {0};
    make_namespace(bench);
    make_configmap(bench, "shared");
    for (size_t i = 0; i < WRITERS; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "k%zu", i);
        start(&writers[i], bench, "shared", key);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        assert_int_equal(writers[i].result, 0);
    }
    restart_engine(bench);
    AUTO_JSON cJSON *kept = get(bench, KIND_CONFIGMAP, "alice", "shared");
    assert_int_equal(cJSON_GetArraySize(json_member(kept, "data")), WRITERS + 1);
}

/* --- one commit --------------------------------------------------------------------------------------------------- */

static PGconn *side_door(struct bench *bench)
{
    PGconn *pg = PQconnectdb(bench->url);
    assert_int_equal(PQstatus(pg), CONNECTION_OK);
    return pg;
}

static void must_run(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(pg));
    PQclear(result);
}

static int number(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    int value = (int)strtol(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return value;
}

static bool all_sleep(const struct writer *writers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        AUTO_BUFFER struct buffer stat = {0};
        AUTO_FREE char *path = memory_format("/proc/self/task/%d/stat", (int)writers[i].tid);
        if (!writers[i].tid || file_read(path, 4096, &stat, NULL) < 0 || !strstr(stat.p, ") S "))
            return false;
    }
    return true;
}

/* Holds the row of `first`, so that its writer, who leads, keeps the others waiting: they gather. */
static void gather(struct bench *bench, PGconn *pg, struct writer *first, struct writer *others, size_t count)
{
    must_run(pg, "BEGIN");
    must_run(pg, "SELECT 1 FROM objects WHERE name = 'first' FOR UPDATE");
    start(first, bench, "first", "n");
    WAIT(number(pg, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0);
    for (size_t i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "g%zu", i);
        start(&others[i], bench, name, "n");
    }
    for (int looks = 0; looks < 5; clock_sleep_ms(20)) /* all of them, all the time: they wait for the one that leads */
        looks = all_sleep(others, count) ? looks + 1 : 0;
}

static void release(PGconn *pg, struct writer *first, struct writer *others, size_t count)
{
    must_run(pg, "COMMIT");
    pthread_join(first->thread, NULL);
    for (size_t i = 0; i < count; i++)
        pthread_join(others[i].thread, NULL);
}

static void make_group(struct bench *bench)
{
    make_namespace(bench);
    make_configmap(bench, "first");
    for (int i = 0; i < WRITERS; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "g%d", i);
        make_configmap(bench, name);
    }
}

static bool wrote(struct bench *bench, size_t i)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "g%zu", i);
    AUTO_JSON cJSON *object = get(bench, KIND_CONFIGMAP, "alice", name);
    return strcmp(json_text_or("", object, "data", "n", NULL), "1") == 0;
}

static void test_waiting_writes_share_a_commit(void **state)
{
    struct bench *bench = *state;
    struct writer first = {0}, others[WRITERS] = {0};
    PGconn *pg = side_door(bench);
    make_group(bench);
    gather(bench, pg, &first, others, WRITERS);
    for (size_t i = 0; i < WRITERS; i++)
        assert_false(wrote(bench, i)); /* nothing is shown before it is committed */
    release(pg, &first, others, WRITERS);
    assert_int_equal(first.result, 0);
    for (size_t i = 0; i < WRITERS; i++) {
        assert_int_equal(others[i].result, 0);
        assert_true(wrote(bench, i));
    }
    /* xmin is the transaction that wrote a row. */
    assert_int_equal(number(pg, "SELECT count(DISTINCT xmin::text) FROM objects WHERE name LIKE 'g%'"), 1);
    PQfinish(pg);
}

/* The database refuses one of them, another one's row was changed behind memory's back. */
static void test_failing_neighbours(void **state)
{
    struct bench *bench = *state;
    struct writer first = {0}, others[WRITERS] = {0};
    PGconn *pg = side_door(bench);
    make_group(bench);
    must_run(pg, "ALTER TABLE objects ADD CONSTRAINT refused CHECK (name <> 'g3') NOT VALID");
    must_run(pg, "UPDATE objects SET resource_version = nextval('object_versions') WHERE name = 'g5'");
    gather(bench, pg, &first, others, WRITERS);
    release(pg, &first, others, WRITERS);
    for (size_t i = 0; i < WRITERS; i++) {
        int expected = i == 3 ? -ERROR_INVALID : i == 5 ? -ERROR_CONFLICT : 0;
        assert_int_equal(others[i].result, expected);
        assert_int_equal(wrote(bench, i), expected == 0);
    }
    must_run(pg, "ALTER TABLE objects DROP CONSTRAINT refused");
    for (const char *const *name = (const char *const[]){"g3", "g5", NULL}; *name; name++) {
        struct error error = {0};
        if (set_data(bench, *name, "n", "1", &error) < 0)
            fail_msg("%s: %s", *name, error.message);
    }
    AUTO_JSON cJSON *seen = get(bench, KIND_CONFIGMAP, "alice", "g5");
    restart_engine(bench);
    AUTO_JSON cJSON *kept = get(bench, KIND_CONFIGMAP, "alice", "g5");
    assert_true(json_equal(seen, kept));
    PQfinish(pg);
}

/* --- order -------------------------------------------------------------------------------------------------------- */

struct order {
    _Atomic int64_t last;
    _Atomic int heard, wrong;
};

static void hear_version(void *context, enum engine_event event, const cJSON *object)
{
    struct order *order = context;
    int64_t version = strtoll(json_text_or("0", object, "metadata", "resourceVersion", NULL), NULL, 10);
    if (event != ENGINE_MODIFIED)
        return;
    order->wrong += version <= order->last;
    order->last = version;
    order->heard++;
}

static void *write_many(void *context)
{
    struct writer *writer = context;
    for (int i = 1; i <= 100 && writer->result == 0; i++) {
        char value[32];
        (void)snprintf(value, sizeof(value), "%d", i);
        writer->result = set_data(writer->bench, writer->name, "n", value, &writer->error);
        /* Now and then something that wants to be alone. */
        if (i % 25 == 0 && writer->result == 0) {
            AUTO_FREE char *yaml = memory_format("{metadata: {name: %s-%d}}", writer->name, i);
            AUTO_JSON cJSON *body = from_yaml(yaml);
            writer->result = engine_create(writer->bench->engine, KIND_SECRET, "alice", body, NULL, &writer->error);
        }
    }
    return NULL;
}

static void test_versions_are_told_in_order(void **state)
{
    struct bench *bench = *state;
    struct writer writers[WRITERS] = {0};
    struct order order = {0};
    struct engine_watch *watch = NULL;
    make_group(bench);
    assert_int_equal(
        engine_watch(bench->engine, KIND_CONFIGMAP, "alice", NULL, NULL, hear_version, &order, &watch, NULL), 0);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i].bench = bench;
        (void)snprintf(writers[i].name, sizeof(writers[i].name), "g%zu", i);
        pthread_create(&writers[i].thread, NULL, write_many, &writers[i]);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        if (writers[i].result < 0)
            fail_msg("%s: %s", writers[i].name, writers[i].error.message);
    }
    WAIT(order.heard == 100 * WRITERS);
    assert_int_equal(order.wrong, 0);
    assert_int_equal(count(bench, KIND_SECRET, "alice"), 4 * WRITERS);
    engine_unwatch(watch);
}

/* --- killed ------------------------------------------------------------------------------------------------------- */

struct counter {
    struct bench *bench;
    size_t number;
    _Atomic bool *over;
    _Atomic int answered; /* the last value that was confirmed */
    int tell_fd;          /* where that is told as well; negative: nowhere */
    pthread_t thread;
};

static void *count_up(void *context)
{
    struct counter *counter = context;
    char name[32], value[32];
    (void)snprintf(name, sizeof(name), "g%zu", counter->number);
    for (int i = 1; !*counter->over; i++) {
        (void)snprintf(value, sizeof(value), "%d", i);
        if (set_data(counter->bench, name, "n", value, NULL) < 0)
            continue;
        counter->answered = i;
        int told[2] = {(int)counter->number, i};
        if (counter->tell_fd >= 0 && write(counter->tell_fd, told, sizeof(told)) != sizeof(told))
            break;
    }
    return NULL;
}

static int value_of(struct bench *bench, size_t i)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "g%zu", i);
    AUTO_JSON cJSON *object = get(bench, KIND_CONFIGMAP, "alice", name);
    return (int)strtol(json_text_or("-1", object, "data", "n", NULL), NULL, 10);
}

static void test_killed_database_keeps_answered_writes(void **state)
{
    struct bench *bench = *state;
    struct counter counters[WRITERS];
    _Atomic bool over = false;
    int seen[WRITERS];
    make_group(bench);
    for (size_t i = 0; i < WRITERS; i++) {
        counters[i] = (struct counter){.bench = bench, .number = i, .over = &over, .tell_fd = -1};
        pthread_create(&counters[i].thread, NULL, count_up, &counters[i]);
    }
    for (int kills = 0; kills < 3; kills++) {
        clock_sleep_ms(400);
        postgres_kill();
        postgres_start();
    }
    for (size_t i = 0; i < WRITERS; i++)
        WAIT(counters[i].answered > 0);
    clock_sleep_ms(1000);
    over = true;
    for (size_t i = 0; i < WRITERS; i++) {
        pthread_join(counters[i].thread, NULL);
        assert_true(counters[i].answered > 0);
    }
    struct error error = {0};
    WAIT(set_data(bench, "first", "n", "settled", &error) == 0); /* what was in doubt has been looked up before */
    for (size_t i = 0; i < WRITERS; i++)
        seen[i] = value_of(bench, i);
    restart_engine(bench);
    for (size_t i = 0; i < WRITERS; i++) {
        assert_true(value_of(bench, i) >= counters[i].answered);
        assert_int_equal(value_of(bench, i), seen[i]); /* memory was as the table */
    }
}

/* A process of its own, which is killed in the midst of it. */
_Noreturn static void write_until_killed(const char *url, const char *images, int tell_fd)
{
    struct bench bench = {.url = memory_text(url)};
    struct counter counters[WRITERS];
    _Atomic bool over = false;
    const struct store_options options = {.url = url, .connections = 4};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(bench.images, sizeof(bench.images), "%s", images);
    if (store_new(&options, &bench.store, NULL) < 0 || store_wait(bench.store, PATIENCE_MS, NULL) < 0)
        _exit(1);
    start_engine(&bench);
    for (size_t i = 0; i < WRITERS; i++) {
        counters[i] = (struct counter){.bench = &bench, .number = i, .over = &over, .tell_fd = tell_fd};
        pthread_create(&counters[i].thread, NULL, count_up, &counters[i]);
    }
    for (;;)
        pause();
}

static void test_killed_engine_keeps_answered_writes(void **state)
{
    struct bench *bench = *state;
    int ends[2], told[2], answered[WRITERS] = {0};
    make_group(bench);
    local_engine_free(bench->engine); /* of one table only one engine writes */
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0)
        write_until_killed(bench->url, bench->images, ends[1]);
    close(ends[1]);
    int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS, heard = 0;
    while (heard < 500 && clock_monotonic_ms() < until_ms && read(ends[0], told, sizeof(told)) == sizeof(told)) {
        answered[told[0]] = told[1];
        heard++;
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    while (read(ends[0], told, sizeof(told)) == sizeof(told))
        answered[told[0]] = told[1];
    close(ends[0]);
    start_engine(bench);
    assert_true(heard >= 500);
    for (size_t i = 0; i < WRITERS; i++)
        assert_in_range(value_of(bench, i), answered[i], answered[i] + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_winner),
        TEST(test_no_lost_patch),
        TEST(test_waiting_writes_share_a_commit),
        TEST(test_failing_neighbours),
        TEST(test_versions_are_told_in_order),
        TEST(test_killed_database_keeps_answered_writes),
        TEST(test_killed_engine_keeps_answered_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
