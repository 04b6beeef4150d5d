/* Are settings that lead to no figures refused by name? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/raymetrics.h"

static void what_cannot_be_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        struct raymetrics hosts;
        const char *field;
    } cases[] = {{{"prometheus:9090", "", ""}, "ray_prometheus_host"},
                 {{"http://p", "grafana", ""}, "ray_grafana_host"},
                 {{"", "http://g", ""}, "ray_grafana_host"},
                 {{"http://p", "", "http://g"}, "ray_grafana_iframe_host"},
                 {{"http://p", "http://g", "ftp://g"}, "ray_grafana_iframe_host"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        assert_int_equal(raymetrics_check(&cases[i].hosts, &error), -ERROR_INVALID);
        assert_string_equal(error.field, cases[i].field);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_cannot_be_is_refused_by_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
