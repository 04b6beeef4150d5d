/* Which Secrets are read for the tokens of Ray clusters, how often, and whose tokens are known then? */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "controlplane/limits.h"
#include "controlplane/token_search.h"
#include "engine/engine_internal.h"
#include "tests/unit/documents.h"

enum { CLUSTERS = 1000 };
static struct {
    struct engine base;
    _Atomic int reads[CLUSTERS], all;
    _Atomic bool there, away; /* all Secrets are; the engine is */
    const char *_Atomic owner;
} fake;
static struct token_search *search;

/* Secret "c7" says that it is cluster <owner>'s. */
static int fake_get(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
                    struct error *error)
{
    (void)engine;
    assert_int_equal(kind, KIND_SECRET);
    assert_string_equal(namespace, "alice");
    int64_t number = 0;
    assert_true(text_parse_i64(slice_of(name + 1), 0, CLUSTERS - 1, &number));
    fake.reads[number]++;
    fake.all++;
    if (fake.away)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "away");
    if (!fake.there)
        return error_set(error, ERROR_NOT_FOUND, NULL, "not found");
    AUTO_FREE char *secret = memory_format(
        "{\"metadata\":{\"ownerReferences\":[{\"uid\":\"%s\"}]},\"data\":{\"auth_token\":\"b3du\"}}", fake.owner);
    return json_parse(slice_of(secret), &json_limits_default, ret, error);
}

static const struct engine_operations operations = {.get = fake_get};

static int start(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.base.operations = &operations;
    fake.owner = "1";
    return token_search_new(&fake.base, &search, NULL);
}

static int stop(void **state)
{
    (void)state;
    token_search_free(search);
    return 0;
}

static void follow(int number, const char *uid, int generation, const char *mode)
{
    AUTO_FREE char *text =
        memory_format("{\"metadata\":{\"name\":\"c%d\",\"namespace\":\"alice\",\"uid\":\"%s\",\"generation\":%d},"
                      "\"spec\":{\"authOptions\":{\"mode\":\"%s\"}}}",
                      number, uid, generation, mode);
    AUTO_JSON cJSON *cluster = from_json(text);
    token_search_follow(search, cluster);
}

static bool known(int number)
{
    char name[16], token[16];
    snprintf(name, sizeof(name), "c%d", number);
    if (!token_search_find(search, "alice", name, token, sizeof(token)))
        return false;
    assert_string_equal(token, "own");
    return true;
}

static bool becomes(int number, bool wanted, int64_t within_ms)
{
    int64_t until_ms = clock_monotonic_ms() + within_ms;
    while (known(number) != wanted && clock_monotonic_ms() < until_ms)
        clock_sleep_ms(5);
    return known(number) == wanted;
}

static void await_reads(int number, int count)
{
    for (int i = 0; i < 1000 && fake.reads[number] < count; i++)
        clock_sleep_ms(5);
    assert_int_equal(fake.reads[number], count);
}

/* Their Secrets never come: nobody is read twice before everybody has been read once, and no faster than is said. */
static void many_take_turns(void **state)
{
    (void)state;
    int64_t began_ms = clock_monotonic_ms();
    for (int i = 0; i < CLUSTERS; i++)
        follow(i, "1", 1, "token");
    clock_sleep_ms(1500);
    int all = fake.all;
    int64_t took_ms = clock_monotonic_ms() - began_ms;
    assert_in_range(all, 20, took_ms / LIMIT_TOKEN_READ_EVERY_MS + 1);
    for (int i = 0; i < CLUSTERS; i++)
        assert_in_range(fake.reads[i], 0, 1);
}

static void a_status_hastens_nothing_and_a_write_its_own(void **state)
{
    (void)state;
    follow(0, "1", 1, "token");
    follow(1, "1", 1, "token");
    int64_t until_ms = clock_monotonic_ms() + 2 * LIMIT_TOKEN_WAIT_MS;
    while (clock_monotonic_ms() < until_ms) {
        follow(0, "1", 1, "token");
        clock_sleep_ms(5);
    }
    await_reads(0, 2); /* at once, and a second later; then two seconds later */
    await_reads(1, 2);
    follow(0, "1", 2, "token");
    await_reads(0, 3);
    assert_int_equal(fake.reads[1], 2);
    for (int generation = 3; generation < 43; generation++) { /* somebody writes without end */
        follow(0, "1", generation, "token");
        clock_sleep_ms(5);
    }
    assert_int_equal(fake.reads[0], 3);
    fake.there = true;
    assert_true(becomes(0, true, 2 * LIMIT_TOKEN_WAIT_MS)); /* its wait began anew */
}

static void what_is_found_is_not_read_again(void **state)
{
    (void)state;
    fake.there = true;
    follow(7, "1", 1, "token");
    follow(8, "1", 1, ""); /* the profile's Secret */
    assert_true(becomes(7, true, 1000));
    for (int generation = 1; generation < 10; generation++)
        follow(7, "1", generation, "token");
    clock_sleep_ms(100);
    assert_int_equal(fake.all, 1);
    assert_false(known(8));
    char small[3];
    assert_false(token_search_find(search, "alice", "c7", small, sizeof(small)));
}

static void another_cluster_of_the_name_has_another_token(void **state)
{
    (void)state;
    fake.there = true;
    follow(7, "1", 1, "token");
    assert_true(becomes(7, true, 1000));
    follow(7, "2", 1, "token");
    assert_false(known(7));
    await_reads(7, 2); /* still the earlier one's Secret */
    assert_false(known(7));
    fake.owner = "2";
    assert_true(becomes(7, true, 2 * LIMIT_TOKEN_WAIT_MS));
    token_search_forget(search, "alice", "c7");
    assert_false(known(7));
    follow(7, "2", 1, "token");
    assert_true(becomes(7, true, 1000));
    follow(7, "2", 2, "");
    assert_false(known(7));
}

/* After a lost watch: what holds goes on holding while it is read again. */
static void what_is_listed_again_is_read_again(void **state)
{
    (void)state;
    fake.there = true;
    follow(1, "1", 1, "token");
    follow(2, "1", 1, "token");
    assert_true(becomes(1, true, 1000) && becomes(2, true, 1000));
    fake.away = true;
    token_search_list(search);
    follow(1, "1", 1, "token");
    assert_true(known(2));
    token_search_listed(search);
    assert_false(known(2)); /* it is gone */
    await_reads(1, 2);
    clock_sleep_ms(50);
    assert_true(known(1)); /* an engine that is away says nothing about it */
    fake.away = false;
    await_reads(1, 3);
    assert_true(becomes(1, true, 0));
    fake.there = false;
    token_search_list(search);
    follow(1, "1", 1, "token");
    token_search_listed(search);
    assert_true(becomes(1, false, 1000)); /* the Secret is gone */
    assert_int_equal(fake.reads[2], 1);
}

int main(void)
{
    log_start("token_search_test", LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_take_turns, start, stop),
        cmocka_unit_test_setup_teardown(a_status_hastens_nothing_and_a_write_its_own, start, stop),
        cmocka_unit_test_setup_teardown(what_is_found_is_not_read_again, start, stop),
        cmocka_unit_test_setup_teardown(another_cluster_of_the_name_has_another_token, start, stop),
        cmocka_unit_test_setup_teardown(what_is_listed_again_is_read_again, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
