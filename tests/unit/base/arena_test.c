/* Arenas: alignment, zeroing, large pieces, reset. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"

static void hands_out_zeroed_aligned_memory(void **state)
{
    (void)state;
    AUTO_ARENA struct arena *arena = arena_new(512);
    unsigned char *pieces[200];
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        size_t size = i * 7 % 300;
        pieces[i] = arena_get(arena, size);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        for (size_t k = 0; k < size; k++)
            assert_int_equal(pieces[i][k], 0);
        memset(pieces[i], (int)(i & 0xFF), size);
    }
    for (size_t i = 0; i < COUNT_OF(pieces); i++)
        for (size_t k = 0; k < i * 7 % 300; k++)
            assert_int_equal(pieces[i][k], i & 0xFF);
    assert_ptr_not_equal(arena_get(arena, 0), arena_get(arena, 0));
}

static void takes_large_pieces(void **state)
{
    (void)state;
    AUTO_ARENA struct arena *arena = arena_new(1);
    unsigned char *large = arena_get(arena, 1 << 20);
    large[(1 << 20) - 1] = 1;
    char *small = arena_text(arena, "small");
    assert_string_equal(small, "small");
    assert_int_equal(large[(1 << 20) - 1], 1);
}

static void reset_reuses_and_zeroes(void **state)
{
    (void)state;
    AUTO_ARENA struct arena *arena = arena_new(4096);
    char *first = arena_text(arena, "something secret");
    arena_get(arena, 100000);
    arena_reset(arena);
    char *again = arena_get(arena, 17);
    assert_ptr_equal(first, again);
    for (size_t i = 0; i < 17; i++)
        assert_int_equal(again[i], 0);
    arena_reset(arena);
    arena_reset(arena);
}

static void makes_texts(void **state)
{
    (void)state;
    AUTO_ARENA struct arena *arena = arena_new(256);
    assert_null(arena_text(arena, NULL));
    assert_string_equal(arena_text_n(arena, "abcdef", 3), "abc");
    assert_string_equal(arena_text_n(arena, NULL, 0), "");
    assert_string_equal(arena_format(arena, "%s/%d", "a", 12), "a/12");
    assert_int_equal(strlen(arena_format(arena, "%5000d", 1)), 5000);
    arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_zeroed_aligned_memory),
        cmocka_unit_test(takes_large_pieces),
        cmocka_unit_test(reset_reuses_and_zeroes),
        cmocka_unit_test(makes_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
