/* Do columns line up, and can a cell harm a terminal? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/table.h"

static const char *const headers[] = {"NAME", "STATUS", "AGE", NULL};

static void add(struct table *table, const char *a, const char *b, const char *c)
{
    table_add(table, a);
    table_add(table, b);
    table_add(table, c);
}

static void lines_up(void **state)
{
    AUTO_BUFFER struct buffer text = {0};
    struct table *table = table_new(headers, 0);
    (void)state;
    add(table, "a", "Running", "5s");
    add(table, "a-long-name", "", NULL);
    assert_int_equal(table_rows(table), 2);
    table_print(table, true, &text);
    assert_string_equal(text.p, "NAME          STATUS    AGE\n"
                                "a             Running   5s\n"
                                "a-long-name   -         -\n");
    assert_int_equal(table_rows(table), 0);
    table_free(table);
}

/* What a watch prints later stands below what was printed first. */
static void keeps_widths(void **state)
{
    AUTO_BUFFER struct buffer text = {0};
    struct table *table = table_new(headers, 0);
    (void)state;
    add(table, "long-name", "Running", "5s");
    table_print(table, true, &text);
    buffer_clear(&text);
    add(table, "b", "Gone", "6s");
    table_print(table, false, &text);
    assert_string_equal(text.p, "b           Gone      6s\n");
    table_free(table);
}

static void counts_characters(void **state)
{
    AUTO_BUFFER struct buffer text = {0};
    struct table *table = table_new(headers, 0);
    (void)state;
    add(table, "\xc3\xa9\xc3\xa9", "x", "1"); /* two characters, four bytes */
    table_print(table, false, &text);
    assert_string_equal(text.p, "\xc3\xa9\xc3\xa9     x        1\n");
    table_free(table);
}

static void counts_columns(void **state)
{
    static const struct {
        const char *text;
        size_t width;
    } cases[] = {{"", 0},
                 {"abc", 3},
                 {"\xe7\xac\x94\xe8\xae\xb0\xe6\x9c\xac", 6}, /* three ideographs */
                 {"\xef\xbc\xa1", 2},                         /* full-width A */
                 {"e\xcc\x81", 1},                            /* e and a combining acute */
                 {"\xed\x95\x9c\xea\xb8\x80", 4},             /* Hangul */
                 {"\xff\xfe", 2}};                            /* not UTF-8: a column each */
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(table_width(cases[i].text), cases[i].width);
    AUTO_BUFFER struct buffer text = {0};
    struct table *table = table_new(headers, 0);
    add(table, "\xe7\xac\x94", "x", "1");
    add(table, "abcdef", "x", "1");
    table_print(table, false, &text);
    assert_string_equal(text.p, "\xe7\xac\x94       x        1\nabcdef   x        1\n");
    table_free(table);
}

static void wide_columns_are_shown_when_asked_for(void **state)
{
    static const char *const wide[] = {"NAME", "STATUS", "+NODE", NULL};
    (void)state;
    for (unsigned flags = 0; flags <= TABLE_WIDE; flags++) {
        AUTO_BUFFER struct buffer text = {0};
        struct table *table = table_new(wide, flags);
        add(table, "a", "Running", "n1");
        assert_int_equal(table_rows(table), 1);
        table_print(table, true, &text);
        assert_string_equal(text.p,
                            flags ? "NAME   STATUS    NODE\na      Running   n1\n" : "NAME   STATUS\na      Running\n");
        table_free(table);
    }
}

static void states_are_coloured_and_still_line_up(void **state)
{
    AUTO_BUFFER struct buffer text = {0};
    struct table *table = table_new(headers, TABLE_COLOURS);
    (void)state;
    add(table, "Running", "Running", "1");
    add(table, "b", "Failed", "2");
    table_print(table, false, &text);
    assert_string_equal(text.p, "Running   \033[32mRunning\033[0m   1\nb         \033[31mFailed\033[0m    2\n");
    table_free(table);
}

static void cells_are_printable(void **state)
{
    AUTO_BUFFER struct buffer text = {0};
    struct table *table = table_new(headers, 0);
    char *huge = memory_get(10000);
    (void)state;
    memset(huge, 'x', 9999);
    add(table, "\033]0;owned\007", "line\nbreak",
        "\x9b"
        "31m");
    add(table, huge, "\xff\xfe", "");
    table_print(table, true, &text);
    assert_null(memchr(text.p, '\033', text.n));
    assert_null(memchr(text.p, 7, text.n));
    assert_null(memchr(text.p, '\x9b', text.n));
    assert_non_null(strstr(text.p, "\\x1b"));
    size_t newlines = 0;
    for (size_t i = 0; i < text.n; i++)
        newlines += text.p[i] == '\n';
    assert_int_equal(newlines, 3);
    assert_true(text.n < (size_t)4 * 3 * TABLE_CELL_MAX);
    free(huge);
    table_free(table);
}

static void ages(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {{-5, "0s"},   {0, "0s"},       {119, "119s"}, {120, "2m"},     {192, "3m12s"},
                 {600, "10m"}, {10799, "179m"}, {10800, "3h"}, {172799, "47h"}, {172800, "2d"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[32];
        table_age(cases[i].seconds, text, sizeof(text));
        assert_string_equal(text, cases[i].text);
    }
}

static void bytes(void **state)
{
    char text[32];
    (void)state;
    table_bytes(-1, text, sizeof(text));
    assert_string_equal(text, "-");
    table_bytes(1536, text, sizeof(text));
    assert_string_equal(text, "1.5Ki");
    table_bytes((int64_t)22 << 20, text, sizeof(text));
    assert_string_equal(text, "22Mi");
    table_bytes((int64_t)3 << 30, text, sizeof(text));
    assert_string_equal(text, "3.0Gi");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_up),
        cmocka_unit_test(keeps_widths),
        cmocka_unit_test(counts_characters),
        cmocka_unit_test(counts_columns),
        cmocka_unit_test(wide_columns_are_shown_when_asked_for),
        cmocka_unit_test(states_are_coloured_and_still_line_up),
        cmocka_unit_test(cells_are_printable),
        cmocka_unit_test(ages),
        cmocka_unit_test(bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
