/* When is a workload that nobody uses warned, and when stopped? */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tenancy/idle.h"

#define MINUTE_MS 60000LL
#define NOON_MS 1764158400000LL /* 2025-11-26T12:00:00Z */

/* Last used at noon; after an hour, with a warning a quarter of an hour before. */
static struct idle_verdict decide(int64_t now_minute, int64_t keep_minute, int64_t warned_minute, int64_t last_minute)
{
    struct idle_verdict verdict;
    const struct idle_case idle = {.after_ms = 60 * MINUTE_MS,
                                   .warn_ms = 15 * MINUTE_MS,
                                   .check_ms = MINUTE_MS,
                                   .last_ms = NOON_MS + last_minute * MINUTE_MS,
                                   .keep_until_ms = keep_minute ? NOON_MS + keep_minute * MINUTE_MS : 0,
                                   .warned_ms = warned_minute ? NOON_MS + warned_minute * MINUTE_MS : 0,
                                   .now_ms = NOON_MS + now_minute * MINUTE_MS};
    idle_decide(&idle, &verdict);
    return verdict;
}

static int64_t end_minute(const struct idle_verdict *verdict)
{
    return (verdict->stop_at_ms - NOON_MS) / MINUTE_MS;
}

static void a_warning_comes_first(void **state)
{
    (void)state;
    struct idle_verdict verdict = decide(44, 0, 0, 0);
    assert_int_equal(verdict.step, IDLE_NOTHING);
    assert_int_equal(verdict.again_ms, MINUTE_MS);
    verdict = decide(45, 0, 0, 0);
    assert_int_equal(verdict.step, IDLE_WARN);
    assert_int_equal(end_minute(&verdict), 60);
    assert_int_equal(decide(59, 0, 60, 0).step, IDLE_WARN);
    assert_int_equal(decide(60, 0, 60, 0).step, IDLE_STOP);
}

/* A platform that was down, or a time that was made shorter. */
static void an_end_that_was_not_announced_is_never_reached(void **state)
{
    (void)state;
    struct idle_verdict verdict = decide(500, 0, 0, 0);
    assert_int_equal(verdict.step, IDLE_WARN);
    assert_int_equal(end_minute(&verdict), 515);
    assert_int_equal(decide(514, 0, 515, 0).step, IDLE_WARN);
    assert_int_equal(decide(515, 0, 515, 0).step, IDLE_STOP);
}

static void use_and_keeping_move_the_end(void **state)
{
    (void)state;
    assert_int_equal(decide(59, 0, 60, 58).step, IDLE_NOTHING); /* used after the warning: it is taken back */
    assert_int_equal(decide(60, 180, 60, 0).step, IDLE_NOTHING);
    struct idle_verdict verdict = decide(166, 180, 0, 0);
    assert_int_equal(verdict.step, IDLE_WARN);
    assert_int_equal(end_minute(&verdict), 181); /* not before, and a quarter of an hour after it was announced */
    assert_int_equal(decide(60, 30, 60, 0).step, IDLE_STOP); /* a time that is over keeps nothing */
}

static void a_short_time_is_warned_of_at_half(void **state)
{
    (void)state;
    struct idle_verdict verdict;
    struct idle_case idle = {
        .after_ms = 10000, .warn_ms = 900000, .check_ms = 60000, .last_ms = NOON_MS, .now_ms = NOON_MS + 4900};
    idle_decide(&idle, &verdict);
    assert_int_equal(verdict.step, IDLE_NOTHING);
    assert_int_equal(verdict.again_ms, 500);
    idle.now_ms = NOON_MS + 5000;
    idle_decide(&idle, &verdict);
    assert_int_equal(verdict.step, IDLE_WARN);
    assert_int_equal(verdict.stop_at_ms, NOON_MS + 10000);
}

static void what_is_told_is_read_back_and_told_once(void **state)
{
    (void)state;
    AUTO_JSON cJSON *known = json_object();
    AUTO_JSON cJSON *workload = json_object();
    const struct idle_options options = {.warn_s = 900, .check_s = 60};
    struct idle_case idle;
    struct idle_verdict verdict;
    idle_case_of(&options, 3600, workload, known, NOON_MS + 46 * MINUTE_MS, &idle);
    assert_int_equal(idle.warned_ms, 0);
    idle.last_ms = NOON_MS;
    idle_decide(&idle, &verdict);
    assert_true(idle_note(&idle, &verdict, known));
    assert_string_equal(json_text(known, "lastActivity", NULL), "2025-11-26T12:00:00Z");
    assert_string_equal(json_text(known, "idleStopAt", NULL), "2025-11-26T13:01:00Z");
    idle_case_of(&options, 3600, workload, known, NOON_MS + 50 * MINUTE_MS, &idle);
    assert_int_equal(idle.last_ms, NOON_MS);
    idle_decide(&idle, &verdict);
    assert_int_equal(verdict.step, IDLE_WARN);
    assert_false(idle_note(&idle, &verdict, known));
    idle.last_ms = NOON_MS + 50 * MINUTE_MS;
    idle_decide(&idle, &verdict);
    assert_true(idle_note(&idle, &verdict, known));
    assert_null(json_member(known, "idleStopAt"));
}

/* What is deleted has no last use to tell, and its end a place of its own. */
static void other_terms_leave_the_others_alone(void **state)
{
    (void)state;
    static const struct idle_terms terms = {.after = IDLE_DELETE_AFTER, .end = "idleDeleteAt"};
    AUTO_JSON cJSON *known = json_object();
    AUTO_JSON cJSON *workload = json_object();
    const struct idle_options options = {.terms = &terms, .warn_s = 86400, .check_s = 60};
    struct idle_case idle;
    struct idle_verdict verdict;
    int64_t after_s = 0;
    json_set_text(json_object_in(json_object_in(workload, "metadata"), "annotations"), IDLE_DELETE_AFTER, "30d");
    assert_int_equal(idle_after(NULL, &options, workload, &after_s, NULL), 0);
    assert_int_equal(after_s, 30 * 86400);
    json_set_text(known, "idleStopAt", "2025-11-26T13:01:00Z");
    idle_case_of(&options, after_s, workload, known, NOON_MS + 29 * 24 * 60 * MINUTE_MS, &idle);
    assert_int_equal(idle.warned_ms, 0);
    idle.last_ms = NOON_MS;
    idle_decide(&idle, &verdict);
    assert_int_equal(verdict.step, IDLE_WARN);
    assert_true(idle_note(&idle, &verdict, known));
    assert_string_equal(json_text(known, "idleDeleteAt", NULL), "2025-12-26T12:00:00Z");
    assert_null(json_member(known, "lastActivity"));
    idle_case_of(&options, after_s, workload, known, NOON_MS + 29 * 24 * 60 * MINUTE_MS, &idle);
    idle.last_ms = NOON_MS;
    assert_false(idle_note(&idle, &verdict, known));
    AUTO_JSON cJSON *status = json_object();
    idle_keep(&terms, known, status);
    assert_non_null(json_member(status, "idleDeleteAt"));
    assert_null(json_member(status, "idleStopAt"));
}

/* Where the status is another controller's. */
static void what_is_told_may_stand_in_annotations(void **state)
{
    (void)state;
    const struct idle_options options = {.in_annotations = true};
    AUTO_JSON cJSON *workload = json_object();
    cJSON *metadata = json_object_in(workload, "metadata"), *annotations = json_object_in(metadata, "annotations");
    json_set_text(metadata, "resourceVersion", "7");
    json_set_text(annotations, "atelier.dev/last-activity", "2025-11-26T12:00:00Z");
    json_set_text(annotations, "atelier.dev/idle-stop-at", "2025-11-26T13:01:00Z");
    json_set_text(json_object_in(workload, "status"), "idleStopAt", "2025-11-26T14:00:00Z");
    AUTO_JSON cJSON *known = idle_known(&options, workload);
    assert_string_equal(json_text(known, "lastActivity", NULL), "2025-11-26T12:00:00Z");
    assert_string_equal(json_text(known, "idleStopAt", NULL), "2025-11-26T13:01:00Z");
    json_remove(known, "idleStopAt");
    AUTO_JSON cJSON *patch = idle_known_patch(&options, workload, known);
    assert_string_equal(json_text(patch, "metadata", "resourceVersion", NULL), "7");
    const cJSON *written = json_at(patch, "metadata", "annotations", NULL);
    assert_string_equal(json_text(written, "atelier.dev/last-activity", NULL), "2025-11-26T12:00:00Z");
    assert_true(cJSON_IsNull(json_member(written, "atelier.dev/idle-stop-at")));
    assert_null(json_member(patch, "status"));
}

static void complain(const char *key, const char *value, bool fine)
{
    struct error error = {0};
    AUTO_JSON cJSON *object = json_object();
    json_set_text(json_object_in(json_object_in(object, "metadata"), "annotations"), key, value);
    assert_int_equal(idle_check_annotations(object, &error), fine ? 0 : -ERROR_INVALID);
    if (!fine)
        assert_non_null(strstr(error.field, key));
}

static void annotations_are_checked(void **state)
{
    (void)state;
    complain(IDLE_AFTER, "0", true);
    complain(IDLE_AFTER, "5s", true);
    complain(IDLE_AFTER, "1d12h", true);
    complain(IDLE_AFTER, "4s", false);
    complain(IDLE_AFTER, "soon", false);
    complain(IDLE_KEEP_UNTIL, "2026-11-23T18:00:00Z", true);
    complain(IDLE_KEEP_UNTIL, "tomorrow", false);
    complain(IDLE_DELETE_AFTER, "30d", true);
    complain(IDLE_DELETE_AFTER, "1s", false);
    complain(IDLE_RESUME, "never", true);
    complain(IDLE_RESUME, "idle", true);
    complain(IDLE_RESUME, "always", true);
    complain(IDLE_RESUME, "true", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_warning_comes_first),
        cmocka_unit_test(an_end_that_was_not_announced_is_never_reached),
        cmocka_unit_test(use_and_keeping_move_the_end),
        cmocka_unit_test(a_short_time_is_warned_of_at_half),
        cmocka_unit_test(what_is_told_is_read_back_and_told_once),
        cmocka_unit_test(other_terms_leave_the_others_alone),
        cmocka_unit_test(what_is_told_may_stand_in_annotations),
        cmocka_unit_test(annotations_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
