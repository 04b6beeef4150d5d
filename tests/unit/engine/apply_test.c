/* Is an applied object written when it must be, and only then? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine/apply.h"
#include "engine/engine_internal.h"
#include "tests/unit/documents.h"

/* current, wanted, holds */
static const struct {
    const char *current, *wanted;
    bool holds;
} cases[] = {
    {"{\"spec\":{\"a\":1,\"b\":2}}", "{\"spec\":{\"a\":1}}", true},
    {"{\"spec\":{\"a\":2}}", "{\"spec\":{\"a\":1}}", false},
    {"{\"spec\":{}}", "{\"spec\":{\"a\":1}}", false},
    {"{}", "{\"spec\":{},\"list\":[],\"none\":null}", true},
    {"{\"l\":[{\"n\":\"a\",\"default\":1},{\"n\":\"b\"}]}", "{\"l\":[{\"n\":\"a\"},{\"n\":\"b\"}]}", true},
    {"{\"l\":[{\"n\":\"a\"},{\"n\":\"b\"},{\"n\":\"c\"}]}", "{\"l\":[{\"n\":\"a\"},{\"n\":\"b\"}]}", false},
    {"{\"l\":[{\"n\":\"b\"},{\"n\":\"a\"}]}", "{\"l\":[{\"n\":\"a\"},{\"n\":\"b\"}]}", false},
    {"{\"metadata\":{\"finalizers\":[\"x\",\"y\"]}}", "{\"metadata\":{\"finalizers\":[\"y\"]}}", true},
    {"{\"metadata\":{\"finalizers\":[\"x\"]}}", "{\"metadata\":{\"finalizers\":[\"y\"]}}", false},
    {"{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"2\"}}}", "{\"metadata\":{\"labels\":{\"b\":\"2\"}}}", true},
};

static void test_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *current = from_json(cases[i].current);
        AUTO_JSON cJSON *wanted = from_json(cases[i].wanted);
        if (apply_holds(current, wanted) != cases[i].holds)
            fail_msg("%s in %s: expected %d", cases[i].wanted, cases[i].current, cases[i].holds);
    }
}

static void test_hash(void **state)
{
    (void)state;
    AUTO_JSON cJSON *a = from_json("{\"a\":{\"x\":[1,2],\"y\":\"t\"},\"b\":true}");
    AUTO_JSON cJSON *b = from_json("{\"b\":true,\"a\":{\"y\":\"t\",\"x\":[1,2]}}");
    AUTO_JSON cJSON *c = from_json("{\"b\":true,\"a\":{\"y\":\"t\",\"x\":[2,1]}}");
    char one[APPLIED_SIZE], two[APPLIED_SIZE], three[APPLIED_SIZE];
    apply_hash(a, one);
    apply_hash(b, two);
    apply_hash(c, three);
    assert_int_equal(strlen(one), APPLIED_SIZE - 1);
    assert_string_equal(one, two);
    assert_string_not_equal(one, three);
}

/* --- one object, as an engine ------------------------------------------------------------------------------------- */

struct one {
    struct engine base;
    cJSON *object;
    unsigned creates, patches;
};

static int one_get(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
                   struct error *error)
{
    const struct one *one = (const struct one *)engine;
    (void)kind;
    (void)namespace;
    if (!one->object)
        return error_set(error, ERROR_NOT_FOUND, NULL, "no %s", name);
    *ret = json_copy(one->object);
    return 0;
}

static int one_create(struct engine *engine, enum engine_kind kind, const char *namespace, const cJSON *object,
                      cJSON **ret, struct error *error)
{
    struct one *one = (struct one *)engine;
    (void)kind;
    (void)namespace;
    (void)ret;
    (void)error;
    one->object = json_copy(object);
    json_set_text(json_member(one->object, "metadata"), "uid", "u1");
    one->creates++;
    return 0;
}

static int one_patch(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name,
                     enum engine_part part, enum engine_patch type, const cJSON *patch, cJSON **ret,
                     struct error *error)
{
    struct one *one = (struct one *)engine;
    (void)kind;
    (void)namespace;
    (void)name;
    (void)ret;
    (void)error;
    assert_int_equal(part, ENGINE_SPEC);
    assert_int_equal(type, ENGINE_PATCH_APPLY);
    assert_string_equal(json_text(patch, "metadata", "uid", NULL), "u1");
    one->object = json_merge_patch(one->object, patch);
    one->patches++;
    return 0;
}

static void test_writes_once(void **state)
{
    (void)state;
    static const struct engine_operations operations = {.get = one_get, .create = one_create, .patch = one_patch};
    struct one one = {.base.operations = &operations};
    AUTO_JSON cJSON *wanted = from_json("{\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":\"1\"}}");
    struct error error = {0};
    bool written = false;
    assert_int_equal(engine_apply(&one.base, KIND_CONFIGMAP, "alice", wanted, &written, &error), 0);
    assert_true(written);
    assert_true(apply_is_ours(one.object));
    assert_int_equal(engine_apply(&one.base, KIND_CONFIGMAP, "alice", wanted, &written, &error), 0);
    assert_false(written);
    json_set_text(json_member(one.object, "data"), "a", "2"); /* somebody's hand */
    assert_int_equal(engine_apply(&one.base, KIND_CONFIGMAP, "alice", wanted, &written, &error), 0);
    assert_true(written);
    assert_string_equal(json_text(one.object, "data", "a", NULL), "1");
    assert_int_equal(one.creates, 1);
    assert_int_equal(one.patches, 1);
    json_remove(json_at(one.object, "metadata", "labels", NULL), LABEL_MANAGED_BY);
    assert_int_equal(engine_apply(&one.base, KIND_CONFIGMAP, "alice", wanted, &written, &error), -ERROR_EXISTS);
    assert_int_equal(one.patches, 1);
    cJSON_Delete(one.object);
}

static void test_needs_a_name(void **state)
{
    (void)state;
    static const struct engine_operations operations = {.get = one_get};
    struct one one = {.base.operations = &operations};
    AUTO_JSON cJSON *wanted = from_json("{\"metadata\":{\"generateName\":\"x-\"}}");
    struct error error = {0};
    assert_int_equal(engine_apply(&one.base, KIND_CONFIGMAP, "alice", wanted, NULL, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "metadata.name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_holds), cmocka_unit_test(test_hash),
                                       cmocka_unit_test(test_writes_once), cmocka_unit_test(test_needs_a_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
