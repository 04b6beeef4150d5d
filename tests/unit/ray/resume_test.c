/* Which suspended clusters does a request start again? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ray/ray.h"
#include "ray/resume.h"

static cJSON *cluster_of(const char *resume, const char *noted, bool suspended)
{
    cJSON *cluster = json_object();
    cJSON *metadata = json_object_in(cluster, "metadata");
    json_set_i64(metadata, "generation", 4);
    json_set_text(json_object_in(metadata, "annotations"), IDLE_RESUME, resume);
    json_set_text(json_object_in(metadata, "annotations"), ENGINE_SUSPENDED_IDLE, noted);
    json_set_bool(json_object_in(cluster, "spec"), "suspend", suspended);
    return cluster;
}

static void its_word_counts_before_its_profile_s(void **state)
{
    (void)state;
    static const struct {
        const char *resume, *noted;
        bool suspended;
        enum idle_resume profile;
        bool resumes;
    } cases[] = {
        {NULL, "4", true, IDLE_RESUME_UNSAID, false}, /* off by default */
        {NULL, "4", true, IDLE_RESUME_NEVER, false},
        {NULL, "4", true, IDLE_RESUME_IDLE, true},
        {NULL, NULL, true, IDLE_RESUME_IDLE, false}, /* somebody suspended it */
        {NULL, "3", true, IDLE_RESUME_IDLE, false},  /* it was changed since */
        {NULL, NULL, true, IDLE_RESUME_ALWAYS, true},
        {"never", "4", true, IDLE_RESUME_ALWAYS, false},
        {"true", "4", true, IDLE_RESUME_ALWAYS, false}, /* what cannot be read */
        {"idle", "4", true, IDLE_RESUME_NEVER, true},
        {"idle", NULL, true, IDLE_RESUME_ALWAYS, false},
        {"always", NULL, true, IDLE_RESUME_UNSAID, true},
        {"always", "4", false, IDLE_RESUME_ALWAYS, false}, /* it runs */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *cluster = cluster_of(cases[i].resume, cases[i].noted, cases[i].suspended);
        if (ray_resumes(cluster, cases[i].profile) != cases[i].resumes)
            fail_msg("case %zu", i);
    }
}

static void what_belongs_to_others_or_goes_is_left_alone(void **state)
{
    (void)state;
    AUTO_JSON cJSON *owned = cluster_of("always", "4", true);
    json_push(json_set(json_object_in(owned, "metadata"), "ownerReferences", json_array()), json_object());
    assert_false(ray_resumes(owned, IDLE_RESUME_ALWAYS));
    AUTO_JSON cJSON *going = cluster_of("always", "4", true);
    json_set_text(json_object_in(going, "metadata"), "deletionTimestamp", "2026-11-23T18:00:00Z");
    assert_false(ray_resumes(going, IDLE_RESUME_ALWAYS));
}

static cJSON *add_condition(cJSON *cluster, const char *type, const char *status)
{
    cJSON *part = json_object_in(cluster, "status");
    cJSON *list = json_member(part, "conditions");
    cJSON *condition = json_push(list ? list : json_set(part, "conditions", json_array()), json_object());
    json_set_text(condition, "type", type);
    json_set_text(condition, "status", status);
    return cluster;
}

static void it_starts_until_its_head_is_ready(void **state)
{
    (void)state;
    AUTO_JSON cJSON *fresh = cluster_of(NULL, NULL, false);
    assert_true(ray_is_starting(fresh));
    AUTO_JSON cJSON *starting = add_condition(cluster_of(NULL, NULL, false), "HeadPodReady", "False");
    assert_true(ray_is_starting(starting));
    AUTO_JSON cJSON *ready = add_condition(cluster_of(NULL, NULL, false), "HeadPodReady", "True");
    assert_false(ray_is_starting(ready));
    AUTO_JSON cJSON *silent = add_condition(cluster_of(NULL, NULL, false), "RayClusterProvisioned", "False");
    assert_false(ray_is_starting(silent)); /* one that does not tell of its head */
    AUTO_JSON cJSON *suspended = add_condition(cluster_of(NULL, NULL, true), "HeadPodReady", "False");
    assert_false(ray_is_starting(suspended));
}

static void a_job_that_has_not_ended_needs_its_cluster(void **state)
{
    (void)state;
    AUTO_JSON cJSON *job = json_object();
    json_set_text(json_object_in(json_object_in(job, "spec"), "clusterSelector"), "ray.io/cluster", "rc");
    assert_true(ray_job_needs(job, "rc"));
    assert_false(ray_job_needs(job, "other"));
    static const struct {
        const char *state;
        bool needs;
    } cases[] = {
        {"Initializing", true}, {"Running", true}, {"Suspended", true}, {"Complete", false}, {"Failed", false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_set_text(json_object_in(job, "status"), "jobDeploymentStatus", cases[i].state);
        assert_int_equal(ray_job_needs(job, "rc"), cases[i].needs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_word_counts_before_its_profile_s),
        cmocka_unit_test(what_belongs_to_others_or_goes_is_left_alone),
        cmocka_unit_test(a_job_that_has_not_ended_needs_its_cluster),
        cmocka_unit_test(it_starts_until_its_head_is_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
