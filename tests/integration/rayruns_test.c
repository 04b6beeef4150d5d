/* Is what is kept of Ray jobs bounded: so many runs of a profile, so many bytes, so long? */
#include "engine/rayruns.h"
#include "tests/integration/people.h"

static struct people people;

static void keep(const char *namespace, int number, const char *log)
{
    struct error error = {0};
    AUTO_FREE char *text = memory_format(
        "{\"metadata\":{\"namespace\":\"%s\",\"name\":\"train\",\"uid\":\"5d4c9a20-0000-4000-8000-000000000001\"},"
        "\"spec\":{\"entrypoint\":\"python train.py\"},"
        "\"status\":{\"jobId\":\"%s-%d\",\"jobStatus\":\"SUCCEEDED\"}}",
        namespace, namespace, number);
    AUTO_JSON cJSON *job = NULL;
    assert_int_equal(json_parse(slice_of(text), &json_limits_default, &job, &error), 0);
    const struct engine_run run = {.job = job, .status = json_member(job, "status"), .log = log};
    if (rayruns_keep(people.store, &run, &error) != 0)
        fail_msg("%s", error.message);
}

static int count_runs(const char *namespace, cJSON **ret_newest)
{
    struct error error = {0};
    AUTO_JSON cJSON *list = NULL;
    if (rayruns_list(people.store, namespace, NULL, 0, &list, &error) != 0)
        fail_msg("%s", error.message);
    const cJSON *items = json_member(list, "items");
    if (ret_newest)
        *ret_newest = json_copy(items->child);
    return cJSON_GetArraySize(items);
}

static void the_oldest_of_many_runs_go(void **state)
{
    (void)state;
    keep("few", 0, "stays");
    for (int i = 0; i < 203; i++)
        keep("many", i, "x");
    AUTO_JSON cJSON *newest = NULL;
    assert_int_equal(count_runs("many", &newest), 200);
    assert_string_equal(json_text(newest, "jobId", NULL), "many-202");
    AUTO_FREE char *log = NULL;
    bool cut;
    struct error error = {0};
    assert_int_equal(rayruns_log(people.store, "many", "train", "many-2", 0, &log, &cut, &error), -ERROR_NOT_FOUND);
    assert_int_equal(count_runs("few", NULL), 1); /* another profile's */
}

static void the_oldest_of_long_logs_go(void **state)
{
    (void)state;
    enum { LOG_BYTES = 1 << 20 };
    AUTO_FREE char *log = memory_get(LOG_BYTES);
    memset(log, 'x', LOG_BYTES - 1);
    log[LOG_BYTES - 1] = '\0';
    for (int i = 0; i < 66; i++)
        keep("long", i, log);
    AUTO_JSON cJSON *newest = NULL;
    assert_int_equal(count_runs("long", &newest), 63); /* the 64th would be a little more than 64 MiB in all */
    assert_string_equal(json_text(newest, "jobId", NULL), "long-65");
}

static void what_is_old_is_not_shown_and_goes(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_FREE char *log = NULL;
    bool cut;
    keep("old", 0, "printed");
    keep("old", 1, "printed");
    people_sql(&people,
               "UPDATE ray_job_history SET finished_at = now() - interval '30 days 1 hour' WHERE job_id = 'old-0'");
    assert_int_equal(count_runs("old", NULL), 1);
    assert_int_equal(rayruns_log(people.store, "old", "train", "old-0", 0, &log, &cut, &error), -ERROR_NOT_FOUND);
    error = (struct error){0};
    assert_int_equal(rayruns_age(people.store, &error), 0);
    people_sql(&people,
               "UPDATE ray_job_history SET finished_at = now() WHERE job_id = 'old-0'"); /* of none that is left */
    assert_int_equal(count_runs("old", NULL), 1);
}

static int begin(void **state)
{
    (void)state;
    people = people_new("rayruns");
    return 0;
}

static int end(void **state)
{
    (void)state;
    people_free(&people);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_of_many_runs_go),
        cmocka_unit_test(the_oldest_of_long_logs_go),
        cmocka_unit_test(what_is_old_is_not_shown_and_goes),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
