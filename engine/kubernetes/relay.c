/* How does a plain socket come to speak with the API server? */
#include "engine/kubernetes/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "engine/kubernetes/credential.h"

#define CONNECT_MS 10000
#define HANDSHAKE_MS 10000
#define BUFFER_BYTES (16 << 10) /* a TLS record */

static atomic_int relays;

/* Bytes on their way in one direction. */
struct lane {
    char bytes[BUFFER_BYTES];
    size_t from, to;
    bool ended; /* no more will come in */
    bool shut;  /* and that has been said on the other side */
};

struct relay {
    SSL_CTX *context;
    SSL *tls;
    int tcp, plain; /* the API server's, ours */
    struct lane up, down;
};

static void relay_free(struct relay *relay)
{
    SSL_free(relay->tls);
    SSL_CTX_free(relay->context);
    if (relay->tcp >= 0)
        close(relay->tcp);
    if (relay->plain >= 0)
        close(relay->plain);
    free(relay);
    atomic_fetch_sub(&relays, 1);
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

/* "https://10.0.0.1:6443/prefix": the name without brackets, and the port. */
static int split_server(const char *server, char ret_host[256], char ret_port[8], struct error *error)
{
    struct slice rest, authority;
    if (strncmp(server, "https://", 8) != 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "upgrades need an API server that speaks https");
    authority = slice_split(slice_of(server + 8), '/', &rest);
    const char *bracket = memrchr(authority.p, ']', authority.n), *colon = memrchr(authority.p, ':', authority.n);
    bool has_port = colon && (!bracket || colon > bracket);
    size_t length = has_port ? (size_t)(colon - authority.p) : authority.n;
    struct slice host = {authority.p, length};
    if (host.n > 2 && host.p[0] == '[')
        host = (struct slice){host.p + 1, host.n - 2};
    snprintf(ret_host, 256, "%.*s", (int)(host.n < 255 ? host.n : 255), host.p);
    snprintf(ret_port, 8, "%.*s", has_port ? (int)(authority.n - length - 1) : 3, has_port ? colon + 1 : "443");
    return 0;
}

static bool wait_for(int fd, short events, int64_t until_ms)
{
    struct pollfd polled = {.fd = fd, .events = events};
    int64_t left;
    while ((left = until_ms - clock_monotonic_ms()) > 0) {
        int r = poll(&polled, 1, (int)left);
        if (r > 0)
            return true;
        if (r < 0 && errno != EINTR)
            return false;
    }
    return false;
}

static int connect_one(const struct addrinfo *address, int64_t until_ms)
{
    AUTO_CLOSE int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int failed = 0, on = 1;
    socklen_t size = sizeof(failed);
    if (fd < 0)
        return -1;
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS)
        return -1;
    if (!wait_for(fd, POLLOUT, until_ms) || getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) < 0 || failed)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    return TAKE_FD(fd);
}

int kube_connect(const char *host, const char *port, int *ret_fd, struct error *error)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int64_t until_ms = clock_monotonic_ms() + CONNECT_MS;
    int r = getaddrinfo(host, port, &hints, &list), fd = -1;
    for (const struct addrinfo *address = r ? NULL : list; address && fd < 0; address = address->ai_next)
        fd = connect_one(address, until_ms);
    if (list)
        freeaddrinfo(list);
    if (fd < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "%s:%s cannot be reached%s%s", host, port, r ? ": " : "",
                         r ? gai_strerror(r) : "");
    *ret_fd = fd;
    return 0;
}

/* --- TLS ---------------------------------------------------------------------------------------------------------- */

static bool trust(SSL_CTX *context, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    X509 *certificate;
    int count = 0;
    while (bio && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        count += X509_STORE_add_cert(store, certificate) == 1;
        X509_free(certificate);
    }
    ERR_clear_error(); /* the end of the text is one */
    BIO_free(bio);
    return count > 0;
}

static bool present(SSL_CTX *context, const struct credential_view *view)
{
    BIO *certificates = BIO_new_mem_buf(view->certificate, -1), *keys = BIO_new_mem_buf(view->key, -1);
    X509 *leaf = PEM_read_bio_X509(certificates, NULL, NULL, NULL), *further;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(keys, NULL, NULL, NULL);
    bool good = leaf && key && SSL_CTX_use_certificate(context, leaf) == 1 && SSL_CTX_use_PrivateKey(context, key) == 1;
    while (good && (further = PEM_read_bio_X509(certificates, NULL, NULL, NULL)))
        SSL_CTX_add0_chain_cert(context, further);
    ERR_clear_error();
    X509_free(leaf);
    EVP_PKEY_free(key);
    BIO_free(certificates);
    BIO_free(keys);
    return good;
}

static int make_context(struct kube_client *client, SSL_CTX **ret, struct error *error)
{
    const struct kube_config *config = kube_client_config(client);
    struct credential_view *view = kube_client_credential(client);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    bool good = context && view;
    if (good)
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    if (good && view->ca)
        good = trust(context, view->ca);
    else if (good)
        SSL_CTX_set_default_verify_paths(context);
    if (good)
        SSL_CTX_set_verify(context, config->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (good && view->certificate && view->key)
        good = present(context, view);
    credential_release(view);
    if (!good) {
        SSL_CTX_free(context);
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the credentials for the API server cannot be used");
    }
    *ret = context;
    return 0;
}

static int handshake(struct relay *relay, const char *name, struct error *error)
{
    static const unsigned char http1[] = "\x08http/1.1";
    int64_t until_ms = clock_monotonic_ms() + HANDSHAKE_MS;
    relay->tls = SSL_new(relay->context);
    if (!relay->tls || SSL_set_fd(relay->tls, relay->tcp) != 1)
        return error_set(error, ERROR_NO_MEMORY, NULL, "TLS has no memory");
    SSL_set_mode(relay->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_set_alpn_protos(relay->tls, http1, sizeof(http1) - 1);
    X509_VERIFY_PARAM *verify = SSL_get0_param(relay->tls);
    if (X509_VERIFY_PARAM_set1_ip_asc(verify, name) != 1) {
        SSL_set_tlsext_host_name(relay->tls, name);
        X509_VERIFY_PARAM_set1_host(verify, name, 0);
    }
    for (;;) {
        ERR_clear_error();
        int r = SSL_connect(relay->tls), why = SSL_get_error(relay->tls, r);
        if (r == 1)
            return 0;
        if ((why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) ||
            !wait_for(relay->tcp, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, until_ms))
            return error_set(error, ERROR_UNAVAILABLE, NULL, "the API server's TLS handshake failed: %s",
                             X509_verify_cert_error_string(SSL_get_verify_result(relay->tls)));
    }
}

/* --- carrying ----------------------------------------------------------------------------------------------------- */

/* The io functions below say: > 0 bytes, 0 the end, -1 not now, -2 broken. */
static ssize_t tls_result(struct relay *relay, int r)
{
    int why = r > 0 ? 0 : SSL_get_error(relay->tls, r);
    if (r > 0)
        return r;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return -1;
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -2;
}

static ssize_t plain_result(ssize_t r)
{
    if (r >= 0)
        return r;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? -1 : -2;
}

static ssize_t move_in(struct relay *relay, struct lane *lane)
{
    char *at = lane->bytes + lane->to;
    size_t room = sizeof(lane->bytes) - lane->to;
    ERR_clear_error();
    return lane == &relay->down ? tls_result(relay, SSL_read(relay->tls, at, (int)room))
                                : plain_result(recv(relay->plain, at, room, MSG_DONTWAIT));
}

static ssize_t move_out(struct relay *relay, struct lane *lane)
{
    const char *at = lane->bytes + lane->from;
    size_t count = lane->to - lane->from;
    ERR_clear_error();
    return lane == &relay->up ? tls_result(relay, SSL_write(relay->tls, at, (int)count))
                              : plain_result(send(relay->plain, at, count, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/* As far as it goes now. False: it is over. */
static bool carry(struct relay *relay, struct lane *lane)
{
    for (;;) {
        if (lane->from == lane->to)
            lane->from = lane->to = 0;
        if (lane->from < lane->to) {
            ssize_t sent = move_out(relay, lane);
            if (sent == -1)
                return true;
            if (sent <= 0)
                return false;
            lane->from += (size_t)sent;
        } else if (!lane->ended) {
            ssize_t came = move_in(relay, lane);
            if (came == -1)
                return true;
            if (came == -2)
                return false;
            lane->ended = came == 0;
            lane->to += (size_t)came;
        } else {
            if (!lane->shut && lane == &relay->down)
                shutdown(relay->plain, SHUT_WR);
            else if (!lane->shut)
                SSL_shutdown(relay->tls);
            lane->shut = true;
            return true;
        }
    }
}

static void wait_news(const struct relay *relay)
{
    struct pollfd polls[] = {{.fd = relay->tcp, .events = POLLIN}, {.fd = relay->plain, .events = 0}};
    if (relay->up.from < relay->up.to)
        polls[0].events |= POLLOUT;
    else if (!relay->up.ended)
        polls[1].events |= POLLIN;
    if (relay->down.from < relay->down.to) {
        polls[1].events |= POLLOUT;
        polls[0].events &= (short)~POLLIN; /* a full lane would spin */
    }
    if (relay->down.ended)
        polls[0].events &= (short)~POLLIN;
    if (!polls[0].events)
        polls[0].fd = -1;
    if (!polls[1].events)
        polls[1].fd = -1;
    (void)poll(polls, COUNT_OF(polls), polls[0].fd < 0 && polls[1].fd < 0 ? 1000 : -1);
}

static void *run(void *context)
{
    struct relay *relay = context;
    while (carry(relay, &relay->up) && carry(relay, &relay->down)) {
        if (relay->down.shut || (relay->up.shut && relay->down.ended))
            break; /* what the server has ended is over: nothing it would read is lost to anybody */
        wait_news(relay);
    }
    relay_free(relay);
    return NULL;
}

static int start(struct relay *relay, int *ret_fd, struct error *error)
{
    int pair[2];
    pthread_t thread;
    pthread_attr_t attributes;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "no descriptors are left: %s", strerrordesc_np(errno));
    relay->plain = pair[0];
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 128 << 10);
    int r = pthread_create(&thread, &attributes, run, relay);
    pthread_attr_destroy(&attributes);
    if (r) {
        close(pair[1]);
        return error_set(error, ERROR_UNAVAILABLE, NULL, "a thread cannot be started");
    }
    *ret_fd = pair[1];
    return 0;
}

static int open_relay(struct relay *relay, struct kube_client *client, int *ret_fd, struct error *error)
{
    const struct kube_config *config = kube_client_config(client);
    char host[256], port[8];
    int r = split_server(config->server, host, port, error);
    if (r == 0)
        r = make_context(client, &relay->context, error);
    if (r == 0)
        r = kube_connect(host, port, &relay->tcp, error);
    if (r == 0)
        r = handshake(relay, config->tls_server_name ? config->tls_server_name : host, error);
    return r < 0 ? r : start(relay, ret_fd, error);
}

int kube_relay_open(struct kube_client *client, int *ret_fd, struct error *error)
{
    if (atomic_fetch_add(&relays, 1) >= RELAYS_MAX) {
        atomic_fetch_sub(&relays, 1);
        return error_set(error, ERROR_LIMITED, NULL, "more than %d terminals and forwarded ports are open", RELAYS_MAX);
    }
    struct relay *relay = memory_get(sizeof(*relay));
    relay->tcp = relay->plain = -1;
    int r = open_relay(relay, client, ret_fd, error);
    if (r < 0)
        relay_free(relay);
    return r;
}
