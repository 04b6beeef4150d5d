/* Do PodDefaults do to a pod what Kubeflow's webhook does, and are contradictions refused by name? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine/poddefault.h"
#include "tests/unit/documents.h"

#define POD(labels, spec) "{\"metadata\":{\"name\":\"nb1-0\",\"labels\":{" labels "}},\"spec\":{" spec "}}"
#define NB "\"containers\":[{\"name\":\"nb\",\"image\":\"i\"}]"
#define DEFAULT(name, spec)                                                                                            \
    "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"7\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":"  \
    "\"b\"}}," spec "}}"
#define NOTE(name) "\"annotations\":{\"poddefault.admission.kubeflow.org/poddefault-" name "\":\"7\"}"
#define DONE(name, spec)                                                                                               \
    "{\"metadata\":{\"name\":\"nb1-0\",\"labels\":{\"a\":\"b\"}," NOTE(name) "},\"spec\":{" spec "}}"

/* <wanted> NULL: nothing applies; "!word": refused, with that word. */
static void check(const char *poddefaults, const char *pod_text, const char *wanted)
{
    struct error error = {0};
    AUTO_JSON cJSON *list = from_json(poddefaults);
    AUTO_JSON cJSON *pod = from_json(pod_text);
    AUTO_JSON cJSON *before = json_copy(pod);
    AUTO_JSON cJSON *got = NULL;
    int status = poddefaults_apply(list, pod, NULL, &got, &error);
    assert_true(json_equal(pod, before));
    AUTO_FREE char *shown = got ? json_print(got) : memory_text("nothing");
    if (wanted && wanted[0] == '!') {
        assert_int_equal(status, -ERROR_INVALID);
        assert_null(got);
        if (!strstr(error.message, wanted + 1))
            fail_msg("%s: said \"%s\"", wanted, error.message);
        return;
    }
    if (status < 0)
        fail_msg("%s: %s", poddefaults, error.message);
    AUTO_JSON cJSON *expected = wanted ? from_json(wanted) : NULL;
    if (!wanted ? got != NULL : !got || !json_equal(got, expected))
        fail_msg("%s\n on %s\n made %s", poddefaults, pod_text, shown);
}

static void labels_choose(void **state)
{
    (void)state;
    static const struct {
        const char *selector;
        bool chosen;
    } cases[] = {
        {"{}", true},
        {"{\"matchLabels\":{\"a\":\"b\"}}", true},
        {"{\"matchLabels\":{\"a\":\"c\"}}", false},
        {"{\"matchLabels\":{\"a\":\"b\",\"x\":\"y\"}}", false},
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[\"x\",\"b\"]}]}", true},
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"NotIn\",\"values\":[\"x\",\"b\"]}]}", false},
        {"{\"matchExpressions\":[{\"key\":\"z\",\"operator\":\"NotIn\",\"values\":[\"x\"]}]}", true},
        {"{\"matchExpressions\":[{\"key\":\"z\",\"operator\":\"In\",\"values\":[\"x\"]}]}", false},
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Exists\"}]}", true},
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"DoesNotExist\"}]}", false},
        {"{\"matchLabels\":{\"a\":\"b\"},\"matchExpressions\":[{\"key\":\"z\",\"operator\":\"Exists\"}]}", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_FREE char *list =
            memory_format("[{\"metadata\":{\"name\":\"d\"},\"spec\":{\"selector\":%s,\"env\":[{\"name\":\"X\"}]}}]",
                          cases[i].selector);
        AUTO_JSON cJSON *poddefaults = from_json(list);
        AUTO_JSON cJSON *pod = from_json(POD("\"a\":\"b\"", NB));
        AUTO_JSON cJSON *got = NULL;
        assert_int_equal(poddefaults_apply(poddefaults, pod, NULL, &got, NULL), 0);
        if ((got != NULL) != cases[i].chosen)
            fail_msg("%s", cases[i].selector);
    }
}

static void pods_get_what_is_asked_for(void **state)
{
    (void)state;
    static const char pod[] = POD("\"a\":\"b\"", NB);
    check("[]", pod, NULL);
    check("[" DEFAULT("d", "\"env\":[{\"name\":\"X\",\"value\":\"1\"}]") "]", POD("", NB), NULL);
    check("[" DEFAULT("d", "\"env\":[{\"name\":\"X\",\"value\":\"1\"}]") "]", pod,
          DONE("d", "\"containers\":[{\"name\":\"nb\",\"image\":\"i\",\"env\":[{\"name\":\"X\",\"value\":\"1\"}]}]"));
    check("[" DEFAULT("d", "\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],\"volumeMounts\":[{\"name\":\"v\","
                           "\"mountPath\":\"/v\"}]") "]",
          pod,
          DONE("d", "\"containers\":[{\"name\":\"nb\",\"image\":\"i\",\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":"
                    "\"/v\"}]}],\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]"));
    check("[" DEFAULT("d", "\"envFrom\":[{\"secretRef\":{\"name\":\"s\"}}],\"serviceAccountName\":\"robot\","
                           "\"automountServiceAccountToken\":false") "]",
          pod,
          DONE("d", "\"containers\":[{\"name\":\"nb\",\"image\":\"i\",\"envFrom\":[{\"secretRef\":{\"name\":\"s\"}}]}],"
                    "\"serviceAccountName\":\"robot\",\"automountServiceAccountToken\":false"));
    check("[" DEFAULT("d", "\"tolerations\":[{\"key\":\"gpu\",\"operator\":\"Exists\"}],\"imagePullSecrets\":[{"
                           "\"name\":\"r\"}]") "]",
          pod,
          DONE("d", NB ",\"tolerations\":[{\"key\":\"gpu\",\"operator\":\"Exists\"}],\"imagePullSecrets\":[{\"name\":"
                       "\"r\"}]"));
    check("[" DEFAULT("d", "\"labels\":{\"team\":\"x\"}") "]", pod,
          "{\"metadata\":{\"name\":\"nb1-0\",\"labels\":{\"a\":\"b\",\"team\":\"x\"}," NOTE("d") "},\"spec\":{" NB
                                                                                                 "}}");
}

/* Added containers get no env of PodDefaults, and a mesh's proxy keeps its command. */
static void containers_are_told_apart(void **state)
{
    (void)state;
    check("[" DEFAULT("d", "\"env\":[{\"name\":\"X\"}],\"sidecars\":[{\"name\":\"s\",\"image\":\"j\"}],"
                           "\"initContainers\":[{\"name\":\"t\",\"image\":\"k\"}]") "]",
          POD("\"a\":\"b\"", NB),
          DONE("d", "\"containers\":[{\"name\":\"nb\",\"image\":\"i\",\"env\":[{\"name\":\"X\"}]},{\"name\":\"s\","
                    "\"image\":\"j\"}],\"initContainers\":[{\"name\":\"t\",\"image\":\"k\"}]"));
    check("[" DEFAULT("d", "\"command\":[\"c\"],\"args\":[\"e\"]") "]",
          POD("\"a\":\"b\"", "\"containers\":[{\"name\":\"nb\",\"args\":[\"own\"]},{\"name\":\"istio-proxy\"}]"),
          DONE("d", "\"containers\":[{\"name\":\"nb\",\"args\":[\"own\"],\"command\":[\"c\"]},{\"name\":"
                    "\"istio-proxy\"}]"));
}

static void several_are_in_the_order_of_their_names(void **state)
{
    (void)state;
    AUTO_JSON cJSON *list = from_json("[" DEFAULT("z", "\"command\":[\"z\"],\"serviceAccountName\":\"z\"") "," DEFAULT(
        "m", "\"command\":[\"m\"],\"serviceAccountName\":\"m\"") "]");
    AUTO_JSON cJSON *pod = from_json(POD("\"a\":\"b\"", NB));
    AUTO_JSON cJSON *got = NULL;
    assert_int_equal(poddefaults_apply(list, pod, NULL, &got, NULL), 0);
    const cJSON *container = json_at(got, "spec", "containers", NULL)->child;
    assert_string_equal(json_member(container, "command")->child->valuestring, "m");
    assert_string_equal(json_text(got, "spec", "serviceAccountName", NULL), "z");
    assert_int_equal(cJSON_GetArraySize(json_at(got, "metadata", "annotations", NULL)), 2);
}

static void contradictions_are_refused(void **state)
{
    (void)state;
    static const char pod[] =
        POD("\"a\":\"b\"", "\"containers\":[{\"name\":\"nb\",\"env\":[{\"name\":\"X\",\"value\":\"1\"}],"
                           "\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\"}]}],\"volumes\":[{\"name\":\"v\","
                           "\"emptyDir\":{}}],\"tolerations\":[{\"key\":\"gpu\",\"operator\":\"Exists\"}]");
    check("[" DEFAULT("d", "\"env\":[{\"name\":\"X\",\"value\":\"2\"}]") "]", pod,
          "!PodDefault \"d\" conflicts with the pod or another PodDefault: env \"X\" of container \"nb\"");
    check("[" DEFAULT("d", "\"volumes\":[{\"name\":\"v\",\"secret\":{\"secretName\":\"s\"}}]") "]", pod,
          "!volumes \"v\"");
    check("[" DEFAULT("d", "\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/w\"}]") "]", pod, "!volumeMounts \"v\"");
    check("[" DEFAULT("d", "\"volumeMounts\":[{\"name\":\"w\",\"mountPath\":\"/v\"}]") "]", pod,
          "!volumeMounts \"/v\"");
    check("[" DEFAULT("d", "\"tolerations\":[{\"key\":\"gpu\",\"operator\":\"Equal\",\"value\":\"x\"}]") "]", pod,
          "!tolerations \"gpu\"");
    check("[" DEFAULT("d", "\"labels\":{\"a\":\"c\"}") "]", pod, "!labels \"a\"");
    check("[" DEFAULT("d", "\"sidecars\":[{\"name\":\"nb\",\"image\":\"x\"}]") "]", pod, "!sidecars \"nb\"");
    check("[" DEFAULT("c", "\"env\":[{\"name\":\"Y\",\"value\":\"1\"}]") "," DEFAULT(
              "d", "\"env\":[{\"name\":\"Y\",\"value\":\"2\"}]") "]",
          pod, "!PodDefault \"d\"");
}

/* An empty value is none, as in Kubernetes' own types. */
static void the_same_is_no_contradiction(void **state)
{
    (void)state;
    check("[" DEFAULT("d", "\"env\":[{\"name\":\"X\"}],\"labels\":{\"a\":\"b\"}") "]",
          POD("\"a\":\"b\"", "\"containers\":[{\"name\":\"nb\",\"env\":[{\"name\":\"X\",\"value\":\"\"}]}]"),
          DONE("d", "\"containers\":[{\"name\":\"nb\",\"env\":[{\"name\":\"X\",\"value\":\"\"}]}]"));
}

static void some_pods_are_left_alone(void **state)
{
    (void)state;
    check("[" DEFAULT("d", "\"env\":[{\"name\":\"X\"}]") "]",
          "{\"metadata\":{\"labels\":{\"a\":\"b\"},\"annotations\":{\"" PODDEFAULT_EXCLUDE "\":\"true\"}},\"spec\":{" NB
          "}}",
          NULL);
    check(
        "[" DEFAULT("d", "\"env\":[{\"name\":\"X\"}]") "]",
        "{\"metadata\":{\"labels\":{\"a\":\"b\"},\"annotations\":{\"kubernetes.io/config.mirror\":\"h\"}},\"spec\":{" NB
        "}}",
        NULL);
}

/* Whoever wrote nonsense past us must not keep every pod of the namespace from starting. */
static void nonsense_is_left_out_and_told(void **state)
{
    (void)state;
    static const char *const specs[] = {
        "{}",
        "{\"selector\":null}",
        "{\"selector\":[]}",
        "{\"selector\":{\"matchLabels\":{\"a\":1}}}",
        "{\"selector\":{\"matchLabels\":{\"a b\":\"c\"}}}",
        "{\"selector\":{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Near\"}]}}",
        "{\"selector\":{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\"}]}}",
        "{\"selector\":{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[1]}]}}",
        "{\"selector\":{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Exists\",\"values\":[\"b\"]}]}}",
        "{\"selector\":{\"matchExpressions\":[7]}}",
        "{\"selector\":{},\"env\":{}}",
        "{\"selector\":{},\"env\":[7]}",
        "{\"selector\":{},\"env\":[{}]}",
        "{\"selector\":{},\"command\":\"c\"}",
        "{\"selector\":{},\"args\":[1]}",
        "{\"selector\":{},\"labels\":{\"x\":\"not a label!\"}}",
        "{\"selector\":{},\"annotations\":{\"x\":1}}",
        "{\"selector\":{},\"automountServiceAccountToken\":\"yes\"}",
        "{\"selector\":{},\"hostNetwork\":true}",
    };
    for (size_t i = 0; i < COUNT_OF(specs); i++) {
        struct error error = {0};
        AUTO_FREE char *text = memory_format("[{\"metadata\":{\"name\":\"bad\"},\"spec\":%s},%s]", specs[i],
                                             DEFAULT("good", "\"env\":[{\"name\":\"X\"}]"));
        AUTO_JSON cJSON *list = from_json(text);
        AUTO_JSON cJSON *pod = from_json(POD("\"a\":\"b\"", NB));
        AUTO_JSON cJSON *warnings = json_array();
        AUTO_JSON cJSON *got = NULL;
        if (poddefault_check(list->child, &error) != -ERROR_INVALID || strncmp(error.field, "spec", 4) != 0)
            fail_msg("%s was let in", specs[i]);
        assert_int_equal(poddefaults_apply(list, pod, warnings, &got, &error), 0);
        assert_non_null(got);
        assert_int_equal(cJSON_GetArraySize(warnings), 1);
        assert_non_null(strstr(warnings->child->valuestring, "PodDefault \"bad\" is left out: "));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_choose),
        cmocka_unit_test(pods_get_what_is_asked_for),
        cmocka_unit_test(containers_are_told_apart),
        cmocka_unit_test(several_are_in_the_order_of_their_names),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(the_same_is_no_contradiction),
        cmocka_unit_test(some_pods_are_left_alone),
        cmocka_unit_test(nonsense_is_left_out_and_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
