/* What all groups of a RayCluster share: how many workers there may be, and the runtime_env. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ray/ray.h"
#include "tests/unit/fake_engine.h"

#define ENGINE(KUBERAY)                                                                                                \
    {                                                                                                                  \
        .base.operations = &fake_operations, .traits = {                                                               \
            .name = "fake",                                                                                            \
            .ray_by_kuberay = KUBERAY,                                                                                 \
            .ray_autoscaler_command = KUBERAY,                                                                         \
            .ray_autoscaling = true,                                                                                   \
            .ray_fault_tolerance = true                                                                                \
        }                                                                                                              \
    }

/* Two groups of that many workers. */
static cJSON *cluster(const char *annotations, int first, int second)
{
    AUTO_FREE char *yaml =
        memory_format("metadata: {name: rc, namespace: alice, annotations: {%s}}\n"
                      "spec:\n"
                      "  enableInTreeAutoscaling: true\n"
                      "  headGroupSpec: {template: {spec: {containers: [{name: h, image: ray-2.60}]}}}\n"
                      "  workerGroupSpecs:\n"
                      "  - {groupName: a, replicas: %d, maxReplicas: 9, template: {spec: {containers: [{name: w, "
                      "image: ray-2.60}]}}}\n"
                      "  - {groupName: b, replicas: %d, maxReplicas: 9, template: {spec: {containers: [{name: w, "
                      "image: ray-2.60}]}}}\n",
                      annotations, first, second);
    cJSON *object = NULL;
    struct error error = {0};
    if (yaml_parse(slice_of(yaml), &json_limits_default, &object, &error) < 0)
        fail_msg("%s\n%s", yaml, error.message);
    return object;
}

static void expect(struct fake_engine *fake, const cJSON *old, cJSON *rc, const char *says)
{
    struct error error = {0};
    int r = ray_cluster_admit(&fake->base, old, rc, &error);
    if (!says && r < 0)
        fail_msg("%s", error.message);
    if (says && (r != -ERROR_INVALID || !strstr(error.message, says)))
        fail_msg("expected \"%s\", is %d \"%s\"", says, r, error.message);
}

#define LIMIT(N) "atelier.dev/max-workers: '" #N "'"

static void groups_share_a_limit(void **state)
{
    (void)state;
    struct fake_engine fake = ENGINE(false);
    static const struct {
        const char *annotations;
        int was[2], is[2]; /* was -1: there is none yet */
        const char *says;
    } cases[] = {{LIMIT(3), {-1}, {1, 2}, NULL},
                 {LIMIT(3), {-1}, {2, 2}, "together are 4, and atelier.dev/max-workers is 3"},
                 {LIMIT(3), {1, 2}, {0, 4}, "together are 4"},
                 {LIMIT(3), {3, 2}, {2, 2}, NULL}, /* lowered under a cluster that has more */
                 {LIMIT(3), {3, 2}, {3, 2}, NULL},
                 {LIMIT(3), {2, 2}, {3, 2}, "together are 5"},
                 {LIMIT(x), {-1}, {0, 0}, "whole number"},
                 {LIMIT(-1), {-1}, {0, 0}, "whole number"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *old = cases[i].was[0] < 0 ? NULL : cluster("", cases[i].was[0], cases[i].was[1]);
        AUTO_JSON cJSON *rc = cluster(cases[i].annotations, cases[i].is[0], cases[i].is[1]);
        if (old)
            expect(&fake, NULL, old, NULL);
        expect(&fake, old, rc, cases[i].says);
        assert_null(json_at(rc, "spec", "autoscalerOptions", "command", NULL)); /* the engine's own business there */
    }
    AUTO_JSON cJSON *least = cluster(LIMIT(3), 2, 2);
    cJSON *group;
    cJSON_ArrayForEach(group, json_at(least, "spec", "workerGroupSpecs", NULL))
    {
        json_set_i64(group, "minReplicas", 2);
    }
    expect(&fake, NULL, least, "minReplicas of all worker groups together are 4");
}

static void kuberay_is_told_how_the_autoscaler_starts(void **state)
{
    (void)state;
    struct fake_engine fake = ENGINE(true);
    AUTO_JSON cJSON *plain = cluster("", 0, 0);
    expect(&fake, NULL, plain, NULL);
    assert_null(json_at(plain, "spec", "autoscalerOptions", NULL));
    AUTO_JSON cJSON *rc = cluster(LIMIT(3), 0, 0);
    expect(&fake, NULL, rc, NULL);
    const cJSON *arguments = json_at(rc, "spec", "autoscalerOptions", "args", NULL);
    assert_int_equal(cJSON_GetArraySize(json_at(rc, "spec", "autoscalerOptions", "command", NULL)), 2);
    assert_non_null(strstr(cJSON_GetArrayItem(arguments, 0)->valuestring, "'atelier.dev/max-workers'"));
    assert_string_equal(cJSON_GetArrayItem(arguments, 3)->valuestring, "rc");
    AUTO_JSON cJSON *again = json_copy(rc);
    expect(&fake, rc, again, NULL);
    assert_true(json_equal(rc, again));
}

#define RUNTIME(YAML) "atelier.dev/runtime-env: '" YAML "'"

static cJSON *head_of(const cJSON *rc)
{
    return json_at(rc, "spec", "headGroupSpec", "template", "spec", "containers", NULL)->child;
}

static void a_runtime_env_reaches_head_and_workers(void **state)
{
    (void)state;
    struct fake_engine fake = ENGINE(false);
    AUTO_JSON cJSON *rc = cluster(RUNTIME("pip: [emoji]"), 1, 0);
    cJSON *own = json_set(head_of(rc), "args", json_array());
    json_push_text(own, "echo own");
    expect(&fake, NULL, rc, NULL);
    const cJSON *env = json_member(head_of(rc), "env");
    assert_string_equal(json_text(json_named(env, "RAY_JOB_CONFIG_JSON_ENV_VAR"), "value", NULL),
                        "{\"runtime_env\":{\"pip\":[\"emoji\"]},\"metadata\":{}}");
    assert_string_equal(json_text(json_named(env, "RAY_OVERRIDE_JOB_RUNTIME_ENV"), "value", NULL), "1");
    const char *command = cJSON_GetArrayItem(json_member(head_of(rc), "command"), 0)->valuestring;
    assert_true(slice_ends(slice_of(command), " &&")); /* its own comes after */
    const cJSON *worker = json_at(rc, "spec", "workerGroupSpecs", NULL)->child;
    const cJSON *there = json_at(worker, "template", "spec", "containers", NULL)->child;
    assert_non_null(json_named(json_member(there, "env"), "RAY_OVERRIDE_JOB_RUNTIME_ENV"));
    assert_null(json_named(json_member(there, "env"), "RAY_JOB_CONFIG_JSON_ENV_VAR"));
    AUTO_JSON cJSON *again = json_copy(rc);
    expect(&fake, rc, again, NULL);
    assert_true(json_equal(rc, again));
    json_set_text(json_object_in(json_object_in(again, "metadata"), "annotations"), "atelier.dev/runtime-env",
                  "pip: [other]");
    expect(&fake, rc, again, "a change of spec.headGroupSpec would not reach the pods that run");
    AUTO_JSON cJSON *without = json_copy(rc);
    json_set_bool(json_object_in(without, "spec"), "suspend", true);
    json_remove(json_object_in(json_object_in(without, "metadata"), "annotations"), "atelier.dev/runtime-env");
    expect(&fake, rc, without, NULL);
    assert_null(json_named(json_member(head_of(without), "env"), "RAY_JOB_CONFIG_JSON_ENV_VAR"));
    assert_null(json_member(head_of(without), "command"));
    assert_string_equal(json_member(head_of(without), "args")->child->valuestring, "echo own");
}

static void mistakes_in_a_runtime_env_are_refused(void **state)
{
    (void)state;
    struct fake_engine fake = ENGINE(false);
    static const struct {
        const char *annotation, *says;
    } cases[] = {{RUNTIME("[pip"), "is not YAML"},
                 {RUNTIME("emoji"), "expected YAML of an object"},
                 {RUNTIME("pipp: [emoji]"), "pipp"},
                 {RUNTIME("{pip: [a], conda: b}"), "one of pip, uv and conda"},
                 {RUNTIME("working_dir: ."), "working_dir must be a URI"},
                 {RUNTIME("py_modules: [https://example.com/a.zip, ./b]"), "py_modules must be a URI"},
                 {RUNTIME("env_vars: {A: 1}"), "every value must be a text"},
                 {RUNTIME("env_vars: {RAY_AUTH_MODE: none}"), "authentication is set by the platform"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *rc = cluster(cases[i].annotation, 0, 0);
        expect(&fake, NULL, rc, cases[i].says);
    }
    AUTO_JSON cJSON *good =
        cluster(RUNTIME("{working_dir: https://example.com/a.zip, uv: [x], env_vars: {A: b}}"), 0, 0);
    expect(&fake, NULL, good, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(groups_share_a_limit),
                                       cmocka_unit_test(kuberay_is_told_how_the_autoscaler_starts),
                                       cmocka_unit_test(a_runtime_env_reaches_head_and_workers),
                                       cmocka_unit_test(mistakes_in_a_runtime_env_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
