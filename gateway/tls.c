/* How do bytes travel when a client speaks TLS? */
#include "gateway/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "gateway/host.h"
#include "gateway/internal.h"

/* RFC 8446 5.1: the most that one record carries. */
enum { RECORD_BYTES = 16384 };

#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS "X25519:P-256:P-384"

struct tls_loop {
    SSL_CTX *context;
    struct tls_identity *identity;
    struct tls_names *names;
    struct tls_tickets *tickets;
    struct link handshakes; /* under way, longest first */
    int64_t handshake_count;
    int64_t turn_ms; /* the turn that <steps> counts */
    int64_t steps;
    char *gather; /* several small parts become one record */
};
struct tls_server {
    struct tls_loop loops[LOOPS_MAX];
    int64_t began_ms;
};
struct tls {
    SSL *ssl;
    struct io *io;
    struct tls_loop *home;
    struct chunk *pending; /* cipher text that the socket did not take */
    struct link handshake; /* in the loop's list while it runs */
    struct timer timer;
    bool open;         /* the handshake is done */
    bool h2;           /* and chose HTTP/2 */
    bool failed;       /* OpenSSL may not be asked again */
    bool readable;     /* the socket */
    bool writable;     /* the socket */
    bool reading_done; /* the peer has said or shown its end */
    bool shutting;     /* our end has been said; the socket follows once it is out */
};

static struct metric handshakes_done = {
    .name = "atelier_gateway_tls_handshakes_total", .help = "TLS handshakes, by result.", .labels = "result=\"done\""};
static struct metric handshakes_resumed = {.name = "atelier_gateway_tls_handshakes_total",
                                           .help = "TLS handshakes, by result.",
                                           .labels = "result=\"resumed\""};
static struct metric handshakes_failed = {.name = "atelier_gateway_tls_handshakes_total",
                                          .help = "TLS handshakes, by result.",
                                          .labels = "result=\"failed\""};
static struct metric handshakes_slow = {
    .name = "atelier_gateway_tls_handshakes_total", .help = "TLS handshakes, by result.", .labels = "result=\"slow\""};
static struct metric handshakes_evicted = {.name = "atelier_gateway_tls_handshakes_total",
                                           .help = "TLS handshakes, by result.",
                                           .labels = "result=\"evicted\""};

/* --- between OpenSSL and the socket ------------------------------------------------------------------------------- */

static int bio_write(BIO *bio, const char *bytes, size_t count, size_t *ret_sent)
{
    struct tls *tls = BIO_get_data(bio);
    ssize_t sent = 0;
    BIO_clear_retry_flags(bio);
    if (!tls->pending && tls->writable) {
        do
            sent = send(tls->io->fd, bytes, count, MSG_NOSIGNAL);
        while (sent < 0 && errno == EINTR);
        if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return 0;
        sent = sent < 0 ? 0 : sent;
    }
    *ret_sent = count;
    if ((size_t)sent == count)
        return 1;
    tls->writable = false;
    if (!tls->pending)
        tls->pending = chunk_take(&tls->io->loop->chunks, false);
    struct slice rest = {bytes + sent, count - (size_t)sent};
    if (rest.n > chunk_room(tls->pending)) {
        /* Only a peer that asks for answers without reading them comes here (key updates). */
        if (sent == 0 && tls->open)
            return 0;
        rest.n = chunk_room(tls->pending);
        *ret_sent = (size_t)sent + rest.n;
    }
    chunk_add(tls->pending, rest);
    if (*ret_sent > 0)
        return 1;
    BIO_set_retry_write(bio);
    return 0;
}

static int bio_read(BIO *bio, char *into, size_t count, size_t *ret_got)
{
    struct tls *tls = BIO_get_data(bio);
    struct io *io = tls->io;
    BIO_clear_retry_flags(bio);
    *ret_got = 0;
    if (!tls->readable) {
        BIO_set_retry_read(bio);
        return 0;
    }
    ssize_t got;
    do
        got = recv(io->fd, into, count, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        /* A short read has emptied the socket, unless its end is already there: its edge will not come again. */
        if ((size_t)got < count && !io->ended && !io->broken)
            tls->readable = false;
        *ret_got = (size_t)got;
        return 1;
    }
    if (got == 0) {
        tls->reading_done = true;
        return 0;
    }
    tls->readable = false;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        BIO_set_retry_read(bio);
    return 0;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    struct tls *tls = BIO_get_data(bio);
    if (command == BIO_CTRL_EOF)
        return tls && tls->reading_done;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static BIO_METHOD *bio_method;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static void make_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "atelier io");
    if (!method || BIO_meth_set_write_ex(method, bio_write) != 1 || BIO_meth_set_read_ex(method, bio_read) != 1 ||
        BIO_meth_set_ctrl(method, bio_control) != 1)
        memory_oom(0);
    bio_method = method;
}

/* False if the socket is broken. */
static bool flush_pending(struct tls *tls)
{
    struct chunk *pending = tls->pending;
    while (chunk_waiting(pending) > 0 && tls->writable) {
        ssize_t sent = send(tls->io->fd, pending->bytes + pending->start, chunk_waiting(pending), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return false;
        if (sent < 0 || (size_t)sent < chunk_waiting(pending))
            tls->writable = false;
        pending->start += sent > 0 ? (size_t)sent : 0;
    }
    if (chunk_waiting(pending) == 0)
        chunk_give(&tls->io->loop->chunks, &tls->pending);
    return true;
}

/* --- a server ----------------------------------------------------------------------------------------------------- */

/* Whether the client means a host that speaks gRPC, on the listener that has such hosts. */
static bool is_for_grpc(SSL *ssl)
{
    const struct tls *tls = BIO_get_data(SSL_get_rbio(ssl));
    const struct loop *loop = tls->io->loop;
    const struct tls_server *server = loop->gateway->tls[LISTENER_TLS];
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    struct host host;
    if (!name || !server || tls->home != &server->loops[loop->number])
        return false;
    host_parse(slice_of(name), loop->gateway->options.base_domain, &host);
    return host.kind == HOST_GRPC;
}

/* RFC 7301 3.2: whoever asks only for what is not spoken here is told so. */
static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_size, const unsigned char *offered,
                           unsigned size, void *context)
{
    (void)context;
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    const unsigned skip = is_for_grpc(ssl) ? 0 : 3;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, ret_size, ours + skip, (unsigned)sizeof(ours) - 1 - skip, offered, size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int choose_certificate(SSL *ssl, void *context)
{
    struct tls_loop *home = context;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const struct certificate *certificate = tls_names_find(home->names, home->identity, name ? name : "");
    if (!certificate || SSL_use_certificate(ssl, certificate_x509(certificate, 0)) != 1 ||
        SSL_use_PrivateKey(ssl, certificate_key(certificate)) != 1)
        return 0;
    for (size_t i = 1; certificate_x509(certificate, i); i++)
        if (SSL_add1_chain_cert(ssl, certificate_x509(certificate, i)) != 1)
            return 0;
    return 1;
}

/* Without this a client's name is not remembered where choose_certificate looks for it in a resumed session. */
static int accept_name(SSL *ssl, int *alert, void *context)
{
    (void)ssl;
    (void)alert;
    (void)context;
    return SSL_TLSEXT_ERR_OK;
}

static bool set_up_context(struct tls_loop *home)
{
    SSL_CTX *context = home->context;
    static const unsigned char session_context[] = "atelier";
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1); /* one read(2) a record instead of two */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    SSL_CTX_set_tlsext_servername_callback(context, accept_name);
    SSL_CTX_set_cert_cb(context, choose_certificate, home);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, CIPHERS_1_2) == 1 && SSL_CTX_set1_groups_list(context, GROUPS) == 1 &&
           SSL_CTX_set_session_id_context(context, session_context, sizeof(session_context) - 1) == 1 &&
           SSL_CTX_set_num_tickets(context, 1) == 1 && tls_tickets_install(home->tickets, context);
}

int tls_server_new(struct tls_identity *identity, struct tls_server **ret, struct error *error)
{
    struct tls_server *server = memory_get(sizeof(*server));
    unsigned char secret[TICKET_SECRET_SIZE];
    bool ok = true;
    pthread_once(&bio_once, make_bio_method);
    random_bytes(secret, sizeof(secret));
    server->began_ms = clock_monotonic_ms();
    for (unsigned i = 0; i < LOOPS_MAX && ok; i++) {
        struct tls_loop *home = &server->loops[i];
        link_init(&home->handshakes);
        home->identity = tls_identity_take(identity);
        home->names = tls_names_new();
        home->tickets = tls_tickets_new(secret);
        home->gather = memory_get(RECORD_BYTES);
        home->context = SSL_CTX_new(TLS_server_method());
        ok = home->context && set_up_context(home);
    }
    memory_wipe(secret, sizeof(secret));
    tls_identity_free(identity);
    if (!ok) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        tls_server_free(server);
        return error_set(error, ERROR_INTERNAL, NULL, "TLS cannot be set up: %s", reason ? reason : "unknown reason");
    }
    *ret = server;
    return 0;
}

int tls_server_authenticate(struct tls_server *server, const char *authorities_file, struct error *error)
{
    for (unsigned i = 0; i < LOOPS_MAX; i++) {
        SSL_CTX *context = server->loops[i].context;
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(authorities_file);
        SSL_CTX_set_client_CA_list(context, names); /* takes them over; that a client picks one of theirs */
        if (!names || SSL_CTX_load_verify_file(context, authorities_file) != 1) {
            ERR_clear_error();
            return error_set(error, ERROR_INVALID, NULL, "%s: expected certificates of authorities in PEM",
                             authorities_file);
        }
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return 0;
}

void tls_server_free(struct tls_server *server)
{
    if (!server)
        return;
    for (unsigned i = 0; i < LOOPS_MAX; i++) {
        struct tls_loop *home = &server->loops[i];
        SSL_CTX_free(home->context);
        tls_names_free(home->names);
        tls_tickets_free(home->tickets);
        tls_identity_free(home->identity);
        free(home->gather);
    }
    free(server);
}

struct presentation {
    struct message message;
    struct tls_server *server;
    struct tls_identity *identity;
};

static void run_present(struct loop *loop, struct message *message)
{
    struct presentation *presentation = OWNER_OF(message, struct presentation, message);
    struct tls_loop *home = &presentation->server->loops[loop->number];
    tls_identity_free(home->identity);
    home->identity = presentation->identity;
    free(presentation);
}

void tls_server_present(struct tls_server *server, struct gateway *gateway, struct tls_identity *identity)
{
    for (unsigned i = 0; i < gateway->loop_count; i++) {
        struct presentation *presentation = memory_get(sizeof(*presentation));
        *presentation = (struct presentation){
            .message.run = run_present, .server = server, .identity = tls_identity_take(identity)};
        loop_post(&gateway->loops[i], &presentation->message);
    }
    tls_identity_free(identity);
}

/* --- the handshake ------------------------------------------------------------------------------------------------ */

static void end_handshake(struct tls *tls)
{
    if (!tls->handshake.next)
        return;
    link_remove(&tls->handshake);
    tls->home->handshake_count--;
    timer_clear(tls->io->loop, &tls->timer);
}

/* Whoever uses the io reads, is told that it is broken, and closes. */
static bool fail(struct tls *tls, struct metric *why)
{
    end_handshake(tls);
    metric_add(why, 1);
    tls->failed = true;
    tls->io->broken = tls->io->readable = true;
    return true;
}

static void on_handshake_timeout(struct timer *timer)
{
    struct tls *tls = OWNER_OF(timer, struct tls, timer);
    fail(tls, &handshakes_slow);
    tls->io->run(tls->io);
}

static void make_room(struct tls_loop *home)
{
    if (home->handshake_count < gateway_limits.handshakes)
        return;
    struct tls *longest = OWNER_OF(home->handshakes.next, struct tls, handshake);
    fail(longest, &handshakes_evicted);
    longest->io->run(longest->io);
}

bool tls_begin(struct tls_server *server, struct io *io)
{
    struct tls_loop *home = &server->loops[io->loop->number];
    tls_tickets_turn(home->tickets, io->loop->now_ms - server->began_ms);
    ERR_clear_error();
    SSL *ssl = SSL_new(home->context);
    BIO *bio = ssl ? BIO_new(bio_method) : NULL;
    if (!bio) {
        SSL_free(ssl);
        return false;
    }
    make_room(home);
    struct tls *tls = memory_get(sizeof(*tls));
    *tls = (struct tls){.ssl = ssl, .io = io, .home = home, .writable = true, .timer.fire = on_handshake_timeout};
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    io->tls = tls;
    io->readable = io->writable = false;
    link_append(&home->handshakes, &tls->handshake);
    home->handshake_count++;
    timer_set(io->loop, &tls->timer, gateway_limits.handshake_ms);
    return true;
}

void tls_end(struct io *io)
{
    struct tls *tls = io->tls;
    if (!tls)
        return;
    end_handshake(tls);
    io->tls = NULL;
    SSL_free(tls->ssl);
    chunk_give(&io->loop->chunks, &tls->pending);
    free(tls);
}

/* Somebody typed http:// with this port. The rest of what they sent must be read, or the reset would eat the answer. */
static void answer_plain(struct io *io)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 38\r\n"
                                 "Connection: close\r\n\r\nThis port speaks https, not http only\n";
    char forgotten[4096];
    ssize_t sent = send(io->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
    shutdown(io->fd, SHUT_WR);
    for (int i = 0; i < 4 && sent > 0; i++)
        if (recv(io->fd, forgotten, sizeof(forgotten), 0) <= 0)
            break;
}

static bool finish_handshake(struct tls *tls)
{
    end_handshake(tls);
    metric_add(SSL_session_reused(tls->ssl) ? &handshakes_resumed : &handshakes_done, 1);
    const unsigned char *protocol = NULL;
    unsigned length = 0;
    SSL_get0_alpn_selected(tls->ssl, &protocol, &length);
    tls->h2 = length == 2 && memcmp(protocol, "h2", 2) == 0;
    tls->open = true;
    tls->io->readable = true;
    tls->io->writable = !tls->pending;
    return true;
}

/* Key exchange and signature are the dearest that a stranger can ask for: some a turn, then the others' bytes. */
static bool may_step(struct tls *tls)
{
    struct tls_loop *home = tls->home;
    if (home->turn_ms != tls->io->loop->now_ms) {
        home->turn_ms = tls->io->loop->now_ms;
        home->steps = 0;
    }
    return ++home->steps <= gateway_limits.handshake_steps;
}

static bool shake(struct tls *tls)
{
    if (!tls->readable && !tls->io->ended && !tls->io->broken && tls->pending)
        return false;
    if (!may_step(tls)) {
        io_again(tls->io);
        return false;
    }
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1)
        return finish_handshake(tls);
    int why = SSL_get_error(tls->ssl, result);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return false;
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST)
        answer_plain(tls->io);
    return fail(tls, &handshakes_failed);
}

/* --- an open connection ------------------------------------------------------------------------------------------- */

static void shut_socket(struct tls *tls)
{
    if (tls->shutting && !tls->pending)
        shutdown(tls->io->fd, SHUT_WR);
}

bool tls_news(struct io *io, bool readable, bool writable)
{
    struct tls *tls = io->tls;
    tls->readable = tls->readable || readable;
    tls->writable = tls->writable || writable;
    if (tls->failed)
        return true;
    if (tls->pending) {
        if (!flush_pending(tls))
            io->broken = true;
        shut_socket(tls);
    }
    if (!tls->open)
        return shake(tls);
    io->readable = io->readable || tls->readable;
    io->writable = !tls->pending;
    return true;
}

static ssize_t judge_read(struct io *io, int result)
{
    struct tls *tls = io->tls;
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        io->readable = false;
        return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        /* Said, or shown by a FIN without a word, which HTTP's framing tells from a whole message (RFC 9112 9.8). */
        io->ended = true;
        return IO_END;
    default:
        tls->failed = io->broken = true;
        return IO_BROKEN;
    }
}

ssize_t tls_read(struct io *io, void *into, size_t count)
{
    struct tls *tls = io->tls;
    size_t got = 0;
    if (!tls->open || tls->failed) {
        io->readable = false;
        return tls->failed ? IO_BROKEN : IO_AGAIN;
    }
    ERR_clear_error();
    int result = SSL_read_ex(tls->ssl, into, count, &got);
    io->writable = !tls->pending;
    if (result != 1)
        return judge_read(io, result);
    if (!tls->readable && !SSL_has_pending(tls->ssl) && !io->ended && !io->broken)
        io->readable = false;
    return (ssize_t)got;
}

/* What goes into the next record: the first part if it is large or alone, else the parts together. */
static struct slice next_record(struct tls_loop *home, const struct iovec *parts, int count, size_t skip)
{
    size_t filled = 0;
    while (count > 0 && skip >= parts->iov_len) {
        skip -= parts->iov_len;
        parts++;
        count--;
    }
    if (count == 0)
        return (struct slice){NULL, 0};
    size_t first = parts->iov_len - skip;
    if (count == 1 || first >= RECORD_BYTES)
        return (struct slice){(const char *)parts->iov_base + skip, first < RECORD_BYTES ? first : RECORD_BYTES};
    for (; count > 0 && filled < RECORD_BYTES; parts++, count--, skip = 0) {
        size_t room = RECORD_BYTES - filled, here = parts->iov_len - skip;
        here = here < room ? here : room;
        memcpy(home->gather + filled, (const char *)parts->iov_base + skip, here);
        filled += here;
    }
    return (struct slice){home->gather, filled};
}

ssize_t tls_write(struct io *io, const struct iovec *parts, int count)
{
    struct tls *tls = io->tls;
    ssize_t total = 0;
    if (tls->failed)
        return IO_BROKEN;
    while (tls->open && !tls->pending) {
        struct slice record = next_record(tls->home, parts, count, (size_t)total);
        size_t sent = 0;
        if (record.n == 0)
            break;
        ERR_clear_error();
        if (SSL_write_ex(tls->ssl, record.p, record.n, &sent) != 1) {
            tls->failed = io->broken = true;
            io->writable = false;
            return total > 0 ? total : IO_BROKEN;
        }
        total += (ssize_t)sent;
    }
    io->writable = tls->open && !tls->pending;
    return total > 0 ? total : IO_AGAIN;
}

void tls_shut_down(struct io *io)
{
    struct tls *tls = io->tls;
    if (!tls->open || tls->failed) {
        shutdown(io->fd, SHUT_WR);
        return;
    }
    ERR_clear_error();
    if (SSL_shutdown(tls->ssl) < 0)
        ERR_clear_error();
    tls->shutting = true;
    shut_socket(tls);
}

bool tls_speaks_h2(const struct io *io)
{
    return io->tls && io->tls->h2;
}
