/* Profile admission: names, owners and quotas, by who asks. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tenancy/internal.h"
#include "tests/unit/fake_engine.h"
#include "tests/unit/documents.h"

static struct fake_engine fake = {.base.operations = &fake_operations};
static struct tenancy tenancy = {.engine = &fake.base, .quota_cpu = (char[]){"32"}, .quota_memory = (char[]){"64Gi"}};
static const struct identity alice = {.kind = IDENTITY_SESSION, .user_id = 7, .email = "alice@example.com"};
static const struct identity admin = {
    .kind = IDENTITY_SESSION, .user_id = 1, .email = "admin@example.com", .platform_admin = true};
static const struct identity local = {.kind = IDENTITY_LOCAL, .email = "local", .platform_admin = true};

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool good;
    } cases[] = {{"alice", true},
                 {"a", true},
                 {"9lives", true},
                 {"team-red-2", true},
                 {"a234567890123456789012345678901234567890", true},
                 {"a2345678901234567890123456789012345678901", false},
                 {"", false},
                 {"Alice", false},
                 {"alice.b", false},
                 {"alice_b", false},
                 {"-alice", false},
                 {"alice-", false},
                 {"al--ice", false},
                 {"al ice", false},
                 {"../alice", false},
                 {"alice\\n", false},
                 {"\xc3\xa9lan", false},
                 {"default", false},
                 {"kube-system", false},
                 {"kubernetes", false},
                 {"istio-system", false},
                 {"atelier", false},
                 {"atelier-x", false},
                 {"api", false},
                 {"auth", false},
                 {"www", false},
                 {"localhost", false},
                 {"xn-abc", false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *profile = json_object();
        json_set_text(json_object_in(profile, "metadata"), "name", cases[i].name);
        struct error error = {0};
        int r = tenancy_admit_profile(&tenancy, &alice, NULL, profile, &error);
        if (cases[i].good ? r != 0 : r != -ERROR_INVALID)
            fail_msg("\"%s\": %d %s", cases[i].name, r, error.message);
        if (r < 0)
            assert_string_equal(error.field, "metadata.name");
    }
}

static void completes(void **state)
{
    (void)state;
    AUTO_JSON cJSON *profile = from_json("{\"metadata\":{\"name\":\"alice\",\"creationTimestamp\":null}}");
    assert_int_equal(tenancy_admit_profile(&tenancy, &alice, NULL, profile, NULL), 0);
    assert_string_equal(json_text(profile, "spec", "owner", "kind", NULL), "User");
    assert_string_equal(json_text(profile, "spec", "owner", "name", NULL), "alice@example.com");
    assert_string_equal(json_text(profile, "spec", "resourceQuotaSpec", "hard", "cpu", NULL), "32");
    assert_string_equal(json_text(profile, "spec", "resourceQuotaSpec", "hard", "memory", NULL), "64Gi");
    assert_string_equal(json_at(profile, "metadata", "finalizers", NULL)->child->valuestring, TENANCY_FINALIZER);
    AUTO_JSON cJSON *again = json_copy(profile);
    assert_int_equal(tenancy_admit_profile(&tenancy, &alice, profile, again, NULL), 0);
    assert_true(json_equal(profile, again));
}

#define OLD                                                                                                            \
    "{\"metadata\":{\"name\":\"p\",\"finalizers\":[\"atelier.dev/profile\"]},\"spec\":{\"owner\":{\"kind\":\"User\","  \
    "\"name\":\"alice@example.com\"},\"resourceQuotaSpec\":{\"hard\":{\"cpu\":\"48\",\"memory\":\"8Gi\",\"pods\":"     \
    "\"9\"}}}}"
#define SPEC(json) "{\"metadata\":{\"name\":\"p\"},\"spec\":" json "}"

#define HARD(json) SPEC("{\"resourceQuotaSpec\":{\"hard\":{" json "}}}")
#define QUOTA "spec.resourceQuotaSpec.hard."
#define GOOGLE(account)                                                                                                \
    "{\"kind\":\"WorkloadIdentity\",\"spec\":{\"gcpServiceAccount\":\"" account ".iam.gserviceaccount.com\"}}"

static void decides_by_field(void **state)
{
    (void)state;
    static const struct {
        const struct identity *who;
        bool update;
        const char *profile;
        int result;
        const char *field;
    } cases[] = {
        {&alice, false, SPEC("{\"owner\":{\"name\":\"Alice@Example.com\"}}"), 0, ""},
        {&alice, false, SPEC("{\"owner\":{\"name\":\"bob@example.com\"}}"), -ERROR_FORBIDDEN, "spec.owner.name"},
        {&admin, false, SPEC("{\"owner\":{\"name\":\"bob@example.com\"}}"), 0, ""},
        {&admin, false, SPEC("{}"), 0, ""},
        {&local, false, SPEC("{}"), -ERROR_INVALID, "spec.owner.name"},
        {&local, false, SPEC("{\"owner\":{\"kind\":\"User\",\"name\":\"bob@example.com\"}}"), 0, ""},
        {&alice, false, SPEC("{\"owner\":{\"name\":\"alice\"}}"), -ERROR_INVALID, "spec.owner.name"},
        {&alice, false, SPEC("{\"owner\":{\"kind\":\"Group\",\"name\":\"alice@example.com\"}}"), -ERROR_INVALID,
         "spec.owner.kind"},
        {&alice, false, SPEC("{\"owner\":\"alice@example.com\"}"), -ERROR_INVALID, "spec.owner"},
        {&alice, false, SPEC("{\"owner\":{\"email\":\"x\"}}"), -ERROR_INVALID, "spec.owner.email"},
        {&alice, false, SPEC("{\"plugins\":[]}"), 0, ""},
        {&alice, false, SPEC("{\"plugins\":[" GOOGLE("nb@team-1") "]}"), -ERROR_FORBIDDEN, "spec.plugins"},
        {&admin, false, SPEC("{\"plugins\":[" GOOGLE("nb@team-1") "]}"), 0, ""},
        {&admin, false, SPEC("{\"plugins\":[" GOOGLE("nb@team-1") "," GOOGLE("b@team-1") "]}"), -ERROR_INVALID,
         "spec.plugins"},
        {&admin, false, SPEC("{\"plugins\":[" GOOGLE("team-1") "]}"), -ERROR_INVALID,
         "spec.plugins[0].spec.gcpServiceAccount"},
        {&admin, false, SPEC("{\"plugins\":[" GOOGLE("a@b@team-1") "]}"), -ERROR_INVALID,
         "spec.plugins[0].spec.gcpServiceAccount"},
        {&admin, false, SPEC("{\"plugins\":[{\"kind\":\"WorkloadIdentity\"}]}"), -ERROR_INVALID,
         "spec.plugins[0].spec.gcpServiceAccount"},
        {&admin, false, SPEC("{\"plugins\":[{\"kind\":\"WorkloadIdentity\",\"spec\":{\"role\":\"x\"}}]}"),
         -ERROR_INVALID, "spec.plugins[0].spec.role"},
        {&admin, false, SPEC("{\"plugins\":[{\"kind\":\"AwsIamForServiceAccount\"}]}"), -ERROR_INVALID,
         "spec.plugins[0].kind"},
        {&admin, false, SPEC("{\"plugins\":[\"WorkloadIdentity\"]}"), -ERROR_INVALID, "spec.plugins[0]"},
        {&admin, false, SPEC("{\"plugins\":{}}"), -ERROR_INVALID, "spec.plugins"},
        {&alice, false, SPEC("{\"quota\":1}"), -ERROR_INVALID, "spec.quota"},
        {&alice, false, SPEC("[]"), -ERROR_INVALID, "spec"},
        {&alice, false, SPEC("{\"resourceQuotaSpec\":{\"hard\":{\"cpu\":4,\"memory\":\"8Gi\"}}}"), 0, ""},
        {&alice, false, SPEC("{\"resourceQuotaSpec\":{\"hard\":{\"cpu\":\"33\"}}}"), -ERROR_FORBIDDEN,
         "spec.resourceQuotaSpec.hard.cpu"},
        {&alice, false, SPEC("{\"resourceQuotaSpec\":{\"hard\":{\"limits.memory\":\"65Gi\"}}}"), -ERROR_FORBIDDEN,
         "spec.resourceQuotaSpec.hard.limits.memory"},
        {&admin, false, SPEC("{\"resourceQuotaSpec\":{\"hard\":{\"cpu\":\"33\"}}}"), 0, ""},
        {&alice, false, SPEC("{\"resourceQuotaSpec\":{\"hard\":{\"cpu\":\"-1\"}}}"), -ERROR_INVALID,
         "spec.resourceQuotaSpec.hard.cpu"},
        {&alice, false, SPEC("{\"resourceQuotaSpec\":{\"hard\":{\"memory\":\"lots\"}}}"), -ERROR_INVALID,
         "spec.resourceQuotaSpec.hard.memory"},
        {&alice, false, SPEC("{\"resourceQuotaSpec\":{\"hard\":{\"bananas\":\"1\"}}}"), -ERROR_INVALID,
         "spec.resourceQuotaSpec.hard.bananas"},
        {&alice, false,
         HARD("\"requests.nvidia.com/gpu\":\"2\",\"count/pods\":5,\"count/notebooks.kubeflow.org\":\"3\","
              "\"requests.storage\":\"1Ti\",\"services.loadbalancers\":\"0\",\"requests.hugepages-2Mi\":\"1Gi\","
              "\"gold.storageclass.storage.k8s.io/requests.storage\":\"10Gi\",\"limits.ephemeral-storage\":\"9Gi\""),
         0, ""},
        {&admin, false, HARD("\"nvidia.com/gpu\":\"2\""), -ERROR_INVALID, QUOTA "nvidia.com/gpu"},
        {&admin, false, HARD("\"requests.nvidia.com/gpu\":\"1.5\""), -ERROR_INVALID, QUOTA "requests.nvidia.com/gpu"},
        {&admin, false, HARD("\"requests.kubernetes.io/gpu\":\"1\""), -ERROR_INVALID,
         QUOTA "requests.kubernetes.io/gpu"},
        {&admin, false, HARD("\"count/Pods\":\"1\""), -ERROR_INVALID, QUOTA "count/Pods"},
        {&admin, false, HARD("\"count/\":\"1\""), -ERROR_INVALID, QUOTA "count/"},
        {&admin, false, HARD("\"requests./gpu\":\"1\""), -ERROR_INVALID, QUOTA "requests./gpu"},
        {&admin, false, HARD("\"hugepages-lots\":\"1Gi\""), -ERROR_INVALID, QUOTA "hugepages-lots"},
        {&admin, false, HARD("\"pods\":\"500m\""), -ERROR_INVALID, QUOTA "pods"},
        {&alice, false, SPEC("{\"resourceQuotaSpec\":{\"scopes\":[]}}"), -ERROR_INVALID,
         "spec.resourceQuotaSpec.scopes"},
        {&alice, true, HARD("\"pods\":\"9\""), 0, ""},
        {&alice, true, SPEC("{\"owner\":{\"name\":\"bob@example.com\"}}"), -ERROR_INVALID, "spec.owner.name"},
        {&admin, true, SPEC("{\"owner\":{\"name\":\"bob@example.com\"}}"), -ERROR_INVALID, "spec.owner.name"},
        /* What a platform admin granted may be kept, not exceeded. */
        {&alice, true, HARD("\"pods\":\"9\",\"cpu\":\"48\""), 0, ""},
        {&alice, true, HARD("\"pods\":\"9\",\"cpu\":\"49\""), -ERROR_FORBIDDEN, "spec.resourceQuotaSpec.hard.cpu"},
        {&alice, true, HARD("\"pods\":\"8\""), 0, ""},
        {&alice, true, HARD("\"pods\":\"10\""), -ERROR_FORBIDDEN, QUOTA "pods"},
        {&alice, true, HARD(""), -ERROR_FORBIDDEN, QUOTA "pods"},
        {&alice, true, SPEC("{}"), -ERROR_FORBIDDEN, QUOTA "pods"},
        {&admin, true, HARD("\"pods\":\"10\""), 0, ""},
        {&admin, true, SPEC("{}"), 0, ""},
        {&alice, true, "{\"metadata\":{\"name\":\"p\",\"finalizers\":[\"x/y\"]}}", -ERROR_INVALID,
         "metadata.finalizers"},
    };
    AUTO_JSON cJSON *old = from_json(OLD);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *profile = from_json(cases[i].profile);
        struct error error = {0};
        int r = tenancy_admit_profile(&tenancy, cases[i].who, cases[i].update ? old : NULL, profile, &error);
        if (r != cases[i].result || strcmp(error.field, cases[i].field) != 0)
            fail_msg("row %zu %s: %d \"%s\" %s", i, cases[i].profile, r, error.field, error.message);
    }
}

static void the_finalizer_stays(void **state)
{
    (void)state;
    AUTO_JSON cJSON *old = from_json(OLD);
    AUTO_JSON cJSON *profile = from_json(
        "{\"metadata\":{\"name\":\"p\",\"finalizers\":[]},\"spec\":{\"resourceQuotaSpec\":{\"hard\":{\"pods\":9}}}}");
    assert_int_equal(tenancy_admit_profile(&tenancy, &alice, old, profile, NULL), 0);
    assert_string_equal(json_at(profile, "metadata", "finalizers", NULL)->child->valuestring, TENANCY_FINALIZER);
}

static void a_cloud_account_is_kept(void **state)
{
    (void)state;
    AUTO_JSON cJSON *old = from_json(SPEC("{\"owner\":{\"kind\":\"User\",\"name\":\"alice@example.com\"},"
                                          "\"plugins\":[" GOOGLE("nb@team-1") "]}"));
    AUTO_JSON cJSON *kept = json_copy(old);
    AUTO_JSON cJSON *other = from_json(SPEC("{\"plugins\":[" GOOGLE("root@team-1") "]}"));
    AUTO_JSON cJSON *none = from_json(SPEC("{}"));
    assert_int_equal(tenancy_admit_profile(&tenancy, &alice, old, kept, NULL), 0);
    assert_int_equal(tenancy_admit_profile(&tenancy, &alice, old, other, NULL), -ERROR_FORBIDDEN);
    assert_int_equal(tenancy_admit_profile(&tenancy, &alice, old, none, NULL), -ERROR_FORBIDDEN);
    assert_string_equal(plugins_google_account(json_member(kept, "spec")), "nb@team-1.iam.gserviceaccount.com");
    assert_null(plugins_google_account(json_member(none, "spec")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(completes),
                                       cmocka_unit_test(decides_by_field), cmocka_unit_test(the_finalizer_stays),
                                       cmocka_unit_test(a_cloud_account_is_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
