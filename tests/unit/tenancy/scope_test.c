/* To which workload an object belongs: what its reconciler wrote decides, not what a tenant may have labelled. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tenancy/tenancy.h"

#define OWNED(kind, name, rest)                                                                                        \
    "{\"metadata\":{\"name\":\"x\",\"ownerReferences\":[{\"kind\":\"" kind "\",\"name\":\"" name                       \
    "\",\"controller\":true}]" rest "}}"
#define LABELLED(label, value) "{\"metadata\":{\"name\":\"x\",\"labels\":{\"" label "\":\"" value "\"}}}"
#define ABOUT(kind, name)                                                                                              \
    "{\"metadata\":{\"name\":\"e\"},\"involvedObject\":{\"kind\":\"" kind "\",\"name\":\"" name "\"}}"

static void finds_the_workload(void **state)
{
    (void)state;
    static const struct {
        enum engine_kind kind;
        const char *object, *workload, *name;
    } cases[] = {
        {KIND_NOTEBOOK, "{\"metadata\":{\"name\":\"nb1\"}}", "Notebook", "nb1"},
        {KIND_RAYCLUSTER, "{\"metadata\":{\"name\":\"rc\"}}", "RayCluster", "rc"},
        {KIND_STATEFULSET, OWNED("Notebook", "nb1", ""), "Notebook", "nb1"},
        {KIND_SERVICE, OWNED("Notebook", "nb1", ""), "Notebook", "nb1"},
        {KIND_SECRET, OWNED("Notebook", "nb1", ""), "Notebook", "nb1"},
        {KIND_POD, OWNED("StatefulSet", "nb1", ""), "Notebook", "nb1"},
        {KIND_POD, OWNED("RayCluster", "rc", ""), "RayCluster", "rc"},
        {KIND_SERVICE, OWNED("RayCluster", "rc", ""), "RayCluster", "rc"},
        {KIND_POD, OWNED("RayCluster", "rc", ",\"labels\":{\"notebook-name\":\"nb1\"}"), "RayCluster", "rc"},
        {KIND_SERVICE,
         "{\"metadata\":{\"name\":\"s1-serve-svc\",\"ownerReferences\":[{\"kind\":\"RayService\",\"name\":\"s1\","
         "\"controller\":true}]},\"spec\":{\"selector\":{\"ray.io/cluster\":\"s1-abcde\"}}}",
         "RayCluster", "s1-abcde"},
        {KIND_POD, LABELLED("notebook-name", "nb1"), "Notebook", "nb1"},
        {KIND_POD, LABELLED("ray.io/cluster", "rc"), "RayCluster", "rc"},
        {KIND_POD, LABELLED("a", "b"), "Pod", "x"},
        {KIND_POD, "{\"metadata\":{\"name\":\"x\",\"ownerReferences\":[{\"kind\":\"Notebook\",\"name\":\"nb1\"}]}}",
         "Pod", "x"}, /* not its controller */
        {KIND_SECRET, LABELLED("atelier.dev/notebook", "nb1"), "Notebook", "nb1"},
        {KIND_SECRET, "{\"metadata\":{\"name\":\"ray-auth\"}}", "Secret", "ray-auth"},
        {KIND_CLAIM, "{\"metadata\":{\"name\":\"home\"}}", "PersistentVolumeClaim", "home"},
        {KIND_CONFIGMAP, LABELLED("notebook-name", "nb1"), "ConfigMap", "x"},
        {KIND_PROFILE, LABELLED("notebook-name", "nb1"), "Profile", "x"},
        {KIND_EVENT, ABOUT("Notebook", "nb1"), "Notebook", "nb1"},
        {KIND_EVENT, ABOUT("RayCluster", "rc"), "RayCluster", "rc"},
        {KIND_EVENT, ABOUT("StatefulSet", "nb1"), "Notebook", "nb1"},
        {KIND_EVENT, ABOUT("Pod", "nb1-0"), "Event", "e"}, /* a name alone proves nothing */
        {KIND_EVENT,
         "{\"metadata\":{\"name\":\"e\",\"labels\":{\"ray.io/cluster\":\"rc\"}},\"involvedObject\":{\"kind\":\"Pod\"}}",
         "RayCluster", "rc"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *object = NULL;
        assert_int_equal(json_parse(slice_of(cases[i].object), &json_limits_default, &object, NULL), 0);
        const char *kind = NULL;
        const char *name = NULL;
        tenancy_scope(cases[i].kind, object, &kind, &name);
        if (strcmp(kind, cases[i].workload) != 0 || strcmp(name, cases[i].name) != 0)
            fail_msg("row %zu: %s %s, not %s %s", i, kind, name, cases[i].workload, cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_the_workload)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
