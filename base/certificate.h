/*
 * X.509: a certificate authority of our own, the certificates it signs, and certificates that were given as PEM.
 *
 * Keys are ECDSA P-256 (SEC1/PKCS#8 in PEM). An authority may only vouch for the names it was made for (critical name
 * constraints, RFC 5280 4.2.1.10), so whoever trusts it trusts it for nothing else, even with its key stolen.
 * Certificates and authorities never change once made: any thread may use them.
 */
#ifndef ATELIER_BASE_CERTIFICATE_H
#define ATELIER_BASE_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

struct x509_st;
struct evp_pkey_st;

/* --- certificates ------------------------------------------------------------------------------------------------- */
struct certificate; /* a chain, leaf first, and the leaf's private key; counted */
/* INVALID when a text is no PEM, has no certificate or an encrypted key, or the key is another's. */
int certificate_parse(struct slice chain_pem, struct slice key_pem, struct certificate **ret, struct error *error);
struct certificate *certificate_take(struct certificate *certificate); /* one more holder; returns its argument */
void certificate_free(struct certificate *certificate);                /* one holder less; NULL is fine */
void certificate_print(const struct certificate *certificate, struct buffer *ret_chain, struct buffer *ret_key);
int64_t certificate_not_before_ms(const struct certificate *certificate); /* of the leaf; wall clock */
int64_t certificate_not_after_ms(const struct certificate *certificate);
/* Borrowed, for OpenSSL: <at> 0 is the leaf, then the rest of the chain, NULL behind its end. */
struct x509_st *certificate_x509(const struct certificate *certificate, size_t at);
struct evp_pkey_st *certificate_key(const struct certificate *certificate);

/* --- an authority ------------------------------------------------------------------------------------------------- */
struct authority;
struct authority_options {
    const char *name;            /* its common name, for people who look at what they trust */
    const char *const *domains;  /* it vouches for these and everything below them; NULL-terminated */
    const char *const *networks; /* and for these addresses: "127.0.0.1", "::1"; NULL-terminated */
    int64_t lifetime_s;
};
int authority_new(const struct authority_options *options, struct authority **ret, struct error *error);
int authority_parse(struct slice certificate_pem, struct slice key_pem, struct authority **ret, struct error *error);
void authority_free(struct authority *authority); /* NULL is fine */
void authority_print(const struct authority *authority, struct buffer *ret_certificate, struct buffer *ret_key);
int64_t authority_not_after_ms(const struct authority *authority);
/*
 * A server's certificate for <names> (DNS names or addresses; NULL-terminated; the first is its common name when it is
 * short enough). It begins an hour ago, for clocks that go slow, and ends with the authority at the latest. FORBIDDEN
 * when the authority's constraints do not cover a name. All certificates of one authority share one key of its life in
 * this process: about 0.1 ms each.
 */
int authority_mint(const struct authority *authority, const char *const *names, int64_t lifetime_s,
                   struct certificate **ret, struct error *error);

#endif
