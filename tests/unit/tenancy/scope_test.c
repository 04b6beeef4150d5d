/* To which workload an object belongs: what its reconciler wrote decides, not what a tenant may have labelled. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/engine_internal.h"
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
        {KIND_POD, LABELLED("notebook-name", "nb1"), "Pod", "x"},
        {KIND_POD, LABELLED("ray.io/cluster", "rc"), "Pod", "x"},
        {KIND_SERVICE, LABELLED("ray.io/cluster", "rc"), "RayCluster", "rc"},
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
        {KIND_EVENT, ABOUT("RayJob", "j1"), "RayJob", "j1"},
        {KIND_EVENT, ABOUT("RayService", "s1"), "RayService", "s1"},
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

/* --- verified ----------------------------------------------------------------------------------------------------- */

#define AT(kind, name, uid, more)                                                                                      \
    {                                                                                                                  \
        kind, name, "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"alice\",\"uid\":\"" uid "\"" more "}}"       \
    }
#define BY(version, kind, name, uid)                                                                                   \
    ",\"ownerReferences\":[{\"apiVersion\":\"" version "\",\"kind\":\"" kind "\",\"name\":\"" name "\",\"uid\":\"" uid \
    "\",\"controller\":true}]"

#define TEN "abcdefghij"
#define LONG TEN TEN TEN TEN TEN TEN "abcd" /* 64: longer than any name with a grant */

static const struct {
    enum engine_kind kind;
    const char *name, *object;
} stored[] = {
    AT(KIND_NOTEBOOK, "nb1", "n1", ""),
    AT(KIND_RAYCLUSTER, "rc", "r1", ""),
    AT(KIND_STATEFULSET, "nb1", "s1", BY("kubeflow.org/v1", "Notebook", "nb1", "n1")),
    AT(KIND_STATEFULSET, "old", "s2", BY("kubeflow.org/v1", "Notebook", "nb1", "n0")),
    AT(KIND_STATEFULSET, "db", "s3", ""),
    AT(KIND_STATEFULSET, "alien", "s4", BY("example.com/v1", "Notebook", "nb1", "n1")),
    AT(KIND_POD, "nb1-0", "p", BY("apps/v1", "StatefulSet", "nb1", "s1")),
    AT(KIND_POD, "rc-head", "p", BY("ray.io/v1", "RayCluster", "rc", "r1")),
    AT(KIND_POD, "rc-gone", "p", BY("ray.io/v1", "RayCluster", "rc", "r0")),
    AT(KIND_POD, "nb1-past", "p", BY("apps/v1", "StatefulSet", "nb1", "s0")),
    AT(KIND_POD, "old-0", "p", BY("apps/v1", "StatefulSet", "old", "s2")),
    AT(KIND_POD, "db-0", "p", BY("apps/v1", "StatefulSet", "db", "s3")),
    AT(KIND_POD, "alien-0", "p", BY("apps/v1", "StatefulSet", "alien", "s4")),
    AT(KIND_POD, "job-x", "p", BY("batch/v1", "Job", "nb1", "n1")),
    AT(KIND_RAYCLUSTER, LONG, "r2", ""),
    AT(KIND_POD, "long", "p", BY("ray.io/v1", "RayCluster", LONG, "r2")),
    AT(KIND_POD, "labelled", "p", ",\"labels\":{\"notebook-name\":\"nb1\",\"ray.io/cluster\":\"rc\"}"),
};

static int get(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
               struct error *error)
{
    (void)engine;
    for (size_t i = 0; i < COUNT_OF(stored); i++) {
        if (stored[i].kind == kind && strcmp(stored[i].name, name) == 0 && strcmp(namespace, "alice") == 0)
            return json_parse(slice_of(stored[i].object), &json_limits_default, ret, error);
    }
    return error_set(error, ERROR_NOT_FOUND, NULL, "not found");
}

static void a_pod_s_owner_is_verified(void **state)
{
    (void)state;
    static const struct engine_operations operations = {.get = get};
    struct engine engine = {.operations = &operations};
    static const struct {
        const char *pod, *kind, *name; /* kind NULL: nobody's */
    } cases[] = {{"nb1-0", "Notebook", "nb1"}, {"rc-head", "RayCluster", "rc"}, {"rc-gone", NULL, NULL},
                 {"nb1-past", NULL, NULL},     {"old-0", NULL, NULL},           {"db-0", NULL, NULL},
                 {"alien-0", NULL, NULL},      {"job-x", NULL, NULL},           {"labelled", NULL, NULL},
                 {"long", NULL, NULL},         {"absent", NULL, NULL}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char kind[32] = "", name[64] = "";
        bool owned = tenancy_pod_owner(&engine, "alice", cases[i].pod, kind, name);
        if (owned != (cases[i].kind != NULL) ||
            (owned && (strcmp(kind, cases[i].kind) != 0 || strcmp(name, cases[i].name) != 0)))
            fail_msg("%s: %d %s %s", cases[i].pod, owned, kind, name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_the_workload),
                                       cmocka_unit_test(a_pod_s_owner_is_verified)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
