/* What a Notebook becomes: names and variables that clients rely on, and nothing a template could turn against it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "notebooks/render.h"
#include "tenancy/status.h"

static cJSON *notebook_of(const char *pod_spec, const char *metadata)
{
    AUTO_FREE char *text = memory_format("{\"metadata\":{\"name\":\"nb1\",\"namespace\":\"alice\",\"uid\":\"u-1\"%s},"
                                         "\"spec\":{\"template\":{\"spec\":%s}}}",
                                         metadata, pod_spec);
    cJSON *notebook = NULL;
    struct error error = {0};
    if (json_parse(slice_of(text), &json_limits_default, &notebook, &error) < 0)
        fail_msg("%s: %s", text, error.message);
    return notebook;
}

static const cJSON *container_of(const cJSON *set)
{
    return json_at(set, "spec", "template", "spec", "containers", NULL)->child;
}

static const cJSON *env_of(const cJSON *set, const char *name)
{
    const cJSON *found = NULL;
    for (const cJSON *item = json_member(container_of(set), "env")->child; item; item = item->next) {
        if (strcmp(json_text(item, "name", NULL), name) != 0)
            continue;
        assert_null(found); /* once only */
        found = item;
    }
    return found;
}

static bool has_arg(const cJSON *set, const char *arg)
{
    for (const cJSON *item = json_member(container_of(set), "args")->child; item; item = item->next) {
        if (strcmp(item->valuestring, arg) == 0)
            return true;
    }
    return false;
}

#define PLAIN "{\"containers\":[{\"name\":\"nb1\",\"image\":\"ray-2.60\"}]}"

static cJSON *set_of(const cJSON *notebook, const char *secret_uid)
{
    struct notebook_ground ground = {.secret_uid = secret_uid, .now = "2026-11-23T10:00:00Z"};
    return notebook_render_statefulset(notebook, &ground);
}

static void renders_a_server(void **state)
{
    (void)state;
    AUTO_JSON cJSON *notebook = notebook_of(PLAIN, "");
    AUTO_JSON cJSON *set = set_of(notebook, "s-1");
    assert_true(status_is_owned(set, notebook));
    int64_t replicas = 0;
    assert_true(json_i64(json_at(set, "spec", "replicas", NULL), &replicas));
    assert_int_equal(replicas, 1);
    assert_string_equal(json_text(set, "spec", "selector", "matchLabels", "statefulset", NULL), "nb1");
    assert_string_equal(json_text(set, "spec", "template", "metadata", "labels", "statefulset", NULL), "nb1");
    assert_string_equal(json_text(set, "spec", "template", "metadata", "labels", "notebook-name", NULL), "nb1");
    assert_string_equal(json_text(env_of(set, "NB_PREFIX"), "value", NULL), "/notebook/alice/nb1");
    assert_string_equal(json_text(env_of(set, "HOME"), "value", NULL), "/home/atelier");
    assert_string_equal(json_text(env_of(set, "JUPYTER_TOKEN"), "valueFrom", "secretKeyRef", "name", NULL),
                        "notebook-nb1");
    assert_string_equal(json_text(env_of(set, "RAY_AUTH_TOKEN"), "valueFrom", "secretKeyRef", "name", NULL),
                        "ray-auth");
    assert_string_equal(json_text(env_of(set, "RAY_AUTH_MODE"), "value", NULL), "token");
    assert_true(has_arg(set, "--ServerApp.base_url=/notebook/alice/nb1/"));
    assert_true(has_arg(set, "--ServerApp.port=8888"));
    assert_true(has_arg(set, "--LabApp.news_url=None"));
    assert_string_equal(json_text(container_of(set), "readinessProbe", "httpGet", "path", NULL),
                        "/notebook/alice/nb1/api");
    const cJSON *mount = json_member(container_of(set), "volumeMounts")->child;
    assert_string_equal(json_text(mount, "mountPath", NULL), "/home/atelier");
    const cJSON *volume = json_at(set, "spec", "template", "spec", "volumes", NULL)->child;
    assert_string_equal(json_text(volume, "persistentVolumeClaim", "claimName", NULL), "home");
    assert_string_equal(json_text(volume, "name", NULL), json_text(mount, "name", NULL));
    AUTO_FREE char *text = json_print(json_member(container_of(set), "args"));
    assert_null(strstr(text, "oken")); /* no token among the arguments */
}

static void a_template_cannot_take_over(void **state)
{
    (void)state;
    AUTO_JSON cJSON *notebook = notebook_of(
        "{\"containers\":[{\"name\":\"nb1\",\"image\":\"i\",\"env\":[{\"name\":\"NB_PREFIX\",\"value\":\"/x\"},"
        "{\"name\":\"NB_PREFIX\",\"value\":\"/y\"},{\"name\":\"JUPYTER_TOKEN\",\"value\":\"\"},"
        "{\"name\":\"SHELL\",\"value\":\"/bin/sh\"}]}]}",
        ",\"labels\":{\"statefulset\":\"nb2\",\"notebook-name\":\"nb2\",\"ray.io/cluster\":\"rc\",\"team\":\"red\"}");
    AUTO_JSON cJSON *set = set_of(notebook, "s-1");
    const cJSON *labels = json_at(set, "spec", "template", "metadata", "labels", NULL);
    assert_string_equal(json_text(labels, "statefulset", NULL), "nb1");
    assert_string_equal(json_text(labels, "notebook-name", NULL), "nb1");
    assert_null(json_text(labels, "ray.io/cluster", NULL));
    assert_string_equal(json_text(labels, "team", NULL), "red");
    assert_string_equal(json_text(env_of(set, "NB_PREFIX"), "value", NULL), "/notebook/alice/nb1");
    assert_null(json_text(env_of(set, "JUPYTER_TOKEN"), "value", NULL));
    assert_string_equal(json_text(env_of(set, "SHELL"), "value", NULL), "/bin/sh"); /* taste is the owner's */
}

static void respects_an_own_home_command_and_port(void **state)
{
    (void)state;
    AUTO_JSON cJSON *notebook = notebook_of(
        "{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"command\":[\"code-server\"],"
        "\"ports\":[{\"containerPort\":9000}],\"volumeMounts\":[{\"name\":\"w\",\"mountPath\":\"/home/atelier/\"}]}],"
        "\"volumes\":[{\"name\":\"w\",\"persistentVolumeClaim\":{\"claimName\":\"work\"}}]}",
        "");
    AUTO_JSON cJSON *set = set_of(notebook, "s-1");
    assert_int_equal(cJSON_GetArraySize(json_at(set, "spec", "template", "spec", "volumes", NULL)), 1);
    assert_null(json_member(container_of(set), "args"));
    assert_non_null(json_at(container_of(set), "readinessProbe", "tcpSocket", NULL));
    AUTO_JSON cJSON *service = notebook_render_service(notebook);
    const cJSON *port = json_at(service, "spec", "ports", NULL)->child;
    int64_t number = 0;
    assert_true(json_i64(json_member(port, "targetPort"), &number));
    assert_int_equal(number, 9000);
    assert_true(json_i64(json_member(port, "port"), &number));
    assert_int_equal(number, 80);
    assert_string_equal(json_text(port, "name", NULL), "http-nb1");
}

/* What is promised is what is enforced, and amounts are texts, as an API server keeps them. */
static void the_one_amount_is_the_other(void **state)
{
    (void)state;
    AUTO_JSON cJSON *notebook =
        notebook_of("{\"containers\":[{\"name\":\"nb1\",\"image\":\"ray-2.60\",\"resources\":{\"limits\":{\"cpu\":2,"
                    "\"nvidia.com/gpu\":1},\"requests\":{\"memory\":\"3Gi\"}}}]}",
                    "");
    AUTO_JSON cJSON *set = set_of(notebook, "s-1"), *expected = NULL;
    assert_int_equal(json_parse(slice_of("{\"limits\":{\"cpu\":\"2\",\"nvidia.com/gpu\":1,\"memory\":\"3Gi\"},"
                                         "\"requests\":{\"memory\":\"3Gi\",\"cpu\":\"2\"}}"),
                                &json_limits_default, &expected, NULL),
                     0);
    assert_true(json_equal(json_member(container_of(set), "resources"), expected));
}

static void the_hash_follows_what_processes_see(void **state)
{
    (void)state;
    AUTO_JSON cJSON *plain = notebook_of(PLAIN, "");
    AUTO_JSON cJSON *labelled = notebook_of(PLAIN, ",\"labels\":{\"team\":\"red\"}");
    AUTO_JSON cJSON *stopped = notebook_of(PLAIN, ",\"annotations\":{\"kubeflow-resource-stopped\":\"\"}");
    AUTO_JSON cJSON *bigger = notebook_of(
        "{\"containers\":[{\"name\":\"nb1\",\"image\":\"ray-2.60\",\"resources\":{\"limits\":{\"cpu\":\"2\"}}}]}", "");
    AUTO_JSON cJSON *a = set_of(plain, "s-1");
    AUTO_JSON cJSON *b = set_of(labelled, "s-1");
    AUTO_JSON cJSON *c = set_of(bigger, "s-1");
    AUTO_JSON cJSON *d = set_of(plain, "s-2");
    AUTO_JSON cJSON *e = set_of(stopped, "s-1");
    const char *hash = json_text(a, "metadata", "annotations", NOTEBOOK_HASH, NULL);
    assert_string_equal(json_text(b, "metadata", "annotations", NOTEBOOK_HASH, NULL), hash);
    assert_string_not_equal(json_text(c, "metadata", "annotations", NOTEBOOK_HASH, NULL), hash);
    assert_string_not_equal(json_text(d, "metadata", "annotations", NOTEBOOK_HASH, NULL), hash);
    int64_t replicas = 1;
    assert_true(json_i64(json_at(e, "spec", "replicas", NULL), &replicas));
    assert_int_equal(replicas, 0);
}

#define KUBELET .by_kubelet = true, .account = "default-editor", .secret_uid = "s-1", .now = "2026-11-23T10:00:00Z"

static const cJSON *pod_of(const cJSON *set)
{
    return json_at(set, "spec", "template", "spec", NULL);
}

/* What a kubelet is told, and only a kubelet. */
static void says_it_all_to_a_kubelet(void **state)
{
    (void)state;
    static const struct notebook_ground baseline = {KUBELET, .home_on_one_node = true};
    static const struct notebook_ground restricted = {KUBELET, .restricted = true};
    AUTO_JSON cJSON *notebook = notebook_of(PLAIN, "");
    AUTO_JSON cJSON *local = set_of(notebook, "s-1");
    assert_null(json_at(pod_of(local), "securityContext", NULL));
    assert_null(json_at(pod_of(local), "affinity", NULL));
    assert_null(json_at(pod_of(local), "serviceAccountName", NULL));

    AUTO_JSON cJSON *a = notebook_render_statefulset(notebook, &baseline);
    int64_t number = 0;
    assert_true(json_i64(json_at(pod_of(a), "securityContext", "fsGroup", NULL), &number));
    assert_int_equal(number, 100);
    assert_string_equal(json_text(pod_of(a), "securityContext", "seccompProfile", "type", NULL), "RuntimeDefault");
    assert_null(json_at(pod_of(a), "securityContext", "runAsUser", NULL)); /* the image's own */
    assert_null(json_at(container_of(a), "securityContext", NULL));
    assert_string_equal(json_text(pod_of(a), "serviceAccountName", NULL), "default-editor");
    assert_true(cJSON_IsFalse(json_at(pod_of(a), "automountServiceAccountToken", NULL)));
    assert_true(cJSON_IsFalse(json_at(pod_of(a), "enableServiceLinks", NULL)));
    assert_string_equal(json_text(a, "spec", "podManagementPolicy", NULL), "Parallel");
    assert_string_equal(json_text(container_of(a), "terminationMessagePolicy", NULL), "FallbackToLogsOnError");
    const cJSON *terms =
        json_at(pod_of(a), "affinity", "podAffinity", "requiredDuringSchedulingIgnoredDuringExecution", NULL);
    assert_string_equal(json_text(terms->child, "labelSelector", "matchLabels", NOTEBOOK_MOUNTS_HOME, NULL), "true");
    assert_string_equal(json_text(a, "spec", "template", "metadata", "labels", NOTEBOOK_MOUNTS_HOME, NULL), "true");

    AUTO_JSON cJSON *b = notebook_render_statefulset(notebook, &restricted);
    assert_true(json_true(pod_of(b), "securityContext", "runAsNonRoot", NULL));
    assert_true(json_i64(json_at(pod_of(b), "securityContext", "runAsUser", NULL), &number));
    assert_int_equal(number, 1000);
    assert_true(cJSON_IsFalse(json_at(container_of(b), "securityContext", "allowPrivilegeEscalation", NULL)));
    const cJSON *drop = json_at(container_of(b), "securityContext", "capabilities", "drop", NULL);
    assert_string_equal(drop->child->valuestring, "ALL");
    assert_null(json_at(pod_of(b), "affinity", NULL)); /* several nodes can have this home */
}

/* What a template says itself stays as it is: the cluster judges it. */
static void a_template_may_say_it_otherwise(void **state)
{
    (void)state;
    static const struct notebook_ground ground = {KUBELET, .restricted = true, .home_on_one_node = true};
    AUTO_JSON cJSON *notebook = notebook_of(
        "{\"serviceAccountName\":\"gpu\",\"automountServiceAccountToken\":true,\"securityContext\":{\"fsGroup\":5},"
        "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"securityContext\":{\"allowPrivilegeEscalation\":true},"
        "\"volumeMounts\":[{\"name\":\"w\",\"mountPath\":\"/home/atelier\"}]}],"
        "\"volumes\":[{\"name\":\"w\",\"persistentVolumeClaim\":{\"claimName\":\"work\"}}]}",
        "");
    AUTO_JSON cJSON *set = notebook_render_statefulset(notebook, &ground);
    int64_t number = 0;
    assert_true(json_i64(json_at(pod_of(set), "securityContext", "fsGroup", NULL), &number));
    assert_int_equal(number, 5);
    assert_true(json_true(container_of(set), "securityContext", "allowPrivilegeEscalation", NULL));
    assert_string_equal(json_text(pod_of(set), "serviceAccountName", NULL), "gpu");
    assert_true(json_true(pod_of(set), "automountServiceAccountToken", NULL));
    assert_null(json_at(pod_of(set), "affinity", NULL)); /* its home is a volume of its own */
    assert_null(json_text(set, "spec", "template", "metadata", "labels", NOTEBOOK_MOUNTS_HOME, NULL));
}

/* Fields that a cluster never changes stay those of the StatefulSet there is, labels do not restart, and the time when
 * a pod was asked for moves only when one is. */
static void goes_on_from_what_there_is(void **state)
{
    (void)state;
    static const struct notebook_ground first = {KUBELET};
    AUTO_JSON cJSON *plain = notebook_of(PLAIN, "");
    AUTO_JSON cJSON *labelled = notebook_of(PLAIN, ",\"labels\":{\"team\":\"red\"}");
    AUTO_JSON cJSON *stopped = notebook_of(PLAIN, ",\"annotations\":{\"kubeflow-resource-stopped\":\"\"}");
    AUTO_JSON cJSON *is = notebook_render_statefulset(plain, &first);
    json_remove(json_member(is, "spec"), "podManagementPolicy");
    json_set_text(json_member(is, "spec"), "serviceName", "older");
    struct notebook_ground later = {KUBELET, .statefulset = is};
    later.now = "2026-11-23T11:00:00Z";
    AUTO_JSON cJSON *same = notebook_render_statefulset(labelled, &later);
    assert_string_equal(json_text(same, "spec", "serviceName", NULL), "older");
    assert_null(json_text(same, "spec", "podManagementPolicy", NULL));
    assert_true(json_equal(json_at(same, "spec", "template", NULL), json_at(is, "spec", "template", NULL)));
    assert_string_equal(json_text(same, "metadata", "annotations", NOTEBOOK_ASKED, NULL), "2026-11-23T10:00:00Z");
    assert_null(json_text(same, "metadata", "annotations", NOTEBOOK_NUDGED, NULL));
    AUTO_JSON cJSON *fewer = notebook_render_statefulset(stopped, &later);
    assert_string_equal(json_text(fewer, "metadata", "annotations", NOTEBOOK_ASKED, NULL), "2026-11-23T11:00:00Z");
    later.nudge = true;
    AUTO_JSON cJSON *again = notebook_render_statefulset(plain, &later);
    assert_string_equal(json_text(again, "metadata", "annotations", NOTEBOOK_ASKED, NULL), "2026-11-23T10:00:00Z");
    assert_string_equal(json_text(again, "metadata", "annotations", NOTEBOOK_NUDGED, NULL), "2026-11-23T11:00:00Z");
}

/* Kubeflow's name and path, but never past this platform. */
static void a_mesh_leads_here(void **state)
{
    (void)state;
    AUTO_JSON cJSON *notebook = notebook_of(PLAIN, "");
    AUTO_JSON cJSON *service = notebook_render_virtualservice(notebook, "kubeflow/kubeflow-gateway", "atelier.a.svc");
    assert_string_equal(json_text(service, "metadata", "name", NULL), "notebook-alice-nb1");
    assert_true(status_is_owned(service, notebook));
    const cJSON *http = json_at(service, "spec", "http", NULL)->child;
    assert_string_equal(json_text(json_member(http, "match")->child, "uri", "prefix", NULL), "/notebook/alice/nb1/");
    assert_string_equal(json_text(json_member(http, "route")->child, "destination", "host", NULL), "atelier.a.svc");
    assert_string_equal(json_at(service, "spec", "gateways", NULL)->child->valuestring, "kubeflow/kubeflow-gateway");
}

static void tokens_are_fresh(void **state)
{
    (void)state;
    AUTO_JSON cJSON *notebook = notebook_of(PLAIN, "");
    AUTO_JSON cJSON *a = notebook_render_secret(notebook);
    AUTO_JSON cJSON *b = notebook_render_secret(notebook);
    assert_string_equal(json_text(a, "metadata", "name", NULL), "notebook-nb1");
    assert_string_equal(json_text(a, "metadata", "labels", "atelier.dev/notebook", NULL), "nb1");
    assert_string_not_equal(json_text(a, "data", "token", NULL), json_text(b, "data", "token", NULL));
    AUTO_BUFFER struct buffer token = {0};
    assert_true(text_unbase64(slice_of(json_text(a, "data", "token", NULL)), &token));
    assert_true(token.n >= 43);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(renders_a_server),
                                       cmocka_unit_test(a_template_cannot_take_over),
                                       cmocka_unit_test(respects_an_own_home_command_and_port),
                                       cmocka_unit_test(the_one_amount_is_the_other),
                                       cmocka_unit_test(the_hash_follows_what_processes_see),
                                       cmocka_unit_test(tokens_are_fresh),
                                       cmocka_unit_test(a_mesh_leads_here),
                                       cmocka_unit_test(says_it_all_to_a_kubelet),
                                       cmocka_unit_test(a_template_may_say_it_otherwise),
                                       cmocka_unit_test(goes_on_from_what_there_is)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
