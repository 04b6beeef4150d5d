/*
 * TLS behind `struct io`: who uses an io does not know whether bytes are encrypted on their way.
 *
 * A tls_server is what one listening address presents; it has a part for each loop, so that loops share nothing that
 * changes. While a handshake runs the io is neither readable nor writable; one that fails makes it broken. Cipher text
 * that the socket does not take waits in one chunk, and meanwhile the io is not writable: OpenSSL never has to be asked
 * twice for the same write.
 *
 * TLS 1.2 (ECDHE with AES-GCM or ChaCha20) and 1.3, no renegotiation, no compression, no early data.
 * http/1.1 only, but on https' hosts of gRPC (HOST_GRPC), which a client names in the handshake: h2 comes first there.
 * Sessions are resumed by tickets whose keys are replaced every TICKET_EPOCH_MS and forgotten one such time later.
 */
#ifndef ATELIER_GATEWAY_TLS_H
#define ATELIER_GATEWAY_TLS_H

#include "base/certificate.h"
#include "gateway/loop.h"

/* --- what is presented -------------------------------------------------------------------------------------------- */
/*
 * Either one certificate for every name, or an authority that mints one for each of our hosts on demand: the main ones
 * (base domain, localhost, loopback addresses) and `<resource label>.<base domain>`. Any other name, or none, gets the
 * main one. Immutable and counted: any thread.
 */
struct tls_identity;
struct tls_identity *tls_identity_of(struct certificate *certificate); /* takes over the caller's hold */
/* Takes over <authority>. FORBIDDEN when it was made for another base domain. */
int tls_identity_minted(struct authority *authority, const char *base_domain, struct tls_identity **ret,
                        struct error *error);
struct tls_identity *tls_identity_take(struct tls_identity *identity);
void tls_identity_free(struct tls_identity *identity); /* one holder less; NULL is fine */
/* The authority's certificate in PEM (for clients to trust); "" for given certificates. */
const char *tls_identity_authority(const struct tls_identity *identity);

/* Reads a chain and a key in PEM. The error names the file. */
int tls_identity_from_files(const char *certificate_file, const char *key_file, struct tls_identity **ret,
                            struct error *error);
/*
 * The installation's own authority: <directory>/ca.crt and ca.key (0600), made when they are not there. Made anew, the
 * old one kept as ca.crt.old, when it ends within a month or was made for another base domain.
 */
int tls_identity_from_authority(const char *directory, const char *base_domain, struct tls_identity **ret,
                                struct error *error);

/* --- a server ----------------------------------------------------------------------------------------------------- */
struct tls_server;
int tls_server_new(struct tls_identity *identity, struct tls_server **ret, struct error *error); /* takes it over */
/* Before the loops run: whoever has no certificate for clients of an authority in that file (PEM) is turned away in the
 * handshake. The error names the file. */
int tls_server_authenticate(struct tls_server *server, const char *authorities_file, struct error *error);
void tls_server_free(struct tls_server *server); /* after the loops have ended; NULL is fine */
/* From now on handshakes present this one; takes it over. Any thread; <gateway> is the server's. */
void tls_server_present(struct tls_server *server, struct gateway *gateway, struct tls_identity *identity);

/* --- an io (its loop's thread) ------------------------------------------------------------------------------------ */
/* Makes an open io a TLS one. False if OpenSSL has no memory; the io is then as it was. */
bool tls_begin(struct tls_server *server, struct io *io);
void tls_end(struct io *io); /* lets go of everything; says nothing more. The socket is still open. */
/* News from the kernel. True if whoever uses the io is to run. */
bool tls_news(struct io *io, bool readable, bool writable);
ssize_t tls_read(struct io *io, void *into, size_t count);
ssize_t tls_write(struct io *io, const struct iovec *parts, int count);
void tls_shut_down(struct io *io);
bool tls_speaks_h2(const struct io *io); /* agreed upon in the handshake (RFC 9113 3.2) */

/* --- for the files behind this one -------------------------------------------------------------------------------- */
struct ssl_ctx_st;
struct ssl_st;
struct tls_names; /* a loop's minted certificates, the longest unused going first */
struct tls_names *tls_names_new(void);
void tls_names_free(struct tls_names *names);
/* The certificate for <name> ("" if the client named none); borrowed until the next call. NULL if none can be made. */
const struct certificate *tls_names_find(struct tls_names *names, const struct tls_identity *identity,
                                         const char *name);
size_t tls_names_count(const struct tls_names *names);

#define TICKET_SECRET_SIZE 32
#define TICKET_EPOCH_MS (6 * 3600 * 1000LL)
struct tls_tickets; /* a loop's ticket keys; loops with one secret and one clock have the same ones */
struct tls_tickets *tls_tickets_new(const unsigned char secret[TICKET_SECRET_SIZE]);
void tls_tickets_free(struct tls_tickets *tickets);
void tls_tickets_turn(struct tls_tickets *tickets, int64_t age_ms); /* since the secret was drawn */
bool tls_tickets_install(struct tls_tickets *tickets, struct ssl_ctx_st *context);

struct tls_identity_parts {
    struct certificate *certificate; /* given, or the main one */
    struct authority *authority;     /* NULL when given */
    const char *base_domain;
};
const struct tls_identity_parts *tls_identity_parts(const struct tls_identity *identity);
enum { MAIN_NAMES = 5 };
void tls_main_names(const char *base_domain, const char *ret[MAIN_NAMES]); /* of the main host; NULL-terminated */

#endif
