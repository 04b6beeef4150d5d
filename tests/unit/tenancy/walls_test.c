/* Whom do the pods of a profile reach, by what the cluster has and what the profile says? */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/engine_internal.h"
#include "tenancy/internal.h"
#include "tests/unit/documents.h"

static struct {
    struct engine base;
    bool mesh, ray;
    const char *addresses;     /* NULL: the API server cannot be asked */
    const char *ray_namespace; /* the namespace of KubeRay's operator; NULL: there is none */
    cJSON *applied;
} fake;

static bool fake_has(struct engine *engine, enum engine_kind kind)
{
    (void)engine;
    return kind == KIND_NETWORKPOLICY || (kind == KIND_AUTHORIZATIONPOLICY && fake.mesh) ||
           (kind == KIND_RAYCLUSTER && fake.ray);
}

static int fake_addresses(struct engine *engine, cJSON **ret, struct error *error)
{
    (void)engine;
    if (!fake.addresses)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "away");
    *ret = from_json(fake.addresses);
    return 0;
}

static int fake_apply(struct engine *engine, enum engine_kind kind, const char *namespace, const cJSON *wanted,
                      bool *ret_written, struct error *error)
{
    (void)engine, (void)ret_written, (void)error;
    assert_int_equal(kind, KIND_NETWORKPOLICY);
    assert_string_equal(namespace, "alice");
    fake.applied = json_copy(wanted);
    return 0;
}

static int fake_get(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
                    struct error *error)
{
    (void)engine, (void)namespace;
    assert_int_equal(kind, KIND_NAMESPACE);
    assert_string_equal(name, "kuberay-system");
    if (!fake.ray_namespace)
        return error_set(error, ERROR_NOT_FOUND, NULL, "no such namespace");
    *ret = from_json(fake.ray_namespace);
    return 0;
}

static const struct engine_operations operations = {
    .has = fake_has, .api_addresses = fake_addresses, .get = fake_get, .apply = fake_apply};

#define SAME(key) "{\"" key "\":[{\"podSelector\":{}}]}"
#define FROM(name) "{\"namespaceSelector\":{\"matchLabels\":{\"kubernetes.io/metadata.name\":\"" name "\"}}}"
#define TO(range) "{\"ipBlock\":{\"cidr\":\"" range "\"}}"
#define PORT(protocol, number) "{\"protocol\":\"" protocol "\",\"port\":" number "}"
#define RULE(peers, ports) "{\"to\":[" peers "],\"ports\":[" ports "]}"

static const char ingress[] =
    "[" SAME("from") ",{\"from\":[" FROM("istio-system") "," FROM("atelier-system") "]},{\"from\":[" FROM(
        "kuberay-system") "],\"ports\":[" PORT("TCP", "8265") "," PORT("TCP", "8000") "," PORT("TCP", "52365") "]}]";

/* Always: the profile itself, DNS wherever clusters have it, and what is neither private nor a machine's own. */
static const char everywhere[] = SAME("to") "," RULE(
    FROM("kube-system") "," TO("169.254.20.10/32") "," TO("169.254.169.254/32"),
    PORT("UDP", "53") "," PORT(
        "TCP", "53")) ","
                      "{\"to\":[{\"ipBlock\":{\"cidr\":\"0.0.0.0/0\",\"except\":[\"10.0.0.0/8\",\"100.64.0.0/"
                      "10\",\"127.0.0.0/8\","
                      "\"169.254.0.0/16\",\"172.16.0.0/12\",\"192.0.0.0/24\",\"192.168.0.0/16\",\"198.18.0.0/"
                      "15\",\"240.0.0.0/4\"]}},"
                      "{\"ipBlock\":{\"cidr\":\"::/0\",\"except\":[\"fc00::/7\",\"fe80::/10\",\"fec0::/10\"]}}]}";

#define MESH RULE(FROM("istio-system"), PORT("TCP", "15012"))
#define METADATA                                                                                                       \
    RULE(TO("169.254.169.254/32"), PORT("TCP", "80") "," PORT("TCP", "8080"))                                          \
    "," RULE(TO("169.254.169.252/32"), PORT("TCP", "987") "," PORT("TCP", "988"))
#define API                                                                                                            \
    RULE(TO("10.0.0.2/32"), PORT("TCP", "6443"))                                                                       \
    "," RULE(TO("10.96.0.1/32"), PORT("TCP", "443")) "," RULE(TO("fd00::1/128"), PORT("TCP", "443"))
#define ADDRESSES                                                                                                      \
    "[{\"address\":\"10.0.0.2\",\"port\":6443},{\"address\":\"10.96.0.1\",\"port\":443},"                              \
    "{\"address\":\"fd00::1\",\"port\":443}]"
#define GOOGLE                                                                                                         \
    "{\"plugins\":[{\"kind\":\"WorkloadIdentity\",\"spec\":{\"gcpServiceAccount\":"                                    \
    "\"nb@team-1.iam.gserviceaccount.com\"}}]}"
#define TOKENS "{\"metadata\":{\"annotations\":{\"atelier.dev/mount-tokens\":\"true\"}}}"

/* The policy of one pass; NULL: it was not written, and the pass failed. */
static cJSON *walls_of(const char *profile, const char *spec)
{
    struct tenancy tenancy = {.engine = &fake.base};
    const struct tenancy_options options = {.engine = &fake.base};
    AUTO_JSON cJSON *object = from_json(profile);
    AUTO_JSON cJSON *accepted = from_json(spec);
    struct pass pass = {.tenancy = &tenancy, .name = "alice", .profile = object, .accepted = accepted};
    struct error error = {0};
    fake.base.operations = &operations;
    fake.applied = NULL;
    assert_int_equal(settings_read(&options, &tenancy.settings, &error), 0);
    int r = pass_network(&pass, &error);
    settings_free(&tenancy.settings);
    assert_int_equal(r, fake.applied ? 0 : -ERROR_UNAVAILABLE);
    return fake.applied;
}

static void walls_open_for_what_a_profile_needs_and_no_more(void **state)
{
    (void)state;
    static const struct {
        bool mesh, ray;
        const char *profile, *spec, *more;
    } cases[] = {{false, false, "{}", "{}", ""},
                 {true, false, "{}", "{}", "," MESH},
                 {false, false, "{}", GOOGLE, "," METADATA},
                 {false, true, "{}", "{}", "," API}, /* Ray's autoscaler */
                 {false, false, TOKENS, "{}", "," API},
                 {true, true, TOKENS, GOOGLE, "," MESH "," METADATA "," API}};
    fake.addresses = ADDRESSES;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fake.mesh = cases[i].mesh;
        fake.ray = cases[i].ray;
        AUTO_JSON cJSON *policy = walls_of(cases[i].profile, cases[i].spec);
        AUTO_FREE char *text = json_print(json_member(policy, "spec"));
        AUTO_FREE char *wanted = memory_format(
            "{\"podSelector\":{},\"policyTypes\":[\"Ingress\",\"Egress\"],\"ingress\":%s,\"egress\":[%s%s]}", ingress,
            everywhere, cases[i].more);
        if (strcmp(text, wanted) != 0)
            fail_msg("row %zu:\n%s\n%s", i, text, wanted);
    }
}

/* One that is left out would be taken away from pods that are talking to it. */
static void nothing_is_written_while_the_api_server_s_address_is_not_known(void **state)
{
    (void)state;
    fake.mesh = false;
    fake.ray = true;
    fake.addresses = NULL;
    assert_null(walls_of("{}", "{}"));
}

static void surroundings_differ_when_walls_would(void **state)
{
    (void)state;
    struct tenancy tenancy = {.engine = &fake.base};
    const struct tenancy_options options = {.engine = &fake.base};
    fake.base.operations = &operations;
    fake.addresses = ADDRESSES;
    fake.ray_namespace = NULL;
    fake.mesh = fake.ray = false;
    assert_int_equal(settings_read(&options, &tenancy.settings, NULL), 0);
    AUTO_FREE char *bare = walls_surroundings(&tenancy);
    AUTO_FREE char *again = walls_surroundings(&tenancy);
    fake.mesh = true;
    AUTO_FREE char *mesh = walls_surroundings(&tenancy);
    fake.ray_namespace = "{}";
    AUTO_FREE char *outside = walls_surroundings(&tenancy);
    fake.addresses = "[]";
    AUTO_FREE char *moved = walls_surroundings(&tenancy);
    fake.addresses = NULL;
    assert_string_equal(bare, again);
    assert_string_not_equal(bare, mesh);
    assert_string_not_equal(mesh, outside);
    assert_string_not_equal(outside, moved);
    assert_null(walls_surroundings(&tenancy));
    settings_free(&tenancy.settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(walls_open_for_what_a_profile_needs_and_no_more),
                                       cmocka_unit_test(nothing_is_written_while_the_api_server_s_address_is_not_known),
                                       cmocka_unit_test(surroundings_differ_when_walls_would)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
