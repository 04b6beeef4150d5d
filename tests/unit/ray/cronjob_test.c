/* Are the jobs of a RayCronJob checked as RayJobs are, where they are written? And which pods of what is stored are
 * warned of? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ray/ray.h"
#include "tests/unit/fake_engine.h"

#define SPEC(MORE)                                                                                                     \
    "{headGroupSpec: {template: {spec: {containers: [{name: h, image: ray-2.60" MORE "}]}}}, "                         \
    "workerGroupSpecs: [{groupName: w, template: {spec: {containers: [{name: w, image: ray-2.60, "                     \
    "resources: {limits: {google.com/tpu: 4}}}]}}}]}"

static struct fake_engine kuberay = {
    .base.operations = &fake_operations,
    .traits = {.name = "fake", .ray_by_kuberay = true, .ray_auth = true, .ray_autoscaling = true}};

static cJSON *object_of(const char *yaml)
{
    cJSON *object = NULL;
    struct error error = {0};
    if (yaml_parse(slice_of(yaml), &json_limits_default, &object, &error) < 0)
        fail_msg("%s\n%s", yaml, error.message);
    return object;
}

static cJSON *cron(const char *spec)
{
    AUTO_FREE char *yaml =
        memory_format("{kind: RayCronJob, metadata: {name: nightly, namespace: alice}, spec: %s}", spec);
    return object_of(yaml);
}

#define GOOD "{schedule: '0 3 * * *', jobTemplate: {entrypoint: python a.py, rayClusterSpec: " SPEC("") "}}"

static void its_jobs_are_completed(void **state)
{
    (void)state;
    AUTO_JSON cJSON *object = cron(GOOD);
    struct error error = {0};
    if (ray_cron_job_admit(&kuberay.base, NULL, object, &error) < 0)
        fail_msg("%s: %s", error.field, error.message);
    const cJSON *cluster = json_at(object, "spec", "jobTemplate", "rayClusterSpec", NULL);
    assert_string_equal(json_text_or("", cluster, "authOptions", "mode", NULL), "token");
    assert_string_equal(json_text_or("", cluster, "rayVersion", NULL), "2.60.0");
    assert_string_equal(json_text_or("", object, "spec", "schedule", NULL), "0 3 * * *");
    AUTO_JSON cJSON *again = json_copy(object);
    assert_int_equal(ray_cron_job_admit(&kuberay.base, object, again, &error), 0);
    assert_true(json_equal(object, again));
}

static void mistakes_are_named_where_they_stand(void **state)
{
    static const struct {
        const char *spec, *field, *says;
    } cases[] = {
        {"{jobTemplate: {entrypoint: a}}", "spec.schedule", "is missing"},
        {"{schedule: 7}", "spec.schedule", "text"},
        {"{schedule: 'CRON_TZ=UTC 0 3 * * *', jobTemplate: {entrypoint: a}}", "spec.schedule", "spec.timeZone"},
        {"{schedule: '0 25 * * *', jobTemplate: {entrypoint: a}}", "spec.schedule", "its hour \"25\" is not within"},
        {"{schedule: nightly, jobTemplate: {entrypoint: a}}", "spec.schedule", "expected five fields"},
        {"{schedule: '@daily'}", "spec.jobTemplate", "is missing"},
        {"{schedule: '@daily', jobTemplate: []}", "spec.jobTemplate", "object"},
        {"{schedule: '@daily', jobTemplate: {rayClusterSpec: " SPEC("") "}}", "spec.jobTemplate.entrypoint",
         "its jobs: spec.entrypoint is missing"},
        {"{schedule: '@daily', jobTemplate: {entrypoint: a, rayClusterSpec: " SPEC(
             ", env: [{name: RAY_AUTH_MODE, value: disabled}]") "}}",
         "spec.jobTemplate.rayClusterSpec.headGroupSpec.template.spec.containers[0].env[0].name",
         "authentication is set by the platform"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *object = cron(cases[i].spec);
        struct error error = {0};
        if (ray_cron_job_admit(&kuberay.base, NULL, object, &error) != -ERROR_INVALID)
            fail_msg("accepted: %s", cases[i].spec);
        if (strcmp(error.field, cases[i].field) != 0 || !strstr(error.message, cases[i].says))
            fail_msg("%s: \"%s\", \"%s\"", cases[i].spec, error.field, error.message);
    }
}

/* Its jobs' names are longer: KubeRay refuses it in an event alone. */
static void its_name_has_room_for_its_jobs(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *object = cron(GOOD);
    cJSON *metadata = json_member(object, "metadata");
    json_set_text(metadata, "name", "a-job-of-every-night-with-36-letters");
    if (ray_cron_job_admit(&kuberay.base, NULL, object, &error) < 0)
        fail_msg("%s: %s", error.field, error.message);
    json_set_text(metadata, "name", "a-job-of-every-night-with-37-letters-");
    assert_int_equal(ray_cron_job_admit(&kuberay.base, NULL, object, &error), -ERROR_INVALID);
    json_set_text(metadata, "name", "a-job-of-every-night-with-37-letters0");
    assert_int_equal(ray_cron_job_admit(&kuberay.base, NULL, object, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "metadata.name");
    assert_non_null(strstr(error.message, "at most 36 characters"));
}

/* Stored before this platform looked at it: it can be suspended, and not be changed into something as wrong. */
static void what_is_there_can_be_stopped(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *old = cron("{schedule: nightly, jobTemplate: {}}");
    AUTO_JSON cJSON *stopped = cron("{schedule: nightly, suspend: true, jobTemplate: {}}");
    AUTO_JSON cJSON *later = cron("{schedule: daily, jobTemplate: {}}");
    AUTO_JSON cJSON *changed = cron("{schedule: nightly, jobTemplate: {jobId: a}}");
    assert_int_equal(ray_cron_job_admit(&kuberay.base, old, stopped, &error), 0);
    assert_int_equal(ray_cron_job_admit(&kuberay.base, old, later, &error), -ERROR_INVALID);
    assert_int_equal(ray_cron_job_admit(&kuberay.base, old, changed, &error), -ERROR_INVALID);
}

static void each_pod_is_warned_of_where_it_stands(void **state)
{
    static const char *const cases[][2] = {
        {"{kind: RayCluster, spec: " SPEC("") "}", "spec.workerGroupSpecs[0].template asks"},
        {"{kind: RayJob, spec: {rayClusterSpec: " SPEC("") "}}",
         "spec.rayClusterSpec.workerGroupSpecs[0].template asks"},
        {"{kind: RayService, spec: {rayClusterConfig: " SPEC("") "}}",
         "spec.rayClusterConfig.workerGroupSpecs[0].template asks"},
        {"{kind: RayCronJob, spec: {jobTemplate: {rayClusterSpec: " SPEC("") "}}}",
         "spec.jobTemplate.rayClusterSpec.workerGroupSpecs[0].template asks"},
        {"{kind: ConfigMap, spec: " SPEC("") "}", NULL},
        {"{kind: RayCluster, spec: {headGroupSpec: {template: {spec: {containers: [{resources: {limits: "
         "{google.com/tpu: 1}}}]}}}}}",
         "spec.headGroupSpec.template asks"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *object = object_of(cases[i][0]), *warnings = json_array();
        ray_warn(object, warnings);
        const char *first = warnings->child ? warnings->child->valuestring : NULL;
        assert_int_equal(cJSON_GetArraySize(warnings), cases[i][1] ? 1 : 0);
        if (cases[i][1] && strncmp(first, cases[i][1], strlen(cases[i][1])) != 0)
            fail_msg("%s: %s", cases[i][0], first);
    }
}

static void it_is_known_by_both_its_names(void **state)
{
    (void)state;
    assert_true(ray_is_cron_job("ray.io", "raycronjobs"));
    assert_true(ray_is_cron_job("ray.io", "RayCronJob"));
    assert_false(ray_is_cron_job("ray.io", "rayjobs"));
    assert_false(ray_is_cron_job("batch", "RayCronJob"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_jobs_are_completed),
        cmocka_unit_test(mistakes_are_named_where_they_stand),
        cmocka_unit_test(its_name_has_room_for_its_jobs),
        cmocka_unit_test(what_is_there_can_be_stopped),
        cmocka_unit_test(each_pod_is_warned_of_where_it_stands),
        cmocka_unit_test(it_is_known_by_both_its_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
