/* Rows as kubectl shows them: ages, and what a pod does in a word. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "controlplane/table.h"
#include "tests/unit/documents.h"

static void ages_are_short(void **state)
{
    (void)state;
    /* apimachinery, pkg/util/duration/duration_test.go: HumanDuration */
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {{-5, "0s"},
                 {0, "0s"},
                 {70, "70s"},
                 {120, "2m"},
                 {130, "2m10s"},
                 {599, "9m59s"},
                 {600, "10m"},
                 {10799, "179m"},
                 {10800, "3h"},
                 {10800 + 60, "3h1m"},
                 {8 * 3600, "8h"},
                 {47 * 3600, "47h"},
                 {49 * 3600, "2d1h"},
                 {7 * 86400 + 3600, "7d1h"},
                 {8 * 86400, "8d"},
                 {400 * 86400, "400d"},
                 {2 * 365 * 86400 + 86400, "2y1d"},
                 {9LL * 365 * 86400 + 5 * 86400, "9y"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char age[AGE_SIZE];
        age_format(cases[i].seconds * 1000, age);
        assert_string_equal(age, cases[i].text);
    }
}

static void pods_say_what_they_do(void **state)
{
    (void)state;
    static const struct {
        const char *pod, *ready, *status, *restarts;
    } cases[] = {
        {"{}", "0/0", "Unknown", "0"},
        {"{\"spec\":{\"containers\":[{},{}]},\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"ready\":true,"
         "\"state\":{\"running\":{}},\"restartCount\":2,\"lastState\":{\"terminated\":{\"finishedAt\":"
         "\"1970-01-01T00:00:40Z\"}}},{\"ready\":false,\"state\":{\"running\":{}}}]}}",
         "1/2", "Running", "2 (60s ago)"},
        {"{\"spec\":{\"containers\":[{}]},\"status\":{\"phase\":\"Pending\",\"containerStatuses\":[{\"state\":{"
         "\"waiting\":{\"reason\":\"ContainerCreating\"}}}]}}",
         "0/1", "ContainerCreating", "0"},
        {"{\"spec\":{\"containers\":[{}],\"initContainers\":[{},{}]},\"status\":{\"phase\":\"Pending\","
         "\"initContainerStatuses\":[{\"state\":{\"terminated\":{\"exitCode\":0}}},{\"state\":{\"running\":{}}}]}}",
         "0/1", "Init:1/2", "0"},
        {"{\"spec\":{\"containers\":[{}],\"initContainers\":[{}]},\"status\":{\"phase\":\"Pending\","
         "\"initContainerStatuses\":[{\"state\":{\"terminated\":{\"exitCode\":3}}}]}}",
         "0/1", "Init:ExitCode:3", "0"},
        {"{\"spec\":{\"containers\":[{}]},\"status\":{\"phase\":\"Failed\",\"containerStatuses\":[{\"state\":{"
         "\"terminated\":{\"exitCode\":137,\"reason\":\"OOMKilled\"}}}]}}",
         "0/1", "OOMKilled", "0"},
        {"{\"spec\":{\"containers\":[{},{}]},\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\","
         "\"status\":\"False\"}],\"containerStatuses\":[{\"state\":{\"terminated\":{\"exitCode\":0,\"reason\":"
         "\"Completed\"}}},{\"ready\":true,\"state\":{\"running\":{}}}]}}",
         "1/2", "NotReady", "0"},
        {"{\"metadata\":{\"deletionTimestamp\":\"x\"},\"status\":{\"phase\":\"Running\"}}", "0/0", "Terminating", "0"},
        {"{\"status\":{\"phase\":\"Failed\",\"reason\":\"Evicted\"}}", "0/0", "Evicted", "0"},
        {"{\"status\":{\"containerStatuses\":7,\"phase\":{}},\"spec\":[]}", "0/0", "Unknown", "0"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *pod = from_json(cases[i].pod);
        AUTO_JSON cJSON *ready = cell_pod_ready(pod, NULL, 0), *status = cell_pod_status(pod, NULL, 0);
        AUTO_JSON cJSON *restarts = cell_pod_restarts(pod, NULL, 100000);
        assert_string_equal(ready->valuestring, cases[i].ready);
        assert_string_equal(status->valuestring, cases[i].status);
        assert_string_equal(restarts->valuestring, cases[i].restarts);
    }
}

static void claims_say_that_they_go(void **state)
{
    (void)state;
    AUTO_JSON cJSON *bound = from_json("{\"status\":{\"phase\":\"Bound\"}}");
    AUTO_JSON cJSON *going = from_json("{\"metadata\":{\"deletionTimestamp\":\"x\"},\"status\":{\"phase\":\"Bound\"}}");
    AUTO_JSON cJSON *before = table_of_object(KIND_CLAIM, bound, TABLE_NONE, 0);
    AUTO_JSON cJSON *after = table_of_object(KIND_CLAIM, going, TABLE_NONE, 0);
    assert_string_equal(cJSON_GetArrayItem(json_member(json_member(before, "rows")->child, "cells"), 1)->valuestring,
                        "Bound");
    assert_string_equal(cJSON_GetArrayItem(json_member(json_member(after, "rows")->child, "cells"), 1)->valuestring,
                        "Terminating");
}

/* Every kind's columns survive an empty object and one whose members are all of the wrong type. */
static void every_kind_has_a_row(void **state)
{
    (void)state;
    static const char *const objects[] = {
        "{}", "{\"metadata\":[],\"spec\":\"x\",\"status\":[1],\"data\":3,\"involvedObject\":[],\"type\":{}}",
        "{\"spec\":{\"ports\":[{\"port\":\"x\"},7],\"selector\":{\"a\":1},\"template\":{\"spec\":{\"containers\":[1]}},"
        "\"accessModes\":[1]},\"status\":{\"hard\":{\"cpu\":1},\"accessModes\":[1,\"ReadWriteOnce\"]}}"};
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        for (size_t i = 0; i < COUNT_OF(objects); i++) {
            AUTO_JSON cJSON *object = from_json(objects[i]);
            AUTO_JSON cJSON *table = table_of_object((enum engine_kind)kind, object, TABLE_METADATA, 0);
            const cJSON *row = json_member(table, "rows")->child;
            assert_int_equal(cJSON_GetArraySize(json_member(row, "cells")),
                             cJSON_GetArraySize(json_member(table, "columnDefinitions")));
            assert_string_equal(json_text(row, "object", "kind", NULL), "PartialObjectMetadata");
        }
    }
}

static void rows_carry_what_was_asked_for(void **state)
{
    (void)state;
    enum table_include include;
    assert_true(table_include_parse(NULL, &include) && include == TABLE_METADATA);
    assert_true(table_include_parse("None", &include) && include == TABLE_NONE);
    assert_false(table_include_parse("Everything", &include));
    AUTO_JSON cJSON *list = from_json("{\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"c\"},\"items\":["
                                      "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}},{\"data\":{}}]}");
    AUTO_JSON cJSON *none = table_of_list(KIND_CONFIGMAP, list, TABLE_NONE, 0);
    AUTO_JSON cJSON *whole = table_of_list(KIND_CONFIGMAP, list, TABLE_OBJECT, 0);
    assert_null(json_member(json_member(none, "rows")->child, "object"));
    assert_string_equal(json_text(none, "metadata", "continue", NULL), "c");
    assert_string_equal(json_text(json_member(whole, "rows")->child, "object", "data", "k", NULL), "v");
    assert_int_equal(cJSON_GetArrayItem(json_member(json_member(whole, "rows")->child, "cells"), 1)->valueint, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ages_are_short),
        cmocka_unit_test(pods_say_what_they_do),
        cmocka_unit_test(claims_say_that_they_go),
        cmocka_unit_test(every_kind_has_a_row),
        cmocka_unit_test(rows_carry_what_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
