/*
 * What the tests of the local engine share: an engine over a database of its own and a sandboxd in memory, a namespace
 * `alice`, and short ways to make, read and await objects.
 */
#ifndef ATELIER_TESTS_ENGINE_BENCH_H
#define ATELIER_TESTS_ENGINE_BENCH_H

#include "tests/integration/postgres.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine/local/local.h"
#include "store/store.h"
#include "tests/integration/fake_sandbox.h"
#include "tests/unit/documents.h"

/* How long a test waits for what must come: a slow machine, or one under sanitizers, is not a defect. */
enum { PATIENCE_MS = 60000 };

struct bench {
    struct store *store;
    struct engine *engine;
    char images[64];
    char *url;
};

static inline void start_engine(struct bench *bench)
{
    struct error error = {0};
    const struct local_options options = {.store = bench->store,
                                          .sandboxd_socket = "/nonexistent",
                                          .images_directory = bench->images,
                                          .memory_reserved_bytes = INT64_C(2) << 30,
                                          .disk_reserved_bytes = INT64_C(2) << 30,
                                          .cpu_overcommit = 8};
    if (local_engine_new(&options, &bench->engine, &error) < 0)
        fail_msg("%s", error.message);
}

static inline void restart_engine(struct bench *bench)
{
    local_engine_free(bench->engine);
    start_engine(bench);
}

static inline int setup(void **state)
{
    struct bench *bench = memory_get(sizeof(*bench));
    struct error error = {0};
    bench->url = postgres_database("engine");
    const struct store_options options = {.url = bench->url, .connections = 4};
    if (store_new(&options, &bench->store, &error) < 0 || store_wait(bench->store, PATIENCE_MS, &error) < 0 ||
        store_migrate(bench->store, &error) < 0)
        fail_msg("%s", error.message);
    (void)snprintf(bench->images, sizeof(bench->images), "/tmp/atelier-images-XXXXXX");
    assert_non_null(mkdtemp(bench->images));
    AUTO_FREE char *directory = memory_format("%s/ray-2.60", bench->images);
    AUTO_FREE char *file = memory_format("%s/image.json", directory);
    assert_int_equal(file_make_directories(directory, 0755, NULL), 0);
    assert_int_equal(file_write(file,
                                SLICE("{\"name\":\"ray-2.60\",\"aliases\":[\"rayproject/ray:2.60.0\"],"
                                      "\"rayVersion\":\"2.60.0\",\"path\":\"/\"}"),
                                0644, NULL),
                     0);
    fake.away = fake.silent = false;
    fake_reset();
    start_engine(bench);
    *state = bench;
    return 0;
}

static inline int teardown(void **state)
{
    struct bench *bench = *state;
    local_engine_free(bench->engine);
    store_free(bench->store);
    file_remove_tree(bench->images, NULL);
    free(bench->url);
    free(bench);
    return 0;
}

/* Creates from YAML; the result is the expected code (0 or negative). *ret may be NULL. */
static inline int create(struct bench *bench, enum engine_kind kind, const char *namespace, const char *yaml,
                         cJSON **ret, struct error *error)
{
    AUTO_JSON cJSON *body = from_yaml(yaml);
    return engine_create(bench->engine, kind, namespace, body, ret, error);
}

static inline void must_create(struct bench *bench, enum engine_kind kind, const char *namespace, const char *yaml)
{
    struct error error = {0};
    if (create(bench, kind, namespace, yaml, NULL, &error) < 0)
        fail_msg("%s: %s", error.field, error.message);
}

static inline cJSON *get(struct bench *bench, enum engine_kind kind, const char *namespace, const char *name)
{
    cJSON *object = NULL;
    (void)engine_get(bench->engine, kind, namespace, name, &object, NULL);
    return object;
}

static inline int count(struct bench *bench, enum engine_kind kind, const char *namespace)
{
    AUTO_JSON cJSON *list = NULL;
    assert_int_equal(engine_list(bench->engine, kind, namespace, NULL, &list, NULL), 0);
    return cJSON_GetArraySize(json_member(list, "items"));
}

typedef bool (*wish)(struct bench *bench);

static inline void wait_until(struct bench *bench, wish comes_true, const char *what)
{
    int64_t until = clock_monotonic_ms() + PATIENCE_MS;
    while (!comes_true(bench)) {
        if (clock_monotonic_ms() > until)
            fail_msg("not within %d ms: %s", PATIENCE_MS, what);
        clock_sleep_ms(5);
    }
}
#define WAIT(condition)                                                                                                \
    do {                                                                                                               \
        int64_t until_ = clock_monotonic_ms() + PATIENCE_MS;                                                           \
        while (!(condition)) {                                                                                         \
            if (clock_monotonic_ms() > until_)                                                                         \
                fail_msg("not within %d ms: %s", PATIENCE_MS, #condition);                                             \
            clock_sleep_ms(5);                                                                                         \
        }                                                                                                              \
    } while (0)

static inline bool is(struct bench *bench, enum engine_kind kind, const char *namespace, const char *name,
                      const char *key, const char *value)
{
    AUTO_JSON cJSON *object = get(bench, kind, namespace, name);
    return strcmp(json_text_or("", object, "status", key, NULL), value) == 0;
}

static inline bool condition_is(struct bench *bench, enum engine_kind kind, const char *name, const char *type,
                                const char *value)
{
    AUTO_JSON cJSON *object = get(bench, kind, "alice", name);
    const cJSON *condition;
    cJSON_ArrayForEach(condition, json_at(object, "status", "conditions", NULL))
    {
        if (strcmp(json_text_or("", condition, "type", NULL), type) == 0)
            return strcmp(json_text_or("", condition, "status", NULL), value) == 0;
    }
    return false;
}

static inline int64_t status_number(struct bench *bench, enum engine_kind kind, const char *name, const char *key)
{
    AUTO_JSON cJSON *object = get(bench, kind, "alice", name);
    int64_t value = -1;
    (void)json_i64(json_at(object, "status", key, NULL), &value);
    return value;
}

static inline bool alice_active(struct bench *bench)
{
    return is(bench, KIND_NAMESPACE, NULL, "alice", "phase", "Active");
}

static inline void make_alice(struct bench *bench)
{
    must_create(bench, KIND_NAMESPACE, NULL, "{metadata: {name: alice}}");
    wait_until(bench, alice_active, "the namespace is active");
}
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
