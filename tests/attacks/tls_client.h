/* Makes a plain socket of a TLS connection: a thread stands between, so that tests write and read as they always do. */
#ifndef ATELIER_TESTS_TLS_CLIENT_H
#define ATELIER_TESTS_TLS_CLIENT_H

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/memory.h"

struct tls_relay {
    SSL *ssl;
    int tcp, pair;
};

static SSL_CTX *tls_client_context;

static inline bool tls_relay_down(struct tls_relay *relay)
{
    static __thread char bytes[65536];
    int got = SSL_read(relay->ssl, bytes, sizeof(bytes));
    if (got <= 0) {
        int why = SSL_get_error(relay->ssl, got);
        ERR_clear_error();
        return why == SSL_ERROR_WANT_READ;
    }
    for (int sent = 0; sent < got;) {
        ssize_t n = send(relay->pair, bytes + sent, (size_t)(got - sent), MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        sent += (int)n;
    }
    return true;
}

static inline bool tls_relay_up(struct tls_relay *relay)
{
    static __thread char bytes[65536];
    ssize_t got = recv(relay->pair, bytes, sizeof(bytes), 0);
    bool ok = got > 0 && SSL_write(relay->ssl, bytes, (int)got) == (int)got;
    ERR_clear_error();
    return ok;
}

/* <pair> broken means that the test has closed it; half-closed, that it has said all. */
static void *tls_relay_main(void *context)
{
    struct tls_relay *relay = context;
    bool up = true, down = true;
    while (down) {
        struct pollfd polled[] = {{.fd = relay->tcp, .events = POLLIN}, {.fd = relay->pair, .events = up ? POLLIN : 0}};
        if (SSL_pending(relay->ssl) == 0)
            poll(polled, 2, -1);
        if (polled[1].revents & (POLLHUP | POLLERR))
            break;
        if (polled[1].revents & POLLIN && !tls_relay_up(relay)) {
            up = false;
            SSL_shutdown(relay->ssl);
            ERR_clear_error();
            shutdown(relay->tcp, SHUT_WR);
        }
        if (SSL_pending(relay->ssl) > 0 || polled[0].revents)
            down = tls_relay_down(relay);
    }
    close(relay->pair);
    SSL_free(relay->ssl);
    close(relay->tcp);
    free(relay);
    return NULL;
}

/* A TLS session over <tcp> with <name> as SNI (NULL: none). NULL if the handshake fails. Verification as <context>
 * says. */
static inline SSL *tls_client_open(SSL_CTX *context, int tcp, const char *name)
{
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, tcp);
    if (name)
        SSL_set_tlsext_host_name(ssl, name);
    if (SSL_connect(ssl) == 1)
        return ssl;
    ERR_clear_error();
    SSL_free(ssl);
    return NULL;
}

/* Takes over <tcp>. -1 if the handshake fails. */
static inline int tls_client_wrap(int tcp)
{
    int pair[2];
    if (!tls_client_context) {
        tls_client_context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_clear_mode(tls_client_context, SSL_MODE_AUTO_RETRY);
    }
    SSL *ssl = tls_client_open(tls_client_context, tcp, "localhost");
    if (!ssl || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        SSL_free(ssl);
        close(tcp);
        return -1;
    }
    struct tls_relay *relay = memory_get(sizeof(*relay));
    *relay = (struct tls_relay){ssl, tcp, pair[1]};
    pthread_t thread;
    pthread_create(&thread, NULL, tls_relay_main, relay);
    pthread_detach(thread);
    return pair[0];
}

#endif
