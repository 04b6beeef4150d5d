/* Does memory that was freed go back to the system? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/memory.h"

enum { PIECES = 16384, PIECE = 16384, KEPT_EVERY = 64 };

static void *pieces[PIECES];

/* As a burst in a worker thread: 256 MiB, of which a few pieces stay, at the end as well. */
static void *burst(void *context)
{
    for (size_t i = 0; i < PIECES; i++)
        memset(pieces[i] = memory_get(PIECE), 1, PIECE);
    for (size_t i = 0; i < PIECES; i++)
        if (i % KEPT_EVERY != KEPT_EVERY - 1)
            free(pieces[i]);
    return context;
}

static size_t resident_bytes(void)
{
    struct memory_size size = {0};
    assert_true(memory_measure(&size));
    assert_in_range(size.resident_bytes, 1, size.virtual_bytes);
    return size.resident_bytes;
}

/* The sanitizer's allocator has its own rules for what it keeps. */
#ifdef __SANITIZE_ADDRESS__
static const bool is_glibc = false;
#else
static const bool is_glibc = true;
#endif

static void what_a_burst_took_is_given_back(void **state)
{
    (void)state;
    pthread_t thread;
    assert_false(is_glibc && memory_give_back()); /* nothing to give yet */
    assert_int_equal(pthread_create(&thread, NULL, burst, NULL), 0);
    pthread_join(thread, NULL);
    assert_true(resident_bytes() > 200u << 20);
    bool given = memory_give_back();
    if (is_glibc) {
        assert_true(given);
        assert_true(resident_bytes() < 64u << 20);
        assert_false(memory_give_back());
    }
    for (size_t i = KEPT_EVERY - 1; i < PIECES; i += KEPT_EVERY) {
        assert_int_equal(((char *)pieces[i])[PIECE - 1], 1); /* what is in use is left alone */
        free(pieces[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_a_burst_took_is_given_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
