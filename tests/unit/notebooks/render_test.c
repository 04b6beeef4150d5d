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

static void renders_a_server(void **state)
{
    (void)state;
    AUTO_JSON cJSON *notebook = notebook_of(PLAIN, "");
    AUTO_JSON cJSON *set = notebook_render_statefulset(notebook, "s-1");
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
    AUTO_JSON cJSON *set = notebook_render_statefulset(notebook, "s-1");
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
    AUTO_JSON cJSON *set = notebook_render_statefulset(notebook, "s-1");
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

static void the_hash_follows_what_processes_see(void **state)
{
    (void)state;
    AUTO_JSON cJSON *plain = notebook_of(PLAIN, "");
    AUTO_JSON cJSON *labelled = notebook_of(PLAIN, ",\"labels\":{\"team\":\"red\"}");
    AUTO_JSON cJSON *stopped = notebook_of(PLAIN, ",\"annotations\":{\"kubeflow-resource-stopped\":\"\"}");
    AUTO_JSON cJSON *bigger = notebook_of(
        "{\"containers\":[{\"name\":\"nb1\",\"image\":\"ray-2.60\",\"resources\":{\"limits\":{\"cpu\":\"2\"}}}]}", "");
    AUTO_JSON cJSON *a = notebook_render_statefulset(plain, "s-1");
    AUTO_JSON cJSON *b = notebook_render_statefulset(labelled, "s-1");
    AUTO_JSON cJSON *c = notebook_render_statefulset(bigger, "s-1");
    AUTO_JSON cJSON *d = notebook_render_statefulset(plain, "s-2");
    AUTO_JSON cJSON *e = notebook_render_statefulset(stopped, "s-1");
    const char *hash = json_text(a, "metadata", "annotations", NOTEBOOK_HASH, NULL);
    assert_string_equal(json_text(b, "metadata", "annotations", NOTEBOOK_HASH, NULL), hash);
    assert_string_not_equal(json_text(c, "metadata", "annotations", NOTEBOOK_HASH, NULL), hash);
    assert_string_not_equal(json_text(d, "metadata", "annotations", NOTEBOOK_HASH, NULL), hash);
    int64_t replicas = 1;
    assert_true(json_i64(json_at(e, "spec", "replicas", NULL), &replicas));
    assert_int_equal(replicas, 0);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renders_a_server), cmocka_unit_test(a_template_cannot_take_over),
        cmocka_unit_test(respects_an_own_home_command_and_port), cmocka_unit_test(the_hash_follows_what_processes_see),
        cmocka_unit_test(tokens_are_fresh)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
