/* The hash map: SipHash vectors, a long random run against a plain array, iteration. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/map.h"

static void siphash_vectors(void **state)
{
    (void)state;
    /* Key 00..0f, input 00..n-1: the reference implementation's vectors_sip64. */
    static const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    char input[16];
    for (size_t i = 0; i < sizeof(input); i++)
        input[i] = (char)i;
    assert_true(map_siphash(key, (struct slice){input, 0}) == 0x726fdb47dd0e0e31u);
    assert_true(map_siphash(key, (struct slice){input, 1}) == 0x74f839c593dc67fdu);
    assert_true(map_siphash(key, (struct slice){input, 8}) == 0x93f5f5799a932462u);
    assert_true(map_siphash(key, (struct slice){input, 15}) == 0xa129ca6149be45e5u);
}

static void puts_gets_removes(void **state)
{
    (void)state;
    struct map *map = map_new();
    int one = 1, two = 2;
    assert_null(map_get(map, SLICE("a")));
    assert_null(map_put(map, SLICE("a"), &one));
    assert_ptr_equal(map_put(map, SLICE("a"), &two), &one);
    assert_ptr_equal(map_get(map, SLICE("a")), &two);
    assert_null(map_get(map, SLICE("A")));
    assert_null(map_put(map, SLICE("a\0b"), &one)); /* keys are counted, not NUL-terminated */
    assert_null(map_put(map, (struct slice){NULL, 0}, &one));
    assert_ptr_equal(map_get(map, SLICE("")), &one);
    assert_int_equal(map_count(map), 3);
    assert_ptr_equal(map_remove(map, SLICE("a")), &two);
    assert_null(map_remove(map, SLICE("a")));
    assert_ptr_equal(map_get(map, SLICE("a\0b")), &one);
    assert_int_equal(map_count(map), 2);
    map_free(map);
    map_free(NULL);
}

#define KEYS 3000

/* Deterministic; what matters is that removals leave no gap that hides a key. */
static void agrees_with_an_array(void **state)
{
    (void)state;
    struct map *map = map_new();
    static int present[KEYS];
    uint64_t seed = 42;
    char key[32];
    size_t count = 0;
    for (int round = 0; round < 100000; round++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t i = (size_t)(seed >> 33) % KEYS;
        snprintf(key, sizeof(key), "key-%zu", i);
        if (seed >> 63) {
            void *old = map_put(map, slice_of(key), &present[i]);
            assert_ptr_equal(old, present[i] ? &present[i] : NULL);
            count += !present[i];
            present[i] = 1;
        } else {
            void *old = map_remove(map, slice_of(key));
            assert_ptr_equal(old, present[i] ? &present[i] : NULL);
            count -= (size_t)present[i];
            present[i] = 0;
        }
        assert_int_equal(map_count(map), count);
    }
    for (size_t i = 0; i < KEYS; i++) {
        snprintf(key, sizeof(key), "key-%zu", i);
        assert_ptr_equal(map_get(map, slice_of(key)), present[i] ? &present[i] : NULL);
    }
    size_t at = 0, seen = 0;
    struct slice found;
    void *value;
    while (map_next(map, &at, &found, &value)) {
        assert_true(slice_starts(found, "key-"));
        assert_int_equal(*(int *)value, 1);
        *(int *)value = 2; /* seen: a second visit fails the line above */
        seen++;
    }
    assert_int_equal(seen, count);
    map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_vectors),
        cmocka_unit_test(puts_gets_removes),
        cmocka_unit_test(agrees_with_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
