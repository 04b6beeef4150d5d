/* Are points in time read as people mean them, and everything else refused? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cli/duration.h"

static void points_in_time(void **state)
{
    (void)state;
    int64_t ms = 0, expected = 0;
    assert_true(duration_parse_until(SLICE("30d"), 1000, &ms));
    assert_int_equal(ms, 1000 + (int64_t)30 * 86400 * 1000);
    assert_true(clock_parse(SLICE("2026-12-31T23:59:59Z"), &expected));
    assert_true(duration_parse_until(SLICE("2026-12-31"), 0, &ms));
    assert_int_equal(ms, expected);
    assert_true(duration_parse_until(SLICE("2026-12-31T23:59:59Z"), 0, &ms));
    assert_int_equal(ms, expected);
    assert_false(duration_parse_until(SLICE("2026-13-31"), 0, &ms));
    assert_false(duration_parse_until(SLICE("tomorrow"), 0, &ms));
    assert_false(duration_parse_until(SLICE(""), 0, &ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
