/* Times: formatting, strict RFC 3339 parsing, and clocks that move. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"

#define BAD INT64_MIN

static void formats(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *whole, *micro;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"},
        {1795403045678, "2026-11-23T03:04:05Z", "2026-11-23T03:04:05.678000Z"},
        {-1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999000Z"},
        {INT64_MAX, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.807000Z"},
        {951782400000, "2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000Z"},
    };
    char text[CLOCK_TEXT_SIZE];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        clock_format(rows[i].ms, text);
        assert_string_equal(text, rows[i].whole);
        clock_format_micro(rows[i].ms, text);
        assert_string_equal(text, rows[i].micro);
    }
    clock_format(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00Z");
}

static void parses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-23T03:04:05.678Z", 1795403045678},
        {"2026-11-23T03:04:05.678999Z", 1795403045678},
        {"2026-11-23T03:04:05.6Z", 1795403045600},
        {"2026-11-23T05:04:05+02:00", 1795403045000},
        {"2026-11-22T21:34:05-05:30", 1795403045000},
        {"2000-02-29T00:00:00Z", 951782400000},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2001-02-29T00:00:00Z", BAD},
        {"2026-04-31T00:00:00Z", BAD},
        {"2026-13-01T00:00:00Z", BAD},
        {"2026-00-01T00:00:00Z", BAD},
        {"2026-01-00T00:00:00Z", BAD},
        {"2026-01-01T24:00:00Z", BAD},
        {"2026-01-01T00:60:00Z", BAD},
        {"2026-01-01T00:00:60Z", BAD},
        {"2026-01-01T00:00:00", BAD},
        {"2026-01-01 00:00:00Z", BAD},
        {"2026-01-01t00:00:00z", BAD},
        {"2026-01-01T00:00:00.Z", BAD},
        {"2026-01-01T00:00:00.1234567890Z", BAD},
        {"2026-01-01T00:00:00+24:00", BAD},
        {"2026-01-01T00:00:00+00:60", BAD},
        {"2026-01-01T00:00:00+0000", BAD},
        {"2026-01-01T00:00:00Zx", BAD},
        {"2026-01-01T00:00:00+00:00x", BAD},
        {"2026-1-01T00:00:00Z", BAD},
        {"-026-01-01T00:00:00Z", BAD},
        {"2026-01-01", BAD},
        {"2026", BAD},
        {"", BAD},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t ms = BAD;
        bool good = clock_parse(slice_of(rows[i].text), &ms);
        if (ms != rows[i].ms || good != (rows[i].ms != BAD))
            fail_msg("\"%s\": %lld", rows[i].text, (long long)ms);
    }
}

static void round_trips(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_SIZE];
    for (int64_t ms = -INT64_C(62167219200000); ms < INT64_C(253402300799000); ms += INT64_C(86399123456)) {
        int64_t back;
        clock_format_micro(ms, text);
        assert_true(clock_parse(slice_of(text), &back));
        assert_true(back == ms);
    }
}

static void clocks_move(void **state)
{
    (void)state;
    int64_t from = clock_monotonic_ms(), wall = clock_wall_ms();
    clock_sleep_ms(20);
    assert_true(clock_monotonic_ms() - from >= 20);
    assert_true(wall > INT64_C(1577836800000)); /* after 2020 */
    from = clock_monotonic_ms();
    clock_sleep_ms(-5);
    assert_true(clock_monotonic_ms() - from < 1000);
}

static void rests_for_a_share_of_the_time(void **state)
{
    (void)state;
    assert_int_equal(clock_rest_ms(clock_monotonic_ms(), 10, 60000), 60000);
    int64_t rest_ms = clock_rest_ms(clock_monotonic_ms() - 1000, 100, 60000);
    assert_true(rest_ms >= 100000 && rest_ms < 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
        cmocka_unit_test(parses),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(clocks_move),
        cmocka_unit_test(rests_for_a_share_of_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
