/* Which sets of managed fields are the same but for what an object's items are called? */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/kubernetes/fields.h"

static uint64_t of(const char *text)
{
    return fields_hash(slice_of(text));
}

static void test_names_of_items_do_not_count(void **state)
{
    (void)state;
    assert_true(of("{\"f:metadata\":{\"f:ownerReferences\":{\"k:{\\\"uid\\\":\\\"1b2c\\\"}\":{}}}}") ==
                of("{\"f:metadata\":{\"f:ownerReferences\":{\"k:{\\\"uid\\\":\\\"99ff\\\"}\":{}}}}"));
    assert_true(of("{\"f:ports\":{\"k:{\\\"port\\\":80,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{}}}}") ==
                of("{\"f:ports\":{\"k:{\\\"port\\\":8888,\\\"protocol\\\":\\\"UDP\\\"}\":{\".\":{}}}}"));
    assert_true(of("{\"k:{\\\"name\\\":\\\"a\\\\\\\"b, \\\\\\\\:\\\"}\":{}}") ==
                of("{\"k:{\\\"name\\\":\\\"x\\\"}\":{}}"));
}

/* A server sorts items by what they are called, which differs from object to object. */
static void test_their_order_does_not_count(void **state)
{
    (void)state;
    assert_true(of("{\"k:{\\\"name\\\":\\\"a\\\"}\":{\"f:image\":{}},\"k:{\\\"name\\\":\\\"b\\\"}\":{\"f:env\":{}}}") ==
                of("{\"k:{\\\"name\\\":\\\"c\\\"}\":{\"f:env\":{}},\"k:{\\\"name\\\":\\\"d\\\"}\":{\"f:image\":{}}}"));
}

static void test_whatever_was_taken_over_counts(void **state)
{
    static const char *const different[] = {
        "{\"f:spec\":{\"f:a\":{},\"f:b\":{}}}",
        "{\"f:spec\":{\"f:a\":{}}}",
        "{\"f:spec\":{\"f:b\":{}}}",
        "{\"f:spec\":{\"f:a\":{\"f:b\":{}}}}",
        "{\"f:spec\":{}}",
        "{\"f:spec\":{\".\":{}}}",
        "{\"f:spec\":{},\"f:a\":{}}",
        "{\"f:spec\":{\"k:{\\\"name\\\":\\\"a\\\"}\":{}}}",
        "{\"f:spec\":{\"k:{\\\"port\\\":\\\"a\\\"}\":{}}}",
        "{\"f:spec\":{\"k:{\\\"name\\\":\\\"a\\\",\\\"port\\\":1}\":{}}}",
        "{\"f:spec\":{\"k:{\\\"name\\\":\\\"a\\\"}\":{},\"k:{\\\"name\\\":\\\"b\\\"}\":{}}}",
        "{\"f:spec\":{\"v:\\\"a\\\"\":{}}}",
        "{\"f:spec\":{\"v:\\\"b\\\"\":{}}}",
        "{}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(different); i++)
        for (size_t j = 0; j < i; j++)
            assert_true(of(different[i]) != of(different[j]));
}

static void test_nothing_is_nothing_and_odd_text_is_itself(void **state)
{
    (void)state;
    assert_true(of("") == 0);
    assert_true(of("{") != 0);
    assert_true(of("[1]") != of("[2]"));
    char deep[2000];
    size_t n = 0;
    while (n < 1800) {
        memcpy(deep + n, "{\"f:x\":", 7);
        n += 7;
    }
    deep[n] = '\0';
    assert_true(of(deep) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_items_do_not_count),
        cmocka_unit_test(test_their_order_does_not_count),
        cmocka_unit_test(test_whatever_was_taken_over_counts),
        cmocka_unit_test(test_nothing_is_nothing_and_odd_text_is_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
