/* Are spans of time read as people mean them, and everything else refused? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/duration.h"

static void accepts(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {{"0", 0},        {"45", 45},       {"45s", 45},     {"3m", 180},
                 {"1h30m", 5400}, {"90d", 7776000}, {"2w", 1209600}, {"1w1d1h1m1s", 694861},
                 {"10h5s", 36005}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t seconds = -1;
        assert_true(duration_parse(slice_of(cases[i].text), &seconds));
        assert_int_equal(seconds, cases[i].seconds);
    }
}

static void refuses(void **state)
{
    static const char *const cases[] = {"",     "d",    "9x",   "-3d",    "+3d",
                                        "1.5h", "1m1h", "5s5s", "3 d",    " 3d",
                                        "3d ",  "1h2",  "h1",   "99999d", "99999999999999999999",
                                        "1d\n"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t seconds = 77;
        assert_false(duration_parse(slice_of(cases[i]), &seconds));
        assert_int_equal(seconds, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
