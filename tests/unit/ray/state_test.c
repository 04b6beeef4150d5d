/* How a Ray cluster is said to stand, from its conditions and never from `state`. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ray/state.h"

#define C(type, status, reason, message)                                                                               \
    "{type: " type ", status: '" status "', reason: " reason ", message: '" message "'}"
#define READY C("HeadPodReady", "True", "HeadPodRunningAndReady", "")
#define DOWN(reason, message) C("HeadPodReady", "False", reason, message)
#define ONCE C("RayClusterProvisioned", "True", "AllPodRunningAndReadyFirstTime", "")
#define QUOTA "pods \"rc-worker-x\" is forbidden: exceeded quota: kf-resource-quota, requested: cpu=1"

static void reads_conditions(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *conditions;
        int ready, desired;
        const char *phase, *reason, *says;
    } cases[] = {
        {"{}", NULL, 0, 0, "Pending", "NotSeenYet", "nothing has begun"},
        {"{}", "[" DOWN("HeadPodNotFound", "") "]", 0, 1, "Pending", "HeadPodNotFound", "about to be made"},
        {"{}", "[" DOWN("ImagePullBackOff", "no such image") "]", 0, 1, "Pending", "ImagePullBackOff", "another image"},
        {"{}", "[" DOWN("CrashLoopBackOff", "") "]", 0, 1, "Pending", "CrashLoopBackOff", "log"},
        {"{}", "[" DOWN("Unschedulable", "0/3 nodes") "]", 0, 1, "Pending", "Unschedulable", "0/3 nodes"},
        {"{}", "[" DOWN("ContainersNotReady", "waiting") "]", 0, 1, "Pending", "ContainersNotReady", "waiting"},
        {"{}", "[" DOWN("Unknown", "") "]", 0, 1, "Pending", "HeadStarting", "starting"},
        {"{}", "[" READY "]", 1, 3, "Running", "Provisioning", "1 of 3 workers"},
        {"{}", "[" READY "," ONCE "]", 3, 3, "Running", "Running", "all of its workers"},
        {"{}", "[" READY "," ONCE "]", 0, 0, "Running", "Running", "it is running"},
        {"{}", "[" READY "," ONCE "]", 2, 3, "Running", "WorkersMissing", "2 of 3 workers"},
        /* `state` says ready for ever; the head is gone. */
        {"{}", "[" DOWN("HeadPodNotFound", "") "," ONCE "]", 3, 3, "Pending", "HeadPodNotFound", "about to be made"},
        {"{}", "[" READY "," C("ReplicaFailure", "True", "FailedCreateWorkerPod", QUOTA) "]", 0, 1, "Running",
         "QuotaExceeded", "kf-resource-quota"},
        {"{}", "[" DOWN("HeadPodNotFound", "") "," C("ReplicaFailure", "True", "FailedCreateHeadPod", QUOTA) "]", 0, 1,
         "Pending", "QuotaExceeded", "quota is used up"},
        {"{}",
         "[" DOWN("HeadPodNotFound", "") "," C("ReplicaFailure", "True", "FailedCreateHeadPod",
                                               "pods is forbidden: violates PodSecurity \"baseline:latest\"") "]",
         0, 1, "Pending", "PodSecurity", "baseline"},
        {"{}", "[" READY "," C("ReplicaFailure", "False", "FailedCreateWorkerPod", "old") "]", 1, 1, "Running",
         "Running", "running"},
        {"{suspend: true}", "[" READY "," ONCE "]", 1, 1, "Suspending", "Suspending", "being stopped"},
        {"{suspend: true}", "[" C("RayClusterSuspending", "True", "RayClusterSuspending", "") "]", 0, 1, "Suspending",
         "Suspending", "being stopped"},
        {"{suspend: true}", "[" C("RayClusterSuspended", "True", "RayClusterSuspended", "") "]", 0, 1, "Suspended",
         "Suspended", "nothing of it runs"},
        /* suspend is atomic: once begun it finishes, whatever is asked meanwhile */
        {"{suspend: false}", "[" READY "," C("RayClusterSuspending", "True", "RayClusterSuspending", "") "]", 0, 1,
         "Suspending", "Suspending", "being stopped"},
        {"{suspend: false}",
         "[" DOWN("HeadPodNotFound", "") "," C("RayClusterSuspended", "True", "RayClusterSuspended", "") "]", 0, 1,
         "Pending", "HeadPodNotFound", "about to be made"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_FREE char *yaml =
            memory_format("metadata: {name: rc}\nspec: %s\nstatus: {state: ready, "
                          "readyWorkerReplicas: %d, desiredWorkerReplicas: %d%s%s}\n",
                          cases[i].spec, cases[i].ready, cases[i].desired, cases[i].conditions ? ", conditions: " : "",
                          cases[i].conditions ? cases[i].conditions : "");
        AUTO_JSON cJSON *cluster = NULL;
        struct error error = {0};
        if (yaml_parse(slice_of(yaml), &json_limits_default, &cluster, &error) < 0)
            fail_msg("row %zu: %s", i, error.message);
        struct ray_state now;
        ray_cluster_state(cluster, &now);
        if (strcmp(now.phase, cases[i].phase) != 0 || strcmp(now.reason, cases[i].reason) != 0 ||
            !strstr(now.message, cases[i].says))
            fail_msg("row %zu: %s %s \"%s\"", i, now.phase, now.reason, now.message);
    }
}

static void says_when_it_goes(void **state)
{
    (void)state;
    AUTO_JSON cJSON *cluster = json_object();
    json_set_text(json_object_in(cluster, "metadata"), "deletionTimestamp", "2026-01-01T00:00:00Z");
    struct ray_state now;
    ray_cluster_state(cluster, &now);
    assert_string_equal(now.phase, "Deleting");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_conditions), cmocka_unit_test(says_when_it_goes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
