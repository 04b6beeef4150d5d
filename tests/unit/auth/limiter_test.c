/* Do the token buckets limit the one who fails, and nobody else, within their memory? */
#include <stdarg.h>
#include <stdbool.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include "auth/internal.h"
#include "base/clock.h"

static struct limiter limiter;

static void limits_after_the_burst(void **state)
{
    (void)state;
    struct error error = {0};
    limiter_start(&limiter, 3, 60000);
    for (int i = 0; i < 3; i++)
        assert_int_equal(limiter_take(&limiter, SLICE("alice"), &error), 0);
    assert_int_equal(limiter_take(&limiter, SLICE("alice"), &error), -ERROR_LIMITED);
    assert_true(error.retry_after_s > 50 && error.retry_after_s <= 60);
    assert_int_equal(limiter_take(&limiter, SLICE("bob"), &error), 0);
    limiter_refund(&limiter, SLICE("alice"));
    assert_int_equal(limiter_take(&limiter, SLICE("alice"), &error), 0);
    assert_int_equal(limiter_take(&limiter, SLICE("alice"), &error), -ERROR_LIMITED);
    for (int i = 0; i < 10; i++)
        limiter_refund(&limiter, SLICE("carol")); /* never more than the burst */
    for (int i = 0; i < 3; i++)
        assert_int_equal(limiter_take(&limiter, SLICE("carol"), &error), 0);
    assert_int_equal(limiter_take(&limiter, SLICE("carol"), &error), -ERROR_LIMITED);
}

static void refills(void **state)
{
    (void)state;
    struct error error = {0};
    limiter_start(&limiter, 1, 100);
    assert_int_equal(limiter_take(&limiter, SLICE("alice"), &error), 0);
    assert_int_equal(limiter_take(&limiter, SLICE("alice"), &error), -ERROR_LIMITED);
    assert_int_equal(error.retry_after_s, 1);
    clock_sleep_ms(120);
    assert_int_equal(limiter_take(&limiter, SLICE("alice"), &error), 0);
}

/* A hundred thousand other names do not wash out the bucket that is empty. */
static void a_flood_does_not_help(void **state)
{
    (void)state;
    struct error error = {0};
    limiter_start(&limiter, 5, 3600000);
    for (int i = 0; i < 5; i++)
        assert_int_equal(limiter_take(&limiter, SLICE("victim"), &error), 0);
    for (int i = 0; i < 100000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "flood-%d", i);
        assert_int_equal(limiter_take(&limiter, slice_of(name), &error), 0);
    }
    assert_int_equal(limiter_take(&limiter, SLICE("victim"), &error), -ERROR_LIMITED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_after_the_burst),
        cmocka_unit_test(refills),
        cmocka_unit_test(a_flood_does_not_help),
    };
    return cmocka_run_group_tests_name("auth/limiter", tests, NULL, NULL);
}
