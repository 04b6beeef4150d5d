/* An https server that speaks HTTP/1.1 only and answers each request by the next step of a script, faults included. */
#ifndef ATELIER_TESTS_SCRIPTED_SERVER_H
#define ATELIER_TESTS_SCRIPTED_SERVER_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "certificates.h"

#include "base/json.h"

enum step_end {
    STEP_CLOSE,
    STEP_CUT,
    STEP_STALL
}; /* after the answer: well, without a goodbye, not until the client */
struct step {
    const char *answer; /* whole, with its header; "" is none */
    enum step_end end;
    void (*talk)(SSL *tls); /* after the answer; NULL: nothing more */
};

#define SERVER_REQUESTS_MAX 32
struct scripted_server {
    const struct step *steps;
    size_t count;
    int listener;
    uint16_t port;
    char *certificate, *key;
    SSL_CTX *tls;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    char *requests[SERVER_REQUESTS_MAX];
    size_t request_count;
};

/* Head and body of one request; the caller's, or NULL if the client went away. */
static char *server_read(SSL *tls)
{
    struct buffer in = {0};
    char bytes[4096];
    for (;;) {
        const char *end = in.n ? strstr(in.p, "\r\n\r\n") : NULL,
                   *length = end ? strstr(in.p, "Content-Length: ") : NULL;
        if (end && in.n >= (size_t)(end + 4 - in.p) + (length ? strtoul(length + 16, NULL, 10) : 0))
            return in.p;
        int got = SSL_read(tls, bytes, sizeof(bytes));
        if (got <= 0)
            break;
        buffer_add(&in, bytes, (size_t)got);
    }
    buffer_free(&in);
    return NULL;
}

static const struct step *server_note(struct scripted_server *server, char *request)
{
    static const struct step none = {"HTTP/1.1 500 unexpected\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                                     STEP_CLOSE, NULL};
    pthread_mutex_lock(&server->lock);
    size_t at = server->request_count;
    if (at < SERVER_REQUESTS_MAX)
        server->requests[server->request_count++] = request;
    else
        free(request);
    pthread_mutex_unlock(&server->lock);
    return at < server->count ? &server->steps[at] : &none;
}

static void server_answer(struct scripted_server *server, SSL *tls)
{
    char *request = SSL_accept(tls) == 1 ? server_read(tls) : NULL;
    if (!request)
        return;
    const struct step *step = server_note(server, request);
    if (step->answer[0])
        SSL_write(tls, step->answer, (int)strlen(step->answer));
    if (step->talk)
        step->talk(tls);
    char byte;
    while (step->end == STEP_STALL && SSL_read(tls, &byte, 1) > 0)
        continue;
    if (step->end == STEP_CLOSE)
        SSL_shutdown(tls);
}

static void *server_run(void *context)
{
    struct scripted_server *server = context;
    int fd;
    while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
        SSL *tls = SSL_new(server->tls);
        SSL_set_fd(tls, fd);
        server_answer(server, tls);
        SSL_free(tls);
        close(fd);
    }
    return NULL;
}

static void server_start(struct scripted_server *server, const struct step *steps, size_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    *server = (struct scripted_server){.steps = steps, .count = count};
    pthread_mutex_init(&server->lock, NULL);
    make_certificate("server", &server->certificate, &server->key);
    server->tls = SSL_CTX_new(TLS_server_method());
    BIO *certificate_bio = BIO_new_mem_buf(server->certificate, -1), *key_bio = BIO_new_mem_buf(server->key, -1);
    X509 *certificate = PEM_read_bio_X509(certificate_bio, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    assert_int_equal(SSL_CTX_use_certificate(server->tls, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server->tls, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    BIO_free(certificate_bio);
    BIO_free(key_bio);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, server_run, server), 0);
}

/* Borrowed until the server stops; NULL if there was none. */
static const char *server_request(struct scripted_server *server, size_t at)
{
    pthread_mutex_lock(&server->lock);
    const char *ret = at < server->request_count ? server->requests[at] : NULL;
    pthread_mutex_unlock(&server->lock);
    return ret;
}

/* Every client must be gone: an answer that stalls ends with it. */
static void server_stop(struct scripted_server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    for (size_t i = 0; i < server->request_count; i++)
        free(server->requests[i]);
    SSL_CTX_free(server->tls);
    free(server->certificate);
    free(server->key);
    pthread_mutex_destroy(&server->lock);
}

#endif
