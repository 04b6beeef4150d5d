/* May a write change only what it may? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine/local/objects_merge.h"
#include "tests/unit/documents.h"

static struct object *current(void)
{
    return object_new(KIND_NOTEBOOK,
                      from_yaml("apiVersion: kubeflow.org/v1\nkind: Notebook\n"
                                "metadata: {name: n, namespace: alice, uid: u1, generation: 3, creationTimestamp: t}\n"
                                "spec: {a: 1}\nstatus: {phase: Running}"),
                      7, 1);
}

/* what is sent, the part, the result's code; and then a member that must be there, as text */
static const struct {
    const char *wanted;
    enum engine_part part;
    int code;
    const char *result;
} cases[] = {
    {"metadata: {name: n}\nspec: {a: 2}", ENGINE_SPEC, 0,
     "apiVersion: kubeflow.org/v1\nkind: Notebook\nmetadata: {name: n, namespace: alice, uid: u1, generation: 3, "
     "creationTimestamp: t, resourceVersion: '7'}\nspec: {a: 2}\nstatus: {phase: Running}"},
    {"metadata: {name: n, uid: u1, resourceVersion: '7', generation: 99, creationTimestamp: x, selfLink: y, "
     "deletionTimestamp: z}\nstatus: {phase: Forged}",
     ENGINE_SPEC, 0,
     "apiVersion: kubeflow.org/v1\nkind: Notebook\nmetadata: {name: n, namespace: alice, uid: u1, generation: 3, "
     "creationTimestamp: t, resourceVersion: '7'}\nstatus: {phase: Running}"},
    {"metadata: {name: n}\nspec: {a: 2}\nstatus: {phase: Stopped}", ENGINE_STATUS, 0,
     "apiVersion: kubeflow.org/v1\nkind: Notebook\nmetadata: {name: n, namespace: alice, uid: u1, generation: 3, "
     "creationTimestamp: t, resourceVersion: '7'}\nspec: {a: 1}\nstatus: {phase: Stopped}"},
    {"metadata: {name: n, resourceVersion: '6'}", ENGINE_SPEC, -ERROR_CONFLICT, NULL},
    {"metadata: {name: n, resourceVersion: '6'}", ENGINE_STATUS, -ERROR_CONFLICT, NULL},
    {"metadata: {name: n, uid: u2}", ENGINE_SPEC, -ERROR_CONFLICT, NULL},
    {"metadata: {name: m}", ENGINE_SPEC, -ERROR_INVALID, NULL},
    {"metadata: {name: n, namespace: bob}", ENGINE_SPEC, -ERROR_INVALID, NULL},
    {"metadata: 5", ENGINE_SPEC, -ERROR_INVALID, NULL},
    {"[1]", ENGINE_SPEC, -ERROR_BAD_REQUEST, NULL},
    {"kind: Pod\nmetadata: {name: n}", ENGINE_SPEC, -ERROR_BAD_REQUEST, NULL},
    {"apiVersion: v1\nmetadata: {name: n}", ENGINE_SPEC, -ERROR_BAD_REQUEST, NULL},
};

static void test_merge(void **state)
{
    (void)state;
    AUTO_OBJECT struct object *object = current();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cJSON *wanted = from_yaml(cases[i].wanted);
        AUTO_JSON cJSON *merged = NULL;
        struct error error = {0};
        int r = objects_merge(object, cases[i].part, wanted, &merged, &error);
        if (r != cases[i].code)
            fail_msg("%s: %d instead of %d (%s)", cases[i].wanted, r, cases[i].code, error.message);
        if (r < 0)
            continue;
        AUTO_JSON cJSON *expected = from_yaml(cases[i].result);
        AUTO_FREE char *shown = json_print(merged);
        if (!json_equal(merged, expected))
            fail_msg("%s: %s", cases[i].wanted, shown);
    }
}

static void test_generation(void **state)
{
    (void)state;
    AUTO_JSON cJSON *before = from_yaml("metadata: {generation: 3, labels: {a: b}}\nspec: {a: 1}\nstatus: {x: 1}");
    AUTO_JSON cJSON *labels = from_yaml("metadata: {generation: 3, labels: {a: c}}\nspec: {a: 1}\nstatus: {x: 2}");
    AUTO_JSON cJSON *spec = from_yaml("metadata: {generation: 3, labels: {a: b}}\nspec: {a: 2}\nstatus: {x: 1}");
    AUTO_JSON cJSON *without = from_yaml("metadata: {generation: 3, labels: {a: b}}\nstatus: {x: 1}");
    int64_t generation = 0;
    objects_count_generation(before, labels);
    assert_true(json_i64(json_at(labels, "metadata", "generation", NULL), &generation) && generation == 3);
    objects_count_generation(before, spec);
    assert_true(json_i64(json_at(spec, "metadata", "generation", NULL), &generation) && generation == 4);
    objects_count_generation(before, without);
    assert_true(json_i64(json_at(without, "metadata", "generation", NULL), &generation) && generation == 4);
}

static void test_new(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *body =
        from_yaml("spec: {a: 1}\nstatus: {x: 1}\nmetadata: {name: n, uid: mine, resourceVersion: '5', "
                  "deletionTimestamp: now, labels: {a: b}}\nkind: Notebook");
    assert_int_equal(objects_complete_new(KIND_NOTEBOOK, "alice", body, &error), 0);
    AUTO_FREE char *text = json_print(body);
    assert_string_equal(text,
                        "{\"apiVersion\":\"kubeflow.org/v1\",\"kind\":\"Notebook\",\"spec\":{\"a\":1},\"metadata\":"
                        "{\"labels\":{\"a\":\"b\"},\"name\":\"n\",\"namespace\":\"alice\"}}");
    static const struct {
        const char *body;
        int code;
    } bad[] = {{"metadata: {}", -ERROR_INVALID},
               {"spec: {}", -ERROR_INVALID},
               {"[]", -ERROR_BAD_REQUEST},
               {"apiVersion: v2\nmetadata: {name: x}", -ERROR_BAD_REQUEST},
               {"metadata: {name: x, namespace: other}", -ERROR_BAD_REQUEST}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO_JSON cJSON *one = from_yaml(bad[i].body);
        if (objects_complete_new(KIND_NOTEBOOK, "alice", one, &error) != bad[i].code)
            fail_msg("%s", bad[i].body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_merge), cmocka_unit_test(test_generation),
                                       cmocka_unit_test(test_new)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
