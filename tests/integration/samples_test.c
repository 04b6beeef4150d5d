/* Are readings of what workloads use kept as minutes, then as quarters, then no more, and gone with their profile? And
 * the time of their last use? */
#include "controlplane/samples.h"
#include "controlplane/use.h"
#include "tests/integration/people.h"

#define MINUTE_MS 60000LL
#define HOUR_MS (60 * MINUTE_MS)
#define NOON_MS 1764158400000LL /* 2025-11-26T12:00:00Z */

static struct people people;

static void reading(int64_t at_ms, const char *profile, const char *name, double cpu, int64_t memory_bytes)
{
    struct error error = {0};
    AUTO_FREE char *text = memory_format("[{\"profile\":\"%s\",\"kind\":\"RayCluster\",\"name\":\"%s\",\"cpu\":%.3f,"
                                         "\"memory\":%lld,\"cpu_limit\":2.5,\"memory_limit\":0,\"nodes\":3}]",
                                         profile, name, cpu, (long long)memory_bytes);
    AUTO_JSON cJSON *readings = NULL;
    assert_int_equal(json_parse(slice_of(text), &json_limits_default, &readings, &error), 0);
    if (samples_add(people.store, at_ms, readings, &error) != 0)
        fail_msg("%s", error.message);
}

static cJSON *read_samples(const char *profile, const char *name, int64_t since_ms, int64_t now_ms, int64_t step_s)
{
    struct error error = {0};
    cJSON *items = NULL;
    const struct samples_query query = {.profile = profile,
                                        .kind = *name ? "RayCluster" : "",
                                        .name = name,
                                        .since_ms = since_ms,
                                        .now_ms = now_ms,
                                        .step_s = step_s,
                                        .limit = 100};
    if (samples_read(people.store, &query, &items, &error) != 0)
        fail_msg("%s", error.message);
    return items;
}

static double number(const cJSON *item, const char *key)
{
    return cJSON_GetNumberValue(json_member(item, key));
}

static void claim(const char *profile)
{
    struct error error = {0};
    AUTO_FREE char *email = memory_format("%s@example.com", profile);
    people_join(people.auth, email);
    assert_int_equal(auth_profile_claim(people.auth, profile, email, true, &error), 0);
}

static void readings_of_a_minute_are_one_mean(void **state)
{
    (void)state;
    claim("mean");
    reading(NOON_MS + 1000, "mean", "rc", 1.0, 100);
    reading(NOON_MS + 16000, "mean", "rc", 2.0, 200);
    reading(NOON_MS + 31000, "mean", "rc", 3.0, 300);
    reading(NOON_MS + 61000, "mean", "rc", 0.125, 50);
    reading(NOON_MS + 61000, "mean", "other", 4.0, 50);
    reading(NOON_MS + 61000, "kube-system", "rc", 4.0, 50); /* no profile */
    AUTO_JSON cJSON *items = read_samples("mean", "rc", NOON_MS, NOON_MS + HOUR_MS, 60);
    assert_int_equal(cJSON_GetArraySize(items), 2);
    const cJSON *first = items->child, *second = first->next;
    assert_true(number(first, "cpu") == 2.0 && number(first, "memory") == 200 && number(first, "nodes") == 3);
    assert_true(number(first, "cpuLimit") == 2.5);
    assert_null(json_member(first, "memoryLimit"));
    assert_string_equal(json_text(first, "at", NULL), "2025-11-26T12:00:00Z");
    assert_string_equal(json_text(second, "at", NULL), "2025-11-26T12:01:00Z");
    assert_true(number(second, "cpu") == 0.125);
    AUTO_JSON cJSON *all = read_samples("mean", "", NOON_MS, NOON_MS + HOUR_MS, 60);
    assert_int_equal(cJSON_GetArraySize(all), 3);
    AUTO_JSON cJSON *wide = read_samples("mean", "rc", NOON_MS, NOON_MS + HOUR_MS, 300);
    assert_int_equal(cJSON_GetArraySize(wide), 1);
}

static void condense(int64_t now_ms)
{
    struct error error = {0};
    for (int twice = 0; twice < 2; twice++)
        if (samples_condense(people.store, now_ms, &error) != 0)
            fail_msg("%s", error.message);
}

static void minutes_become_quarters_and_quarters_end(void **state)
{
    (void)state;
    const int64_t day_ms = 24 * HOUR_MS;
    claim("aged");
    for (int minute = 0; minute < 30; minute++)
        reading(NOON_MS + minute * MINUTE_MS, "aged", "rc", minute < 15 ? 1.0 : 3.0, minute < 15 ? 100 : 300);
    condense(NOON_MS + 20 * MINUTE_MS); /* the first quarter is over, the second is not */
    assert_int_equal(
        people_number(&people, "SELECT count(*) FROM usage_samples WHERE profile = 'aged' AND step_s = 900"), 1);
    condense(NOON_MS + HOUR_MS);
    AUTO_JSON cJSON *young = read_samples("aged", "rc", NOON_MS, NOON_MS + HOUR_MS, 60);
    assert_int_equal(cJSON_GetArraySize(young), 30);
    condense(NOON_MS + 2 * day_ms);
    assert_int_equal(
        people_number(&people, "SELECT count(*) FROM usage_samples WHERE profile = 'aged' AND step_s = 60"), 0);
    AUTO_JSON cJSON *old = read_samples("aged", "rc", NOON_MS - HOUR_MS, NOON_MS + 2 * day_ms, 900);
    assert_int_equal(cJSON_GetArraySize(old), 2);
    assert_true(number(old->child, "cpu") == 1.0 && number(old->child->next, "memory") == 300);
    condense(NOON_MS + 31 * day_ms);
    assert_int_equal(people_number(&people, "SELECT count(*) FROM usage_samples WHERE profile = 'aged'"), 0);
}

static void too_many_are_refused(void **state)
{
    (void)state;
    struct error error = {0};
    cJSON *items = NULL;
    const struct samples_query query = {
        .profile = "mean", .kind = "", .name = "", .since_ms = NOON_MS, .now_ms = NOON_MS, .step_s = 60, .limit = 2};
    assert_int_equal(samples_read(people.store, &query, &items, &error), -ERROR_BAD_REQUEST);
    assert_string_equal(error.field, "step");
}

static void they_go_with_their_profile(void **state)
{
    (void)state;
    struct error error = {0};
    assert_true(people_number(&people, "SELECT count(*) FROM usage_samples WHERE profile = 'mean'") > 0);
    assert_int_equal(auth_profile_release(people.auth, "mean", &error), 0);
    assert_int_equal(people_number(&people, "SELECT count(*) FROM usage_samples WHERE profile = 'mean'"), 0);
}

static void use(const char *profile, int64_t at_ms)
{
    struct error error = {0};
    AUTO_JSON cJSON *rows = json_array();
    cJSON *row = json_push(rows, json_object());
    json_set_text(row, "profile", profile);
    json_set_text(row, "kind", "Notebook");
    json_set_text(row, "name", "nb1");
    json_set_i64(row, "last_ms", at_ms);
    assert_int_equal(use_add(people.store, rows, &error), 0);
}

static int64_t last_use(const char *profile)
{
    struct error error = {0};
    int64_t last_ms = -1;
    assert_int_equal(use_last(people.store, profile, "Notebook", "nb1", &last_ms, &error), 0);
    return last_ms;
}

static void the_latest_use_is_kept_for_a_month(void **state)
{
    (void)state;
    struct error error = {0};
    claim("used");
    assert_int_equal(last_use("used"), 0);
    use("used", NOON_MS);
    use("used", NOON_MS - HOUR_MS); /* another replica was later with its news */
    use("kube-system", NOON_MS);    /* no profile */
    assert_int_equal(last_use("used"), NOON_MS);
    assert_int_equal(last_use("kube-system"), 0);
    use("used", NOON_MS + HOUR_MS);
    assert_int_equal(use_expire(people.store, NOON_MS + 29 * 24 * HOUR_MS, &error), 0);
    assert_int_equal(last_use("used"), NOON_MS + HOUR_MS);
    assert_int_equal(use_expire(people.store, NOON_MS + 31 * 24 * HOUR_MS, &error), 0);
    assert_int_equal(last_use("used"), 0);
    use("used", NOON_MS);
    assert_int_equal(auth_profile_release(people.auth, "used", &error), 0);
    assert_int_equal(last_use("used"), 0);
}

static int set_up(void **state)
{
    (void)state;
    people = people_new("samples");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    people_free(&people);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readings_of_a_minute_are_one_mean),
        cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(they_go_with_their_profile),
        cmocka_unit_test(minutes_become_quarters_and_quarters_end),
        cmocka_unit_test(the_latest_use_is_kept_for_a_month),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
