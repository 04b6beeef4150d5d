/* Slices and buffers: cutting, comparing, numbers, growth and limits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/text.h"

static void compares(void **state)
{
    (void)state;
    assert_true(slice_equal(SLICE("abc"), SLICE("abc")));
    assert_false(slice_equal(SLICE("abc"), SLICE("abd")));
    assert_false(slice_equal(SLICE("abc"), SLICE("ab")));
    assert_true(slice_equal((struct slice){NULL, 0}, SLICE("")));
    assert_true(slice_is(SLICE("Host"), "Host"));
    assert_false(slice_is(SLICE("Host"), "host"));
    assert_true(slice_is_nocase(SLICE("HoSt-1"), "hOsT-1"));
    assert_false(slice_is_nocase(SLICE("host"), "hosts"));
    /* ASCII only: '[' is '{' with bit 5 cleared and must not match it */
    assert_false(slice_is_nocase(SLICE("["), "{"));
    assert_true(slice_starts(SLICE("/api/v1"), "/api"));
    assert_false(slice_starts(SLICE("/ap"), "/api"));
    assert_true(slice_ends(SLICE("a.yaml"), ".yaml"));
    assert_false(slice_ends(SLICE("yaml"), ".yaml"));
    assert_true(slice_starts((struct slice){NULL, 0}, ""));
}

static void cuts(void **state)
{
    (void)state;
    struct slice rest;
    assert_true(slice_is(slice_split(SLICE("a=b=c"), '=', &rest), "a"));
    assert_true(slice_is(rest, "b=c"));
    assert_true(slice_is(slice_split(SLICE("abc"), '=', &rest), "abc"));
    assert_int_equal(rest.n, 0);
    assert_int_equal(slice_split(SLICE("=x"), '=', &rest).n, 0);
    assert_true(slice_is(rest, "x"));
    assert_int_equal(slice_split((struct slice){NULL, 0}, '=', &rest).n, 0);
    assert_true(slice_is(slice_trim(SLICE(" \t a b \t")), "a b"));
    assert_int_equal(slice_trim(SLICE(" \t ")).n, 0);
    assert_true(slice_is(slice_trim(SLICE("\na")), "\na")); /* only spaces and tabs */
    assert_true(slice_is(slice_skip(SLICE("abc"), 2), "c"));
    assert_int_equal(slice_skip(SLICE("abc"), 9).n, 0);
}

static void reads_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t minimum, maximum;
        bool good;
        int64_t value;
    } rows[] = {
        {"0", 0, 9, true, 0},
        {"65535", 1, 65535, true, 65535},
        {"65536", 1, 65535, false, 0},
        {"-5", -10, 10, true, -5},
        {"-5", 0, 10, false, 0},
        {"9223372036854775807", 0, INT64_MAX, true, INT64_MAX},
        {"9223372036854775808", 0, INT64_MAX, false, 0},
        {"-9223372036854775808", INT64_MIN, 0, true, INT64_MIN},
        {"-9223372036854775809", INT64_MIN, 0, false, 0},
        {"99999999999999999999999", 0, INT64_MAX, false, 0},
        {"", 0, 9, false, 0},
        {"-", -9, 9, false, 0},
        {"+1", 0, 9, false, 0},
        {" 1", 0, 9, false, 0},
        {"1 ", 0, 9, false, 0},
        {"01", 0, 9, false, 0},
        {"-0", -9, 9, false, 0},
        {"0x1", 0, 9, false, 0},
        {"1e1", 0, 99, false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t value = 77;
        bool good = text_parse_i64(slice_of(rows[i].text), rows[i].minimum, rows[i].maximum, &value);
        if (good != rows[i].good || value != (good ? rows[i].value : 77))
            fail_msg("\"%s\": %d, %lld", rows[i].text, good, (long long)value);
    }
    int64_t value = 77;
    assert_false(text_parse_i64((struct slice){"1\0", 2}, 0, 9, &value)); /* a NUL is no digit */
    assert_int_equal(value, 77);
}

static void buffer_grows(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer buffer = {0};
    for (int i = 0; i < 1000; i++)
        buffer_add_format(&buffer, "%03d,", i);
    assert_int_equal(buffer.n, 4000);
    assert_memory_equal(buffer.p + 3996, "999,", 5);
    buffer_drop(&buffer, 3996);
    assert_string_equal(buffer.p, "999,");
    buffer_drop(&buffer, 100);
    assert_int_equal(buffer.n, 0);
    assert_string_equal(buffer.p, "");
    buffer_add_text(&buffer, NULL);
    buffer_add_slice(&buffer, SLICE("x\0y"));
    assert_int_equal(buffer.n, 3);
    AUTO_FREE char *text = buffer_take(&buffer);
    assert_memory_equal(text, "x\0y", 4);
    assert_null(buffer.p);
    AUTO_FREE char *empty = buffer_take(&buffer);
    assert_string_equal(empty, "");
}

static void buffer_keeps_its_limit(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer buffer = {.max = 5};
    buffer_add_text(&buffer, "12345");
    assert_false(buffer.failed);
    buffer_add_text(&buffer, "6");
    assert_true(buffer.failed);
    assert_string_equal(buffer.p, "12345");
    buffer_drop(&buffer, 3);
    buffer_add_text(&buffer, "7"); /* once incomplete, it stays as it was: no text with a hole in it */
    assert_string_equal(buffer.p, "45");
    buffer_clear(&buffer);
    buffer_add_format(&buffer, "%d", 123456);
    assert_true(buffer.failed);
    buffer_clear(&buffer);
    buffer_add_text(&buffer, "ok");
    assert_false(buffer.failed);
    assert_string_equal(buffer.p, "ok");
}

static void json_strings_are_safe_anywhere(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer buffer = {0};
    buffer_add_json_string(&buffer, SLICE("a\"\\/\b\f\n\r\t\x01\x1f\x7f<script>&\xC3\xA4\xF0\x9F\x98\x80"));
    assert_string_equal(buffer.p, "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\\u003cscript\\u003e\\u0026"
                                  "\xC3\xA4\xF0\x9F\x98\x80\"");
    buffer_clear(&buffer);
    buffer_add_json_string(&buffer, SLICE("\xE2\x80\xA8|\xFF|\xC3|\xED\xA0\x80|\0|"));
    assert_string_equal(buffer.p,
                        "\"\\u2028|\xEF\xBF\xBD|\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|\\u0000|\"");
    buffer_clear(&buffer);
    buffer_add_json_string(&buffer, (struct slice){NULL, 0});
    assert_string_equal(buffer.p, "\"\"");
}

static void memory_texts(void **state)
{
    (void)state;
    assert_null(memory_text(NULL));
    AUTO_FREE char *copy = memory_text_n("abcdef", 3);
    assert_string_equal(copy, "abc");
    AUTO_FREE char *formatted = memory_format("%s-%d", "a", 7);
    assert_string_equal(formatted, "a-7");
    char secret[8] = "secret!";
    memory_wipe(secret, sizeof(secret));
    assert_memory_equal(secret, "\0\0\0\0\0\0\0\0", 8);
    memory_wipe(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares),
        cmocka_unit_test(cuts),
        cmocka_unit_test(reads_numbers),
        cmocka_unit_test(buffer_grows),
        cmocka_unit_test(buffer_keeps_its_limit),
        cmocka_unit_test(json_strings_are_safe_anywhere),
        cmocka_unit_test(memory_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
