/* Does the local engine hold a namespace to its ResourceQuotas, and all of them to the machine? */
#include "tests/integration/engine_bench.h"

static void test_quota_counts_objects_and_devices(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    AUTO_JSON cJSON *made = NULL;
    make_alice(bench);
    must_create(bench, KIND_RESOURCEQUOTA, "alice",
                "{metadata: {name: quota}, spec: {hard: {requests.nvidia.com/gpu: 1, count/configmaps: 1, "
                "count/notebooks.kubeflow.org: 0, services: 2}}}");
    must_create(bench, KIND_CONFIGMAP, "alice", "{metadata: {name: one}}");
    assert_int_equal(create(bench, KIND_CONFIGMAP, "alice", "{metadata: {name: two}}", &made, &error),
                     -ERROR_FORBIDDEN);
    assert_string_equal(error.message, "exceeded quota: quota, requested: count/configmaps=1, used: "
                                       "count/configmaps=1, limited: count/configmaps=1");
    assert_int_equal(create(bench, KIND_NOTEBOOK, "alice", "{metadata: {name: nb}}", &made, &error), -ERROR_FORBIDDEN);
    assert_int_equal(engine_delete(bench->engine, KIND_CONFIGMAP, "alice", "one", NULL, NULL), 0);
    must_create(bench, KIND_CONFIGMAP, "alice", "{metadata: {name: two}}");
    must_create(bench, KIND_POD, "alice",
                "metadata: {name: greedy}\nspec:\n  containers:\n  - name: main\n    image: ray-2.60\n"
                "    command: [sleep]\n    resources: {limits: {nvidia.com/gpu: 2}}\n");
    WAIT(condition_is(bench, KIND_POD, "greedy", "PodScheduled", "False"));
    AUTO_JSON cJSON *greedy = get(bench, KIND_POD, "alice", "greedy");
    assert_string_equal(
        json_text(cJSON_GetArrayItem(json_at(greedy, "status", "conditions", NULL), 0), "message", NULL),
        "exceeded quota: quota, requested: requests.nvidia.com/gpu=2, used: requests.nvidia.com/gpu=0, limited: "
        "requests.nvidia.com/gpu=1");
    WAIT(({
        AUTO_JSON cJSON *quota = get(bench, KIND_RESOURCEQUOTA, "alice", "quota");
        strcmp(json_text_or("", quota, "status", "used", "count/configmaps", NULL), "1") == 0 &&
            strcmp(json_text_or("", quota, "status", "used", "requests.nvidia.com/gpu", NULL), "0") == 0;
    }));
    static const char *const not_here[] = {"services.loadbalancers", "limits.ephemeral-storage", "count/jobs.batch",
                                           "count/profiles.kubeflow.org", "bananas"};
    for (size_t i = 0; i < COUNT_OF(not_here); i++) {
        AUTO_JSON cJSON *hard = json_object();
        json_set_text(hard, not_here[i], "1");
        assert_int_equal(engine_check_quota(bench->engine, hard, "spec.hard", &error), -ERROR_INVALID);
        assert_non_null(strstr(error.field, not_here[i]));
    }
}

static bool disk_is_short(struct bench *bench)
{
    AUTO_JSON cJSON *usage = NULL;
    return engine_usage(bench->engine, &usage, NULL) == 0 && json_true(usage, "disk", "short", NULL);
}

#define WRITER(name)                                                                                                   \
    "metadata: {name: " name "}\nspec:\n  restartPolicy: Never\n  containers:\n  - name: main\n    image: ray-2.60\n"  \
    "    command: [sleep]\n"

/* The fake reserves 2 GiB (engine_bench.h). */
static void test_a_full_disk(void **state)
{
    struct bench *bench = *state;
    make_alice(bench);
    must_create(bench, KIND_POD, "alice", WRITER("writer"));
    must_create(bench, KIND_POD, "alice", WRITER("reader"));
    WAIT(is(bench, KIND_POD, "alice", "writer", "phase", "Running"));
    WAIT(is(bench, KIND_POD, "alice", "reader", "phase", "Running"));
    WAIT(({
        AUTO_JSON cJSON *usage = NULL;
        engine_usage(bench->engine, &usage, NULL) == 0 && json_member(usage, "disk");
    }));
    fake.disk_free_bytes = INT64_C(3) << 29; /* 1.5 GiB */
    WAIT(disk_is_short(bench));
    must_create(bench, KIND_POD, "alice", WRITER("late"));
    WAIT(condition_is(bench, KIND_POD, "late", "PodScheduled", "False"));
    AUTO_JSON cJSON *late = get(bench, KIND_POD, "alice", "late");
    assert_string_equal(
        json_text(cJSON_GetArrayItem(json_at(late, "status", "conditions", NULL), 0), "message", NULL),
        "the machine's disk is almost full: 1536Mi are free, 2Gi are kept free (ATELIER_DISK_RESERVED)");
    pthread_mutex_lock(&fake.lock);
    fake.disk_bytes = from_yaml("{writer: 1000000000, reader: 5000000}");
    fake.disk_free_bytes = INT64_C(1) << 29;
    pthread_mutex_unlock(&fake.lock);
    WAIT(is(bench, KIND_POD, "alice", "writer", "phase", "Failed"));
    WAIT(is(bench, KIND_POD, "alice", "writer", "reason", "Evicted"));
    WAIT(fake_pod_count() == 1);
    clock_sleep_ms(1500); /* some looks more: who did not write goes on */
    assert_true(is(bench, KIND_POD, "alice", "reader", "phase", "Running"));
    assert_int_equal(fake_pod_count(), 1);
    fake.disk_free_bytes = INT64_C(9) << 28; /* 2.25 GiB: not yet a quarter more */
    clock_sleep_ms(1500);
    assert_true(disk_is_short(bench));
    fake.disk_free_bytes = INT64_C(3) << 30;
    WAIT(is(bench, KIND_POD, "alice", "late", "phase", "Running"));
    assert_false(disk_is_short(bench));
}

static void test_capacity_and_quota(void **state)
{
    struct bench *bench = *state;
    make_alice(bench);
    must_create(bench, KIND_RESOURCEQUOTA, "alice",
                "{metadata: {name: quota}, spec: {hard: {limits.memory: 1Gi, requests.storage: 2Gi}}}");
    must_create(bench, KIND_POD, "alice",
                "metadata: {name: first}\nspec:\n  containers:\n  - name: main\n    image: ray-2.60\n"
                "    command: [sleep]\n    resources: {limits: {memory: 768Mi}}\n");
    WAIT(is(bench, KIND_POD, "alice", "first", "phase", "Running"));
    must_create(bench, KIND_POD, "alice",
                "metadata: {name: second}\nspec:\n  containers:\n  - name: main\n    image: ray-2.60\n"
                "    command: [sleep]\n    resources: {limits: {memory: 512Mi}}\n");
    WAIT(condition_is(bench, KIND_POD, "second", "PodScheduled", "False"));
    AUTO_JSON cJSON *second = get(bench, KIND_POD, "alice", "second");
    const char *message =
        json_text(cJSON_GetArrayItem(json_at(second, "status", "conditions", NULL), 0), "message", NULL);
    assert_string_equal(message, "exceeded quota: quota, requested: limits.memory=512Mi, used: limits.memory=768Mi, "
                                 "limited: limits.memory=1Gi");
    WAIT(({
        AUTO_JSON cJSON *quota = get(bench, KIND_RESOURCEQUOTA, "alice", "quota");
        strcmp(json_text_or("", quota, "status", "used", "limits.memory", NULL), "768Mi") == 0;
    }));
    assert_int_equal(engine_delete(bench->engine, KIND_POD, "alice", "first", NULL, NULL), 0);
    WAIT(is(bench, KIND_POD, "alice", "second", "phase", "Running"));
    must_create(bench, KIND_NAMESPACE, NULL, "{metadata: {name: bob}}");
    must_create(bench, KIND_POD, "bob",
                "metadata: {name: huge}\nspec:\n  containers:\n  - name: main\n    image: ray-2.60\n"
                "    command: [sleep]\n    resources: {limits: {memory: 100Ti}}\n");
    WAIT(({
        AUTO_JSON cJSON *huge = get(bench, KIND_POD, "bob", "huge");
        const cJSON *condition = cJSON_GetArrayItem(json_at(huge, "status", "conditions", NULL), 0);
        strcmp(json_text_or("", condition, "reason", NULL), "Unschedulable") == 0;
    }));
    struct error error = {0};
    must_create(bench, KIND_CLAIM, "alice", "{metadata: {name: v}, spec: {resources: {requests: {storage: 1Gi}}}}");
    assert_int_equal(create(bench, KIND_CLAIM, "alice",
                            "{metadata: {name: w}, spec: {resources: {requests: {storage: 1500Mi}}}}", NULL, &error),
                     -ERROR_FORBIDDEN);
    AUTO_JSON cJSON *usage = NULL;
    assert_int_equal(engine_usage(bench->engine, &usage, NULL), 0);
    assert_string_equal(json_text(usage, "requested", "memory", NULL), "512Mi");
}

#define GPU_POD(name, count)                                                                                           \
    "metadata: {name: " name "}\nspec:\n  containers:\n  - name: main\n    image: ray-2.60\n"                          \
    "    command: [sleep]\n    resources: {limits: {memory: 64Mi, nvidia.com/gpu: " count "}}\n"

/* What sandboxd was told to give the pod. */
static char *gpus_given(const char *sandbox, const char *pod)
{
    pthread_mutex_lock(&fake.lock);
    char *text = json_print(json_member(json_at(fake_find(sandbox, pod), "spec", "containers", NULL)->child, "gpus"));
    pthread_mutex_unlock(&fake.lock);
    return text;
}

static void expect_gpus(const char *sandbox, const char *pod, const char *expected)
{
    AUTO_FREE char *given = gpus_given(sandbox, pod);
    assert_string_equal(given, expected);
}

static void expect_waiting(struct bench *bench, const char *pod, const char *message)
{
    WAIT(condition_is(bench, KIND_POD, pod, "PodScheduled", "False"));
    AUTO_JSON cJSON *found = get(bench, KIND_POD, "alice", pod);
    assert_string_equal(json_text(json_condition(found, "PodScheduled"), "message", NULL), message);
}

static void test_gpus_are_one_pods_at_a_time(void **state)
{
    struct bench *bench = *state;
    AUTO_JSON cJSON *usage = NULL;
    make_alice(bench);
    must_create(bench, KIND_NAMESPACE, NULL, "{metadata: {name: bob}}");
    fake.gpus = 3;
    must_create(bench, KIND_POD, "alice", GPU_POD("one", "1"));
    WAIT(is(bench, KIND_POD, "alice", "one", "phase", "Running"));
    must_create(bench, KIND_POD, "bob", GPU_POD("two", "2"));
    WAIT(is(bench, KIND_POD, "bob", "two", "phase", "Running"));
    expect_gpus("alice", "one", "[\"nvidia0\"]");
    expect_gpus("bob", "two", "[\"nvidia1\",\"nvidia2\"]");
    must_create(bench, KIND_POD, "alice", GPU_POD("late", "1"));
    expect_waiting(bench, "late",
                   "not enough nvidia.com/gpu: the pod needs 1, 0 of 3 are free; of this profile, one has 1");
    assert_int_equal(engine_usage(bench->engine, &usage, NULL), 0);
    int64_t all = 0, asked = 0;
    assert_true(json_i64(json_at(usage, "allocatable", "nvidia.com/gpu", NULL), &all) && all == 3);
    assert_true(json_i64(json_at(usage, "requested", "nvidia.com/gpu", NULL), &asked) && asked == 3);

    /* Neither a restart of atelierd nor the loss of all processes changes whose they are. */
    restart_engine(bench);
    fake_restart();
    WAIT(fake_pod_count() == 2); /* what their objects say may be from before */
    WAIT(is(bench, KIND_POD, "alice", "one", "phase", "Running") &&
         is(bench, KIND_POD, "bob", "two", "phase", "Running"));
    assert_true(condition_is(bench, KIND_POD, "late", "PodScheduled", "False"));
    assert_int_equal(engine_delete(bench->engine, KIND_POD, "bob", "two", NULL, NULL), 0);
    WAIT(is(bench, KIND_POD, "alice", "late", "phase", "Running"));
    expect_gpus("alice", "one", "[\"nvidia0\"]");
    expect_gpus("alice", "late", "[\"nvidia1\"]");
    must_create(bench, KIND_POD, "alice", GPU_POD("four", "4"));
    expect_waiting(
        bench, "four",
        "not enough nvidia.com/gpu: the pod needs 4, 1 of 3 are free; of this profile, late has 1, one has 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_capacity_and_quota), TEST(test_quota_counts_objects_and_devices),
                                       TEST(test_gpus_are_one_pods_at_a_time), TEST(test_a_full_disk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
