/* RayJob and RayService admission: KubeRay's samples pass, what it would only whisper about is refused by its path. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json_patch.h"
#include "ray/ray.h"
#include "tests/unit/fake_engine.h"
#include "tests/unit/documents.h"

#define CLUSTER                                                                                                        \
    "{headGroupSpec: {rayStartParams: {}, template: {spec: {containers: [{name: h, image: ray-2.60}]}}}, "             \
    "workerGroupSpecs: [{groupName: small, replicas: 1, template: {spec: {containers: [{name: w, image: "              \
    "ray-2.60}]}}}]}"

static const char job_yaml[] = "apiVersion: ray.io/v1\n"
                               "kind: RayJob\n"
                               "metadata: {name: rayjob-sample, namespace: alice}\n"
                               "spec:\n"
                               "  entrypoint: python /home/ray/samples/sample_code.py\n"
                               "  runtimeEnvYAML: |\n"
                               "    pip:\n"
                               "    - requests==2.26.0\n"
                               "    env_vars:\n"
                               "      counter_name: test_counter\n"
                               "  rayClusterSpec: " CLUSTER "\n";
static const char service_yaml[] = "apiVersion: ray.io/v1\n"
                                   "kind: RayService\n"
                                   "metadata: {name: rayservice-sample, namespace: alice}\n"
                                   "spec:\n"
                                   "  serveConfigV2: |\n"
                                   "    applications:\n"
                                   "    - name: fruit_app\n"
                                   "      import_path: fruit.deployment_graph\n"
                                   "      route_prefix: /fruit\n"
                                   "      runtime_env:\n"
                                   "        working_dir: 'https://example.com/archive.zip'\n"
                                   "      deployments:\n"
                                   "      - {name: MangoStand, num_replicas: 2}\n"
                                   "    - name: math_app\n"
                                   "      import_path: conditional_dag.serve_dag\n"
                                   "      route_prefix: /calc\n"
                                   "  rayClusterConfig: " CLUSTER "\n";

typedef int (*admission)(struct engine *, const cJSON *, cJSON *, struct error *);

static cJSON *patched(const char *yaml, const char *patch_text)
{
    AUTO_JSON cJSON *object = from_yaml(yaml);
    AUTO_JSON cJSON *patch = NULL;
    struct error error = {0};
    cJSON *ret = NULL;
    if (json_parse(slice_of(patch_text), &json_limits_default, &patch, &error) < 0 ||
        json_patch(object, patch, &ret, &error) < 0)
        fail_msg("%s: %s", patch_text, error.message);
    return ret;
}

static struct fake_engine kuberay(void)
{
    return (struct fake_engine){.base.operations = &fake_operations,
                                .traits = {.name = "fake",
                                           .ray_by_kuberay = true,
                                           .ray_autoscaling = true,
                                           .ray_fault_tolerance = true,
                                           .ray_gateway = true}};
}

static void takes_and_completes(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *cluster;
        admission admit;
    } cases[] = {{job_yaml, "rayClusterSpec", ray_job_admit}, {service_yaml, "rayClusterConfig", ray_service_admit}};
    struct fake_engine fake = kuberay();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        AUTO_JSON cJSON *object = from_yaml(cases[i].yaml);
        if (cases[i].admit(&fake.base, NULL, object, &error) < 0)
            fail_msg("%s", error.message);
        const cJSON *cluster = json_at(object, "spec", cases[i].cluster, NULL);
        assert_string_equal(json_text(cluster, "authOptions", "mode", NULL), "token");
        assert_string_equal(json_text(cluster, "rayVersion", NULL), "2.60.0");
        AUTO_JSON cJSON *again = json_copy(object);
        assert_int_equal(cases[i].admit(&fake.base, object, again, &error), 0);
        assert_true(json_equal(object, again));
        cJSON *head =
            json_at(again, "spec", cases[i].cluster, "headGroupSpec", "template", "spec", "containers", NULL)->child;
        const cJSON *handlers = json_named(json_member(head, "env"), "GRPC_ENABLE_FORK_SUPPORT");
        assert_string_equal(json_text(handlers, "value", NULL), "0");
        /* From before heads had it: applied once more it stays without. */
        json_remove(head, "env");
        AUTO_JSON cJSON *older = json_copy(again);
        assert_int_equal(cases[i].admit(&fake.base, older, again, &error), 0);
        assert_true(json_equal(older, again));
    }
}

#define ADD(path, value) "[{\"op\":\"add\",\"path\":\"" path "\",\"value\":" value "}]"
#define ALSO(path, value, then) "[{\"op\":\"add\",\"path\":\"" path "\",\"value\":" value "}," then "]"
#define OP(path, value) "{\"op\":\"add\",\"path\":\"" path "\",\"value\":" value "}"
#define NO_CLUSTER "{\"op\":\"remove\",\"path\":\"/spec/rayClusterSpec\"}"
#define FORTYEIGHT "a23456789012345678901234567890123456789012345678"
#define RULE(policy, condition) "{\"policy\":\"" policy "\",\"condition\":" condition "}"
#define RULES(list) ADD("/spec/deletionStrategy", "{\"deletionRules\":[" list "]}")
#define DONE(ttl) "{\"jobStatus\":\"SUCCEEDED\",\"ttlSeconds\":" ttl "}"
#define HEAD "/spec/rayClusterSpec/headGroupSpec/template/spec"

static void takes_jobs(void **state)
{
    (void)state;
    static const char *const cases[] = {
        ADD("/spec/submissionMode", "\"HTTPMode\""),
        ALSO("/spec/submissionMode", "\"InteractiveMode\"", "{\"op\":\"remove\",\"path\":\"/spec/entrypoint\"}"),
        ALSO("/spec/clusterSelector", "{\"ray.io/cluster\":\"rc\"}", NO_CLUSTER),
        ALSO("/spec/shutdownAfterJobFinishes", "true", OP("/spec/ttlSecondsAfterFinished", "60")),
        ALSO("/spec/shutdownAfterJobFinishes", "true", OP("/spec/suspend", "true")),
        RULES(RULE("DeleteWorkers", DONE("10")) "," RULE("DeleteCluster", DONE("10")) "," RULE(
            "DeleteSelf", "{\"jobDeploymentStatus\":\"Failed\",\"ttlSeconds\":1}")),
        ADD("/spec/deletionStrategy",
            "{\"onSuccess\":{\"policy\":\"DeleteCluster\"},\"onFailure\":{\"policy\":\"DeleteNone\"}}"),
        ADD("/spec/submitterPodTemplate", "{\"spec\":{\"containers\":[{\"name\":\"s\",\"image\":\"ray-2.60\"}]}}"),
        ADD("/spec/entrypointNumCpus", "0.5"),
        ADD("/spec/backoffLimit", "2"),
    };
    struct fake_engine fake = kuberay();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        AUTO_JSON cJSON *job = patched(job_yaml, cases[i]);
        if (ray_job_admit(&fake.base, NULL, job, &error) < 0)
            fail_msg("%s: %s", cases[i], error.message);
    }
}

struct refusal {
    const char *patch, *field;
};

static void refuse_all(const char *yaml, admission admit, const struct refusal *cases, size_t count)
{
    struct fake_engine fake = kuberay();
    for (size_t i = 0; i < count; i++) {
        struct error error = {0};
        AUTO_JSON cJSON *object = patched(yaml, cases[i].patch);
        if (admit(&fake.base, NULL, object, &error) != -ERROR_INVALID)
            fail_msg("accepted: %s", cases[i].patch);
        if (strcmp(error.field, cases[i].field) != 0)
            fail_msg("%s: field is \"%s\", not \"%s\" (%s)", cases[i].patch, error.field, cases[i].field,
                     error.message);
        assert_true(strlen(error.message) > 10);
    }
}

static void refuses_jobs_by_path(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {ADD("/metadata/name", "\"" FORTYEIGHT "\""), "metadata.name"},
        {ADD("/metadata/name", "\"1a\""), "metadata.name"},
        {ADD("/spec/entryPoint", "\"x\""), "spec.entryPoint"},
        {"[{\"op\":\"remove\",\"path\":\"/spec/entrypoint\"}]", "spec.entrypoint"},
        {ADD("/spec/submissionMode", "\"Http\""), "spec.submissionMode"},
        {"[" NO_CLUSTER "]", "spec.rayClusterSpec"},
        {ADD("/spec/clusterSelector", "{\"ray.io/cluster\":\"rc\"}"), "spec.rayClusterSpec"},
        {ALSO("/spec/clusterSelector", "{\"app\":\"rc\"}", NO_CLUSTER), "spec.clusterSelector.app"},
        {"[" OP("/spec/clusterSelector", "{\"ray.io/cluster\":\"rc\"}") "," NO_CLUSTER
                                                                        "," OP("/spec/backoffLimit", "1") "]",
         "spec.backoffLimit"},
        {ALSO("/spec/clusterSelector", "{\"ray.io/cluster\":\"\"}", NO_CLUSTER), "spec.clusterSelector.ray.io/cluster"},
        {"[" OP("/spec/clusterSelector", "{\"ray.io/cluster\":\"rc\"}") "," NO_CLUSTER "," OP("/spec/submissionMode",
                                                                                              "\"SidecarMode\"") "]",
         "spec.submissionMode"},
        {"[" OP("/spec/clusterSelector", "{\"ray.io/cluster\":\"rc\"}") "," NO_CLUSTER "," OP(
             "/spec/shutdownAfterJobFinishes", "true") "," OP("/spec/suspend", "true") "]",
         "spec.suspend"},
        {"[" OP("/spec/clusterSelector", "{\"ray.io/cluster\":\"rc\"}") "," NO_CLUSTER "," OP(
             "/spec/deletionStrategy", "{\"deletionRules\":[" RULE("DeleteCluster", DONE("0")) "]}") "]",
         "spec.deletionStrategy.deletionRules[0].policy"},
        {ADD("/spec/suspend", "true"), "spec.suspend"},
        {ADD("/spec/ttlSecondsAfterFinished", "60"), "spec.ttlSecondsAfterFinished"},
        {ADD("/spec/ttlSecondsAfterFinished", "-1"), "spec.ttlSecondsAfterFinished"},
        {ADD("/spec/activeDeadlineSeconds", "0"), "spec.activeDeadlineSeconds"},
        {ADD("/spec/backoffLimit", "-1"), "spec.backoffLimit"},
        {ALSO("/spec/submissionMode", "\"InteractiveMode\"", OP("/spec/backoffLimit", "1")), "spec.backoffLimit"},
        {ALSO("/spec/submissionMode", "\"SidecarMode\"", OP("/spec/submitterConfig", "{\"backoffLimit\":1}")),
         "spec.submitterConfig"},
        {ALSO("/spec/submissionMode", "\"SidecarMode\"", OP(HEAD "/restartPolicy", "\"Always\"")),
         "spec.rayClusterSpec.headGroupSpec.template.spec.restartPolicy"},
        {ADD("/spec/runtimeEnvYAML", "\"pip: [\""), "spec.runtimeEnvYAML"},
        {ADD("/spec/runtimeEnvYAML", "\"just words\""), "spec.runtimeEnvYAML"},
        {ADD("/spec/entrypointNumCpus", "\"1\""), "spec.entrypointNumCpus"},
        {ADD("/spec/managedBy", "\"kueue.x-k8s.io/multikueue\""), "spec.managedBy"},
        {ADD("/spec/deletionStrategy", "{}"), "spec.deletionStrategy.deletionRules"},
        {ALSO("/spec/shutdownAfterJobFinishes", "true",
              OP("/spec/deletionStrategy", "{\"deletionRules\":[" RULE("DeleteSelf", DONE("0")) "]}")),
         "spec.deletionStrategy.deletionRules"},
        {RULES(RULE("DeleteAll", DONE("0"))), "spec.deletionStrategy.deletionRules[0].policy"},
        {RULES(RULE("DeleteSelf", "{\"jobStatus\":\"RUNNING\"}")), "spec.deletionStrategy.deletionRules[0].condition"},
        {RULES(RULE("DeleteSelf", "{}")), "spec.deletionStrategy.deletionRules[0].condition"},
        {RULES(RULE("DeleteSelf", DONE("-1"))), "spec.deletionStrategy.deletionRules[0].condition.ttlSeconds"},
        {RULES(RULE("DeleteSelf", DONE("1")) "," RULE("DeleteSelf", DONE("2"))),
         "spec.deletionStrategy.deletionRules[1]"},
        {RULES(RULE("DeleteSelf", DONE("1")) "," RULE("DeleteCluster", DONE("2"))),
         "spec.deletionStrategy.deletionRules[1]"},
        {ADD("/spec/deletionStrategy", "{\"onSuccess\":{\"policy\":\"DeleteCluster\"}}"),
         "spec.deletionStrategy.onFailure"},
        {ALSO("/spec/rayClusterSpec/enableInTreeAutoscaling", "true",
              OP("/spec/deletionStrategy", "{\"deletionRules\":[" RULE("DeleteWorkers", DONE("0")) "]}")),
         "spec.deletionStrategy.deletionRules[0].policy"},
        {ADD("/spec/rayClusterSpec/upgradeStrategy", "{\"type\":\"Recreate\"}"), "spec.rayClusterSpec.upgradeStrategy"},
        {ADD("/spec/rayClusterSpec/authOptions", "{\"mode\":\"disabled\"}"), "spec.rayClusterSpec.authOptions.mode"},
        {ADD("/spec/rayClusterSpec/workerGroupSpecs/0/replicas", "-1"),
         "spec.rayClusterSpec.workerGroupSpecs[0].replicas"},
        {ADD(HEAD "/containers/0/env", "[{\"name\":\"RAY_AUTH_TOKEN\",\"value\":\"x\"}]"),
         "spec.rayClusterSpec.headGroupSpec.template.spec.containers[0].env[0].name"},
        {ADD("/spec/entrypointResources", "\"slots=1\""), "spec.entrypointResources"},
        {ADD("/spec/entrypointResources", "\"[1]\""), "spec.entrypointResources"},
        {ADD("/spec/entrypointResources", "\"{\\\"slots\\\":\\\"1\\\"}\""), "spec.entrypointResources"},
        {ADD("/spec/submitterPodTemplate",
             "{\"spec\":{\"restartPolicy\":\"Always\",\"containers\":[{\"name\":\"s\",\"image\":\"ray-2.60\"}]}}"),
         "spec.submitterPodTemplate.spec.restartPolicy"},
        {ADD("/spec/submitterPodTemplate", "{\"spec\":{\"containers\":[]}}"),
         "spec.submitterPodTemplate.spec.containers"},
    };
    refuse_all(job_yaml, ray_job_admit, cases, COUNT_OF(cases));
}

#define SERVE(yaml) ADD("/spec/serveConfigV2", "\"" yaml "\"")
#define INCREMENTAL(options) "{\"type\":\"NewClusterWithIncrementalUpgrade\",\"clusterUpgradeOptions\":" options "}"

static void refuses_services_by_path(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {ADD("/metadata/name", "\"" FORTYEIGHT "\""), "metadata.name"},
        {ADD("/metadata/annotations", "{\"ray.io/initializing-timeout\":\"soon\"}"),
         "metadata.annotations.ray.io/initializing-timeout"},
        {ADD("/metadata/annotations", "{\"ray.io/initializing-timeout\":\"0\"}"),
         "metadata.annotations.ray.io/initializing-timeout"},
        {ADD("/metadata/annotations", "{\"ray.io/initializing-timeout\":\"5mm\"}"),
         "metadata.annotations.ray.io/initializing-timeout"},
        {ADD("/metadata/annotations", "{\"ray.io/initializing-timeout\":\"0h\"}"),
         "metadata.annotations.ray.io/initializing-timeout"},
        {ADD("/metadata/annotations", "{\"ray.io/initializing-timeout\":\"1..5h\"}"),
         "metadata.annotations.ray.io/initializing-timeout"},
        {ADD("/metadata/annotations", "{\"ray.io/initializing-timeout\":\"99999999999999h\"}"),
         "metadata.annotations.ray.io/initializing-timeout"}, /* Go's number would overflow */
        {ADD("/metadata/annotations", "{\"ray.io/initializing-timeout\":\".h\"}"),
         "metadata.annotations.ray.io/initializing-timeout"},
        {ALSO("/spec/rayClusterConfig/enableInTreeAutoscaling", "true",
              OP("/spec/upgradeStrategy",
                 INCREMENTAL("{\"maxSurgePercent\":5,\"stepSizePercent\":10,\"intervalSeconds\":5,\"gatewayClassName\":"
                             "\"istio\"}"))),
         "spec.upgradeStrategy.clusterUpgradeOptions.stepSizePercent"},
        {ALSO("/spec/rayClusterConfig/enableInTreeAutoscaling", "true",
              OP("/spec/upgradeStrategy",
                 INCREMENTAL("{\"stepSizePercent\":10,\"intervalSeconds\":5,\"gatewayClassName\":\"\"}"))),
         "spec.upgradeStrategy.clusterUpgradeOptions.gatewayClassName"},
        {ADD("/spec/rayClusterSpec", "{}"), "spec.rayClusterSpec"},
        {"[{\"op\":\"remove\",\"path\":\"/spec/rayClusterConfig\"}]", "spec.rayClusterConfig"},
        {"[{\"op\":\"remove\",\"path\":\"/spec/serveConfigV2\"}]", "spec.serveConfigV2"},
        {SERVE("a: ["), "spec.serveConfigV2"},
        {SERVE("applications: []"), "spec.serveConfigV2"},
        {SERVE("applications: [{name: a}]"), "spec.serveConfigV2"},
        {SERVE("applications: [{import_path: nothing}]"), "spec.serveConfigV2"},
        {SERVE("applications: [{import_path: 'a:b', route_prefix: x}]"), "spec.serveConfigV2"},
        {SERVE("applications: [{import_path: 'a:b'}, {import_path: 'c:d', route_prefix: /c}]"), "spec.serveConfigV2"},
        {SERVE("applications: [{name: a, import_path: 'a:b'}, {name: c, import_path: 'c:d'}]"), "spec.serveConfigV2"},
        {ADD("/spec/upgradeStrategy", "{\"type\":\"Rolling\"}"), "spec.upgradeStrategy.type"},
        {ADD("/spec/upgradeStrategy", INCREMENTAL("{}")), "spec.rayClusterConfig.enableInTreeAutoscaling"},
        {ALSO("/spec/rayClusterConfig/enableInTreeAutoscaling", "true",
              OP("/spec/upgradeStrategy", INCREMENTAL("{\"stepSizePercent\":10,\"intervalSeconds\":5}"))),
         "spec.upgradeStrategy.clusterUpgradeOptions.gatewayClassName"},
        {ALSO("/spec/rayClusterConfig/enableInTreeAutoscaling", "true",
              OP("/spec/upgradeStrategy",
                 INCREMENTAL("{\"stepSizePercent\":101,\"intervalSeconds\":5,\"gatewayClassName\":\"istio\"}"))),
         "spec.upgradeStrategy.clusterUpgradeOptions.stepSizePercent"},
        {ADD("/spec/rayClusterDeletionDelaySeconds", "-1"), "spec.rayClusterDeletionDelaySeconds"},
        {ADD("/spec/serveService", "{\"spec\":{\"type\":\"LoadBalancer\"}}"), "spec.serveService.spec.type"},
        {ADD("/spec/serveService", "{\"metadata\":{\"name\":\"x\"}}"), "spec.serveService.metadata.name"},
        {ADD("/spec/rayClusterConfig/headGroupSpec/headService", "{\"metadata\":{\"name\":\"x\"}}"),
         "spec.rayClusterConfig.headGroupSpec.headService"},
    };
    refuse_all(service_yaml, ray_service_admit, cases, COUNT_OF(cases));
}

static void takes_services(void **state)
{
    (void)state;
    static const char *const cases[] = {
        ADD("/metadata/annotations", "{\"ray.io/initializing-timeout\":\"1h30m\"}"),
        ADD("/metadata/annotations", "{\"ray.io/initializing-timeout\":\"90\"}"),
        ADD("/metadata/annotations", "{\"ray.io/initializing-timeout\":\"1.5h.5ms\"}"),
        ADD("/spec/upgradeStrategy", "{\"type\":\"None\"}"),
        ALSO("/spec/rayClusterConfig/enableInTreeAutoscaling", "true",
             OP("/spec/upgradeStrategy",
                INCREMENTAL("{\"stepSizePercent\":10,\"intervalSeconds\":5,\"gatewayClassName\":\"istio\"}"))),
        SERVE("applications: [{name: a, import_path: 'a:b'}, {name: c, import_path: 'c:d', route_prefix: null}]"),
    };
    struct fake_engine fake = kuberay();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        AUTO_JSON cJSON *service = patched(service_yaml, cases[i]);
        if (ray_service_admit(&fake.base, NULL, service, &error) < 0)
            fail_msg("%s: %s", cases[i], error.message);
    }
}

/* What KubeRay does and one machine does not is refused there, not left undone. */
static void refuses_on_one_machine_what_it_does_not_do(void **state)
{
    (void)state;
    static const struct {
        const char *patch, *field;
    } cases[] = {
        {ALSO("/spec/rayClusterConfig/enableInTreeAutoscaling", "true",
              OP("/spec/upgradeStrategy",
                 INCREMENTAL("{\"stepSizePercent\":10,\"intervalSeconds\":5,\"gatewayClassName\":\"istio\"}"))),
         "spec.upgradeStrategy.type"},
        {ADD("/spec/excludeHeadPodFromServeSvc", "true"), "spec.excludeHeadPodFromServeSvc"},
        {ADD("/metadata/annotations", "{\"ray.io/initializing-timeout\":\"90\"}"),
         "metadata.annotations.ray.io/initializing-timeout"},
        {SERVE("{applications: [{import_path: 'a:b'}], http_options: {port: 9000}}"), "spec.serveConfigV2"},
        {SERVE("{applications: [{import_path: 'a:b'}], http_options: {host: 0.0.0.0, port: 8000}}"), NULL},
        {ADD("/spec/upgradeStrategy", "{\"type\":\"NewCluster\"}"), NULL},
        {ADD("/spec/excludeHeadPodFromServeSvc", "false"), NULL},
    };
    for (size_t i = 0; i < 2 * COUNT_OF(cases); i++) {
        struct fake_engine fake = kuberay();
        struct error error = {0};
        fake.traits.ray_by_kuberay = fake.traits.ray_gateway = i % 2;
        AUTO_JSON cJSON *service = patched(service_yaml, cases[i / 2].patch);
        const char *field = fake.traits.ray_by_kuberay ? NULL : cases[i / 2].field;
        int r = ray_service_admit(&fake.base, NULL, service, &error);
        if (field ? r != -ERROR_INVALID || strcmp(error.field, field) != 0 : r < 0)
            fail_msg("row %zu: %d %s %s", i / 2, r, error.field, error.message);
    }
}

/* KubeRay would try for ever to make a Gateway. */
static void replaces_step_by_step_only_with_gateway_api(void **state)
{
    (void)state;
    struct fake_engine fake = kuberay();
    struct error error = {0};
    AUTO_JSON cJSON *service =
        patched(service_yaml,
                ALSO("/spec/rayClusterConfig/enableInTreeAutoscaling", "true",
                     OP("/spec/upgradeStrategy",
                        INCREMENTAL("{\"stepSizePercent\":10,\"intervalSeconds\":5,\"gatewayClassName\":\"istio\"}"))));
    fake.traits.ray_gateway = false;
    assert_int_equal(ray_service_admit(&fake.base, NULL, service, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "spec.upgradeStrategy.type");
    assert_non_null(strstr(error.message, "gateway.networking.k8s.io"));
    fake.traits.ray_gateway = true; /* installed meanwhile */
    assert_int_equal(ray_service_admit(&fake.base, NULL, service, &error), 0);
}

/* The head's pod would be refused for ever. */
static void has_no_sidecar_where_restricted(void **state)
{
    (void)state;
    for (int restricted = 0; restricted < 2; restricted++) {
        struct fake_engine fake = kuberay();
        struct error error = {0};
        fake.traits.pods_by_kubelet = true;
        fake.restricted = restricted;
        AUTO_JSON cJSON *job = patched(job_yaml, ADD("/spec/submissionMode", "\"SidecarMode\""));
        assert_int_equal(ray_job_admit(&fake.base, NULL, job, &error), restricted ? -ERROR_INVALID : 0);
        assert_string_equal(error.field, restricted ? "spec.submissionMode" : "");
    }
}

/* KubeRay tries no job on a chosen cluster again; one machine does. */
static void tries_a_job_on_a_chosen_cluster_again(void **state)
{
    (void)state;
    for (int by_kuberay = 0; by_kuberay < 2; by_kuberay++) {
        struct fake_engine fake = kuberay();
        struct error error = {0};
        fake.traits.ray_by_kuberay = by_kuberay;
        AUTO_JSON cJSON *job =
            patched(job_yaml, "[" OP("/spec/clusterSelector", "{\"ray.io/cluster\":\"rc\"}") "," NO_CLUSTER "," OP(
                                  "/spec/backoffLimit", "1") "]");
        assert_int_equal(ray_job_admit(&fake.base, NULL, job, &error), by_kuberay ? -ERROR_INVALID : 0);
        assert_string_equal(error.field, by_kuberay ? "spec.backoffLimit" : "");
    }
}

static void keeps_a_begun_job_as_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *reached, *patch, *field;
    } cases[] = {
        {"Running", ADD("/spec/entrypoint", "\"python other.py\""), "spec.entrypoint"},
        {"Running", ADD("/spec/rayClusterSpec/workerGroupSpecs/0/replicas", "2"), "spec.rayClusterSpec"},
        {"Running", ADD("/spec/shutdownAfterJobFinishes", "true"), NULL},
        {"Suspended", ADD("/spec/entrypoint", "\"python other.py\""), NULL},
        {"", ADD("/spec/entrypoint", "\"python other.py\""), NULL},
    };
    struct fake_engine fake = kuberay();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        AUTO_JSON cJSON *old = from_yaml(job_yaml);
        json_set_text(json_object_in(old, "status"), "jobDeploymentStatus", cases[i].reached);
        AUTO_JSON cJSON *job = patched(job_yaml, cases[i].patch);
        int r = ray_job_admit(&fake.base, old, job, &error);
        if (cases[i].field && (r != -ERROR_INVALID || strcmp(error.field, cases[i].field) != 0))
            fail_msg("row %zu: %d %s", i, r, error.field);
        if (!cases[i].field && r < 0)
            fail_msg("row %zu: %s", i, error.message);
    }
}

static void keeps_service_names_apart(void **state)
{
    (void)state;
    struct fake_engine fake = kuberay();
    struct error error = {0};
    fake.service = "rayservice-sample-serve-svc";
    AUTO_JSON cJSON *service = from_yaml(service_yaml);
    assert_int_equal(ray_service_admit(&fake.base, NULL, service, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "metadata.name");
    fake.service_label = "ray.io/originated-from-cr-name";
    fake.service_label_value = "rayservice-sample";
    assert_int_equal(ray_service_admit(&fake.base, NULL, service, &error), 0);
}

static void says_when_a_submitter_is_done(void **state)
{
    (void)state;
    static const struct {
        const char *said, *is;
    } cases[] = {{"", "Never"}, {"\"restartPolicy\":\"OnFailure\",", "OnFailure"}};
    struct fake_engine fake = kuberay();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        AUTO_FREE char *patch =
            memory_format("[{\"op\":\"add\",\"path\":\"/spec/submitterPodTemplate\",\"value\":{\"spec\":{%s"
                          "\"containers\":[{\"name\":\"s\",\"image\":\"ray-2.60\"}]}}}]",
                          cases[i].said);
        AUTO_JSON cJSON *job = patched(job_yaml, patch);
        if (ray_job_admit(&fake.base, NULL, job, &error) < 0)
            fail_msg("%s", error.message);
        assert_string_equal(json_text(job, "spec", "submitterPodTemplate", "spec", "restartPolicy", NULL), cases[i].is);
    }
}

/* A KubeRay that cannot show Ray a token could not follow them; what is there already may still change. */
static void refuses_what_could_not_be_followed(void **state)
{
    (void)state;
    struct fake_engine fake = kuberay();
    for (int service = 0; service < 2; service++) {
        struct error error = {0};
        AUTO_JSON cJSON *object = from_yaml(service ? service_yaml : job_yaml);
        int (*admit)(struct engine *, const cJSON *, cJSON *, struct error *) =
            service ? ray_service_admit : ray_job_admit;
        fake.traits.ray_auth = ENGINE_RAY_AUTH_NAMED;
        assert_int_equal(admit(&fake.base, NULL, object, &error), 0);
        fake.traits.ray_auth = ENGINE_RAY_AUTH_NONE;
        AUTO_JSON cJSON *another = json_copy(object);
        assert_int_equal(admit(&fake.base, NULL, another, &error), -ERROR_INVALID);
        assert_string_equal(error.field, "kind");
        assert_non_null(strstr(error.message, service ? "a RayService" : "a RayJob"));
        assert_int_equal(admit(&fake.base, object, another, &error), 0);
    }
}

/* Before 1.6 KubeRay finds only the token that it made itself, and a person's cluster asks for the profile's. */
static void leaves_the_token_to_an_older_kuberay(void **state)
{
    (void)state;
    struct fake_engine fake = kuberay();
    fake.traits.ray_auth = ENGINE_RAY_AUTH_OWN;
    for (int service = 0; service < 2; service++) {
        struct error error = {0};
        AUTO_JSON cJSON *object =
            service ? patched(service_yaml, ADD("/spec/rayClusterConfig/authOptions", "{\"secretName\":\"ray-auth\"}"))
                    : from_yaml(job_yaml);
        admission admit = service ? ray_service_admit : ray_job_admit;
        if (admit(&fake.base, NULL, object, &error) < 0)
            fail_msg("%s", error.message);
        const cJSON *spec = json_at(object, "spec", service ? "rayClusterConfig" : "rayClusterSpec", NULL);
        AUTO_FREE char *options = json_print(json_member(spec, "authOptions"));
        assert_string_equal(options, "{\"mode\":\"token\"}");
        const cJSON *head = json_at(spec, "headGroupSpec", "template", "spec", "containers", NULL)->child;
        assert_null(json_named(json_member(head, "env"), "RAY_AUTH_TOKEN"));
        AUTO_JSON cJSON *again = json_copy(object);
        assert_int_equal(admit(&fake.base, object, again, &error), 0);
        assert_true(json_equal(object, again));
    }
    struct error error = {0};
    AUTO_JSON cJSON *chosen =
        patched(job_yaml, ALSO("/spec/clusterSelector", "{\"ray.io/cluster\":\"rc\"}", NO_CLUSTER));
    assert_int_equal(ray_job_admit(&fake.base, NULL, chosen, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "spec.clusterSelector");
}

/* In a restricted namespace KubeRay's own submitter would be refused; the image is that of the cluster it submits to.
 */
static void submits_to_a_chosen_cluster_where_restricted(void **state)
{
    (void)state;
    for (int restricted = 0; restricted < 2; restricted++) {
        struct fake_engine fake = kuberay();
        struct error error = {0};
        fake.traits.pods_by_kubelet = true;
        fake.restricted = restricted;
        fake.cluster =
            "{\"spec\":{\"headGroupSpec\":{\"template\":{\"spec\":{\"containers\":[{\"image\":\"ray:x\"}]}}}}}";
        AUTO_JSON cJSON *job =
            patched(job_yaml, ALSO("/spec/clusterSelector", "{\"ray.io/cluster\":\"rc\"}", NO_CLUSTER));
        if (ray_job_admit(&fake.base, NULL, job, &error) < 0)
            fail_msg("%s", error.message);
        const cJSON *pod = json_at(job, "spec", "submitterPodTemplate", "spec", NULL);
        assert_int_equal(pod != NULL, restricted);
        if (!restricted)
            continue;
        const cJSON *container = json_member(pod, "containers")->child;
        assert_string_equal(json_text(container, "image", NULL), "ray:x");
        assert_non_null(json_at(container, "securityContext", "capabilities", "drop", NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tries_a_job_on_a_chosen_cluster_again),
        cmocka_unit_test(has_no_sidecar_where_restricted),
        cmocka_unit_test(submits_to_a_chosen_cluster_where_restricted),
        cmocka_unit_test(refuses_what_could_not_be_followed),
        cmocka_unit_test(says_when_a_submitter_is_done),
        cmocka_unit_test(leaves_the_token_to_an_older_kuberay),
        cmocka_unit_test(takes_and_completes),
        cmocka_unit_test(takes_jobs),
        cmocka_unit_test(refuses_jobs_by_path),
        cmocka_unit_test(takes_services),
        cmocka_unit_test(refuses_services_by_path),
        cmocka_unit_test(keeps_a_begun_job_as_it_is),
        cmocka_unit_test(keeps_service_names_apart),
        cmocka_unit_test(refuses_on_one_machine_what_it_does_not_do),
        cmocka_unit_test(replaces_step_by_step_only_with_gateway_api),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
