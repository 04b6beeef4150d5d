/* Are passwords hashed, compared and bounded as they must be? */
#include <stdarg.h>
#include <stdbool.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <pthread.h>
#include <time.h>
#include <cmocka.h>

#include "auth/internal.h"

static void hashes_and_verifies(void **state)
{
    (void)state;
    char one[PASSWORD_HASH_SIZE], two[PASSWORD_HASH_SIZE];
    bool right = false;
    assert_int_equal(password_hash(SLICE("correct horse"), one, NULL), 0);
    assert_int_equal(password_hash(SLICE("correct horse"), two, NULL), 0);
    assert_string_not_equal(one, two); /* salted */
    assert_true(slice_starts(slice_of(one), "scrypt$15$8$1$"));
    assert_int_equal(password_verify(one, SLICE("correct horse"), &right, NULL), 0);
    assert_true(right);
    assert_int_equal(password_verify(one, SLICE("correct horsf"), &right, NULL), 0);
    assert_false(right);
    assert_int_equal(password_verify(one, SLICE("correct horse\0"), &right, NULL), 0);
    assert_false(right);
    assert_int_equal(password_verify(one, (struct slice){0}, &right, NULL), 0);
    assert_false(right);
}

static void follows_rfc_7914(void **state)
{
    (void)state;
    /* Section 12, "pleaseletmein" / "SodiumChloride", N=16384 r=8 p=1; our salts have 16 bytes, so the vector here was
     * computed with Python's hashlib.scrypt over the same parameters. */
    bool right = false;
    const char *stored = "scrypt$14$8$1$U29kaXVtQ2hsb3JpZGUhIQ==$UmYyNDO/YRuFmsgA6JK5baM1qTJw1bFvX2are1D2OBc=";
    assert_int_equal(password_verify(stored, SLICE("pleaseletmein"), &right, NULL), 0);
    assert_true(right);
}

static void damaged_hashes_open_nothing(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "scrypt",
        "scrypt$15$8$1$$",
        "scrypt$99$8$1$U29kaXVtQ2hsb3JpZGUhIQ==$AAAA",
        "md5$15$8$1$x$y",
        "scrypt$15$8$1$U29kaXVtQ2hsb3JpZGUhIQ==$",
        "scrypt$15$0$1$U29kaXVtQ2hsb3JpZGUhIQ==$UmYyNDO/YRuFmsgA6JK5baM1qTJw1bFvX2are1D2OBc=",
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool right = true;
        assert_int_equal(password_verify(rows[i], SLICE(""), &right, NULL), 0);
        assert_false(right);
    }
    bool right = true;
    assert_int_equal(password_verify(NULL, SLICE("anything at all"), &right, NULL), 0);
    assert_false(right);
}

static void bounds_characters(void **state)
{
    (void)state;
    char text[1200];
    struct error error = {0};
    memset(text, 'x', sizeof(text));
    assert_int_equal(password_check((struct slice){text, 9}, "password", &error), -ERROR_INVALID);
    assert_string_equal(error.field, "password");
    assert_int_equal(password_check((struct slice){text, 10}, "password", NULL), 0);
    assert_int_equal(password_check((struct slice){text, 256}, "password", NULL), 0);
    assert_int_equal(password_check((struct slice){text, 257}, "password", NULL), -ERROR_INVALID);
    for (size_t i = 0; i < 256; i++)
        memcpy(text + 4 * i, "\xf0\x9f\xa6\x89", 4); /* 256 owls are 1024 bytes */
    assert_int_equal(password_check((struct slice){text, 1024}, "password", NULL), 0);
    assert_int_equal(password_check((struct slice){text, 1023}, "password", NULL), -ERROR_INVALID); /* cut in two */
    assert_int_equal(password_check(SLICE("0123456789\0abc"), "password", NULL), -ERROR_INVALID);
}

static void *verify(void *argument)
{
    bool right = false;
    (void)argument;
    int failed = password_verify(NULL, SLICE("whatever it is"), &right, NULL);
    return (void *)(intptr_t)(failed ? -failed : 0);
}

/* However many come at once, two hashes (64 MiB) run; the queue is bounded, and who does not fit is told to come back.
 */
static void bounds_how_many_at_once(void **state)
{
    (void)state;
    pthread_t threads[HASHES_AT_ONCE + HASHES_WAITING + 80];
    unsigned limited = 0;
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, verify, NULL), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *code = NULL;
        pthread_join(threads[i], &code);
        limited += code == (void *)(intptr_t)ERROR_LIMITED;
        assert_true(code == NULL || code == (void *)(intptr_t)ERROR_LIMITED);
    }
    /* 80 do not fit; on a busy machine others wait in vain. */
    assert_in_range(limited, 1, COUNT_OF(threads) - HASHES_AT_ONCE);
}

/* Of the processor: what others do on the machine does not count. */
static double seconds(const char *stored)
{
    struct timespec before, after;
    bool right;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    password_verify(stored, SLICE("some wrong password"), &right, NULL);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    return (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
}

static void nobody_takes_as_long_as_somebody(void **state)
{
    (void)state;
    char stored[PASSWORD_HASH_SIZE];
    double known = 1e9, unknown = 1e9;
    assert_int_equal(password_hash(SLICE("the right password"), stored, NULL), 0);
    for (int i = 0; i < 5; i++) { /* the least of five */
        double one = seconds(stored), two = seconds(NULL);
        known = one < known ? one : known;
        unknown = two < unknown ? two : unknown;
    }
    assert_true(unknown > 0.7 * known && unknown < 1.4 * known);
    print_message("scrypt: %.0f ms, for nobody %.0f ms\n", known * 1e3, unknown * 1e3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_and_verifies),         cmocka_unit_test(follows_rfc_7914),
        cmocka_unit_test(damaged_hashes_open_nothing), cmocka_unit_test(bounds_characters),
        cmocka_unit_test(bounds_how_many_at_once),     cmocka_unit_test(nobody_takes_as_long_as_somebody),
    };
    return cmocka_run_group_tests_name("auth/password", tests, NULL, NULL);
}
