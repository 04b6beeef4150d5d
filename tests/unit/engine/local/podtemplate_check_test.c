/* Is every field of a pod template honoured, ignored or refused as design.md's Contracts say? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/file.h"
#include "engine/local/podtemplate_check.h"

struct bench {
    struct image_store *images;
    char directory[64];
};

/* What is merged into a good template (JSON merge patch of "spec"), and the field that the refusal names (NULL: good).
 */
static const struct {
    const char *patch, *field;
} cases[] = {
    {"{}", NULL},
    {"nodeSelector: {gpu: a100}\ntolerations: [{key: x, operator: Exists}]\naffinity: {nodeAffinity: {}}\n"
     "priorityClassName: high\nschedulerName: other\nserviceAccountName: default-editor\nimagePullSecrets: [{name: "
     "x}]\n"
     "topologySpreadConstraints: []\nruntimeClassName: gvisor\ndnsPolicy: ClusterFirst",
     NULL},
    {"restartPolicy: Never\nterminationGracePeriodSeconds: 0", NULL},
    {"restartPolicy: Sometimes", "spec.template.spec.restartPolicy"},
    {"terminationGracePeriodSeconds: 601", "spec.template.spec.terminationGracePeriodSeconds"},
    {"hostNetwork: true", "spec.template.spec.hostNetwork"},
    {"hostNetwork: false", NULL},
    {"hostPID: true", "spec.template.spec.hostPID"},
    {"hostIPC: true", "spec.template.spec.hostIPC"},
    {"shareProcessNamespace: true", "spec.template.spec.shareProcessNamespace"},
    {"ephemeralContainers: []", "spec.template.spec.ephemeralContainers"},
    {"securityContext: {runAsUser: 0}", "spec.template.spec.securityContext.runAsUser"},
    {"securityContext: {runAsUser: 1000, fsGroup: 100, runAsNonRoot: true}", NULL},
    {"securityContext: {runAsNonRoot: false}", "spec.template.spec.securityContext.runAsNonRoot"},
    {"securityContext: {sysctls: []}", "spec.template.spec.securityContext.sysctls"},
    {"volumes: [{name: v, hostPath: {path: /}}]", "spec.template.spec.volumes[0].hostPath"},
    {"volumes: [{name: v, emptyDir: {}}, {name: w, nfs: {}}]", "spec.template.spec.volumes[1].nfs"},
    {"volumes: [{name: v, emptyDir: {medium: Memory, sizeLimit: 1Gi}}]", NULL},
    {"volumes: [{name: v, emptyDir: {medium: HugePages}}]", "spec.template.spec.volumes[0].emptyDir.medium"},
    {"volumes: [{name: v}]", "spec.template.spec.volumes[0]"},
    {"volumes: [{name: v, secret: {secretName: s, items: [{key: k, path: ../x}]}}]",
     "spec.template.spec.volumes[0].secret.items[0].path"},
    {"containers: []", "spec.template.spec"},
    {"containers: [{name: a}]", "spec.template.spec.containers[0]"},
    {"containers: [{name: a, image: python:3}]", "spec.template.spec.containers[0].image"},
    {"containers: [{name: a, image: ray-2.60}, {name: a, image: ray-2.60}]", "spec.template.spec.containers"},
    {"containers: [{name: a, image: ray-2.60, securityContext: {privileged: true}}]",
     "spec.template.spec.containers[0].securityContext.privileged"},
    {"containers: [{name: a, image: ray-2.60, securityContext: {capabilities: {drop: [ALL]}}}]", NULL},
    {"containers: [{name: a, image: ray-2.60, securityContext: {capabilities: {add: [NET_ADMIN]}}}]",
     "spec.template.spec.containers[0].securityContext.capabilities.add"},
    {"containers: [{name: a, image: ray-2.60, securityContext: {allowPrivilegeEscalation: true}}]",
     "spec.template.spec.containers[0].securityContext.allowPrivilegeEscalation"},
    {"containers: [{name: a, image: ray-2.60, securityContext: {procMount: Unmasked}}]",
     "spec.template.spec.containers[0].securityContext.procMount"},
    {"containers: [{name: a, image: ray-2.60, imagePullPolicy: Always, ports: [{containerPort: 80, name: http}]}]",
     NULL},
    {"containers: [{name: a, image: ray-2.60, ports: [{containerPort: 80, hostPort: 80}]}]",
     "spec.template.spec.containers[0].ports[0].hostPort"},
    {"containers: [{name: a, image: ray-2.60, ports: [{containerPort: 80, protocol: UDP}]}]",
     "spec.template.spec.containers[0].ports[0].protocol"},
    {"containers: [{name: a, image: ray-2.60, volumeDevices: []}]", "spec.template.spec.containers[0].volumeDevices"},
    {"containers: [{name: a, image: ray-2.60, envFrom: []}]", "spec.template.spec.containers[0].envFrom"},
    {"containers: [{name: a, image: ray-2.60, env: [{name: A, value: 1}]}]",
     "spec.template.spec.containers[0].env[0].value"},
    {"containers: [{name: a, image: ray-2.60, env: [{name: 'A=B', value: x}]}]",
     "spec.template.spec.containers[0].env[0].name"},
    {"containers: [{name: a, image: ray-2.60, env: [{name: A, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]}]",
     NULL},
    {"containers: [{name: a, image: ray-2.60, env: [{name: A, valueFrom: {fieldRef: {fieldPath: status.phase}}}]}]",
     "spec.template.spec.containers[0].env[0].valueFrom.fieldRef.fieldPath"},
    {"containers: [{name: a, image: ray-2.60, env: [{name: A, valueFrom: {resourceFieldRef: {}}}]}]",
     "spec.template.spec.containers[0].env[0].valueFrom.resourceFieldRef"},
    {"containers: [{name: a, image: ray-2.60, resources: {limits: {cpu: 2, memory: 4Gi}}}]", NULL},
    {"containers: [{name: a, image: ray-2.60, resources: {limits: {cpu: lots}}}]",
     "spec.template.spec.containers[0].resources.limits.cpu"},
    {"containers: [{name: a, image: ray-2.60, resources: {limits: {memory: 1Mi}}}]",
     "spec.template.spec.containers[0].resources"},
    {"containers: [{name: a, image: ray-2.60, resources: {limits: {cpu: 1}, requests: {cpu: 2}}}]",
     "spec.template.spec.containers[0].resources"},
    {"containers: [{name: a, image: ray-2.60, resources: {limits: {nvidia.com/gpu: 2}}}]", NULL},
    {"containers: [{name: a, image: ray-2.60, resources: {limits: {nvidia.com/gpu: 2}, requests: {nvidia.com/gpu: "
     "'2'}}}]",
     NULL},
    {"containers: [{name: a, image: ray-2.60, resources: {limits: {nvidia.com/gpu: 500m}}}]",
     "spec.template.spec.containers[0].resources.limits.nvidia.com/gpu"},
    {"containers: [{name: a, image: ray-2.60, resources: {limits: {nvidia.com/gpu: 65}}}]",
     "spec.template.spec.containers[0].resources.limits.nvidia.com/gpu"},
    {"containers: [{name: a, image: ray-2.60, resources: {limits: {cpu: 1}, requests: {nvidia.com/gpu: 1}}}]",
     "spec.template.spec.containers[0].resources"},
    {"containers: [{name: a, image: ray-2.60, resources: {limits: {nvidia.com/gpu: 2}, requests: {nvidia.com/gpu: "
     "1}}}]",
     "spec.template.spec.containers[0].resources"},
    {"containers: [{name: a, image: ray-2.60, resources: {limits: {weight: 1}}}]",
     "spec.template.spec.containers[0].resources.limits.weight"},
    {"containers: [{name: a, image: ray-2.60, readinessProbe: {httpGet: {path: /x, port: 80}, periodSeconds: 5}}]",
     NULL},
    {"containers: [{name: a, image: ray-2.60, readinessProbe: {exec: {command: [x]}}}]",
     "spec.template.spec.containers[0].readinessProbe.exec"},
    {"containers: [{name: a, image: ray-2.60, livenessProbe: {tcpSocket: {port: http}}}]", NULL},
    {"containers: [{name: a, image: ray-2.60, livenessProbe: {periodSeconds: 1}}]",
     "spec.template.spec.containers[0].livenessProbe"},
    {"containers: [{name: a, image: ray-2.60, readinessProbe: {httpGet: {path: \"/x\\r\\nA: b\", port: 80}}}]",
     "spec.template.spec.containers[0].readinessProbe.httpGet.path"},
    {"containers: [{name: a, image: ray-2.60, lifecycle: {preStop: {exec: {command: [/bin/sh, -c, ray stop]}}}}]",
     NULL},
    {"containers: [{name: a, image: ray-2.60, lifecycle: {postStart: {exec: {command: [x]}}}}]",
     "spec.template.spec.containers[0].lifecycle"},
    {"volumes: [{name: v, emptyDir: {}}]\ncontainers: [{name: a, image: ray-2.60, volumeMounts: [{name: v, mountPath: "
     "/data}]}]",
     NULL},
    {"volumes: [{name: v, emptyDir: {medium: Memory}}]\ncontainers: [{name: a, image: ray-2.60, volumeMounts: [{name: "
     "v, mountPath: /dev/shm}]}]",
     NULL},
    {"volumes: [{name: v, emptyDir: {}}]\ncontainers: [{name: a, image: ray-2.60, volumeMounts: [{name: w, mountPath: "
     "/data}]}]",
     "spec.template.spec.containers[0].volumeMounts[0]"},
    {"volumes: [{name: v, emptyDir: {}}]\ncontainers: [{name: a, image: ray-2.60, volumeMounts: [{name: v, mountPath: "
     "/proc/x}]}]",
     "spec.template.spec.containers[0].volumeMounts[0].mountPath"},
    {"volumes: [{name: v, emptyDir: {}}]\ncontainers: [{name: a, image: ray-2.60, volumeMounts: [{name: v, mountPath: "
     "/a/../etc}]}]",
     "spec.template.spec.containers[0].volumeMounts[0].mountPath"},
    {"volumes: [{name: v, emptyDir: {}}]\ncontainers: [{name: a, image: ray-2.60, volumeMounts: [{name: v, mountPath: "
     "/d, subPath: a/../../b}]}]",
     "spec.template.spec.containers[0].volumeMounts[0].subPath"},
};

static void test_cases(void **state)
{
    struct bench *bench = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *patch = NULL;
        AUTO_JSON cJSON *template = json_object();
        struct error error = {0};
        if (yaml_parse(slice_of(cases[i].patch), &json_limits_default, &patch, &error) < 0)
            fail_msg("the test's own YAML: %s: %s", cases[i].patch, error.message);
        cJSON *spec = NULL;
        assert_int_equal(
            json_parse(SLICE("{\"containers\":[{\"name\":\"a\",\"image\":\"rayproject/ray:2.60.0-cpu\"}]}"),
                       &json_limits_default, &spec, NULL),
            0);
        json_set(template, "spec", json_merge_patch(spec, patch));
        int r = podtemplate_check(bench->images, template, "spec.template", &error);
        if (cases[i].field ? r != -ERROR_INVALID || strcmp(error.field, cases[i].field) != 0 : r != 0)
            fail_msg("%s: %d at \"%s\" (%s) instead of \"%s\"", cases[i].patch, r, error.field, error.message,
                     cases[i].field ? cases[i].field : "");
    }
}

static void test_images(void **state)
{
    struct bench *bench = *state;
    static const struct {
        const char *name;
        bool known;
    } names[] = {
        {"ray-2.60", true},
        {"rayproject/ray:2.60.0", true},
        {"docker.io/rayproject/ray:2.60.0", true},
        {"rayproject/ray:2.60.0-py311", true},
        {"rayproject/ray:2.60.0-py311-cpu", true},
        {"rayproject/ray:2.60.0-cpu", true},
        {"rayproject/ray:2.60.0-gpu", false},
        {"rayproject/ray:2.60.0-cpux", false},
        {"rayproject/ray:2.60.01", false},
        {"rayproject/ray:2.6", false},
        {"rayproject/ray", false},
        {"../ray-2.60", false},
        {"", false},
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO_FREE char *name = NULL;
        struct error error = {0};
        int r = image_resolve(bench->images, names[i].name, "image", &name, &error);
        if ((r == 0) != names[i].known)
            fail_msg("%s", names[i].name);
        if (r == 0)
            assert_string_equal(name, "ray-2.60");
        else
            assert_non_null(strstr(error.message, "installed: ray-2.60"));
    }
    AUTO_JSON cJSON *list = NULL;
    assert_int_equal(image_list(bench->images, &list, NULL), 0);
    assert_int_equal(cJSON_GetArraySize(list), 1);
    assert_null(json_member(cJSON_GetArrayItem(list, 0), "path"));
}

static int setup(void **state)
{
    struct bench *bench = memory_get(sizeof(*bench));
    (void)snprintf(bench->directory, sizeof(bench->directory), "/tmp/atelier-images-XXXXXX");
    assert_non_null(mkdtemp(bench->directory));
    AUTO_FREE char *folder = memory_format("%s/ray-2.60", bench->directory);
    AUTO_FREE char *file = memory_format("%s/image.json", folder);
    assert_int_equal(file_make_directories(folder, 0755, NULL), 0);
    assert_int_equal(file_write(file, SLICE("{\"aliases\":[\"rayproject/ray:2.60.0\"],\"path\":\"/\"}"), 0644, NULL),
                     0);
    bench->images = image_store_new(bench->directory);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    image_store_free(bench->images);
    file_remove_tree(bench->directory, NULL);
    free(bench);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_images)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
