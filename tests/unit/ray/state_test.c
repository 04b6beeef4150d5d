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
#define NOT_READY "containers with unready status: [ray-head autoscaler]" /* kubelet's, passed on by KubeRay */
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
        {"{}", "[" DOWN("ContainerCreating", NOT_READY "; ray-head: ") "]", 0, 1, "Pending", "ContainerCreating",
         "its head is starting"},
        {"{}", "[" DOWN("ContainersNotReady", NOT_READY) "]", 0, 1, "Pending", "ContainersNotReady", "is starting"},
        {"{}", "[" DOWN("CrashLoopBackOff", NOT_READY "; ray-head: back-off 10s restarting") "]", 0, 1, "Pending",
         "CrashLoopBackOff", "log says why: back-off 10s"},
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

/* KubeRay says "Unknown" of a head that stands nowhere yet. */
static void asks_the_pod_what_kuberay_leaves_unsaid(void **state)
{
    (void)state;
    static const char placed[] = "{\"status\":{\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\","
                                 "\"reason\":\"Unschedulable\",\"message\":\"0/3 nodes are available: 3 Insufficient "
                                 "cpu.\"}]}}";
    static const struct {
        const char *status, *pod, *reason; /* reason NULL: its pod need not be asked */
    } cases[] = {
        {"{head: {podName: h}, conditions: [" DOWN("Unknown", "") "]}", placed, "Unschedulable"},
        {"{head: {podName: h}, conditions: [" DOWN("Unknown", "") "]}", "{}", "HeadStarting"},
        {"{head: {}, conditions: [" DOWN("Unknown", "") "]}", placed, NULL},
        {"{head: {podName: h}, conditions: [" DOWN("ImagePullBackOff", "") "]}", placed, NULL},
        {"{head: {podName: h}, conditions: [" READY "]}", placed, NULL},
        {"{}", placed, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_FREE char *text = memory_format("status: %s", cases[i].status);
        AUTO_JSON cJSON *cluster = NULL;
        AUTO_JSON cJSON *pod = NULL;
        struct ray_state told;
        assert_int_equal(yaml_parse(slice_of(text), &json_limits_default, &cluster, NULL), 0);
        assert_int_equal(json_parse(slice_of(cases[i].pod), &json_limits_default, &pod, NULL), 0);
        assert_int_equal(ray_cluster_unsaid(cluster) != NULL, cases[i].reason != NULL);
        if (!cases[i].reason)
            continue;
        assert_string_equal(ray_cluster_unsaid(cluster), "h");
        ray_cluster_complete(cluster, pod);
        ray_cluster_state(cluster, &told);
        assert_string_equal(told.reason, cases[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(asks_the_pod_what_kuberay_leaves_unsaid),
                                       cmocka_unit_test(reads_conditions), cmocka_unit_test(says_when_it_goes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
