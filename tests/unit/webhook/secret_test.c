/* Is the webhook's certificate made and renewed so that the cluster trusts it at every moment? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/certificate.h"
#include "base/clock.h"
#include "webhook/secret.h"

#define DAY_MS (24 * 3600 * 1000LL)

/* NULL: nothing was to be done. */
static cJSON *renew(const cJSON *secret, int64_t days, bool trusted)
{
    struct error error = {0};
    struct secret_need need = {
        .namespace = "atelier-system", .now_ms = clock_wall_ms() + days * DAY_MS, .trusted = trusted};
    cJSON *fresh;
    if (secret_renew(secret, &need, &fresh, &error) < 0)
        fail_msg("%s", error.message);
    return fresh;
}

/* As the API server does: the bundle is what it trusts, the Service's name what it calls. */
static bool verifies(const cJSON *secret, const cJSON *presented_of, const char *host)
{
    AUTO_BUFFER struct buffer bundle = {0};
    AUTO_BUFFER struct buffer chain = {0};
    AUTO_BUFFER struct buffer key = {0};
    struct certificate *certificate;
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509 *authority;
    assert_true(secret_bundle(secret, &bundle) && secret_pair(presented_of, &chain, &key));
    assert_int_equal(certificate_parse(buffer_slice(&chain), buffer_slice(&key), &certificate, NULL), 0);
    BIO *bio = BIO_new_mem_buf(bundle.p, (int)bundle.n);
    while ((authority = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        X509_STORE_add_cert(store, authority);
        X509_free(authority);
    }
    BIO_free(bio);
    X509_STORE_CTX_init(context, store, certificate_x509(certificate, 0), NULL);
    X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(context), host, 0);
    bool good = X509_verify_cert(context) == 1;
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    certificate_free(certificate);
    return good;
}

static const char *key_of(const cJSON *secret, const char *key)
{
    return json_text_or("", secret, "data", key, NULL);
}

static void it_is_made_whole(void **state)
{
    (void)state;
    AUTO_JSON cJSON *secret = renew(NULL, 0, false);
    assert_non_null(secret);
    assert_string_equal(json_text(secret, "metadata", "name", NULL), "atelier-webhook");
    assert_string_equal(json_text(secret, "metadata", "namespace", NULL), "atelier-system");
    assert_string_equal(json_text(secret, "type", NULL), "kubernetes.io/tls");
    assert_true(verifies(secret, secret, "atelier-webhook.atelier-system.svc"));
    assert_true(verifies(secret, secret, "localhost"));
    assert_false(verifies(secret, secret, "kubernetes.default.svc"));
    assert_null(renew(secret, 0, false));
    assert_null(renew(secret, 50, true));
}

static void a_certificate_is_renewed_by_the_same_authority(void **state)
{
    (void)state;
    AUTO_JSON cJSON *secret = renew(NULL, 0, true);
    AUTO_JSON cJSON *fresh = renew(secret, 70, true);
    assert_non_null(fresh);
    assert_string_not_equal(key_of(fresh, "tls.crt"), key_of(secret, "tls.crt"));
    assert_string_equal(key_of(fresh, "ca.crt"), key_of(secret, "ca.crt"));
    assert_true(verifies(secret, fresh, "atelier-webhook.atelier-system.svc"));
}

/* First the new authority is made known; only when it is trusted does it sign, and until then the old pair is shown. */
static void an_authority_is_replaced_in_two_steps(void **state)
{
    (void)state;
    static const char host[] = "atelier-webhook.atelier-system.svc";
    AUTO_JSON cJSON *secret = renew(NULL, 0, true);
    /* Half a year before the authority's end; by then nobody has presented a good certificate for long. */
    AUTO_JSON cJSON *first = renew(secret, 560, true);
    assert_non_null(first);
    assert_string_not_equal(key_of(first, "ca.crt"), key_of(secret, "ca.crt"));
    assert_string_equal(key_of(first, "ca-before.crt"), key_of(secret, "ca.crt"));
    assert_true(verifies(first, secret, host)); /* who still presents the old one is trusted */
    assert_true(verifies(first, first, host));
    assert_null(renew(first, 0, true));
}

/* Only when the cluster trusts the new authority does it sign, and until then the old certificate is shown. */
static void nothing_new_is_signed_before_it_is_trusted(void **state)
{
    (void)state;
    AUTO_JSON cJSON *secret = renew(NULL, 0, true);
    AUTO_JSON cJSON *other = renew(NULL, 0, true);
    /* As if the authority had been replaced, and its certificate not yet. */
    json_set_text(json_object_in(secret, "data"), "ca-before.crt", key_of(secret, "ca.crt"));
    json_set_text(json_object_in(secret, "data"), "ca.crt", key_of(other, "ca.crt"));
    json_set_text(json_object_in(secret, "data"), "ca.key", key_of(other, "ca.key"));
    assert_null(renew(secret, 0, false));
    AUTO_JSON cJSON *fresh = renew(secret, 0, true);
    assert_non_null(fresh);
    assert_string_not_equal(key_of(fresh, "tls.crt"), key_of(secret, "tls.crt"));
}

static void what_is_broken_is_made_anew(void **state)
{
    (void)state;
    static const char *const keys[] = {"ca.crt", "ca.key", "tls.crt", "tls.key"};
    static const char *const values[] = {NULL, "", "?", "bm9uc2Vuc2U="};
    AUTO_JSON cJSON *secret = renew(NULL, 0, true);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        for (size_t j = 0; j < COUNT_OF(values); j++) {
            AUTO_JSON cJSON *broken = json_copy(secret);
            json_set_text(json_object_in(broken, "data"), keys[i], values[j]);
            AUTO_JSON cJSON *fresh = renew(broken, 0, false);
            AUTO_JSON cJSON *settled = fresh ? renew(fresh, 0, true) : NULL;
            const cJSON *last = settled ? settled : fresh;
            if (!last || !verifies(last, last, "atelier-webhook.atelier-system.svc"))
                fail_msg("%s %s: not mended", keys[i], values[j] ? values[j] : "absent");
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_made_whole),
        cmocka_unit_test(a_certificate_is_renewed_by_the_same_authority),
        cmocka_unit_test(an_authority_is_replaced_in_two_steps),
        cmocka_unit_test(nothing_new_is_signed_before_it_is_trusted),
        cmocka_unit_test(what_is_broken_is_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
