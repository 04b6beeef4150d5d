/* Do profiles become namespaces with walls, rights and quotas on a real API server, whatever happens on the way? */
#include "tests/integration/tenants.h"

#include "engine/kubernetes/kubernetes.h"
#include "tenancy/internal.h"
#include "tests/kubernetes/cutting_engine.h"
#include "tests/kubernetes/likeness.h"

#define PASSES_MAX 50 /* a profile that takes more does not converge */
#define CUTS_MAX 40   /* more writes than one profile has */
#define QUIET_MS 1500 /* nothing written for so long: at rest */
#define REMOVED 6     /* profiles that are taken down again; a removal has fewer writes */

static struct cutting_engine cutting = {.base = {&cutting_operations}};
static struct tenancy *tenancy;
static const struct identity alice = {.kind = IDENTITY_SESSION, .user_id = 1, .email = ALICE};

/* --- the world ---------------------------------------------------------------------------------------------------- */

static struct tenancy_options options_over(struct engine *over)
{
    return (struct tenancy_options){.engine = over,
                                    .auth = auth,
                                    .quota_cpu = "4",
                                    .quota_memory = "8Gi",
                                    .home_size = "1Gi",
                                    .namespace = "default"};
}

static int begin(void **state)
{
    (void)state;
    tenants_begin("tenancy", 100);
    engine = cluster_engine("tenancy-test");
    cutting.real = engine;
    const struct tenancy_options options = options_over(&cutting.base);
    OK(tenancy_new(&options, &tenancy, &error));
    return 0;
}

static int end(void **state)
{
    (void)state;
    tenancy_free(tenancy);
    kubernetes_engine_free(engine);
    tenants_end();
    return 0;
}

/* Waits until the object's text no longer contains <unwanted>. */
static void wait_without(enum engine_kind kind, const char *namespace, const char *name, const char *unwanted)
{
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS;; clock_sleep_ms(10)) {
        AUTO_JSON cJSON *object = get(kind, namespace, name);
        AUTO_FREE char *text = json_print(object);
        if (object && !strstr(text, unwanted))
            return;
        assert_true(clock_monotonic_ms() < until);
    }
}

static void wait_ready(const char *profile)
{
    wait_for(KIND_PROFILE, NULL, profile, "\"phase\":\"Ready\"");
}

/* How many writes there were, once none came for QUIET_MS. */
static int writes_at_rest(void)
{
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS;;) {
        int before = cutting.writes;
        clock_sleep_ms(QUIET_MS);
        if (cutting.writes == before)
            return before;
        if (clock_monotonic_ms() > until)
            fail_msg("something is written again and again");
    }
}

/* --- what a profile becomes --------------------------------------------------------------------------------------- */

static void a_profile_becomes_a_namespace(void **state)
{
    (void)state;
    AUTO_JSON cJSON *wanted = parsed("{\"metadata\":{\"name\":\"alice\"}}");
    AUTO_JSON cJSON *made = NULL;
    OK(tenancy_create_profile(tenancy, &alice, wanted, &made, &error));
    wait_ready("alice"); /* though nothing binds its home */
    AUTO_JSON cJSON *namespace = get(KIND_NAMESPACE, NULL, "alice");
    AUTO_JSON cJSON *account = get(KIND_SERVICEACCOUNT, "alice", "default-editor");
    AUTO_JSON cJSON *binding = get(KIND_ROLEBINDING, "alice", "atelier-admin");
    AUTO_JSON cJSON *quota = get(KIND_RESOURCEQUOTA, "alice", "kf-resource-quota");
    AUTO_JSON cJSON *walls = get(KIND_NETWORKPOLICY, "alice", TENANCY_WALLS);
    AUTO_JSON cJSON *secret = get(KIND_SECRET, "alice", "ray-auth");
    AUTO_JSON cJSON *range = get(KIND_LIMITRANGE, "alice", TENANCY_DEFAULTS);
    AUTO_JSON cJSON *home = get(KIND_CLAIM, "alice", "home");
    AUTO_FREE char *subjects = json_print(json_member(binding, "subjects"));
    assert_string_equal(json_text(namespace, "metadata", "annotations", "owner", NULL), ALICE);
    assert_string_equal(json_text(namespace, "metadata", "labels", "app.kubernetes.io/part-of", NULL),
                        "kubeflow-profile");
    assert_string_equal(json_text(namespace, "metadata", "labels", "pod-security.kubernetes.io/enforce", NULL),
                        "baseline");
    assert_false(json_true(account, "automountServiceAccountToken", NULL));
    assert_non_null(strstr(subjects, "\"name\":\"alice.admin\",\"namespace\":\"atelier-tenants\""));
    assert_non_null(strstr(subjects, "\"atelier:alice:admin\""));
    assert_non_null(strstr(subjects, "\"" ALICE "\""));
    assert_string_equal(json_text(quota, "spec", "hard", "cpu", NULL), "4");
    assert_int_equal(cJSON_GetArraySize(json_at(walls, "spec", "policyTypes", NULL)), 2);
    /* What else they let through is asked in tests/unit/tenancy/walls_test.c; here, that this cluster's API server is
     * in it, for Ray's autoscaler. */
    AUTO_FREE char *out = json_print(json_at(walls, "spec", "egress", NULL));
    assert_non_null(strstr(out, "\"cidr\":\"10.96.0.1/32\""));
    assert_non_null(json_text(secret, "data", "auth_token", NULL));
    assert_non_null(range);
    assert_string_equal(json_text(home, "status", "phase", NULL), "Pending");
    if (engine_has(engine, KIND_AUTHORIZATIONPOLICY)) {
        AUTO_JSON cJSON *mesh = get(KIND_AUTHORIZATIONPOLICY, "alice", TENANCY_WALLS);
        assert_non_null(mesh);
    }
}

static void a_finished_profile_costs_no_write(void **state)
{
    (void)state;
    int before = writes_at_rest();
    for (int i = 0; i < 3; i++) {
        queue_add(tenancy->queue, "alice", "alice");
        assert_int_equal(writes_at_rest(), before);
    }
}

static void tokens_are_mounted_where_that_is_asked_for(void **state)
{
    (void)state;
    merge(KIND_PROFILE, NULL, "alice", "{\"metadata\":{\"annotations\":{\"" TENANCY_MOUNT_TOKENS "\":\"true\"}}}");
    wait_for(KIND_SERVICEACCOUNT, "alice", "default-editor", "\"automountServiceAccountToken\":true");
    merge(KIND_PROFILE, NULL, "alice", "{\"metadata\":{\"annotations\":{\"" TENANCY_MOUNT_TOKENS "\":null}}}");
    wait_for(KIND_SERVICEACCOUNT, "alice", "default-editor", "\"automountServiceAccountToken\":false");
}

static void drift_is_undone(void **state)
{
    (void)state;
    delete (KIND_NETWORKPOLICY, "alice", TENANCY_WALLS);
    wait_for(KIND_NETWORKPOLICY, "alice", TENANCY_WALLS, "policyTypes");
    merge(KIND_NETWORKPOLICY, "alice", TENANCY_WALLS, "{\"spec\":{\"policyTypes\":[\"Ingress\"]}}");
    wait_for(KIND_NETWORKPOLICY, "alice", TENANCY_WALLS, "\"Egress\"]");
    merge(KIND_ROLEBINDING, "alice", "atelier-viewer",
          "{\"subjects\":[{\"kind\":\"User\",\"apiGroup\":\"rbac.authorization.k8s.io\",\"name\":\"mallory\"}]}");
    wait_for(KIND_ROLEBINDING, "alice", "atelier-viewer", "atelier:alice:viewer");
    AUTO_JSON cJSON *binding = get(KIND_ROLEBINDING, "alice", "atelier-viewer");
    AUTO_FREE char *text = json_print(json_member(binding, "subjects"));
    assert_null(strstr(text, "mallory"));
    merge(KIND_SERVICEACCOUNT, "alice", "default-editor", "{\"automountServiceAccountToken\":true}");
    wait_for(KIND_SERVICEACCOUNT, "alice", "default-editor", "\"automountServiceAccountToken\":false");
    merge(KIND_NAMESPACE, NULL, "alice", "{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":null}}}");
    wait_for(KIND_NAMESPACE, NULL, "alice", "\"pod-security.kubernetes.io/enforce\":\"baseline\"");
    (void)writes_at_rest();
}

/* --- what changes ------------------------------------------------------------------------------------------------- */

static void a_member_costs_one_write(void **state)
{
    (void)state;
    AUTO_JSON cJSON *grant = NULL;
    int64_t id = 0;
    int before = writes_at_rest();
    OK(auth_grant_add(auth, "alice", "User", BOB, ROLE_EDITOR, NULL, NULL, INT64_MAX, &alice, &grant, &error));
    int64_t took = wait_for(KIND_ROLEBINDING, "alice", "atelier-editor", "\"" BOB "\"");
    printf("a member is in the cluster's roles after %d ms\n", (int)took);
    assert_int_equal(writes_at_rest(), before + 1);
    assert_true(json_i64(json_member(grant, "id"), &id));
    OK(auth_grant_remove(auth, "alice", id, &error));
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS;; clock_sleep_ms(10)) {
        AUTO_JSON cJSON *binding = get(KIND_ROLEBINDING, "alice", "atelier-editor");
        AUTO_FREE char *text = json_print(binding);
        if (!strstr(text, BOB))
            break;
        assert_true(clock_monotonic_ms() < until);
    }
    assert_int_equal(writes_at_rest(), before + 2);
}

static void quota_and_owner_converge(void **state)
{
    (void)state;
    merge(KIND_PROFILE, NULL, "alice", "{\"spec\":{\"resourceQuotaSpec\":{\"hard\":{\"cpu\":\"2\",\"pods\":\"9\"}}}}");
    wait_for(KIND_RESOURCEQUOTA, "alice", "kf-resource-quota", "\"pods\":\"9\"");
    merge(KIND_PROFILE, NULL, "alice", "{\"spec\":{\"resourceQuotaSpec\":{\"hard\":{\"pods\":null}}}}");
    wait_for(KIND_RESOURCEQUOTA, "alice", "kf-resource-quota", "\"hard\":{\"cpu\":\"2\",\"memory\":\"8Gi\"}");
    /* Whatever else a cluster counts is handed on. */
    merge(KIND_PROFILE, NULL, "alice",
          "{\"spec\":{\"resourceQuotaSpec\":{\"hard\":{\"requests.nvidia.com/gpu\":\"2\",\"count/jobs.batch\":\"5\","
          "\"gold.storageclass.storage.k8s.io/requests.storage\":\"1Ti\",\"requests.hugepages-2Mi\":\"1Gi\","
          "\"services.loadbalancers\":\"0\",\"limits.ephemeral-storage\":\"9Gi\"}}}}");
    wait_for(KIND_RESOURCEQUOTA, "alice", "kf-resource-quota", "\"requests.nvidia.com/gpu\":\"2\"");
    wait_for(KIND_RESOURCEQUOTA, "alice", "kf-resource-quota", "storageclass.storage.k8s.io/requests.storage");
    merge(KIND_PROFILE, NULL, "alice",
          "{\"spec\":{\"resourceQuotaSpec\":{\"hard\":null},\"plugins\":[{\"kind\":\"WorkloadIdentity\",\"spec\":"
          "{\"gcpServiceAccount\":\"nb@team-1.iam.gserviceaccount.com\"}}]}}");
    wait_for(KIND_SERVICEACCOUNT, "alice", "default-editor",
             "\"iam.gke.io/gcp-service-account\":\"nb@team-1.iam.gserviceaccount.com\"");
    merge(KIND_PROFILE, NULL, "alice", "{\"spec\":{\"plugins\":null}}");
    wait_without(KIND_SERVICEACCOUNT, "alice", "default-editor", "iam.gke.io");
    OK(auth_profile_transfer(auth, "alice", BOB, &error));
    wait_for(KIND_PROFILE, NULL, "alice", "\"name\":\"" BOB "\"");
    wait_for(KIND_NAMESPACE, NULL, "alice", "\"owner\":\"" BOB "\"");
    wait_for(KIND_ROLEBINDING, "alice", "atelier-admin", "\"" BOB "\"");
    (void)writes_at_rest();
}

/* --- what is not ours --------------------------------------------------------------------------------------------- */

static void what_is_not_ours_stays(void **state)
{
    (void)state;
    put_profile("kube-system", ALICE, "{}");
    wait_for(KIND_PROFILE, NULL, "kube-system", "\"reason\":\"Invalid\"");
    put(KIND_NAMESPACE, NULL, "{\"metadata\":{\"name\":\"legacy\"}}");
    put_profile("legacy", ALICE, "{}");
    wait_for(KIND_PROFILE, NULL, "legacy", "\"reason\":\"NamespaceTaken\"");
    delete (KIND_PROFILE, NULL, "kube-system");
    delete (KIND_PROFILE, NULL, "legacy");
    wait_for(KIND_PROFILE, NULL, "kube-system", NULL);
    wait_for(KIND_PROFILE, NULL, "legacy", NULL);
    static const char *const names[] = {"kube-system", "legacy"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO_JSON cJSON *namespace = get(KIND_NAMESPACE, NULL, names[i]);
        assert_non_null(namespace);
        assert_null(json_text(namespace, "metadata", "deletionTimestamp", NULL));
        assert_null(json_text(namespace, "metadata", "labels", TENANCY_LABEL, NULL));
    }
}

static void an_adopted_namespace_is_given_back(void **state)
{
    (void)state;
    put(KIND_NAMESPACE, NULL, "{\"metadata\":{\"name\":\"grown\",\"annotations\":{\"owner\":\"" ALICE "\"}}}");
    put(KIND_CONFIGMAP, "grown", "{\"metadata\":{\"name\":\"theirs\"}}");
    put(KIND_RESOURCEQUOTA, "grown",
        "{\"metadata\":{\"name\":\"kf-resource-quota\"},\"spec\":{\"hard\":{\"pods\":\"3\"}}}");
    put_profile("grown", ALICE, "{\"atelier.dev/adopt\":\"true\"}");
    wait_ready("grown");
    wait_for(KIND_RESOURCEQUOTA, "grown", "kf-resource-quota", "\"memory\":\"8Gi\"");
    delete (KIND_PROFILE, NULL, "grown");
    wait_for(KIND_PROFILE, NULL, "grown", NULL);
    AUTO_JSON cJSON *namespace = get(KIND_NAMESPACE, NULL, "grown");
    AUTO_JSON cJSON *theirs = get(KIND_CONFIGMAP, "grown", "theirs");
    AUTO_JSON cJSON *quota = get(KIND_RESOURCEQUOTA, "grown", "kf-resource-quota");
    AUTO_JSON cJSON *binding = get(KIND_ROLEBINDING, "grown", "atelier-admin");
    assert_null(json_text(namespace, "metadata", "deletionTimestamp", NULL));
    assert_null(json_text(namespace, "metadata", "labels", TENANCY_LABEL, NULL));
    assert_non_null(theirs);
    assert_non_null(quota);
    assert_null(binding);
}

static void deletion_says_what_it_waits_for(void **state)
{
    (void)state;
    put(KIND_CONFIGMAP, "alice", "{\"metadata\":{\"name\":\"held\",\"finalizers\":[\"example.com/held\"]}}");
    delete (KIND_PROFILE, NULL, "alice");
    wait_for(KIND_PROFILE, NULL, "alice", "example.com/held");
    AUTO_JSON cJSON *profile = get(KIND_PROFILE, NULL, "alice");
    assert_string_equal(json_text(profile, "status", "phase", NULL), "Terminating");
    merge(KIND_CONFIGMAP, "alice", "held", "{\"metadata\":{\"finalizers\":null}}");
    wait_for(KIND_PROFILE, NULL, "alice", NULL);
    wait_for(KIND_NAMESPACE, NULL, "alice", NULL);
    OK(auth_profile_claim(auth, "alice", ALICE, true, &error)); /* the name is free */
    OK(auth_profile_release(auth, "alice", &error));
}

/* --- a crash after every write ------------------------------------------------------------------------------------ */

static const struct alike compared[] = {{KIND_PROFILE, NULL},
                                        {KIND_NAMESPACE, NULL},
                                        {KIND_NETWORKPOLICY, TENANCY_WALLS},
                                        {KIND_AUTHORIZATIONPOLICY, TENANCY_WALLS},
                                        {KIND_RESOURCEQUOTA, TENANCY_QUOTA},
                                        {KIND_LIMITRANGE, TENANCY_DEFAULTS},
                                        {KIND_SERVICEACCOUNT, "default-editor"},
                                        {KIND_SERVICEACCOUNT, "default-viewer"},
                                        {KIND_ROLEBINDING, "default-editor"},
                                        {KIND_ROLEBINDING, "default-viewer"},
                                        {KIND_ROLEBINDING, "atelier-viewer"},
                                        {KIND_ROLEBINDING, "atelier-editor"},
                                        {KIND_ROLEBINDING, "atelier-admin"},
                                        {KIND_SECRET, TENANCY_RAY_AUTH},
                                        {KIND_CLAIM, TENANCY_HOME}};

/* Everything made for <profile>, with its name left out. */
static char *state_of(const char *profile)
{
    return likeness(compared, COUNT_OF(compared), profile, profile);
}

/* Passes over <profile> by a process that is cut off after <cut> writes and then starts anew, until nothing is to be
 * done; false if it was never cut off. */
static bool reconcile_cut(struct tenancy *aside, const char *profile, int cut)
{
    cutting.writes = 0;
    cutting.cut_after = cut;
    bool was_cut = false;
    int64_t r = -1;
    for (int pass = 0; pass < PASSES_MAX && r != 0; pass++) {
        r = tenancy_reconcile(aside, profile);
        if (is_cut(&cutting.base)) {
            was_cut = true;
            cutting.cut_after = 0;
            r = -1;
        }
        if (r > 0 || r == -ERROR_CONFLICT)
            clock_sleep_ms(100);
    }
    cutting.cut_after = 0;
    if (r != 0)
        fail_msg("%s does not converge: %d", profile, (int)r);
    return was_cut;
}

/* One pass of a removal whose process is cut off after <cut> writes in all, of which <*writes> are done; true once the
 * profile is gone. */
static bool remove_pass(struct tenancy *aside, const char *profile, int cut, int *writes, bool *was_cut)
{
    cutting.writes = *writes;
    cutting.cut_after = *was_cut ? 0 : cut;
    (void)tenancy_reconcile(aside, profile);
    *was_cut = *was_cut || is_cut(&cutting.base);
    *writes = cutting.writes;
    cutting.cut_after = 0;
    AUTO_JSON cJSON *object = get(KIND_PROFILE, NULL, profile);
    return object == NULL;
}

/* Takes down crash-01 and on, cut off after 1, 2, … writes; how many were. */
static int removed_cut(struct tenancy *aside)
{
    int writes[REMOVED + 1] = {0};
    bool cut[REMOVED + 1] = {false}, gone[REMOVED + 1] = {false};
    int cuts = 0, left = REMOVED;
    char name[32];
    for (int i = 1; i <= REMOVED; i++) {
        snprintf(name, sizeof(name), "crash-%02d", i);
        delete (KIND_PROFILE, NULL, name);
    }
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS; left > 0; clock_sleep_ms(100)) {
        for (int i = 1; i <= REMOVED; i++) {
            snprintf(name, sizeof(name), "crash-%02d", i);
            if (!gone[i] && (gone[i] = remove_pass(aside, name, i, &writes[i], &cut[i])))
                left--;
        }
        assert_true(clock_monotonic_ms() < until);
    }
    for (int i = 1; i <= REMOVED; i++) {
        snprintf(name, sizeof(name), "crash-%02d", i);
        AUTO_JSON cJSON *namespace = get(KIND_NAMESPACE, NULL, name);
        assert_null(namespace);
        cuts += cut[i];
    }
    return cuts;
}

static void a_crash_after_any_write_changes_nothing(void **state)
{
    (void)state;
    tenancy_free(tenancy); /* only what is called here acts */
    tenancy = NULL;
    const struct tenancy_options options = options_over(&cutting.base);
    struct tenancy aside = {.engine = &cutting.base,
                            .auth = auth,
                            .quota_cpu = memory_text("4"),
                            .quota_memory = memory_text("8Gi"),
                            .home_size = memory_text("1Gi"),
                            .waiting = json_object()};
    pthread_mutex_init(&aside.lock, NULL);
    OK(settings_read(&options, &aside.settings, &error));
    put_profile("crash-00", ALICE, "{}");
    assert_false(reconcile_cut(&aside, "crash-00", 0));
    int writes = cutting.writes;
    AUTO_FREE char *wanted = state_of("crash-00");
    assert_true(writes >= (int)COUNT_OF(compared) - 1 && writes < CUTS_MAX);
    for (int cut = 1; cut <= writes; cut++) {
        char name[32];
        snprintf(name, sizeof(name), "crash-%02d", cut);
        put_profile(name, ALICE, "{}");
        if (!reconcile_cut(&aside, name, cut))
            fail_msg("a pass has %d writes, but was not cut off after %d", writes, cut);
        AUTO_FREE char *is = state_of(name);
        assert_string_equal(is, wanted);
    }
    printf("cut off after each of %d writes\n", writes);

    assert_true(removed_cut(&aside) > 2); /* namespace, status, finalizer */
    pthread_mutex_destroy(&aside.lock);
    settings_free(&aside.settings);
    cJSON_Delete(aside.waiting);
    free(aside.quota_cpu);
    free(aside.quota_memory);
    free(aside.home_size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_profile_becomes_a_namespace),
                                       cmocka_unit_test(a_finished_profile_costs_no_write),
                                       cmocka_unit_test(tokens_are_mounted_where_that_is_asked_for),
                                       cmocka_unit_test(drift_is_undone),
                                       cmocka_unit_test(a_member_costs_one_write),
                                       cmocka_unit_test(quota_and_owner_converge),
                                       cmocka_unit_test(what_is_not_ours_stays),
                                       cmocka_unit_test(an_adopted_namespace_is_given_back),
                                       cmocka_unit_test(deletion_says_what_it_waits_for),
                                       cmocka_unit_test(a_crash_after_any_write_changes_nothing)};
    return cmocka_run_group_tests(tests, begin, end);
}
