/* Quantities: the table of apimachinery's own tests, limits, and formatting. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/text.h"

#define BAD INT64_MIN

static void parses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t milli, units;
    } rows[] = {
        {"0", 0, 0},
        {"1", 1000, 1},
        {"500m", 500, 1},
        {"1500m", 1500, 2},
        {"0.5", 500, 1},
        {".5", 500, 1},
        {"1.", 1000, 1},
        {"+2", 2000, 2},
        {"-1500m", -1500, -2},
        {"1u", 1, 1},
        {"1n", 1, 1},
        {"1001u", 2, 1},
        {"1k", 1000000, 1000},
        {"1Ki", 1024000, 1024},
        {"4Gi", 4294967296000, 4294967296},
        {"1.5Gi", 1610612736000, 1610612736},
        {"1M", 1000000000, 1000000},
        {"2T", 2000000000000000, 2000000000000},
        {"1e3", 1000000, 1000},
        {"1E3", 1000000, 1000},
        {"12e-1", 1200, 2},
        {"1.5e+2", 150000, 150},
        {"1E", BAD, 1000000000000000000},
        {"7Ei", BAD, 8070450532247928832},
        {"8Ei", BAD, BAD},
        {"9223372036854775807", BAD, INT64_MAX},
        {"9223372036854775808", BAD, BAD},
        {"9223372036854775807m", INT64_MAX, 9223372036854776},
        {"9223372036854775807000000000000000000000000000n", BAD, BAD},
        {"1000000000000000000000n", 1000000000000000, 1000000000000},
        {"0.00000000000000000000000000000000001", 1, 1},
        {"1.00000000000000000000000000000000001", 1001, 2},
        {"0000000000000000000000000000000000001", 1000, 1},
        {"0e9999", 0, 0},
        {"1e9999", BAD, BAD},
        {"1e-9999", 1, 1},
        {"1e99999", BAD, BAD},
        {"1e", BAD, BAD},
        {"1e+", BAD, BAD},
        {"e3", BAD, BAD},
        {"", BAD, BAD},
        {".", BAD, BAD},
        {"-", BAD, BAD},
        {"+-1", BAD, BAD},
        {"1.1.M", BAD, BAD},
        {"1+1.0M", BAD, BAD},
        {"0.1mi", BAD, BAD},
        {"0.1am", BAD, BAD},
        {"aoeu", BAD, BAD},
        {".5i", BAD, BAD},
        {"1i", BAD, BAD},
        {"-3.01i", BAD, BAD},
        {"-3.01e-", BAD, BAD},
        {"1K", BAD, BAD},
        {"1ki", BAD, BAD},
        {"1 Gi", BAD, BAD},
        {" 1", BAD, BAD},
        {"1\n", BAD, BAD},
        {"1GiB", BAD, BAD},
        {"0x10", BAD, BAD},
        {"1e1.5", BAD, BAD},
        {"inf", BAD, BAD},
        {"nan", BAD, BAD},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t milli = BAD, units = BAD;
        bool milli_good = quantity_parse_milli(slice_of(rows[i].text), &milli);
        bool units_good = quantity_parse_bytes(slice_of(rows[i].text), &units);
        if (milli != rows[i].milli || units != rows[i].units || milli_good != (rows[i].milli != BAD) ||
            units_good != (rows[i].units != BAD))
            fail_msg("\"%s\": %lld milli, %lld units", rows[i].text, (long long)milli, (long long)units);
    }
}

static void bounds_length(void **state)
{
    (void)state;
    char text[300];
    int64_t value = 7;
    memset(text, '0', sizeof(text));
    assert_true(quantity_parse_bytes((struct slice){text, 256}, &value));
    assert_int_equal(value, 0);
    assert_false(quantity_parse_bytes((struct slice){text, 257}, &value));
}

static void formats(void **state)
{
    (void)state;
    static const struct {
        int64_t bytes;
        const char *text;
    } rows[] = {{0, "0"},
                {1, "1"},
                {1023, "1023"},
                {1024, "1Ki"},
                {1536, "1536"},
                {1536 * 1024, "1536Ki"},
                {INT64_C(4294967296), "4Gi"},
                {INT64_C(1649267441664), "1536Gi"},
                {INT64_C(1) << 62, "4Ei"},
                {-2048, "-2Ki"},
                {INT64_MAX, "9223372036854775807"}};
    char text[32];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t back;
        quantity_format_bytes(rows[i].bytes, text, sizeof(text));
        assert_string_equal(text, rows[i].text);
        assert_true(quantity_parse_bytes(slice_of(text), &back));
        assert_true(back == rows[i].bytes);
    }
    quantity_format_cpu(500, text, sizeof(text));
    assert_string_equal(text, "500m");
    quantity_format_cpu(2000, text, sizeof(text));
    assert_string_equal(text, "2");
    quantity_format_cpu(0, text, sizeof(text));
    assert_string_equal(text, "0");
    quantity_format_cpu(2500, text, 4);
    assert_string_equal(text, "250");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses),
        cmocka_unit_test(bounds_length),
        cmocka_unit_test(formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
