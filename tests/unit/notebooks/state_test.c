/* A notebook's status: one row a situation, with the word, the reason and the progress a person sees. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "notebooks/state.h"

#define NB                                                                                                             \
    "{\"metadata\":{\"name\":\"nb1\",\"generation\":3},\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":"   \
    "\"nb1\",\"resources\":{\"limits\":{\"memory\":\"1Gi\"}}}]}}}}"
#define STOPPED_NB "{\"metadata\":{\"name\":\"nb1\",\"annotations\":{\"kubeflow-resource-stopped\":\"x\"}}}"
#define IDLE_NB                                                                                                        \
    "{\"metadata\":{\"name\":\"nb1\",\"annotations\":{\"kubeflow-resource-stopped\":\"x\",\"atelier.dev/"              \
    "stopped-idle\":\"x\"}},"                                                                                          \
    "\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"nb1\"}]}}},"                                        \
    "\"status\":{\"lastActivity\":\"2026-11-23T09:00:00Z\",\"idleStopAt\":\"2026-11-23T10:00:00Z\"}}"
#define STOPPED_AGAIN_NB                                                                                               \
    "{\"metadata\":{\"name\":\"nb1\",\"annotations\":{\"kubeflow-resource-stopped\":\"y\",\"atelier.dev/"              \
    "stopped-idle\":\"x\"}}}"
#define BOUND "{\"status\":{\"phase\":\"Bound\"}}"
#define POD(conditions, state)                                                                                         \
    "{\"status\":{\"phase\":\"Running\",\"conditions\":[" conditions                                                   \
    "],\"containerStatuses\":[{\"name\":\"nb1\"," state "}]}}"
#define PLACED "{\"type\":\"PodScheduled\",\"status\":\"True\"}"
#define READY ",{\"type\":\"Ready\",\"status\":\"True\"}"
#define UNREADY ",{\"type\":\"Ready\",\"status\":\"False\"}"
#define NOW "2026-11-23T10:00:10Z"

static cJSON *parsed(const char *text)
{
    cJSON *value = NULL;
    struct error error = {0};
    if (text && json_parse(slice_of(text), &json_limits_default, &value, &error) < 0)
        fail_msg("%s: %s", text, error.message);
    return value;
}

static void says_what_is_the_matter(void **state)
{
    (void)state;
    static const struct {
        const char *notebook, *home, *pod, *create_error;
        const char *phase, *reason, *words;
        int progress;
        bool again;
    } cases[] = {
        {NB, NULL, NULL, NULL, "Pending", "HomeVolumePending", "home volume", 0, false},
        {NB, BOUND, NULL, NULL, "Pending", "Scheduling", "waiting", 20, false},
        {NB, BOUND, NULL, "exceeded quota: kf-resource-quota, requested: cpu=40, used: cpu=0, limited: cpu=32",
         "Pending", "QuotaExceeded", "cpu: 40 asked for, 0 of 32 in use", 20, false},
        {NB, BOUND, NULL, "something else", "Pending", "FailedCreate", "something else", 20, false},
        {NB, BOUND,
         POD("{\"type\":\"PodScheduled\",\"status\":\"False\",\"reason\":\"Unschedulable\",\"message\":\"not enough "
             "memory\"}",
             "\"state\":{}"),
         NULL, "Pending", "Unschedulable", "not enough memory", 20, false},
        {NB, BOUND, POD(PLACED, "\"state\":{\"waiting\":{\"reason\":\"ContainerCreating\"}}"), NULL, "Starting",
         "ContainerCreating", "being started", 40, false},
        {NB, BOUND, POD(PLACED, "\"state\":{\"waiting\":{\"reason\":\"ErrImagePull\",\"message\":\"no such image\"}}"),
         NULL, "Failed", "ImagePullBackOff", "choose another image", 40, false},
        {NB, BOUND,
         POD(PLACED, "\"state\":{\"waiting\":{\"reason\":\"CreateContainerConfigError\",\"message\":\"no secret x\"}}"),
         NULL, "Failed", "CreateContainerConfigError", "no secret x", 40, false},
        {NB, BOUND, POD(PLACED UNREADY, "\"state\":{\"running\":{\"startedAt\":\"2026-11-23T10:00:09Z\"}}"), NULL,
         "Starting", "ServerStarting", "starting", 60, true},
        {NB, BOUND, POD(PLACED UNREADY, "\"state\":{\"running\":{\"startedAt\":\"2026-11-23T10:00:00Z\"}}"), NULL,
         "Starting", "WaitingForServer", "does not answer yet", 80, false},
        {NB, BOUND, POD(PLACED READY, "\"state\":{\"running\":{\"startedAt\":\"2026-11-23T10:00:00Z\"}}"), NULL,
         "Running", "Running", "running", 100, false},
        {NB, BOUND,
         POD(PLACED READY, "\"restartCount\":1,\"state\":{\"running\":{\"startedAt\":\"2026-11-23T10:00:00Z\"}},"
                           "\"lastState\":{\"terminated\":{\"reason\":\"OOMKilled\"}}"),
         NULL, "Running", "Running", "more memory", 100, false},
        {NB, BOUND,
         POD(PLACED UNREADY, "\"restartCount\":3,\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}},"
                             "\"lastState\":{\"terminated\":{\"reason\":\"OOMKilled\",\"exitCode\":137}}"),
         NULL, "Failed", "OOMKilled", "limit of 1Gi", 40, false},
        {NB, BOUND,
         POD(PLACED UNREADY, "\"restartCount\":3,\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}},"
                             "\"lastState\":{\"terminated\":{\"reason\":\"Error\",\"exitCode\":2}}"),
         NULL, "Failed", "CrashLoopBackOff", "exit code 2", 40, false},
        {NB, BOUND,
         POD(PLACED UNREADY, "\"restartCount\":1,\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}},"
                             "\"lastState\":{\"terminated\":{\"reason\":\"Completed\",\"exitCode\":0}}"),
         NULL, "Starting", "Restarting", "exit code 0", 40, false},
        {STOPPED_NB, BOUND, POD(PLACED READY, "\"state\":{}"), NULL, "Stopping", "Stopping", "being stopped", 0, false},
        {STOPPED_NB, BOUND, NULL, NULL, "Stopped", "Stopped", "files are kept", 0, false},
        {IDLE_NB, BOUND, NULL, NULL, "Stopped", "Idle", "since 2026-11-23T09:00:00Z", 0, false},
        {STOPPED_AGAIN_NB, BOUND, NULL, NULL, "Stopped", "Stopped", "files are kept", 0, false},
        {"{\"metadata\":{\"name\":\"nb1\",\"deletionTimestamp\":\"" NOW "\"}}", BOUND, NULL, NULL, "Stopping",
         "Deleting", "deleted", 0, false},
        {NB, BOUND, "{\"metadata\":{\"deletionTimestamp\":\"" NOW "\"},\"status\":{\"conditions\":[" PLACED READY "]}}",
         NULL, "Starting", "Restarting", "restarted", 20, false},
        {NB, BOUND, NULL,
         "create Pod nb1-0 in StatefulSet nb1 failed error: pods \"nb1-0\" is forbidden: violates "
         "PodSecurity \"restricted:latest\": runAsNonRoot != true",
         "Pending", "PodSecurity", "runAsNonRoot", 20, false},
        {NB, BOUND,
         POD("{\"type\":\"PodScheduled\",\"status\":\"False\",\"reason\":\"Unschedulable\",\"message\":\"0/2 nodes are "
             "available: 2 Insufficient cpu. preemption: none\"}",
             "\"state\":{}"),
         NULL, "Pending", "Unschedulable", "no node has enough cpu free", 20, false},
        {NB, BOUND,
         POD(PLACED UNREADY, "\"restartCount\":3,\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}},"
                             "\"lastState\":{\"terminated\":{\"reason\":\"Error\",\"exitCode\":1,\"message\":"
                             "\"Traceback:\\nImportError: no module named x\\n\"}}"),
         NULL, "Failed", "CrashLoopBackOff", "exit code 1 (3 restarts so far); its log ends with: ImportError: no", 40,
         false},
        {NB, BOUND,
         POD(PLACED UNREADY, "\"restartCount\":3,\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}},"
                             "\"lastState\":{\"terminated\":{\"reason\":\"Error\",\"exitCode\":1,\"message\":"
                             "\"http://localhost:8888/?token=secret\"}}"),
         NULL, "Failed", "CrashLoopBackOff", "its log says why", 40, false},
    };
    int64_t now = 0;
    assert_true(clock_parse(SLICE(NOW), &now));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *notebook = parsed(cases[i].notebook);
        AUTO_JSON cJSON *home = parsed(cases[i].home);
        AUTO_JSON cJSON *pod = parsed(cases[i].pod);
        struct notebook_view view = {
            .notebook = notebook, .home = home, .pod = pod, .create_error = cases[i].create_error, .now_ms = now};
        int64_t again = 0;
        int64_t number = 0;
        AUTO_JSON cJSON *status = notebook_state(&view, &again);
        assert_string_equal(json_text(status, "phase", NULL), cases[i].phase);
        assert_string_equal(json_text(status, "reason", NULL), cases[i].reason);
        if (!strstr(json_text(status, "message", NULL), cases[i].words))
            fail_msg("row %zu: \"%s\" lacks \"%s\"", i, json_text(status, "message", NULL), cases[i].words);
        assert_true(json_i64(json_member(status, "progress"), &number));
        assert_int_equal(number, cases[i].progress);
        assert_int_equal(again > 0, cases[i].again);
        assert_true(json_i64(json_member(status, "readyReplicas"), &number));
        assert_int_equal(number, strcmp(cases[i].phase, "Running") == 0);
        assert_non_null(json_member(status, "containerState"));
    }
}

/* Looking again without news must give the same status: otherwise every look would be a write (Kubeflow's hot loop). */
static void is_stable(void **state)
{
    (void)state;
    AUTO_JSON cJSON *notebook = parsed(NB);
    AUTO_JSON cJSON *home = parsed(BOUND);
    AUTO_JSON cJSON *pod =
        parsed(POD(PLACED READY, "\"state\":{\"running\":{\"startedAt\":\"2026-11-23T10:00:00Z\"}}"));
    struct notebook_view view = {.notebook = notebook, .home = home, .pod = pod, .now_ms = 1000000};
    int64_t again = 0;
    cJSON *first = notebook_state(&view, &again);
    json_set(notebook, "status", first);
    view.now_ms += 3600000;
    AUTO_JSON cJSON *second = notebook_state(&view, &again);
    assert_true(json_equal(first, second));
}

/* Only where a container is long in the making is there an event to show. */
static void shows_what_a_pod_waits_for(void **state)
{
    (void)state;
    AUTO_JSON cJSON *notebook = parsed(NB);
    AUTO_JSON cJSON *pod = parsed(POD(PLACED, "\"state\":{\"waiting\":{\"reason\":\"ContainerCreating\"}}"));
    struct notebook_view view = {.notebook = notebook,
                                 .pod = pod,
                                 .pod_reason = "FailedAttachVolume",
                                 .pod_message = "Multi-Attach error for volume \"pvc-1\" already used by nb2-0"};
    int64_t again = 0;
    AUTO_JSON cJSON *status = notebook_state(&view, &again);
    assert_string_equal(json_text(status, "phase", NULL), "Starting");
    assert_string_equal(json_text(status, "reason", NULL), "VolumeInUse");
    assert_non_null(strstr(json_text(status, "message", NULL), "nb2-0"));
}

/* What runs is not said to have failed because its Notebook could not be made again. */
static void tells_what_runs_although_blocked(void **state)
{
    (void)state;
    AUTO_JSON cJSON *notebook = parsed(NB);
    AUTO_JSON cJSON *pod =
        parsed(POD(PLACED READY, "\"state\":{\"running\":{\"startedAt\":\"2026-11-23T10:00:00Z\"}}"));
    struct notebook_view view = {.notebook = notebook,
                                 .pod = pod,
                                 .blocked_phase = "Failed",
                                 .blocked_reason = "Invalid",
                                 .blocked_message = "no"};
    int64_t again = 0;
    AUTO_JSON cJSON *status = notebook_state(&view, &again);
    assert_string_equal(json_text(status, "phase", NULL), "Running");
}

/* A warning is for what runs; when it was last used is told on. */
static void keeps_what_is_known_of_its_use(void **state)
{
    (void)state;
    AUTO_JSON cJSON *notebook = parsed(IDLE_NB);
    AUTO_JSON cJSON *pod =
        parsed(POD(PLACED READY, "\"state\":{\"running\":{\"startedAt\":\"2026-11-23T08:00:00Z\"}}"));
    AUTO_JSON cJSON *home = parsed(BOUND);
    struct notebook_view view = {.notebook = notebook, .home = home};
    int64_t again = 0;
    AUTO_JSON cJSON *stopped = notebook_state(&view, &again);
    assert_string_equal(json_text(stopped, "lastActivity", NULL), "2026-11-23T09:00:00Z");
    assert_null(json_member(stopped, "idleStopAt"));
    json_remove(json_member(notebook, "metadata"), "annotations");
    view.pod = pod;
    AUTO_JSON cJSON *running = notebook_state(&view, &again);
    assert_string_equal(json_text(running, "idleStopAt", NULL), "2026-11-23T10:00:00Z");
}

/* Who waits for a change is not told of the pod before it, which is ready until it goes. */
static void tells_of_the_generation_whose_pod_there_is(void **state)
{
    (void)state;
    static const struct {
        const char *set, *label;
        bool written;
        int64_t observed;
    } cases[] = {
        {"{}", "", false, 3},
        {"{}", "", true, 2},
        {"{\"metadata\":{\"generation\":2},\"status\":{\"observedGeneration\":1}}", "", false, 2},
        {"{\"metadata\":{\"generation\":2},\"status\":{\"observedGeneration\":2}}", "", false, 3},
        {"{\"metadata\":{\"generation\":2},\"status\":{\"observedGeneration\":2,\"updateRevision\":\"nb1-b\"}}",
         "nb1-a", false, 2},
        {"{\"metadata\":{\"generation\":2},\"status\":{\"observedGeneration\":2,\"updateRevision\":\"nb1-b\"}}",
         "nb1-b", false, 3},
        {"{\"metadata\":{\"generation\":2},\"status\":{\"observedGeneration\":2,\"updateRevision\":\"nb1-b\"}}", "b",
         false, 3},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *notebook = parsed(NB);
        AUTO_JSON cJSON *set = parsed(cases[i].set);
        AUTO_JSON cJSON *pod =
            parsed(POD(PLACED READY, "\"state\":{\"running\":{\"startedAt\":\"2026-11-23T08:00:00Z\"}}"));
        cJSON *labels = json_object_in(json_object_in(pod, "metadata"), "labels");
        json_set_text(labels, "controller-revision-hash", *cases[i].label ? cases[i].label : NULL);
        json_set_i64(json_object_in(notebook, "status"), "observedGeneration", 2);
        struct notebook_view view = {
            .notebook = notebook, .statefulset = set, .pod = pod, .set_written = cases[i].written};
        int64_t again = 0, observed = 0;
        AUTO_JSON cJSON *status = notebook_state(&view, &again);
        assert_string_equal(json_text(status, "phase", NULL), "Running");
        assert_true(json_i64(json_member(status, "observedGeneration"), &observed));
        if (observed != cases[i].observed)
            fail_msg("row %zu: of generation %lld, not %lld", i, (long long)observed, (long long)cases[i].observed);
        view.pod = NULL;
        AUTO_JSON cJSON *none = notebook_state(&view, &again);
        assert_true(json_i64(json_member(none, "observedGeneration"), &observed));
        assert_int_equal(observed, 3);
    }
}

static void passes_on_what_blocks(void **state)
{
    (void)state;
    AUTO_JSON cJSON *notebook = parsed(NB);
    struct notebook_view view = {.notebook = notebook,
                                 .blocked_phase = "Failed",
                                 .blocked_reason = "NameTaken",
                                 .blocked_message = "a Service named nb1 exists"};
    int64_t again = 0;
    AUTO_JSON cJSON *status = notebook_state(&view, &again);
    assert_string_equal(json_text(status, "phase", NULL), "Failed");
    assert_string_equal(json_text(status, "reason", NULL), "NameTaken");
    assert_string_equal(json_text(status, "message", NULL), "a Service named nb1 exists");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(says_what_is_the_matter),
                                       cmocka_unit_test(is_stable),
                                       cmocka_unit_test(tells_of_the_generation_whose_pod_there_is),
                                       cmocka_unit_test(passes_on_what_blocks),
                                       cmocka_unit_test(shows_what_a_pod_waits_for),
                                       cmocka_unit_test(tells_what_runs_although_blocked),
                                       cmocka_unit_test(keeps_what_is_known_of_its_use)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
