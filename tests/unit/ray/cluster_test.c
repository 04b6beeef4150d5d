/* RayCluster admission: what KubeRay's documentation has passes; what would fail silently later is refused by its path.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json_patch.h"
#include "ray/ray.h"
#include "tests/unit/fake_engine.h"
#include "tests/unit/documents.h"

static cJSON *example_cluster(void)
{
    AUTO_BUFFER struct buffer text = {0};
    assert_int_equal(file_read("examples/example-cluster.yaml", 65536, &text, NULL), 0);
    cJSON *cluster = from_yaml(text.p);
    json_set_text(json_object_in(cluster, "metadata"), "namespace", "alice");
    return cluster;
}

/* One JSON Patch operation list applied to the example. */
static cJSON *example_with(const char *patch_text)
{
    cJSON *cluster = example_cluster();
    AUTO_JSON cJSON *patch = NULL;
    struct error error = {0};
    assert_int_equal(json_parse(slice_of(patch_text), &json_limits_default, &patch, &error), 0);
    cJSON *patched = NULL;
    if (json_patch(cluster, patch, &patched, &error) < 0)
        fail_msg("%s: %s", patch_text, error.message);
    cJSON_Delete(cluster);
    return patched;
}

static void takes_the_example_and_completes_it(void **state)
{
    (void)state;
    struct fake_engine fake = {.base.operations = &fake_operations};
    AUTO_JSON cJSON *cluster = example_cluster();
    struct error error = {0};
    assert_int_equal(ray_cluster_admit(&fake.base, NULL, cluster, &error), 0);
    assert_string_equal(json_text(cluster, "spec", "authOptions", "mode", NULL), "token");
    assert_string_equal(json_text(cluster, "spec", "authOptions", "secretName", NULL), "ray-auth");
    AUTO_JSON cJSON *again = json_copy(cluster);
    assert_int_equal(ray_cluster_admit(&fake.base, cluster, again, &error), 0);
    assert_true(json_equal(cluster, again)); /* completing is idempotent */
}

static void takes_kuberay_samples(void **state)
{
    (void)state;
    static const char complete[] = "apiVersion: ray.io/v1\n"
                                   "kind: RayCluster\n"
                                   "metadata:\n"
                                   "  labels: {controller-tools.k8s.io: '1.0'}\n"
                                   "  name: raycluster-complete\n"
                                   "  creationTimestamp: null\n"
                                   "spec:\n"
                                   "  rayVersion: '2.60.0'\n"
                                   "  headGroupSpec:\n"
                                   "    serviceType: ClusterIP\n"
                                   "    rayStartParams: {dashboard-host: '0.0.0.0', block: 'true', num-cpus: '1'}\n"
                                   "    template:\n"
                                   "      metadata:\n"
                                   "      spec:\n"
                                   "        containers:\n"
                                   "        - {name: ray-head, image: 'rayproject/ray:2.60.0-py311'}\n"
                                   "  workerGroupSpecs:\n"
                                   "  - replicas: 1\n"
                                   "    minReplicas: 1\n"
                                   "    maxReplicas: 10\n"
                                   "    groupName: small-group\n"
                                   "    rayStartParams: {}\n"
                                   "    scaleStrategy: {workersToDelete: [raycluster-complete-worker-abcde]}\n"
                                   "    template: {spec: {containers: [{name: w, image: ray-2.60}]}}\n"
                                   "  headServiceAnnotations: {service_key: service_value}\n";
    static const char mini[] = "apiVersion: ray.io/v1\n"
                               "kind: RayCluster\n"
                               "metadata: {name: raycluster-mini}\n"
                               "spec:\n"
                               "  headGroupSpec:\n"
                               "    template: {spec: {containers: [{name: h, image: 'rayproject/ray:2.60.0'}]}}\n";
    struct fake_engine fake = {.base.operations = &fake_operations};
    struct error error = {0};
    AUTO_JSON cJSON *one = from_yaml(complete);
    if (ray_cluster_admit(&fake.base, NULL, one, &error) < 0)
        fail_msg("%s", error.message);
    AUTO_JSON cJSON *two = from_yaml(mini);
    if (ray_cluster_admit(&fake.base, NULL, two, &error) < 0)
        fail_msg("%s", error.message);
    assert_string_equal(json_text(two, "spec", "rayVersion", NULL), "2.60.0"); /* the image's */
    assert_true(cJSON_IsObject(json_at(two, "spec", "headGroupSpec", "rayStartParams", NULL)));
}

static void completes_replicas_and_authentication(void **state)
{
    (void)state;
    struct fake_engine fake = {.base.operations = &fake_operations};
    AUTO_JSON cJSON *cluster =
        example_with("[{\"op\":\"add\",\"path\":\"/spec/authOptions\",\"value\":{}},"
                     "{\"op\":\"remove\",\"path\":\"/spec/workerGroupSpecs/0/replicas\"},"
                     "{\"op\":\"replace\",\"path\":\"/spec/workerGroupSpecs/0/minReplicas\",\"value\":2},"
                     "{\"op\":\"remove\",\"path\":\"/spec/workerGroupSpecs/0/maxReplicas\"}]");
    assert_int_equal(ray_cluster_admit(&fake.base, NULL, cluster, NULL), 0);
    assert_string_equal(json_text(cluster, "spec", "authOptions", "mode", NULL), "token");
    const cJSON *group = json_at(cluster, "spec", "workerGroupSpecs", NULL)->child;
    int64_t number = 0;
    assert_true(json_i64(json_member(group, "replicas"), &number));
    assert_int_equal(number, 2);
    assert_true(json_i64(json_member(group, "maxReplicas"), &number));
    assert_int_equal(number, 2147483647);
}

#define REPLACE(path, value) "[{\"op\":\"add\",\"path\":\"" path "\",\"value\":" value "}]"
#define HEAD "/spec/headGroupSpec"
#define WORKER "/spec/workerGroupSpecs/0"
#define FIFTYFOUR "a23456789012345678901234567890123456789012345678901234"

static void refuses_by_path(void **state)
{
    (void)state;
    static const struct {
        const char *patch, *field;
    } cases[] = {
        {REPLACE("/metadata/name", "\"" FIFTYFOUR "\""), "metadata.name"},
        {REPLACE("/metadata/name", "\"9lives\""), "metadata.name"},
        {REPLACE("/metadata/name", "\"a--b\""), "metadata.name"},
        {REPLACE("/metadata/name", "\"A\""), "metadata.name"},
        {REPLACE("/metadata/name", "\"\""), "metadata.name"},
        {REPLACE("/metadata/name", "7"), "metadata.name"},
        {REPLACE("/metadata/finalizers", "[\"x\"]"), "metadata.finalizers"},
        {REPLACE("/metadata/annotations", "{\"ray.io/ft-enabled\":\"true\"}"),
         "metadata.annotations.ray.io/ft-enabled"},
        {REPLACE("/metadata/annotations", "{\"atelier.dev/istio-route\":\"no\"}"),
         "metadata.annotations[atelier.dev/istio-route]"},
        {REPLACE("/metadata/annotations", "{\"atelier.dev/idle-after\":\"soon\"}"),
         "metadata.annotations[atelier.dev/idle-after]"},
        {REPLACE("/extra", "1"), "extra"},
        {REPLACE("/spec/rayversion", "\"2.60.0\""), "spec.rayversion"},
        {REPLACE("/spec/rayVersion", "2.6"), "spec.rayVersion"},
        {REPLACE("/spec/rayVersion", "\"2 60\""), "spec.rayVersion"},
        {REPLACE("/spec/authOptions", "{\"mode\":\"disabled\"}"), "spec.authOptions.mode"},
        {REPLACE("/spec/authOptions", "{\"mode\":\"token\",\"enableK8sTokenAuth\":true}"),
         "spec.authOptions.enableK8sTokenAuth"},
        {REPLACE("/spec/authOptions", "{\"secretName\":\"mine\"}"), "spec.authOptions.secretName"},
        {REPLACE("/spec/authOptions", "{\"modes\":1}"), "spec.authOptions.modes"},
        {REPLACE("/spec/authOptions", "\"token\""), "spec.authOptions"},
        {REPLACE("/spec/enableInTreeAutoscaling", "true"), "spec.enableInTreeAutoscaling"},
        {REPLACE("/spec/gcsFaultToleranceOptions", "{}"), "spec.gcsFaultToleranceOptions"},
        {REPLACE("/spec/networkPolicy", "{}"), "spec.networkPolicy"},
        {REPLACE("/spec/tlsOptions", "{\"enabled\":true}"), "spec.tlsOptions"},
        {REPLACE("/spec/suspend", "\"yes\""), "spec.suspend"},
        {REPLACE("/spec/managedBy", "\"kueue.x-k8s.io/multikueue\""), "spec.managedBy"},
        {REPLACE("/spec/upgradeStrategy", "{\"type\":\"Rolling\"}"), "spec.upgradeStrategy.type"},
        {REPLACE(HEAD "/serviceType", "\"LoadBalancer\""), "spec.headGroupSpec.serviceType"},
        {REPLACE(HEAD "/headService", "{\"metadata\":{\"name\":\"x\"}}"), "spec.headGroupSpec.headService"},
        {REPLACE(HEAD "/replicas", "1"), "spec.headGroupSpec.replicas"},
        {REPLACE(HEAD "/template/spec/containers", "[]"), "spec.headGroupSpec.template.spec.containers"},
        {REPLACE(HEAD "/template/spec/hostNetwork", "true"), "spec.headGroupSpec.template.spec.hostNetwork"},
        {REPLACE(HEAD "/template/spec/containers/0/env", "[{\"name\":\"RAY_AUTH_MODE\",\"value\":\"disabled\"}]"),
         "spec.headGroupSpec.template.spec.containers[0].env[0].name"},
        {REPLACE(HEAD "/template/metadata", "{\"annotations\":{\"ray.io/ft-enabled\":\"true\"}}"),
         "spec.headGroupSpec.template.metadata.annotations.ray.io/ft-enabled"},
        {REPLACE(HEAD "/template/metadata", "{\"labels\":{\"statefulset\":\"nb1\"}}"),
         "spec.headGroupSpec.template.metadata.labels.statefulset"},
        {REPLACE(WORKER "/template/metadata", "{\"labels\":{\"atelier.dev/notebook\":\"nb1\"}}"),
         "spec.workerGroupSpecs[0].template.metadata.labels.atelier.dev/notebook"},
        {REPLACE(HEAD "/template/metadata", "{\"labels\":{\"a\":1}}"), "spec.headGroupSpec.template.metadata.labels.a"},
        {REPLACE(HEAD "/template/spec/hostname", "\"nb1\""), "spec.headGroupSpec.template.spec.hostname"},
        {REPLACE(HEAD "/rayStartParams", "{\"num-cpus\":1}"), "spec.headGroupSpec.rayStartParams.num-cpus"},
        {REPLACE(HEAD "/rayStartParams", "[]"), "spec.headGroupSpec.rayStartParams"},
        {"[{\"op\":\"remove\",\"path\":\"" HEAD "\"}]", "spec.headGroupSpec"},
        {"[{\"op\":\"remove\",\"path\":\"" HEAD "/template\"}]", "spec.headGroupSpec.template"},
        {REPLACE("/spec/workerGroupSpecs", "{}"), "spec.workerGroupSpecs"},
        {REPLACE(WORKER "/replicas", "6"), "spec.workerGroupSpecs[0].replicas"},
        {REPLACE(WORKER "/replicas", "0"), "spec.workerGroupSpecs[0].replicas"},
        {REPLACE(WORKER "/replicas", "-1"), "spec.workerGroupSpecs[0].replicas"},
        {REPLACE(WORKER "/replicas", "1.5"), "spec.workerGroupSpecs[0].replicas"},
        {REPLACE(WORKER "/replicas", "\"1\""), "spec.workerGroupSpecs[0].replicas"},
        {REPLACE(WORKER "/minReplicas", "9"), "spec.workerGroupSpecs[0].minReplicas"},
        {REPLACE(WORKER "/maxReplicas", "4294967296"), "spec.workerGroupSpecs[0].maxReplicas"},
        {REPLACE(WORKER "/numOfHosts", "2"), "spec.workerGroupSpecs[0].numOfHosts"},
        {REPLACE(WORKER "/groupName", "\"Small\""), "spec.workerGroupSpecs[0].groupName"},
        {REPLACE(WORKER "/groupName", "\"headgroup\""), "spec.workerGroupSpecs[0].groupName"},
        {REPLACE(WORKER "/suspend", "true"), "spec.workerGroupSpecs[0].suspend"},
        {REPLACE(WORKER "/scaleStrategy", "{\"workersToDelete\":[7]}"),
         "spec.workerGroupSpecs[0].scaleStrategy.workersToDelete"},
        {"[{\"op\":\"copy\",\"from\":\"" WORKER "\",\"path\":\"/spec/workerGroupSpecs/-\"}]",
         "spec.workerGroupSpecs[1].groupName"},
    };
    struct fake_engine fake = {.base.operations = &fake_operations};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *cluster = example_with(cases[i].patch);
        struct error error = {0};
        if (ray_cluster_admit(&fake.base, NULL, cluster, &error) != -ERROR_INVALID)
            fail_msg("accepted: %s", cases[i].patch);
        if (strcmp(error.field, cases[i].field) != 0)
            fail_msg("%s: field is \"%s\", not \"%s\" (%s)", cases[i].patch, error.field, cases[i].field,
                     error.message);
        assert_true(strlen(error.message) > 10);
    }
}

static void keeps_service_names_apart(void **state)
{
    (void)state;
    struct fake_engine fake = {.base.operations = &fake_operations, .service = "example-cluster-head-svc"};
    AUTO_JSON cJSON *cluster = example_cluster();
    struct error error = {0};
    assert_int_equal(ray_cluster_admit(&fake.base, NULL, cluster, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "metadata.name");
    fake.service_label = "ray.io/cluster"; /* an earlier cluster's own, on its way out */
    fake.service_label_value = "example-cluster";
    assert_int_equal(ray_cluster_admit(&fake.base, NULL, cluster, &error), 0);
}

static void remarks_on_another_version(void **state)
{
    (void)state;
    static const struct {
        const char *version, *event;
    } cases[] = {{"2.60.0", NULL}, {"2.52.0", "RayVersionMismatch"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fake_engine fake = {.base.operations = &fake_operations};
        AUTO_JSON cJSON *cluster = example_cluster();
        json_set_text(json_object_in(cluster, "spec"), "rayVersion", cases[i].version);
        assert_int_equal(ray_cluster_admit(&fake.base, NULL, cluster, NULL), 0);
        ray_cluster_remark(&fake.base, cluster);
        if (cases[i].event)
            assert_string_equal(fake.last_event_reason, cases[i].event);
        else
            assert_null(fake.last_event_reason);
    }
}

static void says_which_changes_have_no_effect(void **state)
{
    (void)state;
    static const struct {
        const char *patch, *field; /* field NULL: fine */
    } cases[] = {
        {REPLACE(WORKER "/replicas", "3"), NULL},
        {REPLACE(WORKER "/maxReplicas", "9"), NULL},
        {REPLACE("/spec/suspend", "true"), NULL},
        {REPLACE("/metadata/labels", "{\"a\":\"b\"}"), NULL},
        {REPLACE(HEAD "/template/spec/containers/0/resources/limits/memory", "\"6Gi\""), "spec.headGroupSpec"},
        {REPLACE(HEAD "/rayStartParams", "{\"num-cpus\":\"0\"}"), "spec.headGroupSpec"},
        {REPLACE(WORKER "/template/spec/containers/0/resources/limits/cpu", "\"2\""), "spec.workerGroupSpecs[0]"},
        {REPLACE(WORKER "/groupName", "\"other\""), NULL}, /* one group goes, another comes */
        {"[{\"op\":\"add\",\"path\":\"/spec/upgradeStrategy\",\"value\":{\"type\":\"Recreate\"}},"
         "{\"op\":\"replace\",\"path\":\"" HEAD
         "/template/spec/containers/0/resources/limits/memory\",\"value\":\"6Gi\"}]",
         NULL},
    };
    struct fake_engine fake = {.base.operations = &fake_operations};
    AUTO_JSON cJSON *old = example_cluster();
    assert_int_equal(ray_cluster_admit(&fake.base, NULL, old, NULL), 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *cluster = example_with(cases[i].patch);
        struct error error = {0};
        int r = ray_cluster_admit(&fake.base, old, cluster, &error);
        if (!cases[i].field && r < 0)
            fail_msg("%s: %s", cases[i].patch, error.message);
        if (cases[i].field)
            assert_string_equal(error.field, cases[i].field);
    }
}

/* The number of workers is the autoscaler's, who is asked for more or fewer by the bounds alone. */
static void bounds_are_followed_where_there_is_an_autoscaler(void **state)
{
    (void)state;
    static const struct {
        const char *patch;
        int64_t scaled, fixed; /* replicas then, with and without an autoscaler; -1: refused */
    } cases[] = {
        {REPLACE(WORKER "/minReplicas", "3"), 3, -1},
        {"[{\"op\":\"replace\",\"path\":\"" WORKER "/minReplicas\",\"value\":0},"
         "{\"op\":\"replace\",\"path\":\"" WORKER "/maxReplicas\",\"value\":0}]",
         0, -1},
        {REPLACE(WORKER "/replicas", "6"), -1, -1}, /* said by somebody */
        {REPLACE(WORKER "/replicas", "3"), 3, 3},
        {REPLACE(WORKER "/minReplicas", "-1"), -1, -1},
    };
    for (size_t i = 0; i < 2 * COUNT_OF(cases); i++) {
        struct fake_engine fake = {.base.operations = &fake_operations,
                                   .traits = {.name = "fake", .ray_autoscaling = true}};
        struct error error = {0};
        int64_t wanted = i % 2 ? cases[i / 2].scaled : cases[i / 2].fixed, replicas = -1;
        AUTO_JSON cJSON *old = example_cluster();
        json_set_bool(json_object_in(old, "spec"), "enableInTreeAutoscaling", i % 2);
        if (ray_cluster_admit(&fake.base, NULL, old, &error) < 0)
            fail_msg("row %zu: %s", i, error.message);
        AUTO_JSON cJSON *cluster = example_with(cases[i / 2].patch);
        json_set_bool(json_object_in(cluster, "spec"), "enableInTreeAutoscaling", i % 2);
        int r = ray_cluster_admit(&fake.base, old, cluster, &error);
        const cJSON *groups = json_at(cluster, "spec", "workerGroupSpecs", NULL);
        if (r == 0)
            (void)json_i64(json_member(groups->child, "replicas"), &replicas);
        if (replicas != wanted)
            fail_msg("row %zu: %lld, expected %lld: %s", i, (long long)replicas, (long long)wanted, error.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(takes_the_example_and_completes_it),
                                       cmocka_unit_test(bounds_are_followed_where_there_is_an_autoscaler),
                                       cmocka_unit_test(takes_kuberay_samples),
                                       cmocka_unit_test(completes_replicas_and_authentication),
                                       cmocka_unit_test(refuses_by_path),
                                       cmocka_unit_test(keeps_service_names_apart),
                                       cmocka_unit_test(remarks_on_another_version),
                                       cmocka_unit_test(says_which_changes_have_no_effect)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
