/* Do profiles and notebooks become what they should, and go again? (real PostgreSQL, real local engine, no processes)
 */
#include "tests/integration/tenants.h"

#include "base/file.h"
#include "engine/local/local.h"
#include "notebooks/notebooks.h"
#include "tenancy/internal.h"
#include "tests/integration/fake_sandbox.h"

#define WAIT_MS PATIENCE_MS
#define STOPPED(value) "{\"metadata\":{\"annotations\":{\"kubeflow-resource-stopped\":" value "}}}"
#define ADOPT "{\"atelier.dev/adopt\":\"true\"}"

static struct tenancy *tenancy;
static struct notebooks *notebooks;
static char images[] = "/tmp/atelier-domain-XXXXXX";
static const struct identity alice = {.kind = IDENTITY_SESSION, .user_id = 1, .email = ALICE};
static const struct identity bob = {.kind = IDENTITY_SESSION, .user_id = 2, .email = BOB};

/* --- the world --------------------------------------------------------------------------------------------------- */

static void start_tenancy(void)
{
    OK(tenancy_new(
        &(struct tenancy_options){
            .engine = engine, .auth = auth, .quota_cpu = "4", .quota_memory = "8Gi", .home_size = "1Gi"},
        &tenancy, &error));
}

static void write_image(void)
{
    AUTO_FREE char *directory = memory_format("%s/ray-2.60", images);
    AUTO_FREE char *path = memory_format("%s/image.json", directory);
    AUTO_FREE char *image = memory_format(
        "{\"name\":\"ray-2.60\",\"aliases\":[\"rayproject/ray:2.60.0\"],\"rayVersion\":\"2.60.0\",\"path\":\"%s\"}",
        directory);
    OK(file_make_directories(directory, 0755, &error));
    OK(file_write(path, slice_of(image), 0644, &error));
}

static int begin(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(images));
    write_image();
    fake_reset();
    tenants_begin("domain", 3);
    const struct local_options options = {
        .store = store, .sandboxd_socket = "/nonexistent", .images_directory = images, .cpu_overcommit = 8};
    OK(local_engine_new(&options, &engine, &error));
    start_tenancy();
    OK(notebooks_new(&(struct notebooks_options){.engine = engine}, &notebooks, &error));
    return 0;
}

static int end(void **state)
{
    (void)state;
    notebooks_free(notebooks);
    tenancy_free(tenancy);
    local_engine_free(engine);
    tenants_end();
    cJSON_Delete(fake.pods);
    cJSON_Delete(fake.sandboxes);
    cJSON_Delete(fake.volumes);
    cJSON_Delete(fake.hosts);
    OK(file_remove_tree(images, &error));
    return 0;
}

/* --- looking ----------------------------------------------------------------------------------------------------- */

/* Waits for status.phase (NULL: for the object to be gone). */
static void wait_phase(enum engine_kind kind, const char *namespace, const char *name, const char *phase)
{
    int64_t until = clock_monotonic_ms() + WAIT_MS;
    for (;;) {
        AUTO_JSON cJSON *object = get(kind, namespace, name);
        const char *is = json_text_or("", object, "status", "phase", NULL);
        if (phase ? strcmp(is, phase) == 0 : !object)
            return;
        if (clock_monotonic_ms() > until) {
            AUTO_FREE char *text = json_print(json_member(object, "status"));
            fail_msg("%s %s does not become %s: %s", engine_kinds[kind].kind, name, phase ? phase : "absent", text);
        }
        clock_sleep_ms(20);
    }
}

static void wait_text(enum engine_kind kind, const char *namespace, const char *name, const char *first,
                      const char *second, const char *third, const char *wanted)
{
    int64_t until = clock_monotonic_ms() + WAIT_MS;
    for (;;) {
        AUTO_JSON cJSON *object = get(kind, namespace, name);
        const char *is = json_text_or("", object, first, second, third, NULL);
        if (strcmp(is, wanted) == 0)
            return;
        if (clock_monotonic_ms() > until)
            fail_msg("%s %s: %s.%s is \"%s\", not \"%s\"", engine_kinds[kind].kind, name, first, second, is, wanted);
        clock_sleep_ms(20);
    }
}

/* The version of the whole store: it grows with every write. */
static int64_t version(void)
{
    AUTO_JSON cJSON *list = NULL;
    int64_t number = 0;
    OK(engine_list(engine, KIND_NAMESPACE, NULL, NULL, &list, &error));
    assert_true(text_parse_i64(slice_of(json_text(list, "metadata", "resourceVersion", NULL)), 0, INT64_MAX, &number));
    return number;
}

/* At rest nothing is written: two looks at the version a while apart agree. */
static void assert_at_rest(void)
{
    int64_t quiet_since = clock_monotonic_ms();
    int64_t until = quiet_since + WAIT_MS;
    int64_t last = version();
    while (clock_monotonic_ms() - quiet_since < 2500) {
        clock_sleep_ms(100);
        int64_t now = version();
        if (now != last) {
            quiet_since = clock_monotonic_ms();
            last = now;
        }
        if (clock_monotonic_ms() > until)
            fail_msg("something is written again and again");
    }
}

/* --- doing ------------------------------------------------------------------------------------------------------- */

static cJSON *profile_of(const char *name)
{
    cJSON *profile = json_object();
    json_set_text(profile, "apiVersion", "kubeflow.org/v1");
    json_set_text(profile, "kind", "Profile");
    json_set_text(json_object_in(profile, "metadata"), "name", name);
    return profile;
}

static void make_profile(const struct identity *who, const char *name)
{
    AUTO_JSON cJSON *wanted = profile_of(name);
    AUTO_JSON cJSON *stored = NULL;
    OK(tenancy_create_profile(tenancy, who, wanted, &stored, &error));
    wait_phase(KIND_PROFILE, NULL, name, "Ready");
}

static void make_notebook(const char *namespace, const char *name, const char *cpu)
{
    AUTO_JSON cJSON *notebook = json_object();
    AUTO_JSON cJSON *stored = NULL;
    json_set_text(notebook, "apiVersion", "kubeflow.org/v1");
    json_set_text(notebook, "kind", "Notebook");
    json_set_text(json_object_in(notebook, "metadata"), "name", name);
    json_set_text(json_object_in(notebook, "metadata"), "namespace", namespace);
    if (cpu) {
        cJSON *spec = json_object_in(json_object_in(json_object_in(notebook, "spec"), "template"), "spec");
        cJSON *container = json_push(json_set(spec, "containers", json_array()), json_object());
        json_set_text(json_object_in(json_object_in(container, "resources"), "limits"), "cpu", cpu);
    }
    OK(notebook_admit(engine, NULL, notebook, &error));
    OK(engine_create(engine, KIND_NOTEBOOK, namespace, notebook, &stored, &error));
}

/* --- profiles ---------------------------------------------------------------------------------------------------- */

static void a_profile_becomes_ready_and_rests(void **state)
{
    (void)state;
    make_profile(&alice, "alice");
    AUTO_JSON cJSON *namespace = get(KIND_NAMESPACE, NULL, "alice");
    assert_string_equal(json_text(namespace, "metadata", "annotations", "owner", NULL), "alice@example.com");
    assert_string_equal(json_text(namespace, "metadata", "labels", "app.kubernetes.io/part-of", NULL),
                        "kubeflow-profile");
    AUTO_JSON cJSON *quota = get(KIND_RESOURCEQUOTA, "alice", "kf-resource-quota");
    assert_string_equal(json_text(quota, "spec", "hard", "cpu", NULL), "4");
    AUTO_JSON cJSON *home = get(KIND_CLAIM, "alice", "home");
    assert_string_equal(json_text(home, "status", "phase", NULL), "Bound");
    AUTO_JSON cJSON *secret = get(KIND_SECRET, "alice", "ray-auth");
    assert_true(strlen(json_text(secret, "data", "auth_token", NULL)) >= 43);
    assert_at_rest();
}

static void names_are_taken_limited_and_released(void **state)
{
    (void)state;
    AUTO_JSON cJSON *taken = profile_of("alice");
    AUTO_JSON cJSON *reserved = profile_of("kube-system");
    AUTO_JSON cJSON *stored = NULL;
    struct error error = {0};
    assert_int_equal(tenancy_create_profile(tenancy, &bob, taken, &stored, &error), -ERROR_EXISTS);
    assert_int_equal(tenancy_create_profile(tenancy, &bob, reserved, &stored, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "metadata.name");
    make_profile(&alice, "alice-2");
    make_profile(&alice, "alice-3");
    AUTO_JSON cJSON *fourth = profile_of("alice-4");
    assert_int_equal(tenancy_create_profile(tenancy, &alice, fourth, &stored, &error), -ERROR_FORBIDDEN);
    delete (KIND_PROFILE, NULL, "alice-3");
    wait_phase(KIND_PROFILE, NULL, "alice-3", NULL);
    make_profile(&bob, "alice-3"); /* a released name is anybody's */
    AUTO_JSON cJSON *namespace = get(KIND_NAMESPACE, NULL, "alice-3");
    assert_string_equal(json_text(namespace, "metadata", "annotations", "owner", NULL), "bob@example.com");
}

static void what_is_missing_comes_back(void **state)
{
    (void)state;
    delete (KIND_RESOURCEQUOTA, "alice", "kf-resource-quota");
    wait_text(KIND_RESOURCEQUOTA, "alice", "kf-resource-quota", "metadata", "name", NULL, "kf-resource-quota");
    delete (KIND_SECRET, "alice", "ray-auth");
    wait_text(KIND_SECRET, "alice", "ray-auth", "type", NULL, NULL, "Opaque");
    merge(KIND_NAMESPACE, NULL, "alice", "{\"metadata\":{\"annotations\":{\"owner\":\"mallory@example.com\"}}}");
    wait_text(KIND_NAMESPACE, NULL, "alice", "metadata", "annotations", "owner", "alice@example.com");
    assert_at_rest();
}

static void somebody_elses_namespace_is_left_alone(void **state)
{
    (void)state;
    AUTO_JSON cJSON *wanted = profile_of("legacy");
    AUTO_JSON cJSON *stored = NULL;
    struct error refusal = {0};
    put(KIND_NAMESPACE, NULL, "{\"metadata\":{\"name\":\"legacy\"}}");
    assert_int_equal(tenancy_create_profile(tenancy, &bob, wanted, &stored, &refusal), -ERROR_EXISTS);
    put_profile("legacy", bob.email, "{}");
    wait_text(KIND_PROFILE, NULL, "legacy", "status", "reason", NULL, "NamespaceTaken");
    AUTO_JSON cJSON *profile = get(KIND_PROFILE, NULL, "legacy");
    assert_string_equal(json_text(profile, "status", "phase", NULL), "Failed");
    const struct policy *policy = policy_take(auth);
    assert_null(policy_owner(policy, "legacy")); /* nobody reaches into it by that name */
    policy_release(policy);
    delete (KIND_PROFILE, NULL, "legacy");
    wait_phase(KIND_PROFILE, NULL, "legacy", NULL);
    AUTO_JSON cJSON *namespace = get(KIND_NAMESPACE, NULL, "legacy");
    assert_non_null(namespace);
    assert_null(json_text(namespace, "metadata", "deletionTimestamp", NULL));
    assert_null(json_text(namespace, "metadata", "labels", "atelier.dev/profile", NULL));
}

/* Only when told to, by somebody who may; what was there before stays when the profile goes. */
static void a_namespace_is_adopted_and_given_back(void **state)
{
    (void)state;
    AUTO_JSON cJSON *wanted = profile_of("grown");
    AUTO_JSON cJSON *stored = NULL;
    struct error refusal = {0};
    json_set_text(json_object_in(json_object_in(wanted, "metadata"), "annotations"), "atelier.dev/adopt", "true");
    assert_int_equal(tenancy_create_profile(tenancy, &bob, wanted, &stored, &refusal), -ERROR_FORBIDDEN);
    put(KIND_NAMESPACE, NULL, "{\"metadata\":{\"name\":\"grown\"}}");
    put(KIND_RESOURCEQUOTA, "grown",
        "{\"metadata\":{\"name\":\"kf-resource-quota\"},\"spec\":{\"hard\":{\"cpu\":\"1\"}}}");
    put_profile("grown", BOB, ADOPT);
    wait_phase(KIND_PROFILE, NULL, "grown", "Ready");
    wait_text(KIND_RESOURCEQUOTA, "grown", "kf-resource-quota", "spec", "hard", "cpu", "4");
    wait_text(KIND_NAMESPACE, NULL, "grown", "metadata", "annotations", "owner", "bob@example.com");
    delete (KIND_PROFILE, NULL, "grown");
    wait_phase(KIND_PROFILE, NULL, "grown", NULL);
    AUTO_JSON cJSON *namespace = get(KIND_NAMESPACE, NULL, "grown");
    AUTO_JSON cJSON *kept = get(KIND_RESOURCEQUOTA, "grown", "kf-resource-quota");
    AUTO_JSON cJSON *secret = get(KIND_SECRET, "grown", "ray-auth");
    assert_non_null(namespace);
    assert_null(json_text(namespace, "metadata", "labels", "atelier.dev/profile", NULL));
    assert_non_null(kept);
    assert_null(secret);
}

/* --- profiles that did not come through this platform ------------------------------------------------------------ */

static void a_profile_put_there_is_claimed(void **state)
{
    (void)state;
    put_profile("gitops", "carol@example.com", "{}");
    wait_text(KIND_PROFILE, NULL, "gitops", "status", "reason", NULL, "OwnerUnknown");
    make_user("carol@example.com");
    wait_phase(KIND_PROFILE, NULL, "gitops", "Ready");
    assert_at_rest();
    /* Who may write to the cluster transfers it by writing. */
    merge(KIND_PROFILE, NULL, "gitops", "{\"spec\":{\"owner\":{\"name\":\"" BOB "\"}}}");
    wait_text(KIND_NAMESPACE, NULL, "gitops", "metadata", "annotations", "owner", "bob@example.com");
    wait_phase(KIND_PROFILE, NULL, "gitops", "Ready");
    /* And the other way round: a transfer here is written there. */
    OK(auth_profile_transfer(auth, "gitops", "carol@example.com", &error));
    wait_text(KIND_PROFILE, NULL, "gitops", "spec", "owner", "name", "carol@example.com");
    wait_text(KIND_NAMESPACE, NULL, "gitops", "metadata", "annotations", "owner", "carol@example.com");
    assert_at_rest();
    delete (KIND_PROFILE, NULL, "gitops");
    wait_phase(KIND_PROFILE, NULL, "gitops", NULL);
}

static void a_profile_that_makes_no_sense_says_why(void **state)
{
    (void)state;
    put_profile("kube-public", bob.email, "{}");
    put_profile("nobody", "not an address", "{}");
    wait_phase(KIND_PROFILE, NULL, "kube-public", "Failed");
    wait_text(KIND_PROFILE, NULL, "kube-public", "status", "reason", NULL, "Invalid");
    wait_text(KIND_PROFILE, NULL, "nobody", "status", "message", NULL, "spec.owner.name must be an e-mail address");
    AUTO_JSON cJSON *namespace = get(KIND_NAMESPACE, NULL, "kube-public");
    assert_null(namespace);
    assert_at_rest();
    delete (KIND_PROFILE, NULL, "kube-public");
    delete (KIND_PROFILE, NULL, "nobody");
    wait_phase(KIND_PROFILE, NULL, "kube-public", NULL);
    wait_phase(KIND_PROFILE, NULL, "nobody", NULL);
}

/* --- claims ------------------------------------------------------------------------------------------------------ */

static _Atomic int looked_at;

static int64_t count_around(void *context, const char *key)
{
    (void)context;
    looked_at += strcmp(key, "around") == 0;
    return 0;
}

static void another_surrounding_has_all_profiles_looked_at(void **state)
{
    (void)state;
    struct tenancy aside = {.engine = engine, .auth = auth};
    aside.queue = queue_new("aside", 1, count_around, NULL);
    put_profile("around", bob.email, "{}");
    wait_phase(KIND_PROFILE, NULL, "around", "Ready");
    for (int i = 0; i < 2; i++)
        assert_int_equal(walls_look_around(&aside), TENANCY_AROUND_MS);
    clock_sleep_ms(100);
    assert_int_equal(looked_at, 0);
    free(aside.surroundings);
    aside.surroundings = memory_text("elsewhere");
    assert_int_equal(walls_look_around(&aside), TENANCY_AROUND_MS);
    for (int i = 0; i < 500 && looked_at == 0; i++)
        clock_sleep_ms(10);
    assert_int_equal(looked_at, 1);
    queue_stop(aside.queue);
    queue_free(aside.queue);
    free(aside.surroundings);
    delete (KIND_PROFILE, NULL, "around");
    wait_phase(KIND_PROFILE, NULL, "around", NULL);
}

static void claims_and_objects_are_put_right(void **state)
{
    (void)state;
    struct tenancy aside = {.engine = engine, .auth = auth, .suspects = json_object()};
    AUTO_JSON cJSON *stored = NULL;
    struct error error = {0};
    /* The creation was cut off after the claim: only after the grace is the name free again. */
    assert_int_equal(auth_profile_claim(auth, "ghost", bob.email, true, &error), 0);
    assert_true(tenancy_sweep(&aside) > 0);
    assert_int_equal(auth_profile_claim(auth, "ghost", bob.email, true, &error), -ERROR_EXISTS);
    json_set_i64(aside.suspects, "ghost", clock_monotonic_ms() - TENANCY_SWEEP_GRACE_MS);
    assert_true(tenancy_sweep(&aside) > 0);
    assert_int_equal(auth_profile_claim(auth, "ghost", bob.email, true, &error), 0);
    assert_int_equal(auth_profile_release(auth, "ghost", &error), 0);

    /* An object without a claim: its owner gets it. */
    AUTO_JSON cJSON *wanted = profile_of("restored");
    assert_int_equal(tenancy_admit_profile(tenancy, &bob, NULL, wanted, &error), 0);
    assert_int_equal(engine_create(engine, KIND_PROFILE, NULL, wanted, &stored, &error), 0);
    wait_phase(KIND_PROFILE, NULL, "restored", "Ready");
    assert_int_equal(auth_profile_claim(auth, "restored", alice.email, true, &error), -ERROR_EXISTS);

    /* A transfer is decided in auth; the object and the namespace follow. */
    assert_int_equal(auth_profile_transfer(auth, "restored", alice.email, &error), 0);
    wait_text(KIND_PROFILE, NULL, "restored", "spec", "owner", "name", "alice@example.com");
    wait_text(KIND_NAMESPACE, NULL, "restored", "metadata", "annotations", "owner", "alice@example.com");
    cJSON_Delete(aside.suspects);
    delete (KIND_PROFILE, NULL, "restored");
    wait_phase(KIND_PROFILE, NULL, "restored", NULL);
}

/* --- notebooks --------------------------------------------------------------------------------------------------- */

static void a_notebook_runs_stops_starts_and_grows(void **state)
{
    (void)state;
    make_notebook("alice", "nb1", NULL);
    wait_phase(KIND_NOTEBOOK, "alice", "nb1", "Running");
    AUTO_JSON cJSON *notebook = get(KIND_NOTEBOOK, "alice", "nb1");
    int64_t number = 0;
    assert_true(json_i64(json_at(notebook, "status", "progress", NULL), &number));
    assert_int_equal(number, 100);
    assert_non_null(json_at(notebook, "status", "containerState", "running", NULL));
    AUTO_JSON cJSON *secret = get(KIND_SECRET, "alice", "notebook-nb1");
    AUTO_JSON cJSON *service = get(KIND_SERVICE, "alice", "nb1");
    assert_non_null(secret);
    assert_non_null(service);
    AUTO_JSON cJSON *pod = get(KIND_POD, "alice", "nb1-0");
    assert_at_rest();

    merge(KIND_NOTEBOOK, "alice", "nb1", STOPPED("\"now\""));
    wait_phase(KIND_NOTEBOOK, "alice", "nb1", "Stopped");
    wait_phase(KIND_POD, "alice", "nb1-0", NULL);
    merge(KIND_NOTEBOOK, "alice", "nb1", STOPPED("null"));
    wait_phase(KIND_NOTEBOOK, "alice", "nb1", "Running");

    AUTO_JSON cJSON *grown = get(KIND_NOTEBOOK, "alice", "nb1");
    AUTO_JSON cJSON *stored = NULL;
    cJSON *container = json_at(grown, "spec", "template", "spec", "containers", NULL)->child;
    json_set_text(json_object_in(json_object_in(container, "resources"), "limits"), "memory", "2Gi");
    AUTO_JSON cJSON *before = get(KIND_POD, "alice", "nb1-0");
    OK(engine_update(engine, KIND_NOTEBOOK, "alice", "nb1", ENGINE_SPEC, grown, &stored, &error));
    int64_t until = clock_monotonic_ms() + WAIT_MS;
    for (bool replaced = false; !replaced; clock_sleep_ms(20)) {
        AUTO_JSON cJSON *now = get(KIND_POD, "alice", "nb1-0");
        replaced =
            now && strcmp(json_text(now, "metadata", "uid", NULL), json_text(before, "metadata", "uid", NULL)) != 0;
        if (clock_monotonic_ms() > until)
            fail_msg("the pod is not replaced");
    }
    wait_phase(KIND_NOTEBOOK, "alice", "nb1", "Running");
    AUTO_JSON cJSON *after = get(KIND_POD, "alice", "nb1-0");
    assert_string_equal(
        json_text(json_at(after, "spec", "containers", NULL)->child, "resources", "limits", "memory", NULL), "2Gi");
    assert_at_rest();
}

static void names_are_per_profile(void **state)
{
    (void)state;
    make_notebook("alice-2", "nb1", NULL);
    wait_phase(KIND_NOTEBOOK, "alice-2", "nb1", "Running");
    AUTO_JSON cJSON *one = get(KIND_SECRET, "alice", "notebook-nb1");
    AUTO_JSON cJSON *two = get(KIND_SECRET, "alice-2", "notebook-nb1");
    assert_string_not_equal(json_text(one, "data", "token", NULL), json_text(two, "data", "token", NULL));
}

static void a_quota_is_explained(void **state)
{
    (void)state;
    make_notebook("alice", "big", "5");
    wait_text(KIND_NOTEBOOK, "alice", "big", "status", "reason", NULL, "QuotaExceeded");
    AUTO_JSON cJSON *notebook = get(KIND_NOTEBOOK, "alice", "big");
    assert_string_equal(json_text(notebook, "status", "phase", NULL), "Pending");
    assert_non_null(strstr(json_text(notebook, "status", "message", NULL), "cpu"));
    delete (KIND_NOTEBOOK, "alice", "big");
    wait_phase(KIND_STATEFULSET, "alice", "big", NULL);
}

static void deletion_keeps_the_home_only(void **state)
{
    (void)state;
    delete (KIND_NOTEBOOK, "alice", "nb1");
    make_notebook("alice", "nb1", NULL); /* at once again: waits for the old one's remains, then runs */
    wait_phase(KIND_NOTEBOOK, "alice", "nb1", "Running");
    delete (KIND_NOTEBOOK, "alice", "nb1");
    wait_phase(KIND_STATEFULSET, "alice", "nb1", NULL);
    wait_phase(KIND_SERVICE, "alice", "nb1", NULL);
    wait_phase(KIND_SECRET, "alice", "notebook-nb1", NULL);
    wait_phase(KIND_POD, "alice", "nb1-0", NULL);
    AUTO_JSON cJSON *home = get(KIND_CLAIM, "alice", "home");
    assert_non_null(home);
    assert_at_rest();
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

static void deletion_resumes_after_a_crash(void **state)
{
    (void)state;
    tenancy_free(tenancy); /* nobody is there to do it */
    delete (KIND_PROFILE, NULL, "alice-2");
    AUTO_JSON cJSON *profile = get(KIND_PROFILE, NULL, "alice-2");
    assert_non_null(json_text(profile, "metadata", "deletionTimestamp", NULL));
    start_tenancy();
    wait_phase(KIND_PROFILE, NULL, "alice-2", NULL);
    AUTO_JSON cJSON *namespace = get(KIND_NAMESPACE, NULL, "alice-2");
    assert_null(namespace);
    assert_null(json_member(fake.sandboxes, "alice-2"));
    assert_non_null(json_member(fake.sandboxes, "alice")); /* of it, and only of it */
    for (const cJSON *pod = fake.pods->child; pod; pod = pod->next)
        assert_string_not_equal(json_text(pod, "sandbox", NULL), "alice-2");
    OK(auth_profile_claim(auth, "alice-2", bob.email, true, &error)); /* the name is free */
    OK(auth_profile_release(auth, "alice-2", &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_profile_becomes_ready_and_rests),
                                       cmocka_unit_test(names_are_taken_limited_and_released),
                                       cmocka_unit_test(what_is_missing_comes_back),
                                       cmocka_unit_test(somebody_elses_namespace_is_left_alone),
                                       cmocka_unit_test(a_namespace_is_adopted_and_given_back),
                                       cmocka_unit_test(a_profile_put_there_is_claimed),
                                       cmocka_unit_test(a_profile_that_makes_no_sense_says_why),
                                       cmocka_unit_test(another_surrounding_has_all_profiles_looked_at),
                                       cmocka_unit_test(claims_and_objects_are_put_right),
                                       cmocka_unit_test(a_notebook_runs_stops_starts_and_grows),
                                       cmocka_unit_test(names_are_per_profile),
                                       cmocka_unit_test(a_quota_is_explained),
                                       cmocka_unit_test(deletion_keeps_the_home_only),
                                       cmocka_unit_test(deletion_resumes_after_a_crash)};
    return cmocka_run_group_tests(tests, begin, end);
}
