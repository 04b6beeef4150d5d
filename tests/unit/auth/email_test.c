/* Which texts pass for e-mail addresses? (attacks: two '@', look-alikes, quoting, spaces, NUL, trailing dots) */
#include <stdarg.h>
#include <stdbool.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#include "auth/internal.h"

static void accepts_and_lowers(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"alice@example.com", "alice@example.com"},
        {"Alice.B@Example.COM", "alice.b@example.com"},
        {"a001@example.com", "a001@example.com"},
        {"alice+tag@example.com", "alice+tag@example.com"},
        {"o'brien@xn--bcher-kva.example", "o'brien@xn--bcher-kva.example"},
        {"admin@localhost", "admin@localhost"},
        {"a@1.2.3.example", "a@1.2.3.example"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char lower[255];
        assert_int_equal(auth_email_check(slice_of(rows[i][0]), lower, NULL), 0);
        assert_string_equal(lower, rows[i][1]);
    }
}

static void refuses_the_rest(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "@",
        "alice",
        "alice@",
        "@example.com",
        "alice@example",
        "alice@example.com.",
        "alice@.example.com",
        "alice@example..com",
        "alice@-a.example",
        "alice@a-.example",
        "alice@ex_ample.com",
        "alice@192.0.2.1",
        "alice@[192.0.2.1]",
        "a@x@example.com",
        "\"a@x\"@example.com",
        "\"alice\"@example.com",
        ".alice@example.com",
        "alice.@example.com",
        "al..ice@example.com",
        " alice@example.com",
        "alice@example.com ",
        "al ice@example.com",
        "alice@exam ple.com",
        "alice@example.com\n",
        "alice\t@example.com",
        "\xd0\xb0lice@example.com", /* Cyrillic a */
        "alice\xef\xbc\xa0"
        "example.com", /* full-width @ */
        "alice@b\xc3\xbc"
        "cher.example", /* not punycode */
        "alice@example.com,bob@example.com",
        "alice<bob@example.com>",
        "alice@example.com(comment)",
        "alice@localhost.",
        "alice;@example.com",
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char lower[255] = "untouched";
        struct error error = {0};
        assert_int_equal(auth_email_check(slice_of(rows[i]), lower, &error), -ERROR_INVALID);
        assert_string_equal(lower, "untouched");
        assert_string_equal(error.field, "email");
    }
    char lower[255];
    assert_int_equal(auth_email_check(SLICE("alice@example.com\0@evil.example"), lower, NULL), -ERROR_INVALID);
    assert_int_equal(auth_email_check(SLICE("root\0@example.com"), lower, NULL), -ERROR_INVALID);
}

static void bounds_lengths(void **state)
{
    (void)state;
    char lower[255], text[400];
    memset(text, 'a', sizeof(text));
    memcpy(text + 64, "@example.com", 12);
    assert_int_equal(auth_email_check((struct slice){text, 76}, lower, NULL), 0);
    memset(text, 'a', sizeof(text));
    memcpy(text + 65, "@example.com", 12);
    assert_int_equal(auth_email_check((struct slice){text, 77}, lower, NULL), -ERROR_INVALID);
    for (size_t n = 253; n <= 256; n++) { /* a@ then labels of 60 */
        memset(text, 'a', sizeof(text));
        text[1] = '@';
        for (size_t i = 60; i < n - 2; i += 60)
            text[i] = '.';
        assert_int_equal(auth_email_check((struct slice){text, n}, lower, NULL), n <= 254 ? 0 : -ERROR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_and_lowers),
        cmocka_unit_test(refuses_the_rest),
        cmocka_unit_test(bounds_lengths),
    };
    return cmocka_run_group_tests_name("auth/email", tests, NULL, NULL);
}
