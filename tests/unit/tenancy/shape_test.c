/* Small checks of tenants' documents: types, bounds, nulls, finalizers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tenancy/shape.h"
#include "tests/unit/documents.h"

static void null_means_absent(void **state)
{
    (void)state;
    AUTO_JSON cJSON *value = from_json("{\"a\":null,\"b\":{\"c\":null,\"d\":[null,{\"e\":null,\"f\":1}]},\"g\":0}");
    AUTO_JSON cJSON *wanted = from_json("{\"b\":{\"d\":[null,{\"f\":1}]},\"g\":0}");
    shape_drop_nulls(value);
    assert_true(json_equal(value, wanted));
}

static void checks_types(void **state)
{
    (void)state;
    AUTO_JSON cJSON *v = from_json("{\"o\":{},\"t\":\"x\",\"n\":5,\"b\":true,\"m\":{\"k\":\"v\"},\"w\":{\"k\":1}}");
    cJSON *object = NULL;
    const char *text = NULL;
    bool truth = false;
    int64_t number = 0;
    struct error error = {0};
    assert_int_equal(shape_object(v, "p", "o", &object, &error), 0);
    assert_non_null(object);
    assert_int_equal(shape_object(v, "p", "absent", &object, &error), 0);
    assert_null(object);
    assert_int_equal(shape_object(v, "p", "t", &object, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "p.t");
    assert_int_equal(shape_text(v, "", "t", &text, &error), 0);
    assert_string_equal(text, "x");
    assert_int_equal(shape_text(v, "", "n", &text, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "n");
    assert_int_equal(shape_bool(v, "p", "b", false, &truth, &error), 0);
    assert_true(truth);
    assert_int_equal(shape_bool(v, "p", "n", false, &truth, &error), -ERROR_INVALID);
    assert_int_equal(shape_i64(v, "p", "n", 0, 5, 1, &number, &error), 0);
    assert_int_equal(number, 5);
    assert_int_equal(shape_i64(v, "p", "n", 0, 4, 1, &number, &error), -ERROR_INVALID);
    assert_int_equal(shape_i64(v, "p", "absent", 0, 4, 3, &number, &error), 0);
    assert_int_equal(number, 3);
    assert_int_equal(shape_texts(v, "p", "m", &error), 0);
    assert_int_equal(shape_texts(v, "p", "w", &error), -ERROR_INVALID);
    assert_string_equal(error.field, "p.w.k");
}

static void bounds_entries(void **state)
{
    (void)state;
    AUTO_JSON cJSON *v = json_object();
    cJSON *labels = json_object_in(v, "labels");
    for (int i = 0; i < 65; i++) {
        AUTO_FREE char *key = memory_format("k%d", i);
        json_set_text(labels, key, "v");
    }
    assert_int_equal(shape_texts(v, "metadata", "labels", NULL), -ERROR_INVALID);
    json_remove(labels, "k0");
    assert_int_equal(shape_texts(v, "metadata", "labels", NULL), 0);
}

static void finalizers_are_the_platforms(void **state)
{
    (void)state;
    static const struct {
        const char *old, *object, *own;
        int result;
        const char *after; /* finalizers as JSON, or NULL for none */
    } cases[] = {
        {NULL, "{\"metadata\":{}}", NULL, 0, NULL},
        {NULL, "{\"metadata\":{}}", "p/q", 0, "[\"p/q\"]"},
        {NULL, "{\"metadata\":{\"finalizers\":[\"p/q\"]}}", "p/q", 0, "[\"p/q\"]"},
        {NULL, "{\"metadata\":{\"finalizers\":[\"x/y\"]}}", "p/q", -ERROR_INVALID, NULL},
        {NULL, "{\"metadata\":{\"finalizers\":[7]}}", "p/q", -ERROR_INVALID, NULL},
        {"{\"metadata\":{\"finalizers\":[\"p/q\"]}}", "{\"metadata\":{}}", "p/q", 0, "[\"p/q\"]"},
        {"{\"metadata\":{\"finalizers\":[\"x/y\"]}}", "{\"metadata\":{\"finalizers\":[]}}", NULL, 0, "[\"x/y\"]"},
        {"{\"metadata\":{}}", "{\"metadata\":{\"finalizers\":[\"x/y\"]}}", NULL, -ERROR_INVALID, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *old = cases[i].old ? from_json(cases[i].old) : NULL;
        AUTO_JSON cJSON *object = from_json(cases[i].object);
        assert_int_equal(shape_finalizers(old, object, cases[i].own, NULL), cases[i].result);
        if (cases[i].result < 0)
            continue;
        const cJSON *after = json_at(object, "metadata", "finalizers", NULL);
        AUTO_JSON cJSON *wanted = cases[i].after ? from_json(cases[i].after) : NULL;
        assert_true(json_equal(after, wanted));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(null_means_absent), cmocka_unit_test(checks_types),
                                       cmocka_unit_test(bounds_entries),
                                       cmocka_unit_test(finalizers_are_the_platforms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
