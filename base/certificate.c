/* Which certificate is this, and does its key belong to it? */
#include "base/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <time.h>

#include "base/certificate_internal.h"

int certificate_fault(struct error *error, enum error_code code, const char *field, const char *what)
{
    /* OpenSSL's own words name functions and files, which help nobody; the reason alone does. */
    unsigned long number = ERR_peek_last_error();
    const char *reason = number ? ERR_reason_error_string(number) : NULL;
    ERR_clear_error();
    return error_set(error, code, field, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
}

struct certificate *certificate_of(STACK_OF(X509) * chain, EVP_PKEY *key)
{
    struct certificate *certificate = memory_get(sizeof(*certificate));
    certificate->chain = chain;
    certificate->key = key;
    atomic_init(&certificate->holders, 1);
    return certificate;
}

struct certificate *certificate_take(struct certificate *certificate)
{
    atomic_fetch_add(&certificate->holders, 1);
    return certificate;
}

void certificate_free(struct certificate *certificate)
{
    if (!certificate || atomic_fetch_sub(&certificate->holders, 1) > 1)
        return;
    sk_X509_pop_free(certificate->chain, X509_free);
    EVP_PKEY_free(certificate->key);
    free(certificate);
}

/* --- PEM ---------------------------------------------------------------------------------------------------------- */

static BIO *reader_of(struct slice pem)
{
    BIO *bio = pem.n > 0 && pem.n < INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    return bio ? bio : BIO_new(BIO_s_null());
}

/* A key with a passphrase would make OpenSSL ask for it on the terminal. */
static int no_passphrase(char *into, int size, int writing, void *context)
{
    (void)into;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

STACK_OF(X509) * certificate_read_chain(struct slice pem)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    BIO *bio = reader_of(pem);
    for (X509 *one; bio && chain && (one = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL));)
        if (sk_X509_num(chain) >= CERTIFICATE_CHAIN_MAX || sk_X509_push(chain, one) <= 0)
            X509_free(one);
    BIO_free(bio);
    if (sk_X509_num(chain) > 0) {
        ERR_clear_error(); /* the end of the text is reported as an error */
        return chain;
    }
    sk_X509_free(chain);
    return NULL;
}

EVP_PKEY *certificate_read_key(struct slice pem)
{
    BIO *bio = reader_of(pem);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    return key;
}

int certificate_parse(struct slice chain_pem, struct slice key_pem, struct certificate **ret, struct error *error)
{
    ERR_clear_error();
    STACK_OF(X509) *chain = certificate_read_chain(chain_pem);
    if (!chain)
        return certificate_fault(error, ERROR_INVALID, "certificate", "no certificate in PEM is there");
    EVP_PKEY *key = certificate_read_key(key_pem);
    int status = 0;
    if (!key)
        status = certificate_fault(error, ERROR_INVALID, "key", "no unencrypted private key in PEM is there");
    else if (X509_check_private_key(sk_X509_value(chain, 0), key) != 1)
        status = certificate_fault(error, ERROR_INVALID, "key", "the key is not that of the first certificate");
    if (status < 0) {
        sk_X509_pop_free(chain, X509_free);
        EVP_PKEY_free(key);
        return status;
    }
    *ret = certificate_of(chain, key);
    return 0;
}

static void drain(BIO *bio, struct buffer *ret)
{
    char *bytes;
    long count = BIO_get_mem_data(bio, &bytes);
    if (count > 0)
        buffer_add(ret, bytes, (size_t)count);
    memory_wipe(bytes, count > 0 ? (size_t)count : 0);
    BIO_free(bio);
}

void certificate_print_x509(X509 *x509, struct buffer *ret)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio || PEM_write_bio_X509(bio, x509) != 1)
        memory_oom(0);
    drain(bio, ret);
}

void certificate_print_key(EVP_PKEY *key, struct buffer *ret)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        memory_oom(0);
    drain(bio, ret);
}

void certificate_print(const struct certificate *certificate, struct buffer *ret_chain, struct buffer *ret_key)
{
    for (int i = 0; i < sk_X509_num(certificate->chain); i++)
        certificate_print_x509(sk_X509_value(certificate->chain, i), ret_chain);
    certificate_print_key(certificate->key, ret_key);
}

/* --- what it says ------------------------------------------------------------------------------------------------- */

int64_t certificate_time_ms(const ASN1_TIME *time)
{
    struct tm parts;
    if (ASN1_TIME_to_tm(time, &parts) != 1)
        return 0;
    return (int64_t)timegm(&parts) * 1000;
}

int64_t certificate_not_before_ms(const struct certificate *certificate)
{
    return certificate_time_ms(X509_get0_notBefore(sk_X509_value(certificate->chain, 0)));
}

int64_t certificate_not_after_ms(const struct certificate *certificate)
{
    return certificate_time_ms(X509_get0_notAfter(sk_X509_value(certificate->chain, 0)));
}

struct x509_st *certificate_x509(const struct certificate *certificate, size_t at)
{
    return at < (size_t)sk_X509_num(certificate->chain) ? sk_X509_value(certificate->chain, (int)at) : NULL;
}

struct evp_pkey_st *certificate_key(const struct certificate *certificate)
{
    return certificate->key;
}
