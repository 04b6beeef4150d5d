/* rayStartParams: known options with good values pass, everything else is refused by name. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ray/internal.h"

static int check(const char *key, const char *value, bool head, struct error *error)
{
    AUTO_JSON cJSON *group = json_object();
    json_set_text(json_object_in(group, "rayStartParams"), key, value);
    return ray_check_start_params(group, "spec.g", head, error);
}

static void decides_by_option_and_value(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
        bool good;
    } cases[] = {
        {"num-cpus", "0", true},
        {"num-cpus", "16", true},
        {"num-cpus", "-1", false},
        {"num-cpus", "1.5", false},
        {"num-cpus", "two", false},
        {"num-cpus", "", false},
        {"num-gpus", "1", true},
        {"memory", "1000000000", true},
        {"memory", "1Gi", false},
        {"object-store-memory", "78643200", true},
        {"object-store-memory", "78643199", false},
        {"resources", "{\"special\": 1}", true},
        {"resources", "\"{\\\"special\\\": 1, \\\"b\\\": 2.5}\"", true},
        {"resources", "{\"special\": -1}", false},
        {"resources", "{\"special\": \"1\"}", false},
        {"resources", "[1]", false},
        {"resources", "{", false},
        {"dashboard-host", "0.0.0.0", true},
        {"dashboard-host", "127.0.0.1", false},
        {"port", "6379", true},
        {"port", "6380", false},
        {"dashboard-port", "8265", true},
        {"dashboard-port", "9000", false},
        {"metrics-export-port", "8080", true},
        {"object-manager-port", "12345", true},
        {"object-manager-port", "65536", false},
        {"object-manager-port", "+5", false},
        {"block", "true", true},
        {"block", "false", false},
        {"include-log-monitor", "false", false},
        {"include-dashboard", "maybe", false},
        {"disable-usage-stats", "", false},
        {"temp-dir", "/tmp/ray", true},
        {"temp-dir", "tmp", false},
        {"temp-dir", "/tmp/../etc", false},
        {"log-style", "record", true},
        {"log-style", "re\ncord", false},
        {"log-style", "r\xc3\xa9", false},
        {"node-ip-address", "10.0.0.1", false},
        {"address", "10.0.0.1:6379", false},
        {"head", "true", false},
        {"labels", "a=b", false},
        {"redis-password", "x", false},
        {"autoscaling-config", "/x", false},
        {"cgroup-path", "/sys/fs/cgroup", false},
        {"tracing-startup-hook", "x:y", false},
        {"system-config", "{}", false},
        {"Num-CPUs", "1", false},
        {"num-cpus=1 --head", "1", false},
        {"", "1", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        int r = check(cases[i].key, cases[i].value, false, &error);
        if (cases[i].good ? r != 0 : r != -ERROR_INVALID)
            fail_msg("%s = %s: %d %s", cases[i].key, cases[i].value, r, error.message);
        if (r < 0)
            assert_non_null(strstr(error.field, "spec.g.rayStartParams."));
    }
}

static void keeps_the_heads_dashboard(void **state)
{
    (void)state;
    assert_int_equal(check("include-dashboard", "false", true, NULL), -ERROR_INVALID);
    assert_int_equal(check("include-dashboard", "true", true, NULL), 0);
    assert_int_equal(check("include-dashboard", "false", false, NULL), 0);
}

static void bounds_sizes(void **state)
{
    (void)state;
    char value[RAY_PARAM_VALUE_MAX + 2];
    memset(value, 'a', sizeof(value));
    value[RAY_PARAM_VALUE_MAX + 1] = '\0';
    assert_int_equal(check("log-style", value, false, NULL), -ERROR_INVALID);
    value[RAY_PARAM_VALUE_MAX] = '\0';
    assert_int_equal(check("log-style", value, false, NULL), 0);

    AUTO_JSON cJSON *group = json_object();
    cJSON *params = json_object_in(group, "rayStartParams");
    for (int i = 0; i <= RAY_PARAMS_MAX; i++) {
        AUTO_FREE char *key = memory_format("key-%d", i);
        json_set_text(params, key, "1");
    }
    struct error error = {0};
    assert_int_equal(ray_check_start_params(group, "spec.g", false, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "spec.g.rayStartParams");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(decides_by_option_and_value),
                                       cmocka_unit_test(keeps_the_heads_dashboard), cmocka_unit_test(bounds_sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
