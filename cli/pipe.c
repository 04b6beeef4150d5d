/* How does one TCP stream reach a service in a profile, and what ends it? */
#include "cli/pipe.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/random.h"
#include "cli/client.h"

#define OPEN_TIMEOUT_MS 30000 /* a workload that starts takes its time to accept */
#define HEAD_MAX 16384
#define CHUNK 65536
#define FRAME_MAX ((size_t)1 << 20) /* the gateway sends frames of at most one of its buffers */

struct pipe {
    CURL *curl;
    curl_socket_t fd;
    struct buffer in; /* received, not yet a whole frame */
    bool close_sent, close_received;
};

void pipe_free(struct pipe *pipe)
{
    if (!pipe)
        return;
    if (pipe->curl)
        curl_easy_cleanup(pipe->curl);
    buffer_free(&pipe->in);
    free(pipe);
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static int broken(struct error *error)
{
    return error_set(error, ERROR_UPSTREAM, NULL, "the connection to the service broke off");
}

static int wait_for(const struct pipe *pipe, short events, int64_t deadline_ms, struct error *error)
{
    int64_t left_ms = deadline_ms - clock_monotonic_ms();
    struct pollfd poll_fd = {.fd = pipe->fd, .events = events};
    if (left_ms <= 0 || poll(&poll_fd, 1, (int)left_ms) == 0)
        return error_set(error, ERROR_TIMEOUT, NULL, "the service did not answer in time");
    return 0;
}

static int send_all(struct pipe *pipe, const void *bytes, size_t count, struct error *error)
{
    int64_t deadline_ms = clock_monotonic_ms() + OPEN_TIMEOUT_MS;
    for (size_t at = 0; at < count;) {
        size_t sent = 0;
        CURLcode code = curl_easy_send(pipe->curl, (const char *)bytes + at, count - at, &sent);
        at += sent;
        if (code == CURLE_AGAIN) {
            if (wait_for(pipe, POLLOUT, deadline_ms, error) < 0)
                return -ERROR_TIMEOUT;
        } else if (code != CURLE_OK) {
            return broken(error);
        } else {
            deadline_ms = clock_monotonic_ms() + OPEN_TIMEOUT_MS;
        }
    }
    return 0;
}

/* 1: something came; 0: nothing now; negative: the connection is over. */
static int receive(struct pipe *pipe, struct error *error)
{
    char chunk[CHUNK];
    size_t count = 0;
    CURLcode code = curl_easy_recv(pipe->curl, chunk, sizeof(chunk), &count);
    if (code == CURLE_AGAIN)
        return 0;
    if (code != CURLE_OK || count == 0)
        return broken(error);
    buffer_add(&pipe->in, chunk, count);
    return 1;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static int send_upgrade(struct pipe *pipe, const struct client *client, const char *path, struct error *error)
{
    uint8_t nonce[16];
    AUTO_BUFFER struct buffer head = {0};
    random_bytes(nonce, sizeof(nonce));
    AUTO_FREE char *key = text_base64(nonce, sizeof(nonce));
    buffer_add_format(&head,
                      "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nUser-Agent: atelier\r\n",
                      path, client_host(client), key);
    if (client_authorization(client))
        buffer_add_format(&head, "%s\r\n", client_authorization(client));
    buffer_add_text(&head, "\r\n");
    int failed = send_all(pipe, head.p, head.n, error);
    memory_wipe(head.p, head.n);
    return failed;
}

/* The head of the answer, and what of its body has come with it. */
static int read_head(struct pipe *pipe, int64_t deadline_ms, size_t *ret_length, struct error *error)
{
    for (;;) {
        char *end = pipe->in.n ? memmem(pipe->in.p, pipe->in.n, "\r\n\r\n", 4) : NULL;
        if (end) {
            *ret_length = (size_t)(end - pipe->in.p) + 4;
            return 0;
        }
        if (pipe->in.n > HEAD_MAX)
            return error_set(error, ERROR_UPSTREAM, NULL, "the service's answer is not HTTP");
        int r = receive(pipe, error);
        if (r == 0)
            r = wait_for(pipe, POLLIN, deadline_ms, error);
        if (r < 0)
            return r;
    }
}

/* The rest of a refusal: its connection ends with it. */
static int refused(struct pipe *pipe, int status, size_t head, int64_t deadline_ms, struct error *error)
{
    while (pipe->in.n < head + HEAD_MAX) {
        int r = receive(pipe, NULL);
        if (r < 0 || (r == 0 && wait_for(pipe, POLLIN, deadline_ms, NULL) < 0))
            break;
        if (memchr(pipe->in.p + head, '}', pipe->in.n - head)) /* all refusals are small JSON documents */
            break;
    }
    const char *open = memchr(pipe->in.p + head, '{', pipe->in.n - head);
    struct slice body = open ? (struct slice){open, pipe->in.n - (size_t)(open - pipe->in.p)} : (struct slice){"", 0};
    while (body.n && body.p[body.n - 1] != '}')
        body.n--; /* a last chunk's framing */
    return client_explain(status, body, error);
}

static int accept_answer(struct pipe *pipe, struct error *error)
{
    int64_t deadline_ms = clock_monotonic_ms() + OPEN_TIMEOUT_MS, status = 0;
    size_t head = 0;
    int failed = read_head(pipe, deadline_ms, &head, error);
    if (failed)
        return failed;
    struct slice line = {pipe->in.p, head};
    if (!slice_starts(line, "HTTP/1.1 ") || !text_parse_i64((struct slice){line.p + 9, 3}, 100, 599, &status))
        return error_set(error, ERROR_UPSTREAM, NULL, "the service's answer is not HTTP");
    if (status != 101)
        return refused(pipe, (int)status, head, deadline_ms, error);
    buffer_drop(&pipe->in, head);
    return 0;
}

int pipe_open(const struct client *client, const char *namespace, const char *service, const char *port,
              struct pipe **ret, struct error *error)
{
    struct pipe *pipe = memory_get(sizeof(*pipe));
    AUTO_FREE char *path = client_path("/tunnel", namespace, service, port, NULL);
    int failed = client_connect(client, &pipe->curl, error);
    if (!failed && curl_easy_getinfo(pipe->curl, CURLINFO_ACTIVESOCKET, &pipe->fd) != CURLE_OK)
        failed = broken(error);
    if (!failed)
        failed = send_upgrade(pipe, client, path, error);
    if (!failed)
        failed = accept_answer(pipe, error);
    if (failed) {
        pipe_free(pipe);
        return failed;
    }
    *ret = pipe;
    return 0;
}

/* --- pumping ------------------------------------------------------------------------------------------------------ */

static int send_frame(struct pipe *pipe, unsigned opcode, char *payload, size_t count, struct error *error)
{
    unsigned char header[FRAME_HEADER_MAX], mask[4];
    random_bytes(mask, sizeof(mask));
    size_t length = frame_header(opcode, count, mask, header);
    frame_mask(payload, count, mask);
    int failed = send_all(pipe, header, length, error);
    return failed || !count ? failed : send_all(pipe, payload, count, error);
}

static int write_all(int fd, struct slice bytes, struct error *error)
{
    while (bytes.n) {
        ssize_t count = write(fd, bytes.p, bytes.n);
        if (count < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
            continue;
        }
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_set(error, ERROR_UPSTREAM, NULL, "the local side has gone: %s", strerrordesc_np(errno));
        bytes = slice_skip(bytes, (size_t)count);
    }
    return 0;
}

/* 1000 is an ordinary end (RFC 6455, 7.4.1); what the gateway means by others is in gateway/forward.h. */
static int take_close(struct pipe *pipe, struct slice payload, struct error *error)
{
    unsigned code = payload.n >= 2 ? (unsigned)(unsigned char)payload.p[0] << 8 | (unsigned char)payload.p[1] : 1000;
    pipe->close_received = true;
    if (code == 1008)
        return error_set(error, ERROR_FORBIDDEN, NULL, "your access was taken back");
    if (code == 1001)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the service is going away");
    if (code != 1000)
        return error_set(error, ERROR_UPSTREAM, NULL, "the workload broke off (%u)", code);
    return 0;
}

/* Hands on every whole frame that has come. */
static int take_frames(struct pipe *pipe, int fd_out, struct error *error)
{
    int failed = 0;
    while (!failed && !pipe->close_received) {
        unsigned opcode = 0;
        struct slice payload = {0};
        int64_t used = frame_read(buffer_slice(&pipe->in), FRAME_MAX, &opcode, &payload);
        if (used == 0)
            return 0;
        if (used < 0)
            return error_set(error, ERROR_UPSTREAM, NULL, "the service broke the tunnel's protocol");
        if (opcode == FRAME_CLOSE) {
            failed = take_close(pipe, payload, error);
        } else if (opcode == FRAME_PING) {
            char pong[125];
            memcpy(pong, payload.p, payload.n);
            failed = send_frame(pipe, FRAME_PONG, pong, payload.n, error);
        } else if (opcode != FRAME_PONG) {
            failed = write_all(fd_out, payload, error);
        }
        buffer_drop(&pipe->in, (size_t)used);
    }
    return failed;
}

/* What the local side wrote; its end becomes a Close, after which the workload's bytes still come. */
static int take_local(struct pipe *pipe, int fd_in, struct error *error)
{
    char chunk[CHUNK];
    ssize_t count = read(fd_in, chunk, sizeof(chunk));
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (count > 0)
        return send_frame(pipe, FRAME_BINARY, chunk, (size_t)count, error);
    char code[2] = {(char)(1000 >> 8), (char)(1000 & 0xFF)};
    pipe->close_sent = true;
    return send_frame(pipe, FRAME_CLOSE, code, sizeof(code), error);
}

int pipe_pump(struct pipe *pipe, int fd_in, int fd_out, struct error *error)
{
    int failed = take_frames(pipe, fd_out, error);
    while (!failed && !pipe->close_received) {
        struct pollfd fds[2] = {{.fd = pipe->fd, .events = POLLIN},
                                {.fd = pipe->close_sent ? -1 : fd_in, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return broken(error);
        if (fds[1].revents)
            failed = take_local(pipe, fd_in, error);
        /* TLS may hold more than the socket shows: everything is taken before the next wait. */
        for (int r = 1; !failed && r > 0 && !pipe->close_received;) {
            r = receive(pipe, error);
            failed = r < 0 ? r : take_frames(pipe, fd_out, error);
        }
    }
    return failed;
}
