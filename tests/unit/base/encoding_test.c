/* Encodings: known vectors, round trips, and everything that is not canonical refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "base/text.h"

static void hex(void **state)
{
    (void)state;
    char text[9];
    uint8_t bytes[4] = {0};
    text_hex("\x00\x7f\xff\xa0", 4, text);
    assert_string_equal(text, "007fffa0");
    assert_true(text_unhex(SLICE("007fffa0"), bytes, 4));
    assert_memory_equal(bytes, "\x00\x7f\xff\xa0", 4);
    uint8_t untouched[2] = {1, 2};
    assert_false(text_unhex(SLICE("00F0"), untouched, 2)); /* upper-case is not canonical */
    assert_false(text_unhex(SLICE("00f"), untouched, 2));
    assert_false(text_unhex(SLICE("00f00"), untouched, 2));
    assert_false(text_unhex(SLICE("00g0"), untouched, 2));
    assert_false(text_unhex(SLICE(" 0f0"), untouched, 2));
    assert_memory_equal(untouched, "\x01\x02", 2);
}

static void base64_vectors(void **state)
{
    (void)state;
    /* RFC 4648, section 10 */
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *text = text_base64(rows[i][0], strlen(rows[i][0]));
        assert_string_equal(text, rows[i][1]);
        AUTO_BUFFER struct buffer back = {0};
        assert_true(text_unbase64(slice_of(rows[i][1]), &back));
        assert_true(slice_is(buffer_slice(&back), rows[i][0]));
    }
    AUTO_FREE char *url = text_base64url("\xfb\xff\xfe\xff", 4);
    assert_string_equal(url, "-__-_w");
}

static void base64_is_canonical(void **state)
{
    (void)state;
    static const char *const bad[] = {"Zg",     "Zg=",   "Zg===", "Zh==", "Zm9=",     "=",   "====", "Zm9v=",
                                      "Zm9v\n", " Zm9v", "Zm-_",  "Z===", "Zg==Zg==", "Zm8", "Zm9vZ"};
    AUTO_BUFFER struct buffer ret = {0};
    buffer_add_text(&ret, "before");
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (text_unbase64(slice_of(bad[i]), &ret))
            fail_msg("accepted \"%s\"", bad[i]);
        assert_string_equal(ret.p, "before");
    }
    static const char *const bad_url[] = {"Zg==", "Zh", "Zm9", "Z", "Zm+/", "Zm9vY"};
    for (size_t i = 0; i < COUNT_OF(bad_url); i++) {
        if (text_unbase64url(slice_of(bad_url[i]), &ret))
            fail_msg("accepted \"%s\" as base64url", bad_url[i]);
        assert_string_equal(ret.p, "before");
    }
    assert_false(text_unbase64(SLICE("Zm\0v"), &ret));
}

static void base64_round_trips(void **state)
{
    (void)state;
    uint8_t bytes[100];
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        random_bytes(bytes, sizeof(bytes));
        AUTO_FREE char *plain = text_base64(bytes, n);
        AUTO_FREE char *url = text_base64url(bytes, n);
        AUTO_BUFFER struct buffer back = {0};
        assert_true(text_unbase64(slice_of(plain), &back));
        assert_true(text_unbase64url(slice_of(url), &back));
        assert_int_equal(back.n, 2 * n);
        assert_true(n == 0 || (memcmp(back.p, bytes, n) == 0 && memcmp(back.p + n, bytes, n) == 0));
    }
}

static void percent(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer ret = {0};
    text_percent(SLICE("aZ9-._~/ %\xC3\xA4+"), &ret);
    assert_string_equal(ret.p, "aZ9-._~%2F%20%25%C3%A4%2B");
    AUTO_BUFFER struct buffer back = {0};
    assert_true(text_unpercent(buffer_slice(&ret), &back));
    assert_string_equal(back.p, "aZ9-._~/ %\xC3\xA4+");
    buffer_clear(&back);
    assert_true(text_unpercent(SLICE("%2f+%2F"), &back)); /* '+' is itself outside of forms */
    assert_string_equal(back.p, "/+/");
    static const char *const bad[] = {"%", "a%2", "%zz", "%2", "%%20", "%00", "a%00b", "%u0041", "%-1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (text_unpercent(slice_of(bad[i]), &back))
            fail_msg("accepted \"%s\"", bad[i]);
        assert_string_equal(back.p, "/+/");
    }
    assert_false(text_unpercent(SLICE("a\0b"), &back));
    buffer_clear(&back);
    assert_true(text_unform(SLICE("a+b%2B%26"), &back));
    assert_true(slice_is(buffer_slice(&back), "a b+&"));
    assert_false(text_unform(SLICE("%zz"), &back));
}

static void utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "a",
                                       "\x7f",
                                       "\xC2\x80",
                                       "\xDF\xBF",
                                       "\xE0\xA0\x80",
                                       "\xED\x9F\xBF",
                                       "\xEE\x80\x80",
                                       "\xEF\xBF\xBF",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xC2",
                                      "\xC2\x41",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xED\xBF\xBF",
                                      "\xE1\x80",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xF0\x90\x80",
                                      "\xFF",
                                      "a\xFE",
                                      "\xF8\x88\x80\x80\x80"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!text_is_utf8(slice_of(good[i])))
            fail_msg("good row %zu refused", i);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (text_is_utf8(slice_of(bad[i])))
            fail_msg("bad row %zu accepted", i);
    assert_true(text_is_utf8(SLICE("a\0b"))); /* NUL is UTF-8; who cannot take it says so */
}

static void printable(void **state)
{
    (void)state;
    char text[64];
    text_printable(SLICE("a\x1b[31m\n\xC3\xA4\xFF\0\x7f"), text, sizeof(text));
    assert_string_equal(text, "a\\x1b[31m\\x0a\xC3\xA4\\xff\\x00\\x7f");
    text_printable(SLICE("\xC2\x9B|\xE2\x80\xAE|\xEF\xBB\xBF"), text, sizeof(text)); /* CSI, right-to-left, BOM */
    assert_string_equal(text, "\\xc2\\x9b|\\xe2\\x80\\xae|\\xef\\xbb\\xbf");
    text_printable(SLICE("abcdef"), text, 4);
    assert_string_equal(text, "abc");
    text_printable(SLICE("ab\xC3\xA4"), text, 4); /* no half character */
    assert_string_equal(text, "ab");
    text_printable(SLICE("ab\n"), text, 6);
    assert_string_equal(text, "ab");
    text[0] = 'x';
    text_printable(SLICE("abc"), text, 0);
    assert_int_equal(text[0], 'x');
    text_printable((struct slice){NULL, 0}, text, 1);
    assert_string_equal(text, "");
}

static void randomness_and_digests(void **state)
{
    (void)state;
    char hex_digest[2 * DIGEST_SIZE + 1], uuid[RANDOM_UUID_SIZE], other[RANDOM_UUID_SIZE], suffix[6];
    digest_sha256_hex(SLICE("abc"), hex_digest); /* FIPS 180-4 example */
    assert_string_equal(hex_digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_sha256_hex((struct slice){NULL, 0}, hex_digest);
    assert_string_equal(hex_digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_true(digest_equal("abc", "abc", 3));
    assert_false(digest_equal("abc", "abd", 3));
    random_uuid(uuid);
    random_uuid(other);
    assert_string_not_equal(uuid, other);
    assert_int_equal(strlen(uuid), 36);
    assert_int_equal(uuid[14], '4');
    assert_non_null(strchr("89ab", uuid[19]));
    random_suffix(suffix);
    assert_int_equal(strlen(suffix), 5);
    assert_int_equal(strspn(suffix, "bcdfghjklmnpqrstvwxz2456789"), 5);
    AUTO_FREE char *token = random_token(32);
    assert_int_equal(strlen(token), 43);
}

static void secret_lines(void **state)
{
    static const char *const none[] = {NULL,  "", "=", "c2VjcmV0=", "YSBi" /* a blank */, "YQ0KYg==" /* a line's end */,
                                       "w6Q=" /* beyond ASCII */};
    (void)state;
    AUTO_FREE char *line = text_secret_line("Authorization: token ", "c2VjcmV0");
    assert_string_equal(line, "Authorization: token secret");
    for (size_t i = 0; i < COUNT_OF(none); i++)
        assert_null(text_secret_line("Authorization: token ", none[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex),
        cmocka_unit_test(base64_vectors),
        cmocka_unit_test(base64_is_canonical),
        cmocka_unit_test(base64_round_trips),
        cmocka_unit_test(percent),
        cmocka_unit_test(secret_lines),
        cmocka_unit_test(utf8),
        cmocka_unit_test(printable),
        cmocka_unit_test(randomness_and_digests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
