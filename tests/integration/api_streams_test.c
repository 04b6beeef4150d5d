/* What goes on and on: watches and followed logs show what happens, to whom it may be shown, and end when that ends. */
#include "gateway/limits.h"
#include "tests/integration/api_reader.h"

#define CONFIGMAPS "/api/v1/namespaces/alice/configmaps"
#define LOG "/api/v1/namespaces/alice/pods/nb1-0/log"

static void make(const char *name)
{
    AUTO_FREE char *body = memory_format("{\"metadata\":{\"name\":\"%s\"}}", name);
    DO(201, ALICE, "POST", CONFIGMAPS, body);
}

/* --- watches ------------------------------------------------------------------------------------------------------ */
static void a_watch_shows_what_happens(void **state)
{
    (void)state;
    make("before");
    struct reader reader = open_stream(VI, CONFIGMAPS "?watch=1");
    COMES(&reader, "{\"type\":\"ADDED\",\"object\":{");
    COMES(&reader, "\"name\":\"before\"");
    make("during");
    COMES(&reader, "\"name\":\"during\"");
    DO(200, ALICE, "PATCH", CONFIGMAPS "/during", "{\"data\":{\"changed\":\"yes\"}}");
    COMES(&reader, "{\"type\":\"MODIFIED\"");
    COMES(&reader, "\"changed\":\"yes\"");
    DO(200, ALICE, "DELETE", CONFIGMAPS "/during", NULL);
    COMES(&reader, "{\"type\":\"DELETED\"");
    close_stream(&reader);
}

static void a_watch_goes_on_where_a_list_ended(void **state)
{
    (void)state;
    AUTO_JSON cJSON *list = EXPECT(200, VI, "GET", CONFIGMAPS, NULL);
    make("missed");
    AUTO_FREE char *path = memory_format(CONFIGMAPS "?watch=true&timeoutSeconds=1&resourceVersion=%s",
                                         json_text(list, "metadata", "resourceVersion", NULL));
    struct reader reader = open_stream(VI, path);
    COMES(&reader, "\"name\":\"missed\"");
    assert_null(strstr(reader.raw.p, "\"name\":\"before\""));
    assert_true(ends(&reader, PATIENCE_MS)); /* by timeoutSeconds, properly */
    assert_non_null(strstr(reader.raw.p, "\r\n0\r\n\r\n"));
    close_stream(&reader);
    struct reader lost = open_stream(VI, CONFIGMAPS "?watch=1&resourceVersion=999999999");
    COMES(&lost, "{\"type\":\"ERROR\"");
    COMES(&lost, "\"code\":4");
    assert_true(ends(&lost, PATIENCE_MS));
    close_stream(&lost);
}

/* What newer clients begin with instead of a list: everything there is, and a bookmark that says that this was all. */
static void a_watch_begins_with_what_there_is(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "?watch=1&sendInitialEvents=true",
        "?watch=1&sendInitialEvents=true&resourceVersionMatch=Exact",
        "?watch=1&resourceVersionMatch=NotOlderThan",
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        AUTO_FREE char *path = memory_format(CONFIGMAPS "%s", refused[i]);
        AUTO_ANSWER struct answer answer = ask(VI, "GET", path, NULL);
        assert_int_equal(answer.status, 422);
    }
    struct reader reader = open_stream(VI, CONFIGMAPS "?watch=1&sendInitialEvents=true&allowWatchBookmarks=true"
                                                      "&resourceVersionMatch=NotOlderThan&resourceVersion=1");
    COMES(&reader, "\"name\":\"before\"");
    COMES(&reader, "{\"type\":\"BOOKMARK\"");
    COMES(&reader, "\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}");
    close_stream(&reader);
    struct reader plain = open_stream(VI, CONFIGMAPS "?watch=1&allowWatchBookmarks=true");
    COMES(&plain, "{\"type\":\"BOOKMARK\"");
    assert_null(strstr(plain.raw.p, "initial-events-end"));
    close_stream(&plain);
}

static void a_part_is_watched_as_it_is_listed(void **state)
{
    (void)state;
    struct reader one = open_stream(ONE, NOTEBOOKS "?watch=1");
    struct reader bob = open_stream(BOB, "/apis/kubeflow.org/v1/notebooks?watch=1");
    struct reader everywhere = open_stream(ONE, "/api/v1/pods?watch=1");
    COMES(&one, "\"name\":\"nb1\"");
    COMES(&everywhere, "\"name\":\"nb1-0\"");
    DO(201, ALICE, "POST", NOTEBOOKS,
       "{\"metadata\":{\"name\":\"other\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"other\"}]}}}"
       "}");
    DO(200, ALICE, "PATCH", NOTEBOOKS "/nb1", "{\"metadata\":{\"annotations\":{\"seen\":\"yes\"}}}");
    COMES(&one, "\"seen\":\"yes\"");
    wait_until(ALICE, "/api/v1/namespaces/alice/pods", "\"other-0\"");
    assert_false(comes(&everywhere, "\"name\":\"other-0\"", 300));
    assert_null(strstr(one.raw.p, "\"name\":\"other\""));
    assert_false(comes(&bob, "\"object\"", 100));
    /* One more notebook is shared: the watches that showed a part start over, and then show it. */
    DO(201, ALICE, "POST", MEMBERS,
       "{\"subject\":{\"kind\":\"User\",\"name\":\"one@example.com\"},\"role\":\"viewer\","
       "\"resource\":{\"kind\":\"Notebook\",\"name\":\"other\"}}");
    COMES(&one, "\"code\":410");
    assert_true(ends(&one, PATIENCE_MS));
    assert_false(ends(&bob, 100)); /* nothing changed for him */
    close_stream(&one);
    close_stream(&bob);
    close_stream(&everywhere);
    struct reader again = open_stream(ONE, NOTEBOOKS "?watch=1");
    COMES(&again, "\"name\":\"other\"");
    close_stream(&again);
}

static void revocation_ends_streams(void **state)
{
    (void)state;
    struct reader watch = open_stream(ED, CONFIGMAPS "?watch=1");
    struct reader log = open_stream(ED, LOG "?follow=true");
    struct reader other = open_stream(VI, CONFIGMAPS "?watch=1");
    COMES(&watch, "\"name\":\"before\"");
    COMES(&log, "hello\n");
    COMES(&other, "\"name\":\"before\"");
    AUTO_FREE char *path = memory_format(MEMBERS "/%lld", (long long)member_id("ed@example.com"));
    DO(204, ALICE, "DELETE", path, NULL);
    assert_true(ends(&watch, PATIENCE_MS));
    assert_true(ends(&log, PATIENCE_MS));
    assert_false(ends(&other, 100));
    DO(404, ED, "GET", CONFIGMAPS, NULL);
    close_stream(&watch);
    close_stream(&log);
    close_stream(&other);
}

/* A role that is taken away leaves what else was granted, and a watch of all is no watch of that. */
static void what_is_left_shows_no_more_than_itself(void **state)
{
    (void)state;
    AUTO_FREE char *path = memory_format(MEMBERS "/%lld", (long long)member_id("vi@example.com"));
    DO(201, ALICE, "POST", MEMBERS,
       "{\"subject\":{\"kind\":\"User\",\"name\":\"vi@example.com\"},\"role\":\"viewer\","
       "\"resource\":{\"kind\":\"Notebook\",\"name\":\"nb1\"}}");
    struct reader watch = open_stream(VI, NOTEBOOKS "?watch=1");
    COMES(&watch, "\"name\":\"other\"");
    DO(204, ALICE, "DELETE", path, NULL);
    assert_true(ends(&watch, PATIENCE_MS));
    close_stream(&watch);
    struct reader part = open_stream(VI, NOTEBOOKS "?watch=1");
    COMES(&part, "\"name\":\"nb1\"");
    DO(200, ALICE, "PATCH", NOTEBOOKS "/other", "{\"metadata\":{\"annotations\":{\"seen\":\"no\"}}}");
    assert_false(comes(&part, "\"name\":\"other\"", 300));
    assert_false(part.ended);
    close_stream(&part);
}

static void watches_are_bounded(void **state)
{
    (void)state;
    static struct reader readers[160];
    size_t opened = 0, refused = 0;
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        readers[i] = open_stream(MAX, CONFIGMAPS "?watch=1");
        COMES(&readers[i], "\r\n\r\n");
        opened += strstr(readers[i].raw.p, " 200 OK") != NULL;
        refused += strstr(readers[i].raw.p, " 429 ") != NULL;
    }
    assert_int_equal(opened, 128);
    assert_int_equal(refused, 32);
    for (size_t i = 0; i < COUNT_OF(readers); i++)
        close_stream(&readers[i]);
    /* The places are free again once the server has seen them go. */
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS; clock_monotonic_ms() < until;) {
        struct reader reader = open_stream(MAX, CONFIGMAPS "?watch=1");
        COMES(&reader, "\r\n\r\n");
        bool good = strstr(reader.raw.p, " 200 OK") != NULL;
        close_stream(&reader);
        if (good)
            return;
        clock_sleep_ms(50);
    }
    fail_msg("closed watches keep their places");
}

/* --- logs --------------------------------------------------------------------------------------------------------- */
static void logs_are_read(void **state)
{
    (void)state;
    wait_until(VI, LOG, "hello\n");
    AUTO_ANSWER struct answer stamped = ask(VI, "GET", LOG "?timestamps=true&container=nb1&tailLines=1", NULL);
    assert_string_equal(stamped.body, "2026-11-23T03:00:00.000000000Z hello\n");
    AUTO_ANSWER struct answer none = ask(ONE, "GET", LOG "?tailLines=0", NULL);
    assert_int_equal(none.status, 200);
    assert_string_equal(none.body, "");
    AUTO_ANSWER struct answer cut = ask(VI, "GET", LOG "?limitBytes=3", NULL);
    assert_string_equal(cut.body, "hel");
    static const struct {
        const char *query, *words;
    } bad[] = {{"?container=other", "it has: nb1"}, {"?tailLines=-1", "tailLines"},    {"?tailLines=x", "tailLines"},
               {"?limitBytes=0", "limitBytes"},     {"?sinceTime=today", "sinceTime"}, {"?previous=true", "previous"}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO_FREE char *path = memory_format(LOG "%s", bad[i].query);
        AUTO_ANSWER struct answer answer = ask(VI, "GET", path, NULL);
        if (answer.status != 400 || !strstr(answer.body, bad[i].words))
            fail_msg("%s: %s", path, answer.raw.p);
    }
}

static void logs_are_followed(void **state)
{
    (void)state;
    struct reader reader = open_stream(VI, LOG "?follow=true&tailLines=1");
    COMES(&reader, "hello\n");
    fake_log_write("2026-11-23T03:00:01.000000000Z stdout P half a \n");
    fake_log_write("2026-11-23T03:00:01.000000000Z stdout F line\n");
    COMES(&reader, "line\n");
    assert_null(strstr(reader.raw.p, "stdout"));
    fake_exit("alice", "nb1-0", 0, "Completed");
    fake_log_write("2026-11-23T03:00:02.000000000Z stdout F last words\n");
    COMES(&reader, "last words\n");
    close_stream(&reader);
}

int main(void)
{
    gateway_limits.sweep_ms = 2 * PATIENCE_MS; /* what ends is told to, and not found later */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watch_shows_what_happens),
        cmocka_unit_test(a_watch_goes_on_where_a_list_ended),
        cmocka_unit_test(a_watch_begins_with_what_there_is),
        cmocka_unit_test(a_part_is_watched_as_it_is_listed),
        cmocka_unit_test(logs_are_read),
        cmocka_unit_test(revocation_ends_streams),
        cmocka_unit_test(what_is_left_shows_no_more_than_itself),
        cmocka_unit_test(watches_are_bounded),
        cmocka_unit_test(logs_are_followed),
    };
    return cmocka_run_group_tests(tests, api_group_start, api_group_stop);
}
