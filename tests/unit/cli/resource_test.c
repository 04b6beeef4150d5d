/* Are kinds found by the words people use, and is an object's state told in the right one? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/resource.h"

static void words(void **state)
{
    static const struct {
        const char *word, *kind;
    } cases[] = {{"notebooks", "Notebook"},
                 {"notebook", "Notebook"},
                 {"Notebook", "Notebook"},
                 {"nb", "Notebook"},
                 {"po", "Pod"},
                 {"rayclusters", "RayCluster"},
                 {"RayCluster", "RayCluster"},
                 {"pvc", "PersistentVolumeClaim"},
                 {"profiles", "Profile"},
                 {"quota", "ResourceQuota"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct resource *resource = resource_by_word(cases[i].word);
        assert_non_null(resource);
        assert_string_equal(resource->kind, cases[i].kind);
    }
    assert_null(resource_by_word(""));
    assert_null(resource_by_word("deployments"));
    assert_non_null(resource_by_manifest("ray.io/v1", "RayCluster"));
    assert_non_null(resource_by_manifest("v1", "Pod"));
    assert_null(resource_by_manifest("ray.io/v1alpha1", "RayCluster"));
    assert_null(resource_by_manifest("v1", "Notebook"));
}

static void paths(void **state)
{
    (void)state;
    AUTO_FREE char *one = resource_path(resource_by_word("nb"), "alice", "nb1");
    AUTO_FREE char *all = resource_path(resource_by_word("pods"), NULL, NULL);
    AUTO_FREE char *profile = resource_path(resource_by_word("profiles"), NULL, "alice");
    AUTO_FREE char *hostile = resource_path(resource_by_word("pods"), "a/../b", "c?d#e");
    assert_string_equal(one, "/apis/kubeflow.org/v1/namespaces/alice/notebooks/nb1");
    assert_string_equal(all, "/api/v1/pods");
    assert_string_equal(profile, "/apis/kubeflow.org/v1/profiles/alice");
    assert_string_equal(hostile, "/api/v1/namespaces/a%2F..%2Fb/pods/c%3Fd%23e");
}

struct expectation {
    const char *word, *json, *state, *reason;
    bool ready, failed;
};
static const struct expectation expectations[] = {
    {"notebooks", "{}", "", "", false, false},
    {"notebooks", "{\"status\":{\"phase\":\"Running\"}}", "Running", "", true, false},
    {"notebooks", "{\"status\":{\"phase\":\"Pending\",\"reason\":\"Unschedulable\",\"message\":\"no memory\"}}",
     "Pending", "no memory", false, false},
    {"notebooks", "{\"status\":{\"phase\":\"Failed\",\"reason\":\"OOMKilled\"}}", "Failed", "OOMKilled", false, true},
    /* Stopped or started a moment ago: the status is still that of before. */
    {"notebooks", "{\"status\":{\"phase\":\"Stopped\",\"message\":\"it is stopped\"}}", "Starting", "", false, false},
    {"notebooks", "{\"status\":{\"phase\":\"Stopping\",\"message\":\"it is being stopped\"}}", "Starting", "", false,
     false},
    {"notebooks",
     "{\"metadata\":{\"annotations\":{\"kubeflow-resource-stopped\":\"\"}},\"status\":{\"phase\":\"Running\"}}",
     "Stopping", "", false, false},
    {"notebooks",
     "{\"metadata\":{\"annotations\":{\"kubeflow-resource-stopped\":\"\"}},\"status\":{\"phase\":\"Failed\","
     "\"message\":\"no\"}}",
     "Stopping", "", false, false},
    {"notebooks",
     "{\"metadata\":{\"annotations\":{\"kubeflow-resource-stopped\":\"\"}},\"status\":{\"phase\":\"Stopped\","
     "\"message\":\"it "
     "is stopped\"}}",
     "Stopped", "it is stopped", false, false},
    /* Changed a moment ago: neither running nor failed as it is wanted now. */
    {"notebooks", "{\"metadata\":{\"generation\":2},\"status\":{\"phase\":\"Running\",\"observedGeneration\":1}}",
     "Running", "", false, false},
    {"notebooks", "{\"metadata\":{\"generation\":2},\"status\":{\"phase\":\"Failed\",\"observedGeneration\":1}}",
     "Failed", "", false, false},
    {"notebooks", "{\"metadata\":{\"generation\":2},\"status\":{\"phase\":\"Running\",\"observedGeneration\":2}}",
     "Running", "", true, false},
    {"profiles", "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}", "Ready", "", true, false},
    {"profiles", "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\",\"reason\":\"Making\"}]}}",
     "Pending", "Making", false, false},
    {"profiles", "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},\"status\":{\"phase\":\"Ready\"}}",
     "Terminating", "", false, false},
    {"pods", "{\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
     "Running", "", true, false},
    {"pods",
     "{\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\":"
     "\"CrashLoopBackOff\"}}}]}}",
     "CrashLoopBackOff", "", false, false},
    {"pods",
     "{\"status\":{\"phase\":\"Succeeded\",\"containerStatuses\":[{\"state\":{\"terminated\":{\"reason\":"
     "\"Completed\"}}}]}}",
     "Succeeded", "", true, false},
    {"rayservices", "{\"status\":{}}", "Starting", "", false, false},
    {"rayservices",
     "{\"metadata\":{\"generation\":2},\"status\":{\"observedGeneration\":1,\"conditions\":[{\"type\":\"Ready\","
     "\"status\":\"True\",\"reason\":\"NonZeroServeEndpoints\",\"message\":\"all applications run\"}]}}",
     "Running", "", false, false},
    {"rayservices",
     "{\"metadata\":{\"generation\":2},\"status\":{\"observedGeneration\":2,\"conditions\":[{\"type\":\"Ready\","
     "\"status\":\"True\",\"reason\":\"NonZeroServeEndpoints\",\"message\":\"all applications run\"}]}}",
     "Running", "", true, false},
    {"rayservices",
     "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"reason\":\"NotAllApplicationsRunning\","
     "\"message\":\"application a is UNHEALTHY\"}]}}",
     "Running", "application a is UNHEALTHY", false, false},
    {"rayservices",
     "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"},{\"type\":\"UpgradeInProgress\","
     "\"status\":\"True\",\"message\":\"the cluster is starting\"}]}}",
     "Upgrading", "the cluster is starting", false, false},
    /* KubeRay leaves state "ready" when the head dies. */
    {"rayclusters",
     "{\"status\":{\"state\":\"ready\",\"conditions\":[{\"type\":\"HeadPodReady\",\"status\":\"False\",\"reason\":"
     "\"OOMKilled\"}]}}",
     "Pending", "OOMKilled: its head is starting", false, false},
    {"rayclusters",
     "{\"status\":{\"desiredWorkerReplicas\":2,\"readyWorkerReplicas\":1,\"conditions\":[{\"type\":\"HeadPodReady\","
     "\"status\":\"True\"}]}}",
     "Starting", "Provisioning: its head is running and workers are joining: 1 of 2 workers are ready", false, false},
    {"rayclusters", "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"}}", "Terminating",
     "Deleting: it is being deleted", false, false},
    {"rayclusters",
     "{\"status\":{\"desiredWorkerReplicas\":2,\"readyWorkerReplicas\":2,\"conditions\":[{\"type\":\"HeadPodReady\","
     "\"status\":\"True\"}]}}",
     "Ready", "", true, false},
    {"rayclusters",
     "{\"metadata\":{\"generation\":2},\"status\":{\"observedGeneration\":1,\"conditions\":[{\"type\":\"HeadPodReady\","
     "\"status\":\"True\"}]}}",
     "Ready", "", false, false},
};

static void states(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(expectations); i++) {
        const struct expectation *expected = &expectations[i];
        const struct resource *resource = resource_by_word(expected->word);
        AUTO_JSON cJSON *object = NULL;
        const char *reason = NULL;
        bool failed = false;
        assert_int_equal(json_parse(slice_of(expected->json), &json_limits_default, &object, NULL), 0);
        const char *word = resource_state(resource, object, &reason);
        if (strcmp(word, expected->state) != 0 || strcmp(reason, expected->reason) != 0)
            fail_msg("case %zu: \"%s\", \"%s\"", i, word, reason);
        if (resource_is_ready(resource, object, &failed) != expected->ready || failed != expected->failed)
            fail_msg("case %zu: ready is not %d or failed not %d", i, expected->ready, expected->failed);
    }
}

/* Every kind's row fills exactly its columns, whatever the object lacks. */
static void rows_are_whole(void **state)
{
    static const char *const kinds[] = {"profiles",     "notebooks",  "rayclusters", "pods",    "services",
                                        "events",       "pvc",        "configmaps",  "secrets", "quota",
                                        "sts",          "namespaces", "poddefaults", "sa",      "limits",
                                        "rolebindings", "netpol"};
    static const char *const objects[] = {
        "{}",
        "{\"metadata\":{\"name\":7,\"creationTimestamp\":\"x\"},\"spec\":{\"ports\":[1],\"hard\":{\"cpu\":1},"
        "\"containers\":{}},"
        "\"status\":[],\"data\":\"x\",\"count\":\"x\"}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const struct resource *resource = resource_by_word(kinds[i]);
        size_t columns = 0;
        while (resource->headers[columns])
            columns++;
        assert_true(columns < TABLE_COLUMNS_MAX); /* and NAMESPACE before them */
        for (size_t j = 0; j < COUNT_OF(objects); j++) {
            AUTO_JSON cJSON *object = NULL;
            AUTO_BUFFER struct buffer text = {0};
            assert_int_equal(json_parse(slice_of(objects[j]), &json_limits_default, &object, NULL), 0);
            struct table *table = table_new(resource->headers, TABLE_WIDE);
            resource->row(object, table);
            assert_int_equal(table_rows(table), 1);
            table_add(table, "x"); /* opens a second row: the first was full */
            assert_int_equal(table_rows(table), resource->headers[1] ? 1 : 2);
            table_print(table, true, &text);
            table_free(table);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(paths),
        cmocka_unit_test(states),
        cmocka_unit_test(rows_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
