/* Does a head get what the platform tells it, keep what is its own, and stay as it is where it runs? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/rayhead.h"
#include "tests/unit/documents.h"

/* As "NAME=value "; "" where there is none. */
static char *environment_of(const cJSON *container)
{
    struct buffer text = {0};
    const cJSON *variable;
    cJSON_ArrayForEach(variable, json_member(container, "env"))
    {
        buffer_add_format(&text, "%s=%s ", json_text(variable, "name", NULL), json_text(variable, "value", NULL));
    }
    return text.n ? buffer_take(&text) : memory_text("");
}

/* <env>: what a head's container says itself. */
static void assert_completed(const struct raymetrics *hosts, const char *env, const char *expected)
{
    AUTO_JSON cJSON *container = json_object();
    json_set(container, "env", from_json(env));
    rayhead_complete(hosts, container);
    AUTO_FREE char *is = environment_of(container);
    assert_string_equal(is, expected);
}

static void pages_without_figures_are_hidden(void **state)
{
    (void)state;
    assert_completed(&(struct raymetrics){"", NULL, ""}, "[]", "RAY_GRAFANA_HOST=DISABLED GRPC_ENABLE_FORK_SUPPORT=0 ");
    assert_completed(
        &(struct raymetrics){"https://prometheus.example.com/", "", ""}, "[]",
        "RAY_PROMETHEUS_HOST=https://prometheus.example.com RAY_GRAFANA_HOST=DISABLED GRPC_ENABLE_FORK_SUPPORT=0 ");
}

static void heads_learn_where_figures_are(void **state)
{
    (void)state;
    const struct raymetrics hosts = {"http://prometheus:9090", "http://grafana:3000//",
                                     "https://grafana.example.com/g/"};
    assert_completed(&hosts, "[]",
                     "RAY_PROMETHEUS_HOST=http://prometheus:9090 RAY_GRAFANA_HOST=http://grafana:3000 "
                     "RAY_GRAFANA_IFRAME_HOST=https://grafana.example.com/g GRPC_ENABLE_FORK_SUPPORT=0 ");
    /* Who brings their own keeps it. */
    assert_completed(&hosts, "[{\"name\": \"RAY_GRAFANA_HOST\", \"value\": \"http://mine\"}]",
                     "RAY_GRAFANA_HOST=http://mine RAY_PROMETHEUS_HOST=http://prometheus:9090 "
                     "RAY_GRAFANA_IFRAME_HOST=https://grafana.example.com/g GRPC_ENABLE_FORK_SUPPORT=0 ");
}

static void heads_fork_without_the_handlers_of_grpc(void **state)
{
    (void)state;
    const struct raymetrics none = {0};
    assert_completed(&none, "[]", "RAY_GRAFANA_HOST=DISABLED GRPC_ENABLE_FORK_SUPPORT=0 ");
    assert_completed(&none, "[{\"name\": \"GRPC_ENABLE_FORK_SUPPORT\", \"value\": \"true\"}]",
                     "GRPC_ENABLE_FORK_SUPPORT=true RAY_GRAFANA_HOST=DISABLED ");
}

static void a_head_that_runs_keeps_what_it_has(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new, *expected; /* expected: "" for no environment */
    } cases[] = {
        {"{}", "{}", ""},
        {"{\"env\": []}", "{}", ""},
        {"{\"env\": [{\"name\": \"A\", \"value\": \"a\"}]}", "{}", ""},
        {"{\"env\": [{\"name\": \"GRPC_ENABLE_FORK_SUPPORT\", \"value\": \"0\"}]}", "{}",
         "GRPC_ENABLE_FORK_SUPPORT=0 "},
        {"{\"env\": [{\"name\": \"GRPC_ENABLE_FORK_SUPPORT\", \"value\": \"0\"}]}",
         "{\"env\": [{\"name\": \"GRPC_ENABLE_FORK_SUPPORT\", \"value\": \"1\"}]}", "GRPC_ENABLE_FORK_SUPPORT=1 "},
        {"{\"env\": [{\"name\": \"RAY_GRAFANA_HOST\", \"value\": \"DISABLED\"}]}", "{\"env\": []}",
         "RAY_GRAFANA_HOST=DISABLED "},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *old = from_json(cases[i].old);
        AUTO_JSON cJSON *container = from_json(cases[i].new);
        rayhead_keep(old, container);
        AUTO_FREE char *is = environment_of(container);
        assert_string_equal(is, cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pages_without_figures_are_hidden),
                                       cmocka_unit_test(heads_learn_where_figures_are),
                                       cmocka_unit_test(heads_fork_without_the_handlers_of_grpc),
                                       cmocka_unit_test(a_head_that_runs_keeps_what_it_has)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
