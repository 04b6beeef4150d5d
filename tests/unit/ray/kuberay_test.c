/* RayClusters where KubeRay reconciles them: what is completed for it, and what it would refuse in silence. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ray/ray.h"
#include "ray/token.h"
#include "tests/unit/fake_engine.h"
#include "tests/unit/documents.h"

#define KUBERAY                                                                                                        \
    {                                                                                                                  \
        .base.operations = &fake_operations, .traits = {                                                               \
            .name = "fake",                                                                                            \
            .pods_by_kubelet = true,                                                                                   \
            .ray_by_kuberay = true,                                                                                    \
            .ray_autoscaling = true,                                                                                   \
            .ray_fault_tolerance = true                                                                                \
        }                                                                                                              \
    }

/* A cluster of one group: <spec> and <head> are further lines of YAML. */
static cJSON *cluster(const char *image, const char *spec, const char *head, const char *group)
{
    AUTO_FREE char *yaml = memory_format("metadata: {name: rc, namespace: alice}\n"
                                         "spec:\n"
                                         "%s"
                                         "  headGroupSpec:\n"
                                         "%s"
                                         "    template: {spec: {containers: [{name: h, image: '%s', ports: "
                                         "[{containerPort: 6379, name: gcs}]}]}}\n"
                                         "  workerGroupSpecs:\n"
                                         "  - groupName: small\n"
                                         "%s"
                                         "    template: {spec: {containers: [{name: w, image: ray-2.60}]}}\n",
                                         spec, head, image, group);
    return from_yaml(yaml);
}

static void completes_what_kuberay_needs(void **state)
{
    (void)state;
    struct fake_engine fake = KUBERAY;
    struct error error = {0};
    AUTO_JSON cJSON *rc = cluster("rayproject/ray:2.60.0-py311-gpu", "", "", "");
    if (ray_cluster_admit(&fake.base, NULL, rc, &error) < 0)
        fail_msg("%s", error.message);
    assert_string_equal(json_text(rc, "spec", "rayVersion", NULL), "2.60.0");
    assert_string_equal(json_text(rc, "spec", "authOptions", "mode", NULL), "token");
    assert_string_equal(json_text(rc, "spec", "authOptions", "secretName", NULL), "ray-auth");
    const cJSON *head = json_at(rc, "spec", "headGroupSpec", "template", "spec", "containers", NULL)->child;
    AUTO_FREE char *ports = json_print(json_member(head, "ports"));
    static const char *const names[] = {"\"gcs\"", "\"dashboard\"", "\"client\"", "\"metrics\"", "\"serve\""};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_non_null(strstr(ports, names[i]));
    assert_null(strstr(ports, "gcs-server")); /* it has a name for that port already */
    const cJSON *grafana = json_named(json_member(head, "env"), "RAY_GRAFANA_HOST");
    assert_string_equal(json_text(grafana, "value", NULL), "DISABLED"); /* its dashboard has no figures to show */
    const cJSON *handlers = json_named(json_member(head, "env"), "GRPC_ENABLE_FORK_SUPPORT");
    assert_string_equal(json_text(handlers, "value", NULL), "0"); /* its Ray Client forks */
    const cJSON *group = json_at(rc, "spec", "workerGroupSpecs", NULL)->child;
    assert_null(json_named(json_at(group, "template", "spec", "containers", NULL)->child, "env"));
    assert_non_null(json_member(group, "minReplicas"));
    assert_non_null(json_member(group, "maxReplicas"));
    AUTO_JSON cJSON *again = json_copy(rc);
    assert_int_equal(ray_cluster_admit(&fake.base, rc, again, &error), 0);
    assert_true(json_equal(rc, again));
    /* Applied once more as it was written, or from before heads were told of it: the pods that run are not changed. */
    cJSON *again_head = json_at(again, "spec", "headGroupSpec", "template", "spec", "containers", NULL)->child;
    json_remove(again_head, "env");
    assert_int_equal(ray_cluster_admit(&fake.base, rc, again, &error), 0);
    assert_true(json_equal(rc, again));
    json_remove(again_head, "env");
    AUTO_JSON cJSON *older = json_copy(again);
    assert_int_equal(ray_cluster_admit(&fake.base, older, again, &error), 0);
    assert_true(json_equal(older, again));
}

static void reads_the_version_from_the_tag(void **state)
{
    (void)state;
    static const struct {
        const char *image, *version; /* NULL: it must be said */
    } cases[] = {
        {"rayproject/ray:2.55.1", "2.55.1"},
        {"localhost:5000/team/ray:2.55.1-py312", "2.55.1"},
        {"europe-docker.pkg.dev/p/r/ray:2.61.0_cu121@sha256:abcdef", "2.61.0"},
        {"ray-2.60", "2.60.0"}, /* a name of the platform */
        {"team/mine:latest", NULL},
        {"team/mine", NULL},
        {"localhost:5000/mine", NULL},
        {"team/mine:2.60", NULL},
        {"team/mine:20251101", NULL},
        {"team/mine@sha256:abcdef", NULL},
    };
    struct fake_engine fake = KUBERAY;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        AUTO_JSON cJSON *rc = cluster(cases[i].image, "", "", "");
        int r = ray_cluster_admit(&fake.base, NULL, rc, &error);
        if (!cases[i].version) {
            if (r != -ERROR_INVALID || strcmp(error.field, "spec.rayVersion") != 0)
                fail_msg("%s: %d %s", cases[i].image, r, error.field);
            AUTO_JSON cJSON *said = cluster(cases[i].image, "  rayVersion: 2.60.0\n", "", "");
            assert_int_equal(ray_cluster_admit(&fake.base, NULL, said, &error), 0);
            continue;
        }
        if (r < 0)
            fail_msg("%s: %s", cases[i].image, error.message);
        assert_string_equal(json_text(rc, "spec", "rayVersion", NULL), cases[i].version);
    }
}

static void names_what_a_pod_can_pull(void **state)
{
    (void)state;
    struct fake_engine fake = KUBERAY;
    struct error error = {0};
    fake.reference = "registry.example.com/atelier/ray-2.60:1";
    AUTO_JSON cJSON *rc = cluster("ray-2.60", "", "", "");
    assert_int_equal(ray_cluster_admit(&fake.base, NULL, rc, &error), 0);
    const cJSON *head = json_at(rc, "spec", "headGroupSpec", "template", "spec", "containers", NULL)->child;
    assert_string_equal(json_text(head, "image", NULL), fake.reference);
    assert_string_equal(json_text(rc, "spec", "rayVersion", NULL), "2.60.0");
    AUTO_JSON cJSON *alias = cluster("rayproject/ray:2.60.0", "", "", "");
    assert_int_equal(ray_cluster_admit(&fake.base, NULL, alias, &error), 0);
    head = json_at(alias, "spec", "headGroupSpec", "template", "spec", "containers", NULL)->child;
    assert_string_equal(json_text(head, "image", NULL), "rayproject/ray:2.60.0");
}

#define SCALES "  enableInTreeAutoscaling: true\n"
#define V2 SCALES "  autoscalerOptions: {version: v2, idleTimeoutSeconds: 300}\n"
#define REDIS "  gcsFaultToleranceOptions: {redisAddress: 'redis:6379'}\n"
#define ENV(name, value)                                                                                               \
    "    template: {spec: {containers: [{name: h, image: ray-2.60, env: [{name: " name ", value: '" value "'}]}]}}\n"

static void takes_what_kuberay_takes(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *head, *group;
    } cases[] = {
        {SCALES, "", "    minReplicas: 0\n    maxReplicas: 4\n"},
        {V2, "", "    idleTimeoutSeconds: 60\n    priority: 3\n"},
        {SCALES "  autoscalerOptions: {version: v1, upscalingMode: Aggressive, resources: {limits: {cpu: 1}}}\n", "",
         ""},
        {REDIS, "", ""},
        {"  gcsFaultToleranceOptions: {backend: redis, redisAddress: 'redis:6379', redisPassword: {valueFrom: "
         "{secretKeyRef: {name: r, key: p}}}, redisUsername: {value: ray}}\n",
         "", ""},
        {"", "    resources: {CPU: '2'}\n    labels: {region: here}\n", "    resources: {CPU: '1'}\n"},
        {"", "    resources: {CPU: 500m, memory: 4Gi, slots: '0.5'}\n", ""},
        {"", "", "    numOfHosts: 4\n"},
        {"", "    labels: {example.com/team: a.b_c-1, zone: ''}\n", "    labels: {team: x}\n"},
        {V2 "  rayVersion: 2.55.9\n", "", "    priority: 0\n"},
    };
    struct fake_engine fake = KUBERAY;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        AUTO_JSON cJSON *rc = cluster("ray-2.60", cases[i].spec, cases[i].head, cases[i].group);
        if (ray_cluster_admit(&fake.base, NULL, rc, &error) < 0)
            fail_msg("row %zu: %s", i, error.message);
    }
    struct error error = {0};
    AUTO_JSON cJSON *by_env =
        from_yaml("metadata: {name: rc, namespace: alice}\nspec:\n" SCALES "  headGroupSpec:\n" ENV(
            "RAY_enable_autoscaler_v2",
            "1") "  workerGroupSpecs: [{groupName: w, idleTimeoutSeconds: 60, priority: 3, template: "
                 "{spec: {restartPolicy: Always, containers: [{name: w, image: ray-2.60}]}}}]\n");
    if (ray_cluster_admit(&fake.base, NULL, by_env, &error) < 0)
        fail_msg("%s", error.message);
}

static void refuses_what_kuberay_is_silent_about(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *head, *group, *field;
    } cases[] = {
        {"  rayVersion: 2.51.9\n", "", "", "spec.rayVersion"},
        {"  rayVersion: latest\n", "", "", "spec.rayVersion"},
        {SCALES "  autoscalerOptions: {version: v3}\n", "", "", "spec.autoscalerOptions.version"},
        {SCALES "  autoscalerOptions: {idleTimeoutSeconds: -1}\n", "", "", "spec.autoscalerOptions.idleTimeoutSeconds"},
        {SCALES "  autoscalerOptions: {upscalingMode: Fast}\n", "", "", "spec.autoscalerOptions.upscalingMode"},
        {SCALES "  autoscalerOptions: {speed: 1}\n", "", "", "spec.autoscalerOptions.speed"},
        {SCALES "  autoscalerOptions: {env: [{name: KUBERAY_GEN_AUTOSCALER_START_CMD, value: x}]}\n", "", "",
         "spec.autoscalerOptions.env[0].name"},
        {SCALES, "", "    idleTimeoutSeconds: 60\n", "spec.workerGroupSpecs[0].idleTimeoutSeconds"},
        {"", "", "    idleTimeoutSeconds: 60\n", "spec.workerGroupSpecs[0].idleTimeoutSeconds"},
        {SCALES, "", "    suspend: true\n", "spec.workerGroupSpecs[0].suspend"},
        {SCALES, "", "    priority: 1\n", "spec.workerGroupSpecs[0].priority"},
        {"", "", "    priority: -1\n", "spec.workerGroupSpecs[0].priority"},
        {V2 "  rayVersion: 2.55.9\n", "", "    priority: 1\n", "spec.workerGroupSpecs[0].priority"},
        {"  rayVersion: '3'\n", "", "", "spec.rayVersion"},
        {"  rayVersion: 02.60.0\n", "", "", "spec.rayVersion"},
        {"", "", "    resources: {CPU: two}\n", "spec.workerGroupSpecs[0].resources.CPU"},
        {"", "    resources: {memory: 4Gb}\n", "", "spec.headGroupSpec.resources.memory"},
        {"", "    resources: {slots: '-1'}\n", "", "spec.headGroupSpec.resources.slots"},
        {"  rayVersion: 2..60\n", "", "", "spec.rayVersion"},
        {"", "    labels: {-team: x}\n", "", "spec.headGroupSpec.labels"},
        {"", "    labels: {a/b/c: x}\n", "", "spec.headGroupSpec.labels"},
        {"", "", "    labels: {team: 'not one'}\n", "spec.workerGroupSpecs[0].labels"},
        {"", "    rayStartParams: {num-cpus: '1'}\n    resources: {CPU: '2'}\n", "",
         "spec.headGroupSpec.rayStartParams.num-cpus"},
        {"", "    rayStartParams: {labels: a=b}\n", "", "spec.headGroupSpec.rayStartParams.labels"},
        {"  gcsFaultToleranceOptions: {}\n", "", "", "spec.gcsFaultToleranceOptions.redisAddress"},
        {"  gcsFaultToleranceOptions: {backend: rocksdb}\n", "", "", "spec.gcsFaultToleranceOptions.backend"},
        {"  gcsFaultToleranceOptions: {redisAddress: r, redisPassword: {}}\n", "", "",
         "spec.gcsFaultToleranceOptions.redisPassword"},
        {REDIS, "    rayStartParams: {redis-password: x}\n", "", "spec.headGroupSpec.rayStartParams.redis-password"},
        {"  authOptions: {mode: disabled}\n", "", "", "spec.authOptions.mode"},
    };
    struct fake_engine fake = KUBERAY;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        AUTO_JSON cJSON *rc = cluster("ray-2.60", cases[i].spec, cases[i].head, cases[i].group);
        if (ray_cluster_admit(&fake.base, NULL, rc, &error) != -ERROR_INVALID)
            fail_msg("row %zu (%s) was accepted", i, cases[i].field);
        if (strcmp(error.field, cases[i].field) != 0)
            fail_msg("row %zu: field is \"%s\", not \"%s\" (%s)", i, error.field, cases[i].field, error.message);
    }
}

static const cJSON *first_of(const cJSON *group)
{
    return json_at(group, "template", "spec", "containers", NULL)->child;
}

static int count_auth(const cJSON *owner)
{
    int count = 0;
    const cJSON *env = json_member(owner, "env");
    for (const cJSON *item = env ? env->child : NULL; item; item = item->next)
        count += strncmp(json_text_or("", item, "name", NULL), "RAY_AUTH_", 9) == 0;
    return count;
}

/* Before 1.6 authOptions cannot name the profile's token: the containers are told themselves, until KubeRay knows
 * better. */
static void asks_for_the_token_itself_with(enum engine_ray_auth auth)
{
    struct fake_engine fake = KUBERAY;
    struct error error = {0};
    fake.traits.ray_auth = auth;
    AUTO_JSON cJSON *rc = cluster("ray-2.60", SCALES, "", "    replicas: 1\n");
    if (ray_cluster_admit(&fake.base, NULL, rc, &error) < 0)
        fail_msg("%s", error.message);
    assert_null(json_at(rc, "spec", "authOptions", NULL));
    const cJSON *head = json_at(rc, "spec", "headGroupSpec", NULL);
    const cJSON *worker = json_at(rc, "spec", "workerGroupSpecs", NULL)->child;
    const cJSON *owners[] = {first_of(head), first_of(worker), json_at(rc, "spec", "autoscalerOptions", NULL)};
    for (size_t i = 0; i < COUNT_OF(owners); i++) {
        const cJSON *env = json_member(owners[i], "env");
        assert_int_equal(count_auth(owners[i]), 2);
        assert_string_equal(json_text(json_named(env, "RAY_AUTH_MODE"), "value", NULL), "token");
        const cJSON *from = json_at(json_named(env, "RAY_AUTH_TOKEN"), "valueFrom", "secretKeyRef", NULL);
        assert_string_equal(json_text(from, "name", NULL), "ray-auth");
        assert_string_equal(json_text(from, "key", NULL), "auth_token");
    }
    AUTO_JSON cJSON *again = json_copy(rc);
    if (ray_cluster_admit(&fake.base, rc, again, &error) < 0)
        fail_msg("%s", error.message);
    assert_true(json_equal(rc, again));

    fake.traits.ray_auth = ENGINE_RAY_AUTH_NAMED; /* upgraded: what the person wrote is no change of the head */
    AUTO_JSON cJSON *before = json_copy(again);
    AUTO_JSON cJSON *written = cluster("ray-2.60", SCALES, "", "    replicas: 2\n");
    if (ray_cluster_admit(&fake.base, before, written, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(count_auth(first_of(json_at(written, "spec", "headGroupSpec", NULL))), 0);
    assert_string_equal(json_text(written, "spec", "authOptions", "mode", NULL), "token");
    assert_int_equal(ray_cluster_admit(&fake.base, before, again, &error), 0);
    assert_int_equal(count_auth(first_of(json_at(again, "spec", "headGroupSpec", NULL))), 0);
    assert_int_equal(count_auth(json_at(again, "spec", "autoscalerOptions", NULL)), 0);
}

static void asks_for_the_token_itself(void **state)
{
    (void)state;
    asks_for_the_token_itself_with(ENGINE_RAY_AUTH_OWN);
    asks_for_the_token_itself_with(ENGINE_RAY_AUTH_NONE);
}

/* What a RayJob or RayService made must be known to KubeRay as asking for a token, or it would show none. */
static void leaves_kuberay_its_own_secret(void **state)
{
    (void)state;
    struct fake_engine fake = KUBERAY;
    static const char *const owners[] = {"RayJob", "RayService"};
    fake.traits.ray_auth = ENGINE_RAY_AUTH_OWN;
    for (size_t i = 0; i < COUNT_OF(owners); i++) {
        struct error error = {0};
        AUTO_FREE char *owner =
            memory_format("[{apiVersion: ray.io/v1, kind: %s, name: x, uid: u, controller: true}]", owners[i]);
        AUTO_JSON cJSON *rc = cluster("ray-2.60", SCALES "  authOptions: {mode: token}\n", "", "    replicas: 1\n");
        json_set(json_object_in(rc, "metadata"), "ownerReferences", from_yaml(owner));
        if (ray_cluster_admit(&fake.base, NULL, rc, &error) < 0)
            fail_msg("%s", error.message);
        assert_string_equal(json_text(rc, "spec", "authOptions", "mode", NULL), "token");
        assert_null(json_at(rc, "spec", "authOptions", "secretName", NULL));
        assert_int_equal(count_auth(first_of(json_at(rc, "spec", "headGroupSpec", NULL))), 0);
        assert_null(json_at(rc, "spec", "autoscalerOptions", "env", NULL));
    }
}

static void finds_the_secret_of_a_cluster(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *secret;
        bool own;
    } cases[] = {
        {"{metadata: {name: rc}, spec: {authOptions: {mode: token, secretName: ray-auth}}}", "ray-auth", false},
        {"{metadata: {name: rc}, spec: {authOptions: {mode: token, secretName: mine}}}", "mine", true},
        {"{metadata: {name: rc}, spec: {authOptions: {mode: token}}}", "rc", true},
        {"{metadata: {name: rc}, spec: {}}", "ray-auth", false},
        {"{metadata: {name: rc}, spec: {authOptions: {}}}", "ray-auth", false},
        {"{metadata: {name: x-0123456789012345678901234567890123456789012345678}, spec: {authOptions: {mode: token}}}",
         "r0123456789012345678901234567890123456789012345678",
         true}, /* 51 bytes: the first goes, and no '-' may lead */
        {"{}", "ray-auth", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char secret[RAY_TOKEN_SECRET_SIZE];
        bool own = !cases[i].own;
        AUTO_JSON cJSON *rc = from_yaml(cases[i].yaml);
        assert_string_equal(ray_token_secret(rc, secret, &own), cases[i].secret);
        assert_int_equal(own, cases[i].own);
    }
}

/* Only what is just that is let pass. */
static void refuses_another_token(void **state)
{
    (void)state;
    static const char *const cases[] = {
        ENV("RAY_AUTH_MODE", "disabled"), ENV("RAY_AUTH_TOKEN", "x"), ENV("RAY_AUTH_TOKEN_PATH", "/x"),
        "    template: {spec: {containers: [{name: h, image: ray-2.60, env: [{name: RAY_AUTH_TOKEN, valueFrom: "
        "{secretKeyRef: {name: other, key: auth_token}}}]}]}}\n"};
    struct fake_engine fake = KUBERAY;
    for (size_t i = 0; i < ENGINE_RAY_AUTH_COUNT * COUNT_OF(cases); i++) {
        struct error error = {0};
        fake.traits.ray_auth = i / COUNT_OF(cases);
        AUTO_FREE char *yaml = memory_format("metadata: {name: rc, namespace: alice}\nspec:\n  headGroupSpec:\n%s",
                                             cases[i % COUNT_OF(cases)]);
        AUTO_JSON cJSON *rc = from_yaml(yaml);
        assert_int_equal(ray_cluster_admit(&fake.base, NULL, rc, &error), -ERROR_INVALID);
        assert_string_equal(error.field, "spec.headGroupSpec.template.spec.containers[0].env[0].name");
    }
}

/* The same for what stands in the pod template and in annotations. */
static void refuses_both_ways_at_once(void **state)
{
    (void)state;
#define HEAD_ENV "spec.headGroupSpec.template.spec.containers[0].env"
    static const struct {
        const char *annotations, *spec, *env, *restart, *field;
    } cases[] = {
        {"{ray.io/ft-enabled: 'true'}", REDIS, "[]", "Never", "metadata.annotations.ray.io/ft-enabled"},
        {"{ray.io/ft-enabled: 'false'}", REDIS, "[]", "Never", "metadata.annotations.ray.io/ft-enabled"},
        {"{ray.io/external-storage-namespace: x}", REDIS, "[]", "Never",
         "metadata.annotations.ray.io/external-storage-namespace"},
        {"{ray.io/gcs-ft-deletion-timeout: 5m}", REDIS, "[]", "Never",
         "metadata.annotations.ray.io/gcs-ft-deletion-timeout"},
        {"{ray.io/gcs-ft-deletion-timeout: '0'}", "", "[]", "Never",
         "metadata.annotations.ray.io/gcs-ft-deletion-timeout"},
        {"{}", REDIS, "[{name: RAY_REDIS_ADDRESS, value: x}]", "Never", HEAD_ENV "[0].name"},
        {"{}", REDIS, "[{name: A, value: b}, {name: REDIS_PASSWORD, value: x}]", "Never", HEAD_ENV "[1].name"},
        {"{}", "", "[{name: REDIS_USERNAME, value: x}]", "Never", HEAD_ENV "[0].name"},
        {"{}", "", "[{name: RAY_enable_autoscaler_v2, value: '1'}]", "Never", HEAD_ENV},
        {"{}", V2, "[{name: RAY_enable_autoscaler_v2, value: '1'}]", "Never", HEAD_ENV},
        {"{}", V2, "[]", "Always", "spec.headGroupSpec.template.spec.restartPolicy"},
    };
    struct fake_engine fake = KUBERAY;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        AUTO_FREE char *yaml = memory_format("metadata: {name: rc, namespace: alice, annotations: %s}\n"
                                             "spec:\n"
                                             "%s"
                                             "  headGroupSpec:\n"
                                             "    template: {spec: {restartPolicy: %s, containers: [{name: h, image: "
                                             "ray-2.60, env: %s}]}}\n",
                                             cases[i].annotations, cases[i].spec, cases[i].restart, cases[i].env);
        AUTO_JSON cJSON *rc = from_yaml(yaml);
        if (ray_cluster_admit(&fake.base, NULL, rc, &error) != -ERROR_INVALID)
            fail_msg("row %zu (%s) was accepted", i, cases[i].field);
        if (strcmp(error.field, cases[i].field) != 0)
            fail_msg("row %zu: field is \"%s\", not \"%s\" (%s)", i, error.field, cases[i].field, error.message);
    }
}

static void charges_the_sidecar(void **state)
{
    (void)state;
    struct ray_demand demand;
    AUTO_JSON cJSON *rc = from_yaml(
        "spec:\n"
        "  enableInTreeAutoscaling: true\n"
        "  headGroupSpec: {template: {spec: {containers: [{resources: {requests: {cpu: 1, memory: 2Gi}}}]}}}\n"
        "  workerGroupSpecs:\n"
        "  - {minReplicas: 2, replicas: 5, numOfHosts: 2, template: {spec: {containers: [{resources: {limits: {cpu: "
        "500m, memory: 1Gi}}}]}}}\n");
    ray_cluster_demand(json_member(rc, "spec"), &demand);
    assert_int_equal(demand.pods, 5);
    assert_int_equal(demand.cpu_milli, 1000 + 500 + 4 * 500);
    assert_int_equal(demand.memory_bytes, (INT64_C(2048) + 512 + 4 * 1024) << 20);
    assert_int_equal(demand.sidecar_cpu_milli, 500);
    json_set_bool(json_object_in(rc, "spec"), "enableInTreeAutoscaling", false);
    ray_cluster_demand(json_member(rc, "spec"), &demand);
    assert_int_equal(demand.cpu_milli, 1000 + 10 * 500);
    assert_int_equal(demand.sidecar_cpu_milli, 0);
}

static void remarks_on_what_never_fits(void **state)
{
    (void)state;
    static const struct {
        const char *quota, *event;
    } cases[] = {{"{\"cpu\":\"1500m\"}", NULL},
                 {"{\"requests.cpu\":\"1200m\"}", "QuotaTooSmall"}, /* without the sidecar it would fit */
                 {"{\"memory\":\"2Gi\"}", "QuotaTooSmall"},
                 {"{\"pods\":\"1\"}", NULL}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fake_engine fake = KUBERAY;
        fake.quota = cases[i].quota;
        AUTO_JSON cJSON *rc =
            from_yaml("metadata: {name: rc, namespace: alice}\n"
                      "spec: {enableInTreeAutoscaling: true, headGroupSpec: {template: {spec: {containers: "
                      "[{resources: {requests: {cpu: 1, memory: 2Gi}}}]}}}}\n");
        ray_cluster_remark(&fake.base, rc);
        if (cases[i].event)
            assert_string_equal(fake.last_event_reason, cases[i].event);
        else
            assert_null(fake.last_event_reason);
    }
}

static const cJSON *pod_of(const cJSON *group)
{
    return json_at(group, "template", "spec", NULL);
}

/* KubeRay adds containers of its own; in a restricted namespace they fit only if what they copy does. */
static void fits_pod_security(void **state)
{
    (void)state;
    struct fake_engine fake = KUBERAY;
    struct error error = {0};
    for (int restricted = 0; restricted < 2; restricted++) {
        fake.restricted = restricted;
        AUTO_JSON cJSON *rc = cluster("ray-2.60", "  enableInTreeAutoscaling: true\n", "",
                                      "    replicas: 1\n    minReplicas: 0\n    maxReplicas: 2\n");
        if (ray_cluster_admit(&fake.base, NULL, rc, &error) < 0)
            fail_msg("%s", error.message);
        const cJSON *head = json_at(rc, "spec", "headGroupSpec", NULL);
        const cJSON *worker = json_at(rc, "spec", "workerGroupSpecs", NULL)->child;
        const cJSON *options = json_at(rc, "spec", "autoscalerOptions", NULL);
        assert_null(json_member(pod_of(head), "automountServiceAccountToken")); /* the autoscaler's */
        assert_true(cJSON_IsFalse(json_member(pod_of(worker), "automountServiceAccountToken")));
        assert_string_equal(json_text(pod_of(worker), "securityContext", "seccompProfile", "type", NULL),
                            "RuntimeDefault");
        assert_int_equal(json_true(pod_of(worker), "securityContext", "runAsNonRoot", NULL), restricted);
        const cJSON *container = json_member(pod_of(worker), "containers")->child;
        assert_int_equal(json_at(container, "securityContext", "capabilities", "drop", NULL) != NULL, restricted);
        assert_int_equal(json_at(options, "securityContext", "capabilities", "drop", NULL) != NULL, restricted);
        AUTO_JSON cJSON *again = json_copy(rc);
        assert_int_equal(ray_cluster_admit(&fake.base, rc, again, &error), 0);
        assert_true(json_equal(rc, again));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_pod_security),
        cmocka_unit_test(completes_what_kuberay_needs),
        cmocka_unit_test(asks_for_the_token_itself),
        cmocka_unit_test(refuses_another_token),
        cmocka_unit_test(leaves_kuberay_its_own_secret),
        cmocka_unit_test(finds_the_secret_of_a_cluster),
        cmocka_unit_test(reads_the_version_from_the_tag),
        cmocka_unit_test(names_what_a_pod_can_pull),
        cmocka_unit_test(takes_what_kuberay_takes),
        cmocka_unit_test(refuses_what_kuberay_is_silent_about),
        cmocka_unit_test(refuses_both_ways_at_once),
        cmocka_unit_test(charges_the_sidecar),
        cmocka_unit_test(remarks_on_what_never_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
