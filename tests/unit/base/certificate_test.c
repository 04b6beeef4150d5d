#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/certificate.h"
#include "base/clock.h"

static struct authority *make(const char *const *networks)
{
    struct authority *authority;
    struct error error = {0};
    struct authority_options options = {.name = "test",
                                        .domains = (const char *const[]){"ml.example.com", NULL},
                                        .networks = networks,
                                        .lifetime_s = 3650 * 86400LL};
    assert_int_equal(authority_new(&options, &authority, &error), 0);
    return authority;
}

static const char *const loopback[] = {"127.0.0.1", "::1", NULL};

static int mint(const struct authority *authority, const char *name, struct certificate **ret)
{
    return authority_mint(authority, (const char *const[]){name, NULL}, 86400, ret, NULL);
}

static int verify(const struct authority *authority, const struct certificate *certificate)
{
    AUTO_BUFFER struct buffer pem = {0};
    struct certificate *issuer;
    struct authority *copy;
    AUTO_BUFFER struct buffer key = {0};
    authority_print(authority, &pem, &key);
    assert_int_equal(certificate_parse(buffer_slice(&pem), buffer_slice(&key), &issuer, NULL), 0);
    assert_int_equal(authority_parse(buffer_slice(&pem), buffer_slice(&key), &copy, NULL), 0);
    authority_free(copy);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509_STORE_add_cert(store, certificate_x509(issuer, 0));
    X509_STORE_CTX_init(context, store, certificate_x509(certificate, 0), NULL);
    X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER);
    int result = X509_verify_cert(context) == 1 ? 0 : X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    certificate_free(issuer);
    return result;
}

static void names_within_the_constraints_verify(void **state)
{
    (void)state;
    static const char *const names[] = {"ml.example.com", "notebook-nb1--alice.ml.example.com", "127.0.0.1", "::1"};
    struct authority *authority = make(loopback);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct certificate *certificate;
        assert_int_equal(mint(authority, names[i], &certificate), 0);
        assert_int_equal(verify(authority, certificate), 0);
        bool address = i >= 2;
        X509 *x509 = certificate_x509(certificate, 0);
        assert_int_equal(address ? X509_check_ip_asc(x509, names[i], 0) : X509_check_host(x509, names[i], 0, 0, NULL),
                         1);
        assert_null(certificate_x509(certificate, 1));
        certificate_free(certificate);
    }
    authority_free(authority);
}

static void names_outside_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"example.com", "evilml.example.com", "ml.example.com.evil.org", "127.0.0.2",
                                        "::2"};
    struct authority *authority = make(loopback);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct certificate *certificate;
        assert_int_equal(mint(authority, names[i], &certificate), -ERROR_FORBIDDEN);
    }
    authority_free(authority);
    authority = make(NULL); /* no address at all, not every address */
    struct certificate *certificate;
    assert_int_equal(mint(authority, "127.0.0.1", &certificate), -ERROR_FORBIDDEN);
    assert_int_equal(mint(authority, "10.0.0.1", &certificate), -ERROR_FORBIDDEN);
    assert_int_equal(mint(authority, "::1", &certificate), -ERROR_FORBIDDEN);
    authority_free(authority);
}

static void times_begin_before_and_end_with_the_authority(void **state)
{
    (void)state;
    struct authority *authority = make(loopback);
    struct certificate *certificate;
    int64_t now = clock_wall_ms();
    assert_int_equal(mint(authority, "ml.example.com", &certificate), 0);
    assert_true(certificate_not_before_ms(certificate) < now - 3500000);
    assert_true(certificate_not_after_ms(certificate) > now + 86000000 &&
                certificate_not_after_ms(certificate) < now + 87000000);
    certificate_free(certificate);
    assert_int_equal(
        authority_mint(authority, (const char *const[]){"ml.example.com", NULL}, 4000 * 86400LL, &certificate, NULL),
        0);
    assert_int_equal(certificate_not_after_ms(certificate), authority_not_after_ms(authority));
    certificate_free(certificate);
    authority_free(authority);
}

static void what_is_printed_is_parsed(void **state)
{
    (void)state;
    struct authority *authority = make(loopback);
    struct certificate *certificate, *again;
    AUTO_BUFFER struct buffer chain = {0}, key = {0}, chain2 = {0}, key2 = {0};
    assert_int_equal(mint(authority, "ml.example.com", &certificate), 0);
    certificate_print(certificate, &chain, &key);
    assert_int_equal(certificate_parse(buffer_slice(&chain), buffer_slice(&key), &again, NULL), 0);
    certificate_print(again, &chain2, &key2);
    assert_string_equal(chain.p, chain2.p);
    assert_string_equal(key.p, key2.p);
    /* A leaf is no authority. */
    struct authority *wrong;
    assert_int_equal(authority_parse(buffer_slice(&chain), buffer_slice(&key), &wrong, NULL), -ERROR_INVALID);
    certificate_free(again);
    certificate_free(certificate);
    authority_free(authority);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"};
    struct authority *authority = make(loopback);
    struct certificate *certificate, *wrong;
    AUTO_BUFFER struct buffer chain = {0}, key = {0}, other_certificate = {0}, other_key = {0};
    struct error error = {0};
    assert_int_equal(mint(authority, "ml.example.com", &certificate), 0);
    certificate_print(certificate, &chain, &key);
    authority_print(authority, &other_certificate, &other_key);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(certificate_parse(slice_of(texts[i]), buffer_slice(&key), &wrong, &error), -ERROR_INVALID);
        assert_int_equal(certificate_parse(buffer_slice(&chain), slice_of(texts[i]), &wrong, &error), -ERROR_INVALID);
        assert_null(strstr(error.message, "AAAA"));
    }
    assert_int_equal(certificate_parse(buffer_slice(&chain), buffer_slice(&other_key), &wrong, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "key");
    certificate_free(certificate);
    authority_free(authority);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_within_the_constraints_verify),
        cmocka_unit_test(names_outside_are_refused),
        cmocka_unit_test(times_begin_before_and_end_with_the_authority),
        cmocka_unit_test(what_is_printed_is_parsed),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
