/*
 * HTTP/2 for tests: a client of the gateway, over TLS or not, and a workload that speaks gRPC by what its path says.
 *
 * /t/Echo answers what it was sent and a trailer; /t/Flood sends without end; /t/Hang answers a head and then nothing;
 * /t/Sink takes nothing: its windows stay as they were; /t/Break resets; /t/Early refuses before the request has ended.
 */
#ifndef ATELIER_TESTS_H2_PEER_H
#define ATELIER_TESTS_H2_PEER_H

#include <nghttp2/nghttp2.h>

#include "tests/attacks/gateway_harness.h"
#include "tests/attacks/tls_client.h"

/* --- the workload ------------------------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock; /* guards seen */
    struct buffer seen;   /* "name: value\n" of every request */
    _Atomic int64_t sent, received;
    _Atomic int calls, open, connections;
    _Atomic uint32_t reset; /* the code of the last stream that was reset */
} h2_workload = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct h2_request {
    struct h2_request *next; /* of the connection */
    char path[32];
    struct buffer body;
    bool ended, open;
};

static inline int h2_workload_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                                     void *user)
{
    (void)flags;
    struct h2_request *request = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!request) {
        request = memory_get(sizeof(*request));
        nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, request);
        struct h2_request **all = user;
        request->next = *all;
        *all = request;
    }
    if (name_size == 5 && memcmp(name, ":path", 5) == 0)
        snprintf(request->path, sizeof(request->path), "%.*s", (int)value_size, value);
    pthread_mutex_lock(&h2_workload.lock);
    buffer_add_format(&h2_workload.seen, "%.*s: %.*s\n", (int)name_size, name, (int)value_size, value);
    pthread_mutex_unlock(&h2_workload.lock);
    return 0;
}

static inline ssize_t h2_workload_read(nghttp2_session *session, int32_t id, uint8_t *into, size_t count,
                                       uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)source;
    (void)user;
    struct h2_request *request = nghttp2_session_get_stream_user_data(session, id);
    if (strcmp(request->path, "/t/Hang") == 0)
        return NGHTTP2_ERR_DEFERRED;
    if (strcmp(request->path, "/t/Flood") == 0) {
        memset(into, 'f', count);
        h2_workload.sent += (int64_t)count;
        return (ssize_t)count;
    }
    if (request->body.n == 0 && !request->ended)
        return NGHTTP2_ERR_DEFERRED;
    size_t taken = count < request->body.n ? count : request->body.n;
    memcpy(into, request->body.p ? request->body.p : "", taken);
    buffer_drop(&request->body, taken);
    if (request->body.n == 0 && request->ended) {
        static const nghttp2_nv trailer = {(uint8_t *)"grpc-status", (uint8_t *)"0", 11, 1, 0};
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer(session, id, &trailer, 1);
    }
    return (ssize_t)taken;
}

static inline int h2_workload_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    int32_t id = frame->hd.stream_id;
    struct h2_request *request = nghttp2_session_get_stream_user_data(session, id);
    if (!request)
        return 0;
    request->ended = request->ended || frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (request->ended)
        nghttp2_session_resume_data(session, id);
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    static const nghttp2_nv head[] = {{(uint8_t *)":status", (uint8_t *)"200", 7, 3, 0},
                                      {(uint8_t *)"content-type", (uint8_t *)"application/grpc", 12, 16, 0},
                                      {(uint8_t *)"set-cookie", (uint8_t *)"a=b", 10, 3, 0},
                                      {(uint8_t *)"x-custom", (uint8_t *)"yes", 8, 3, 0},
                                      {(uint8_t *)"grpc-status", (uint8_t *)"3", 11, 1, 0}};
    const nghttp2_data_provider provider = {.read_callback = h2_workload_read};
    h2_workload.calls++; /* before it is open: a test that has seen it open counts the calls */
    h2_workload.open++;
    request->open = true;
    if (strcmp(request->path, "/t/Break") == 0)
        return nghttp2_submit_rst_stream(session, 0, id, NGHTTP2_INTERNAL_ERROR);
    if (strcmp(request->path, "/t/Early") == 0)
        return nghttp2_submit_response(session, id, head, 5, NULL);
    return nghttp2_submit_response(session, id, head, 4, &provider);
}

static inline int h2_workload_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                                   size_t count, void *user)
{
    (void)flags;
    (void)user;
    struct h2_request *request = nghttp2_session_get_stream_user_data(session, id);
    h2_workload.received += (int64_t)count;
    if (strcmp(request->path, "/t/Sink") == 0)
        return 0;
    buffer_add(&request->body, bytes, count);
    nghttp2_session_consume(session, id, count);
    nghttp2_session_resume_data(session, id);
    return 0;
}

static inline int h2_workload_closed(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    (void)user;
    struct h2_request *request = nghttp2_session_get_stream_user_data(session, id);
    if (!request)
        return 0;
    if (code)
        h2_workload.reset = code;
    h2_workload.open -= request->open;
    request->open = false;
    return 0;
}

static inline void *h2_workload_serve(void *context)
{
    AUTO_CLOSE int fd = (int)(intptr_t)context;
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session;
    nghttp2_option *option;
    struct h2_request *all = NULL;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, h2_workload_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, h2_workload_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, h2_workload_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, h2_workload_closed);
    nghttp2_session_server_new2(&session, callbacks, &all, option);
    nghttp2_submit_settings(session, 0, NULL, 0);
    h2_workload.connections++;
    for (bool ok = true; ok;) {
        const uint8_t *frame;
        ssize_t length;
        uint8_t bytes[16384];
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        /* One frame at a time, so that what the gateway says is heard while this floods. */
        length = nghttp2_session_mem_send(session, &frame);
        if (length > 0 && !send_all(fd, (const char *)frame, (size_t)length))
            break;
        poll(&poller, 1, length > 0 ? 0 : 1000);
        if (!poller.revents)
            continue;
        ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
        ok = got > 0 && nghttp2_session_mem_recv(session, bytes, (size_t)got) >= 0;
    }
    nghttp2_session_del(session);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    for (struct h2_request *request = all, *next; request; request = next) {
        next = request->next;
        h2_workload.open -= request->open;
        buffer_free(&request->body);
        free(request);
    }
    h2_workload.connections--;
    return NULL;
}

static inline void *h2_workload_main(void *context)
{
    int listener = (int)(intptr_t)context;
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        pthread_t thread;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* as every gRPC server does */
        pthread_create(&thread, NULL, h2_workload_serve, (void *)(intptr_t)fd);
        pthread_detach(thread);
    }
    return NULL;
}

/* Takes the harness' workload's place. */
static inline void h2_workload_start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1024) < 0)
        abort();
    getsockname(listener, (struct sockaddr *)&address, &size);
    workload.port = ntohs(address.sin_port);
    pthread_t thread;
    pthread_create(&thread, NULL, h2_workload_main, (void *)(intptr_t)listener);
    pthread_detach(thread);
}

static inline bool h2_workload_saw(const char *line)
{
    pthread_mutex_lock(&h2_workload.lock);
    bool saw = h2_workload.seen.p && strstr(h2_workload.seen.p, line);
    pthread_mutex_unlock(&h2_workload.lock);
    return saw;
}

/* --- the client --------------------------------------------------------------------------------------------------- */

struct h2_answer {
    int32_t id;
    struct buffer head; /* "name: value\n", trailers too */
    bool has_head;
    int64_t data;
    struct buffer *said; /* what came, if it is set */
    bool closed;
    uint32_t code;
    struct slice body; /* still to send */
    bool half;         /* the request does not end */
};
struct h2_client {
    SSL *ssl; /* NULL: without TLS */
    int tcp;
    nghttp2_session *session;
    bool closed; /* the gateway has closed */
    uint32_t goaway;
    bool has_goaway;
    int pings; /* answered */
};

static inline int h2_client_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                                   size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
    (void)flags;
    (void)user;
    struct h2_answer *answer = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (answer)
        buffer_add_format(&answer->head, "%.*s: %.*s\n", (int)name_size, name, (int)value_size, value);
    return 0;
}

static inline int h2_client_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                                 size_t count, void *user)
{
    (void)flags;
    (void)user;
    struct h2_answer *answer = nghttp2_session_get_stream_user_data(session, id);
    if (answer)
        answer->data += (int64_t)count;
    if (answer && answer->said)
        buffer_add(answer->said, bytes, count);
    return 0;
}

static inline int h2_client_closed(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    (void)user;
    struct h2_answer *answer = nghttp2_session_get_stream_user_data(session, id);
    if (answer) {
        answer->closed = true;
        answer->code = code;
    }
    return 0;
}

static inline int h2_client_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_client *client = user;
    struct h2_answer *answer = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (answer && frame->hd.type == NGHTTP2_HEADERS)
        answer->has_head = true;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        client->goaway = frame->goaway.error_code;
        client->has_goaway = true;
    }
    if (frame->hd.type == NGHTTP2_PING)
        client->pings++;
    return 0;
}

static inline ssize_t h2_client_read(nghttp2_session *session, int32_t id, uint8_t *into, size_t count, uint32_t *flags,
                                     nghttp2_data_source *source, void *user)
{
    (void)source;
    (void)user;
    struct h2_answer *answer = nghttp2_session_get_stream_user_data(session, id);
    size_t taken = count < answer->body.n ? count : answer->body.n;
    memcpy(into, answer->body.p ? answer->body.p : "", taken);
    answer->body = slice_skip(answer->body, taken);
    if (taken == 0 && answer->half)
        return NGHTTP2_ERR_DEFERRED;
    if (answer->body.n == 0 && !answer->half)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)taken;
}

static inline SSL *h2_handshake(const char *sni, int *ret_tcp)
{
    static const unsigned char protocols[] = "\x02h2\x08http/1.1";
    static SSL_CTX *context;
    if (!context)
        context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_alpn_protos(context, protocols, sizeof(protocols) - 1);
    *ret_tcp = client_connect();
    return tls_client_open(context, *ret_tcp, sni);
}

static inline struct h2_client h2_client_open(const char *sni)
{
    struct h2_client client = {0};
    client.ssl = h2_handshake(sni, &client.tcp);
    return client;
}

static inline struct h2_client h2_client_open_plain(void)
{
    return (struct h2_client){.tcp = client_connect()};
}

/* <user>: at its final place. */
static inline void h2_client_begin(struct h2_client *client)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, h2_client_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, h2_client_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, h2_client_closed);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, h2_client_frame);
    nghttp2_session_client_new(&client->session, callbacks, client);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(client->session, 0, NULL, 0);
}

static inline bool h2_client_send(struct h2_client *client, const uint8_t *frame, size_t count)
{
    if (!client->ssl)
        return send_all(client->tcp, (const char *)frame, count);
    return SSL_write(client->ssl, frame, (int)count) == (int)count;
}

static inline void h2_client_flush(struct h2_client *client)
{
    const uint8_t *frame;
    ssize_t length;
    while ((length = nghttp2_session_mem_send(client->session, &frame)) > 0)
        if (!h2_client_send(client, frame, (size_t)length))
            break;
    ERR_clear_error();
}

/* Until <until> is true, the gateway closes, or <timeout_ms> pass. */
static inline void h2_client_run(struct h2_client *client, const bool *until, int timeout_ms)
{
    int64_t end = clock_monotonic_ms() + timeout_ms;
    while (!client->closed && !(until && *until) && clock_monotonic_ms() < end) {
        h2_client_flush(client);
        char bytes[16384];
        struct pollfd poller = {.fd = client->tcp, .events = POLLIN};
        if ((!client->ssl || SSL_pending(client->ssl) == 0) && poll(&poller, 1, 20) <= 0)
            continue;
        int got =
            client->ssl ? SSL_read(client->ssl, bytes, sizeof(bytes)) : (int)recv(client->tcp, bytes, sizeof(bytes), 0);
        client->closed = got <= 0 || nghttp2_session_mem_recv(client->session, (uint8_t *)bytes, (size_t)got) < 0;
        ERR_clear_error();
    }
    h2_client_flush(client);
}

static inline void h2_client_close(struct h2_client *client)
{
    nghttp2_session_del(client->session);
    SSL_free(client->ssl);
    close(client->tcp);
}

#define H2_NV(n, v)                                                                                                    \
    {                                                                                                                  \
        (uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v), NGHTTP2_NV_FLAG_NONE               \
    }
/* A call; <answer> stays where it is until its stream has closed. <token>: "" for none. */
/* <applications>: values of that metadata, at most two, NULL for none. */
static inline void h2_call_to(struct h2_client *client, const char *host, const char *path, const char *token,
                              const char *const applications[2], struct h2_answer *answer)
{
    char bearer[128];
    size_t count = 11;
    snprintf(bearer, sizeof(bearer), "Bearer %s", token);
    nghttp2_nv fields[14] = {
        H2_NV(":method", "POST"),
        H2_NV(":scheme", "https"),
        H2_NV(":authority", host),
        H2_NV(":path", path),
        H2_NV("content-type", "application/grpc"),
        H2_NV("te", "trailers"),
        H2_NV("client_id", "abc"),
        H2_NV("x_forwarded_for", "6.6.6.6"),
        H2_NV("x-atelier-user", "root@example.com"),
        H2_NV("cookie", "session=secret"),
        H2_NV("x-ray-authorization", "Bearer mine"),
    };
    if (*token)
        fields[count++] = (nghttp2_nv)H2_NV("authorization", bearer);
    for (size_t i = 0; i < 2 && applications[i]; i++)
        fields[count++] = (nghttp2_nv)H2_NV("application", applications[i]);
    const nghttp2_data_provider provider = {.read_callback = h2_client_read};
    answer->id = nghttp2_submit_request(client->session, NULL, fields, count, &provider, answer);
}

static inline void h2_call(struct h2_client *client, const char *host, const char *path, const char *token,
                           struct h2_answer *answer)
{
    h2_call_to(client, host, path, token, (const char *const[2]){NULL, NULL}, answer);
}

#endif
