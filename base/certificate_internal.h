/* What certificates are made of; for the files that read and sign them. */
#ifndef ATELIER_BASE_CERTIFICATE_INTERNAL_H
#define ATELIER_BASE_CERTIFICATE_INTERNAL_H

#include <openssl/x509.h>
#include <stdatomic.h>

#include "base/certificate.h"

/* Certificates taken from one PEM text; real chains have at most four. */
enum { CERTIFICATE_CHAIN_MAX = 16 };

struct certificate {
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    atomic_uint holders;
};
/* Takes over both. */
struct certificate *certificate_of(STACK_OF(X509) * chain, EVP_PKEY *key);
STACK_OF(X509) * certificate_read_chain(struct slice pem); /* NULL if there is none */
EVP_PKEY *certificate_read_key(struct slice pem);
void certificate_print_x509(X509 *x509, struct buffer *ret);
void certificate_print_key(EVP_PKEY *key, struct buffer *ret);
int64_t certificate_time_ms(const ASN1_TIME *time);
/* <what>, with OpenSSL's reason behind it if there is one. */
int certificate_fault(struct error *error, enum error_code code, const char *field, const char *what);

#endif
