/* How do bytes reach a port of a pod from outside the cluster? */
#include "engine/kubernetes/portforward.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "engine/kubernetes/paths.h"
#include "engine/kubernetes/relay.h"

#define HANDSHAKE_MS 15000
#define HEAD_MAX (16 << 10)
#define FRAME_MAX (1 << 20) /* a kubelet sends 32 KiB at once */
#define PAYLOAD_MAX (16 << 10)

enum { OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

struct forward {
    int socket, plain;     /* the WebSocket's, ours */
    struct buffer in, out; /* of the WebSocket: frames that came, frames to send */
    struct buffer data;    /* for ours */
    unsigned greeted;      /* channels whose port has come */
    bool plain_ended, closed;
};

static void forward_free(struct forward *forward)
{
    if (forward->socket >= 0)
        close(forward->socket);
    if (forward->plain >= 0)
        close(forward->plain);
    buffer_free(&forward->in);
    buffer_free(&forward->out);
    buffer_free(&forward->data);
    free(forward);
}

/* --- the handshake ------------------------------------------------------------------------------------------------ */

static bool wait_for(int fd, short events, int64_t until_ms)
{
    struct pollfd polled = {.fd = fd, .events = events};
    int64_t left = until_ms - clock_monotonic_ms();
    return left > 0 && poll(&polled, 1, (int)left) > 0;
}

static int send_all(int fd, struct slice bytes, int64_t until_ms, struct error *error)
{
    while (bytes.n) {
        ssize_t sent = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (sent > 0)
            bytes = slice_skip(bytes, (size_t)sent);
        else if ((errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLOUT, until_ms))
            return error_set(error, ERROR_UNAVAILABLE, NULL, "the API server takes no request");
    }
    return 0;
}

/* What follows the head stays in <in>. */
static int read_head(struct forward *forward, int64_t until_ms, struct error *error)
{
    const char *end;
    buffer_add(&forward->in, NULL, 0);
    while (!(end = strstr(forward->in.p ? forward->in.p : "", "\r\n\r\n"))) {
        char bytes[4096];
        ssize_t came = recv(forward->socket, bytes, sizeof(bytes), 0);
        if (came > 0)
            buffer_add(&forward->in, bytes, (size_t)came);
        else if (came == 0 || (errno != EAGAIN && errno != EINTR) || !wait_for(forward->socket, POLLIN, until_ms))
            return error_set(error, ERROR_UNAVAILABLE, NULL, "the API server does not answer a port-forward");
        if (forward->in.n > HEAD_MAX)
            return error_set(error, ERROR_UPSTREAM, NULL, "the API server's answer is too long");
    }
    bool good = strncmp(forward->in.p, "HTTP/1.1 101", 12) == 0;
    if (!good)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the pod's port cannot be forwarded: %.*s",
                         (int)strcspn(forward->in.p, "\r\n"), forward->in.p);
    buffer_drop(&forward->in, (size_t)(end - forward->in.p) + 4);
    return 0;
}

static int shake_hands(struct forward *forward, struct kube_client *client, const char *target, struct error *error)
{
    const struct kube_config *config = kube_client_config(client);
    int64_t until_ms = clock_monotonic_ms() + HANDSHAKE_MS;
    uint8_t random[16];
    char *authorization = NULL;
    AUTO_BUFFER struct buffer head = {0};
    struct slice prefix, host = slice_split(slice_of(config->server + 8), '/', &prefix);
    int r = kube_client_authorization(client, &authorization, error);
    if (r < 0)
        return r;
    random_bytes(random, sizeof(random));
    AUTO_FREE char *key = text_base64(random, sizeof(random));
    buffer_add_format(&head,
                      "GET %s%.*s%s HTTP/1.1\r\nHost: %.*s\r\n%sConnection: Upgrade\r\nUpgrade: websocket\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
                      "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n",
                      prefix.n ? "/" : "", (int)prefix.n, prefix.n ? prefix.p : "", target, (int)host.n, host.p,
                      authorization, key);
    r = send_all(forward->socket, buffer_slice(&head), until_ms, error);
    memory_wipe(authorization, strlen(authorization));
    memory_wipe(head.p, head.n);
    free(authorization);
    return r < 0 ? r : read_head(forward, until_ms, error);
}

/* --- frames (RFC 6455) -------------------------------------------------------------------------------------------- */

/* Masked, as a client's must be. */
static void add_frame(struct buffer *out, int op, struct slice payload, bool data)
{
    uint8_t head[14] = {(uint8_t)(0x80 | op)}, mask[4];
    size_t length = payload.n + (data ? 1 : 0), at = 2;
    if (length < 126) {
        head[1] = (uint8_t)(0x80 | length);
    } else { /* PAYLOAD_MAX fits 16 bits */
        head[1] = 0x80 | 126;
        head[2] = (uint8_t)(length >> 8);
        head[3] = (uint8_t)length;
        at = 4;
    }
    random_bytes(mask, sizeof(mask));
    memcpy(head + at, mask, sizeof(mask));
    buffer_add(out, (const char *)head, at + sizeof(mask));
    size_t begin = out->n;
    if (data)
        buffer_add(out, "\0", 1); /* the data channel */
    buffer_add_slice(out, payload);
    for (size_t i = 0; i < length; i++)
        out->p[begin + i] = (char)((uint8_t)out->p[begin + i] ^ mask[i % 4]);
}

static void take_message(struct forward *forward, struct slice payload)
{
    enum { PORT_BYTES = 2 };
    uint8_t channel = payload.n ? (uint8_t)payload.p[0] : 0xff;
    struct slice rest = slice_skip(payload, 1);
    if (channel > 1)
        return;
    if (!(forward->greeted & (1u << channel))) {
        forward->greeted |= 1u << channel;
        rest = slice_skip(rest, PORT_BYTES);
    }
    if (channel == 0)
        buffer_add_slice(&forward->data, rest);
    else if (rest.n)
        forward->closed = true; /* the kubelet's complaint: nothing listens there */
}

/* False: broken. */
static bool take_frames(struct forward *forward)
{
    for (;;) {
        const uint8_t *p = (const uint8_t *)forward->in.p;
        size_t have = forward->in.n, at = 2;
        if (have < 2)
            return true;
        uint64_t length = p[1] & 0x7f;
        if (p[1] & 0x80)
            return false; /* a server does not mask */
        size_t wide = length == 126 ? 2 : length == 127 ? 8 : 0;
        if (have < at + wide)
            return true;
        if (wide)
            length = 0;
        for (size_t i = 0; i < wide; i++)
            length = length << 8 | p[at + i];
        at += wide;
        if (length > FRAME_MAX)
            return false;
        if (have < at + length)
            return true;
        struct slice payload = {forward->in.p + at, (size_t)length};
        int op = p[0] & 0x0f;
        if (op == OP_CLOSE)
            forward->closed = true;
        else if (op == OP_PING)
            add_frame(&forward->out, OP_PONG, payload, false);
        else if (op <= OP_BINARY)
            take_message(forward, payload);
        buffer_drop(&forward->in, at + (size_t)length);
    }
}

/* --- carrying ----------------------------------------------------------------------------------------------------- */

/* 1: something moved; 0: not now; -1: over. */
static int flush(int fd, struct buffer *bytes)
{
    if (!bytes->n)
        return 0;
    ssize_t sent = send(fd, bytes->p, bytes->n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    buffer_drop(bytes, (size_t)sent);
    return 1;
}

static int read_plain(struct forward *forward)
{
    char bytes[PAYLOAD_MAX - 1];
    if (forward->plain_ended || forward->closed || forward->out.n)
        return 0;
    ssize_t came = recv(forward->plain, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (came < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (came == 0) {
        forward->plain_ended = true; /* half a close cannot be said: the other side goes on until it ends */
        return 0;
    }
    add_frame(&forward->out, OP_BINARY, (struct slice){bytes, (size_t)came}, true);
    return 1;
}

static int read_socket(struct forward *forward)
{
    char bytes[64 << 10];
    if (forward->data.n || forward->closed)
        return 0;
    ssize_t came = recv(forward->socket, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (came < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    buffer_add(&forward->in, bytes, came > 0 ? (size_t)came : 0);
    if (came <= 0 || !take_frames(forward))
        forward->closed = true;
    return 1;
}

/* A server that takes no more may have answered all the same: what it sent is read to its end. */
static int write_socket(struct forward *forward)
{
    int moved = forward->closed ? 0 : flush(forward->socket, &forward->out);
    if (moved >= 0)
        return moved;
    buffer_drop(&forward->out, forward->out.n);
    forward->plain_ended = true;
    return 1;
}

static void wait_news(const struct forward *forward)
{
    struct pollfd polls[] = {
        {.fd = forward->socket, .events = (short)((forward->out.n ? POLLOUT : 0) | (forward->data.n ? 0 : POLLIN))},
        {.fd = forward->plain,
         .events = (short)((forward->data.n ? POLLOUT : 0) | (forward->out.n || forward->plain_ended ? 0 : POLLIN))}};
    if (forward->closed) /* only what came before is left to hand over */
        polls[0].fd = -1;
    if (forward->plain_ended && !forward->data.n) /* a peer that hung up is noticed by POLLHUP alone */
        polls[1].events = 0;
    (void)poll(polls, COUNT_OF(polls), -1);
    if (polls[1].revents & (POLLERR | POLLHUP) && forward->plain_ended)
        shutdown(forward->socket, SHUT_RDWR);
}

static void *run(void *context)
{
    struct forward *forward = context;
    if (!take_frames(forward))
        forward->closed = true;
    for (;;) {
        int moves[] = {flush(forward->plain, &forward->data), write_socket(forward), read_plain(forward),
                       read_socket(forward)};
        bool moved = false, over = false;
        for (size_t i = 0; i < COUNT_OF(moves); i++) {
            moved = moved || moves[i] > 0;
            over = over || moves[i] < 0;
        }
        if (over || (forward->closed && !forward->data.n)) /* <over> is ours: nobody is left to hand anything to */
            break;
        if (!moved)
            wait_news(forward);
    }
    forward_free(forward);
    return NULL;
}

static int start(struct forward *forward, int *ret_fd, struct error *error)
{
    int pair[2];
    pthread_t thread;
    pthread_attr_t attributes;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "no descriptors are left: %s", strerrordesc_np(errno));
    forward->plain = pair[0];
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    int r = pthread_create(&thread, &attributes, run, forward);
    pthread_attr_destroy(&attributes);
    if (r) {
        close(pair[1]);
        return error_set(error, ERROR_UNAVAILABLE, NULL, "a thread cannot be started");
    }
    *ret_fd = pair[1];
    return 0;
}

int portforward_open(struct kube_client *client, const char *namespace, const char *pod, uint16_t port, int *ret_fd,
                     struct error *error)
{
    AUTO_BUFFER struct buffer target = {0};
    char number[8];
    struct forward *forward = memory_get(sizeof(*forward));
    forward->socket = forward->plain = -1;
    snprintf(number, sizeof(number), "%u", port);
    path_add(&target, KIND_POD, namespace, pod, "portforward");
    path_query(&target, "ports", number);
    int r = kube_relay_open(client, &forward->socket, error);
    if (r == 0)
        r = shake_hands(forward, client, target.p, error);
    if (r == 0)
        r = start(forward, ret_fd, error);
    if (r < 0)
        forward_free(forward);
    return r;
}
