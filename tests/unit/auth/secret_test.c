/* Are the secrets we hand out long, different, and silent about each other? */
#include <stdarg.h>
#include <stdbool.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include "auth/internal.h"

static void are_well_formed(void **state)
{
    (void)state;
    char one[SECRET_SIZE], two[SECRET_SIZE];
    secret_new(one);
    secret_new(two);
    assert_string_not_equal(one, two);
    assert_true(secret_well_formed(slice_of(one)));
    assert_int_equal(strlen(one), SECRET_LENGTH);
    assert_false(secret_well_formed((struct slice){one, SECRET_LENGTH - 1}));
    assert_false(secret_well_formed((struct slice){one, SECRET_SIZE})); /* with its NUL */
    one[5] = '+';
    assert_false(secret_well_formed(slice_of(one)));
    one[5] = '=';
    assert_false(secret_well_formed(slice_of(one)));
    assert_false(secret_well_formed((struct slice){0}));
}

static void csrf_is_the_digest_in_base64url(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        char secret[SECRET_SIZE], csrf[SECRET_SIZE], text[80];
        uint8_t digest[DIGEST_SIZE];
        secret_new(secret);
        secret_csrf(slice_of(secret), csrf);
        snprintf(text, sizeof(text), "atelier csrf 1:%s", secret);
        digest_sha256(slice_of(text), digest);
        AUTO_FREE char *expected = text_base64url(digest, sizeof(digest));
        assert_string_equal(csrf, expected);
    }
}

static void a_link_is_the_same_every_time(void **state)
{
    (void)state;
    uint8_t key[DIGEST_SIZE] = {1}, other_key[DIGEST_SIZE] = {2};
    char one[SECRET_SIZE], again[SECRET_SIZE], next[SECRET_SIZE], foreign[SECRET_SIZE];
    secret_of_link(key, 1, one);
    secret_of_link(key, 1, again);
    secret_of_link(key, 2, next);
    secret_of_link(other_key, 1, foreign);
    assert_string_equal(one, again);
    assert_string_not_equal(one, next);
    assert_string_not_equal(one, foreign);
    assert_true(secret_well_formed(slice_of(one)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_well_formed),
        cmocka_unit_test(csrf_is_the_digest_in_base64url),
        cmocka_unit_test(a_link_is_the_same_every_time),
    };
    return cmocka_run_group_tests_name("auth/secret", tests, NULL, NULL);
}
