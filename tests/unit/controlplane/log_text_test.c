/* What is read out of a container's log file. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "controlplane/log_text.h"

#define T1 "2026-11-23T03:00:00.100000000Z"
#define T2 "2026-11-23T03:00:05.200000000Z"
#define T3 "2026-11-23T03:00:06.000000000Z"

static char *read_log(struct log_text text, const char *raw, size_t step)
{
    struct buffer out = {0};
    struct slice rest = slice_of(raw);
    bool more = true;
    while (rest.n && more) {
        struct slice piece = {rest.p, rest.n < step ? rest.n : step};
        more = log_text_feed(&text, piece, &out);
        rest = slice_skip(rest, piece.n);
    }
    log_text_free(&text);
    return buffer_take(&out);
}

static void lines_come_out_whole(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *plain, *stamped;
    } cases[] = {
        {T1 " stdout F one\n" T2 " stderr F two\n", "one\ntwo\n", T1 " one\n" T2 " two\n"},
        {T1 " stdout P on\n" T1 " stdout P e \n" T1 " stdout F more\n", "one more\n", T1 " one more\n"},
        {T1 " stdout F \n", "\n", T1 " \n"},
        {"2026-11-23T03:00:00.1+00:00 stdout F one\n", "one\n", "2026-11-23T03:00:00.1Z one\n"},
        {"2026-11-23T04:00:00.1+01:00 stdout F one\n", "one\n", "2026-11-23T04:00:00.1+01:00 one\n"},
        {T1 " stdout F\n", "\n", T1 " \n"},
        {T1 " stdout F  two  spaces \n", " two  spaces \n", T1 "  two  spaces \n"},
        {"not a CRI line\n", "not a CRI line\n", "not a CRI line\n"},
        {T1 " stdlog F x\n", T1 " stdlog F x\n", T1 " stdlog F x\n"},
        {T1 " stdout F cut", "", ""},
        {"", "", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t step = 1; step < 70; step += 3) {
            AUTO_FREE char *plain = read_log((struct log_text){.limit_bytes = -1}, cases[i].raw, step);
            AUTO_FREE char *stamped =
                read_log((struct log_text){.limit_bytes = -1, .timestamps = true}, cases[i].raw, step);
            assert_string_equal(plain, cases[i].plain);
            assert_string_equal(stamped, cases[i].stamped);
        }
    }
}

static void old_lines_are_left_out(void **state)
{
    (void)state;
    int64_t since;
    assert_true(clock_parse(SLICE("2026-11-23T03:00:03Z"), &since));
    AUTO_FREE char *text = read_log((struct log_text){.limit_bytes = -1, .since_ms = since},
                                    T1 " stdout P on\n" T2 " stdout F e\n" T2 " stdout F two\n", 11);
    assert_string_equal(text, "two\n");
}

static void a_span_of_time_is_cut_out(void **state)
{
    static const char raw[] = T1 " stdout F one\n" T2 " stdout F two\nno time\n" T3 " stdout F three\n";
    int64_t since, until;
    (void)state;
    assert_true(clock_parse(SLICE("2026-11-23T03:00:03Z"), &since));
    assert_true(clock_parse(SLICE("2026-11-23T03:00:06Z"), &until));
    AUTO_FREE char *both =
        read_log((struct log_text){.limit_bytes = -1, .since_ms = since, .until_ms = until}, raw, 11);
    assert_string_equal(both, "two\nno time\n");
    AUTO_FREE char *before = read_log((struct log_text){.limit_bytes = -1, .until_ms = since}, raw, 11);
    assert_string_equal(before, "one\nno time\n");
}

static void the_limit_cuts(void **state)
{
    (void)state;
    static const char raw[] = T1 " stdout F one\n" T2 " stdout F two\n";
    for (int64_t limit = 0; limit <= 8; limit++) {
        AUTO_FREE char *text = read_log((struct log_text){.limit_bytes = limit}, raw, 7);
        assert_int_equal(strlen(text), limit);
        assert_int_equal(strncmp(text, "one\ntwo\n", (size_t)limit), 0);
    }
}

static void endless_lines_are_passed_on(void **state)
{
    (void)state;
    size_t size = 300 << 10;
    AUTO_FREE char *raw = memory_get(size + 1);
    memset(raw, 'x', size);
    struct log_text text = {.limit_bytes = -1};
    AUTO_BUFFER struct buffer out = {0};
    for (size_t at = 0; at < size; at += 4096)
        log_text_feed(&text, (struct slice){raw + at, 4096}, &out);
    assert_true(text.carry.n <= (64 << 10) + 4096);
    assert_true(out.n >= size - (68 << 10));
    log_text_free(&text);
}

static void the_tail_is_found(void **state)
{
    (void)state;
    static const char raw[] = T1 " stdout F one\n" T1 " stdout P tw\n" T1 " stdout F o\n" T2 " stdout F three\n";
    static const char *const expected[] = {"", "three\n", "two\nthree\n", "one\ntwo\nthree\n", "one\ntwo\nthree\n"};
    for (int64_t lines = 0; lines < 5; lines++) {
        size_t from = log_text_tail(slice_of(raw), lines);
        AUTO_FREE char *text = read_log((struct log_text){.limit_bytes = -1}, raw + from, 1000);
        assert_string_equal(text, expected[lines]);
    }
    assert_int_equal(log_text_tail(SLICE(""), 3), 0);
    assert_int_equal(log_text_tail(SLICE("\n\n\n"), 2), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_whole),        cmocka_unit_test(old_lines_are_left_out),
        cmocka_unit_test(a_span_of_time_is_cut_out),   cmocka_unit_test(the_limit_cuts),
        cmocka_unit_test(endless_lines_are_passed_on), cmocka_unit_test(the_tail_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
