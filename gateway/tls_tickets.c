/* With which key are session tickets sealed now, and which old ones still open? */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/ssl.h>

#include "base/random.h"
#include "gateway/tls.h"

struct ticket_key {
    unsigned char name[16], cipher[32], mac[32];
};

/*
 * A ratchet: each epoch's secret is the digest of the one before, which is then wiped. So loops that started from one
 * secret have the same keys without speaking to each other, and no past key can be found again.
 */
struct tls_tickets {
    unsigned char secret[TICKET_SECRET_SIZE];
    int64_t epoch;
    struct ticket_key current, previous;
    bool has_previous;
    EVP_CIPHER *cipher;
};

static void derive(const unsigned char secret[TICKET_SECRET_SIZE], const char *what, unsigned char *ret)
{
    unsigned char text[TICKET_SECRET_SIZE + 16] = {0};
    memcpy(text, secret, TICKET_SECRET_SIZE);
    memcpy(text + TICKET_SECRET_SIZE, what, strlen(what));
    digest_sha256((struct slice){(const char *)text, sizeof(text)}, ret);
    memory_wipe(text, sizeof(text));
}

static void fill_current(struct tls_tickets *tickets)
{
    unsigned char name[DIGEST_SIZE];
    derive(tickets->secret, "name", name);
    derive(tickets->secret, "cipher", tickets->current.cipher);
    derive(tickets->secret, "mac", tickets->current.mac);
    memcpy(tickets->current.name, name, sizeof(tickets->current.name));
}

struct tls_tickets *tls_tickets_new(const unsigned char secret[TICKET_SECRET_SIZE])
{
    struct tls_tickets *tickets = memory_get(sizeof(*tickets));
    memcpy(tickets->secret, secret, TICKET_SECRET_SIZE);
    tickets->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    fill_current(tickets);
    return tickets;
}

void tls_tickets_free(struct tls_tickets *tickets)
{
    if (!tickets)
        return;
    EVP_CIPHER_free(tickets->cipher);
    memory_wipe(tickets, sizeof(*tickets));
    free(tickets);
}

void tls_tickets_turn(struct tls_tickets *tickets, int64_t age_ms)
{
    while (tickets->epoch < age_ms / TICKET_EPOCH_MS) {
        unsigned char next[DIGEST_SIZE];
        derive(tickets->secret, "next", next);
        memcpy(tickets->secret, next, sizeof(next));
        memory_wipe(next, sizeof(next));
        tickets->previous = tickets->current;
        tickets->has_previous = true;
        tickets->epoch++;
        fill_current(tickets);
    }
}

static bool set_mac(EVP_MAC_CTX *mac, unsigned char key[32])
{
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key, 32),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

static int index_of(void)
{
    static int index = -1;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    if (index < 0)
        index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    pthread_mutex_unlock(&lock);
    return index;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 sealed or opened, 2 opened and to be sealed anew, 0 unknown, -1 failed. */
static int on_ticket(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                     int sealing)
{
    struct tls_tickets *tickets = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), index_of());
    struct ticket_key *key = &tickets->current;
    if (sealing) {
        random_bytes(iv, 16);
        memcpy(name, key->name, sizeof(key->name));
        bool ok = EVP_EncryptInit_ex2(cipher, tickets->cipher, key->cipher, iv, NULL) == 1 && set_mac(mac, key->mac);
        return ok ? 1 : -1;
    }
    bool old = tickets->has_previous && memcmp(name, tickets->previous.name, 16) == 0;
    if (old)
        key = &tickets->previous;
    else if (memcmp(name, key->name, 16) != 0)
        return 0;
    if (EVP_DecryptInit_ex2(cipher, tickets->cipher, key->cipher, iv, NULL) != 1 || !set_mac(mac, key->mac))
        return -1;
    /* RFC 8446 C.4: a ticket is for one connection, so each resumed one gets the next. */
    return old || SSL_version(ssl) >= TLS1_3_VERSION ? 2 : 1;
}

bool tls_tickets_install(struct tls_tickets *tickets, struct ssl_ctx_st *context)
{
    return tickets->cipher && SSL_CTX_set_ex_data(context, index_of(), tickets) == 1 &&
           SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) == 1;
}
