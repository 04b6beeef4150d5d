/* Does a head learn where its dashboard's figures are, and hide the pages where there are none? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/raymetrics.h"

/* The environment of a head's container that says <env> itself, as "NAME=value ". */
static char *completed(const struct raymetrics *hosts, const char *env)
{
    AUTO_JSON cJSON *container = json_object();
    struct error error = {0};
    cJSON *list = NULL;
    const cJSON *variable;
    AUTO_BUFFER struct buffer text = {0};
    if (raymetrics_check(hosts, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(json_parse(slice_of(env), &json_limits_default, &list, &error), 0);
    json_set(container, "env", list);
    raymetrics_complete(hosts, container);
    cJSON_ArrayForEach(variable, json_member(container, "env"))
    {
        buffer_add_format(&text, "%s=%s ", json_text(variable, "name", NULL), json_text(variable, "value", NULL));
    }
    return memory_text(text.p);
}

static void assert_completed(const struct raymetrics *hosts, const char *env, const char *expected)
{
    AUTO_FREE char *is = completed(hosts, env);
    assert_string_equal(is, expected);
}

static void pages_without_figures_are_hidden(void **state)
{
    (void)state;
    assert_completed(&(struct raymetrics){"", NULL, ""}, "[]", "RAY_GRAFANA_HOST=DISABLED ");
    assert_completed(&(struct raymetrics){"https://prometheus.example.com/", "", ""}, "[]",
                     "RAY_PROMETHEUS_HOST=https://prometheus.example.com RAY_GRAFANA_HOST=DISABLED ");
}

static void heads_learn_where_figures_are(void **state)
{
    (void)state;
    const struct raymetrics hosts = {"http://prometheus:9090", "http://grafana:3000//",
                                     "https://grafana.example.com/g/"};
    assert_completed(&hosts, "[]",
                     "RAY_PROMETHEUS_HOST=http://prometheus:9090 RAY_GRAFANA_HOST=http://grafana:3000 "
                     "RAY_GRAFANA_IFRAME_HOST=https://grafana.example.com/g ");
    /* Who brings their own keeps it. */
    assert_completed(&hosts, "[{\"name\": \"RAY_GRAFANA_HOST\", \"value\": \"http://mine\"}]",
                     "RAY_GRAFANA_HOST=http://mine RAY_PROMETHEUS_HOST=http://prometheus:9090 "
                     "RAY_GRAFANA_IFRAME_HOST=https://grafana.example.com/g ");
}

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
    const struct CMUnitTest tests[] = {cmocka_unit_test(pages_without_figures_are_hidden),
                                       cmocka_unit_test(heads_learn_where_figures_are),
                                       cmocka_unit_test(what_cannot_be_is_refused_by_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
