/* Does this text hold certificates, and the key to the first of them? */
#include "engine/kubernetes/pem.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static BIO *reader_of(struct slice text)
{
    return text.n > INT_MAX ? NULL : BIO_new_mem_buf(text.p, (int)text.n);
}

size_t pem_certificates(struct slice text)
{
    size_t count = 0;
    BIO *reader = text.n ? reader_of(text) : NULL;
    X509 *certificate;
    while (reader && (certificate = PEM_read_bio_X509(reader, NULL, NULL, NULL))) {
        X509_free(certificate);
        count++;
    }
    /* The end of the text is an error too, of its own kind. */
    unsigned long last = ERR_peek_last_error();
    if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE)
        count = 0;
    ERR_clear_error();
    BIO_free(reader);
    return count;
}

/* Nobody is there to type a passphrase: the callback gives none. */
static int no_passphrase(char *passphrase, int size, int writing, void *context)
{
    (void)passphrase, (void)size, (void)writing, (void)context;
    return -1;
}

int pem_check_key(struct slice certificates, struct slice key, const char *field, struct error *error)
{
    BIO *certificate_reader = reader_of(certificates), *key_reader = reader_of(key);
    X509 *certificate = certificate_reader ? PEM_read_bio_X509(certificate_reader, NULL, NULL, NULL) : NULL;
    EVP_PKEY *private_key = key_reader ? PEM_read_bio_PrivateKey(key_reader, NULL, no_passphrase, NULL) : NULL;
    int failed = 0;
    if (!private_key)
        failed = error_set(error, ERROR_INVALID, field, "%s must hold a PEM private key that is not encrypted", field);
    else if (!certificate || X509_check_private_key(certificate, private_key) != 1)
        failed = error_set(error, ERROR_INVALID, field, "%s is not the key of the client certificate", field);
    EVP_PKEY_free(private_key);
    X509_free(certificate);
    BIO_free(key_reader);
    BIO_free(certificate_reader);
    ERR_clear_error();
    return failed;
}
