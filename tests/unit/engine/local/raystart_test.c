/* Does a Ray node start with the arguments that its group asks for, each an argument of its own? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine/local/raypods.h"
#include "engine/local/raystart.h"
#include "tests/unit/documents.h"

static bool has(const cJSON *arguments, const char *text)
{
    const cJSON *argument;
    cJSON_ArrayForEach(argument, arguments)
    {
        if (strcmp(argument->valuestring, text) == 0)
            return true;
    }
    return false;
}

static bool has_prefix(const cJSON *arguments, const char *prefix)
{
    const cJSON *argument;
    cJSON_ArrayForEach(argument, arguments)
    {
        if (strncmp(argument->valuestring, prefix, strlen(prefix)) == 0)
            return true;
    }
    return false;
}

static void test_head(void **state)
{
    (void)state;
    AUTO_JSON cJSON *group = from_yaml("rayStartParams: {num-cpus: '0', dashboard-host: 127.0.0.1, block: 'false'}");
    AUTO_JSON cJSON *container = from_yaml("{resources: {limits: {cpu: 1500m, memory: 4Gi}}}");
    AUTO_JSON cJSON *arguments = ray_start_arguments(group, container, NULL, 0);
    assert_string_equal(cJSON_GetArrayItem(arguments, 0)->valuestring, "start");
    assert_true(has(arguments, "--head"));
    assert_true(has(arguments, "--block"));
    assert_true(has(arguments, "--num-cpus=0"));
    assert_true(has(arguments, "--port=6379"));
    assert_true(has(arguments, "--dashboard-host=0.0.0.0"));
    assert_true(has(arguments, "--node-ip-address=$(POD_IP)"));
    assert_true(has(arguments, "--dashboard-agent-listen-port=52365"));
    assert_true(has(arguments, "--metrics-export-port=8080"));
    assert_true(has(arguments, "--disable-usage-stats"));
    assert_false(has_prefix(arguments, "--address"));
    assert_false(has_prefix(arguments, "--num-gpus"));
    int64_t store = ray_object_store_bytes(json_member(group, "rayStartParams"), container, 0);
    AUTO_FREE char *store_text = memory_format("--object-store-memory=%lld", (long long)store);
    AUTO_FREE char *memory_text_ = memory_format("--memory=%lld", (4LL << 30) - (long long)store);
    assert_true(has(arguments, store_text));
    assert_true(has(arguments, memory_text_));
    assert_in_range(store, 1200LL << 20, 1300LL << 20);
}

static void test_gpus(void **state)
{
    (void)state;
    AUTO_JSON cJSON *group = from_yaml("rayStartParams: {}");
    AUTO_JSON cJSON *given = from_yaml("rayStartParams: {num-gpus: '1'}");
    AUTO_JSON cJSON *container = from_yaml("{resources: {limits: {nvidia.com/gpu: 2, example.com/other: 4}}}");
    AUTO_JSON cJSON *counted = ray_start_arguments(group, container, NULL, 0);
    AUTO_JSON cJSON *said = ray_start_arguments(given, container, NULL, 0);
    assert_true(has(counted, "--num-gpus=2"));
    assert_true(has(said, "--num-gpus=1"));
}

static void test_worker(void **state)
{
    (void)state;
    AUTO_JSON cJSON *group =
        from_yaml("rayStartParams: {address: 'evil:1', port: '7', head: 'true',\n"
                  "  resources: '\"{\\\"fast\\\": 2}\"', labels-file: 'a b; rm -rf /', include-dashboard: 'false',\n"
                  "  'Bad Key': x, '--x': y, log-color: 'true', no-monitor: 'true'}");
    AUTO_JSON cJSON *container = from_yaml("{resources: {limits: {cpu: 1500m, memory: 200Mi}}}");
    AUTO_JSON cJSON *arguments = ray_start_arguments(group, container, "rc-head-svc:6379", 0);
    assert_true(has(arguments, "--address=rc-head-svc:6379"));
    assert_false(has(arguments, "--head"));
    assert_false(has_prefix(arguments, "--port"));
    assert_true(has(arguments, "--num-cpus=2"));
    assert_true(has(arguments, "--resources={\"fast\": 2}"));
    assert_true(has(arguments, "--labels-file=a b; rm -rf /")); /* one argument: no shell ever sees it */
    assert_true(has(arguments, "--include-dashboard=false"));
    assert_true(has(arguments, "--log-color=true"));
    assert_true(has(arguments, "--no-monitor"));
    assert_false(has_prefix(arguments, "--Bad"));
    assert_false(has_prefix(arguments, "----"));
    assert_true(has(arguments, "--object-store-memory=83886080")); /* never below what Ray accepts */
}

static void test_shm_bounds_the_store(void **state)
{
    (void)state;
    AUTO_JSON cJSON *container = from_yaml("{resources: {limits: {memory: 10Gi}}}");
    AUTO_JSON cJSON *given = from_yaml("{object-store-memory: '1000000000'}");
    assert_int_equal(ray_object_store_bytes(NULL, container, 1 << 30), 1 << 30);
    assert_int_equal(ray_object_store_bytes(given, container, 0), 1000000000);
}

static void test_head_life_names_and_service(void **state)
{
    (void)state;
    cJSON *body = from_yaml(
        "metadata: {name: rc, namespace: alice, uid: u}\n"
        "spec: {headGroupSpec: {rayStartParams: {}, template: {spec: {containers: [{name: h, image: i,\n"
        "  ports: [{containerPort: 6379, name: gcs}, {containerPort: 9000, name: serve-grpc}, {containerPort: "
        "1}]}]}}}}");
    AUTO_OBJECT struct object *cluster = object_new(KIND_RAYCLUSTER, body, 1, 1);
    AUTO_JSON cJSON *service = ray_head_service(cluster);
    AUTO_BUFFER struct buffer names = {0};
    const cJSON *port;
    cJSON_ArrayForEach(port, json_at(service, "spec", "ports", NULL))
    {
        buffer_add_format(&names, "%s ", json_text(port, "name", NULL));
    }
    assert_string_equal(names.p, "gcs serve-grpc dashboard client metrics serve ");
    assert_string_equal(json_text(service, "metadata", "name", NULL), "rc-head-svc");
    assert_string_equal(json_text(service, "spec", "clusterIP", NULL), "None");
    AUTO_JSON cJSON *pod = ray_head_pod(cluster, &(struct raymetrics){0});
    assert_string_equal(json_text(pod, "metadata", "generateName", NULL), "rc-head-");
    assert_string_equal(json_text(pod, "metadata", "labels", "ray.io/node-type", NULL), "head");
    assert_string_equal(json_text(pod, "metadata", "labels", "ray.io/group", NULL), "headgroup");
    const cJSON *container = cJSON_GetArrayItem(json_at(pod, "spec", "containers", NULL), 0);
    assert_string_equal(cJSON_GetArrayItem(json_member(container, "command"), 0)->valuestring, "ray");
    assert_non_null(json_member(container, "readinessProbe"));
    const cJSON *grafana = json_named(json_member(container, "env"), "RAY_GRAFANA_HOST");
    assert_string_equal(json_text(grafana, "value", NULL), "DISABLED"); /* its dashboard has no figures to show */
    const cJSON *handlers = json_named(json_member(container, "env"), "GRPC_ENABLE_FORK_SUPPORT");
    assert_string_equal(json_text(handlers, "value", NULL), "0"); /* its Ray Client forks */
}

/* A template's own command runs first, and in the tenant's own shell; what is generated follows as arguments. */
static void test_own_command(void **state)
{
    (void)state;
    cJSON *body =
        from_yaml("metadata: {name: rc, namespace: alice, uid: u}\n"
                  "spec: {headGroupSpec: {rayStartParams: {num-cpus: \"'; id\"}, template: {spec: {containers: "
                  "[{name: h, image: i,\n"
                  "  args: ['echo hi']}]}}}}");
    AUTO_OBJECT struct object *cluster = object_new(KIND_RAYCLUSTER, body, 1, 1);
    AUTO_JSON cJSON *pod = ray_head_pod(cluster, &(struct raymetrics){0});
    const cJSON *command = json_member(cJSON_GetArrayItem(json_at(pod, "spec", "containers", NULL), 0), "command");
    assert_string_equal(cJSON_GetArrayItem(command, 0)->valuestring, "/bin/bash");
    assert_string_equal(cJSON_GetArrayItem(command, 2)->valuestring, "echo hi && exec \"$@\"");
    assert_string_equal(cJSON_GetArrayItem(command, 4)->valuestring, "ray");
    assert_true(has(command, "--num-cpus='; id"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_head),
                                       cmocka_unit_test(test_gpus),
                                       cmocka_unit_test(test_worker),
                                       cmocka_unit_test(test_shm_bounds_the_store),
                                       cmocka_unit_test(test_head_life_names_and_service),
                                       cmocka_unit_test(test_own_command)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
