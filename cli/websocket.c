/* How does a WebSocket to the service begin, carry messages and end? */
#include "cli/websocket.h"

#include <curl/curl.h>
#include <poll.h>
#include <strings.h>

#include "base/clock.h"
#include "base/random.h"
#include "cli/client.h"

#define OPEN_TIMEOUT_MS 30000 /* a workload that starts takes its time to accept */
#define HEAD_MAX 16384
#define CHUNK 65536
#define FRAME_MAX ((size_t)1 << 20) /* the gateway sends frames of at most one of its buffers */

struct websocket {
    CURL *curl;
    curl_socket_t fd;
    struct buffer in; /* received, not yet a whole frame */
    bool close_received;
};

void websocket_free(struct websocket *socket)
{
    if (!socket)
        return;
    if (socket->curl)
        curl_easy_cleanup(socket->curl);
    buffer_free(&socket->in);
    free(socket);
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static int broken(struct error *error)
{
    return error_set(error, ERROR_UPSTREAM, NULL, "the connection to the service broke off");
}

static int wait_for(const struct websocket *socket, short events, int64_t deadline_ms, struct error *error)
{
    int64_t left_ms = deadline_ms - clock_monotonic_ms();
    struct pollfd poll_fd = {.fd = socket->fd, .events = events};
    if (left_ms <= 0 || poll(&poll_fd, 1, (int)left_ms) == 0)
        return error_set(error, ERROR_TIMEOUT, NULL, "the service did not answer in time");
    return 0;
}

static int send_all(struct websocket *socket, const void *bytes, size_t count, struct error *error)
{
    int64_t deadline_ms = clock_monotonic_ms() + OPEN_TIMEOUT_MS;
    for (size_t at = 0; at < count;) {
        size_t sent = 0;
        CURLcode code = curl_easy_send(socket->curl, (const char *)bytes + at, count - at, &sent);
        at += sent;
        if (code == CURLE_AGAIN) {
            if (wait_for(socket, POLLOUT, deadline_ms, error) < 0)
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
static int receive(struct websocket *socket, struct error *error)
{
    char chunk[CHUNK];
    size_t count = 0;
    CURLcode code = curl_easy_recv(socket->curl, chunk, sizeof(chunk), &count);
    if (code == CURLE_AGAIN)
        return 0;
    if (code != CURLE_OK || count == 0)
        return broken(error);
    buffer_add(&socket->in, chunk, count);
    return 1;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static int send_upgrade(struct websocket *socket, const struct client *client, const char *path, const char *protocol,
                        struct error *error)
{
    uint8_t nonce[16];
    AUTO_BUFFER struct buffer head = {0};
    random_bytes(nonce, sizeof(nonce));
    AUTO_FREE char *key = text_base64(nonce, sizeof(nonce));
    buffer_add_format(&head,
                      "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nUser-Agent: atelier\r\n",
                      path, client_host(client), key);
    if (protocol)
        buffer_add_format(&head, "Sec-WebSocket-Protocol: %s\r\n", protocol);
    if (client_authorization(client))
        buffer_add_format(&head, "%s\r\n", client_authorization(client));
    buffer_add_text(&head, "\r\n");
    int failed = send_all(socket, head.p, head.n, error);
    memory_wipe(head.p, head.n);
    return failed;
}

/* The head of the answer, and what of its body has come with it. */
static int read_head(struct websocket *socket, int64_t deadline_ms, size_t *ret_length, struct error *error)
{
    for (;;) {
        char *end = socket->in.n ? memmem(socket->in.p, socket->in.n, "\r\n\r\n", 4) : NULL;
        if (end) {
            *ret_length = (size_t)(end - socket->in.p) + 4;
            return 0;
        }
        if (socket->in.n > HEAD_MAX)
            return error_set(error, ERROR_UPSTREAM, NULL, "the service's answer is not HTTP");
        int r = receive(socket, error);
        if (r == 0)
            r = wait_for(socket, POLLIN, deadline_ms, error);
        if (r < 0)
            return r;
    }
}

/* The rest of a refusal: its connection ends with it. */
static int refused(struct websocket *socket, int status, size_t head, int64_t deadline_ms, struct error *error)
{
    while (socket->in.n < head + HEAD_MAX) {
        int r = receive(socket, NULL);
        if (r < 0 || (r == 0 && wait_for(socket, POLLIN, deadline_ms, NULL) < 0))
            break;
        if (memchr(socket->in.p + head, '}', socket->in.n - head)) /* all refusals are small JSON documents */
            break;
    }
    const char *open = memchr(socket->in.p + head, '{', socket->in.n - head);
    struct slice body =
        open ? (struct slice){open, socket->in.n - (size_t)(open - socket->in.p)} : (struct slice){"", 0};
    while (body.n && body.p[body.n - 1] != '}')
        body.n--; /* a last chunk's framing */
    return client_explain(status, body, error);
}

/* The service must have chosen what was offered (RFC 6455, 4.1). */
static int check_protocol(struct slice head, const char *protocol, struct error *error)
{
    static const char name[] = "sec-websocket-protocol:";
    while (protocol && head.n) {
        struct slice line = slice_trim(slice_split(head, '\r', &head)); /* the next begins with its '\n' */
        while (line.n && line.p[0] == '\n')
            line = slice_skip(line, 1);
        if (line.n >= strlen(name) && strncasecmp(line.p, name, strlen(name)) == 0)
            return slice_is(slice_trim(slice_skip(line, strlen(name))), protocol)
                       ? 0
                       : error_set(error, ERROR_UPSTREAM, NULL, "the service does not speak %s", protocol);
    }
    return protocol ? error_set(error, ERROR_UPSTREAM, NULL, "the service does not speak %s", protocol) : 0;
}

static int accept_answer(struct websocket *socket, const char *protocol, struct error *error)
{
    int64_t deadline_ms = clock_monotonic_ms() + OPEN_TIMEOUT_MS, status = 0;
    size_t head = 0;
    int failed = read_head(socket, deadline_ms, &head, error);
    if (failed)
        return failed;
    struct slice line = {socket->in.p, head};
    if (!slice_starts(line, "HTTP/1.1 ") || !text_parse_i64((struct slice){line.p + 9, 3}, 100, 599, &status))
        return error_set(error, ERROR_UPSTREAM, NULL, "the service's answer is not HTTP");
    if (status != 101)
        return refused(socket, (int)status, head, deadline_ms, error);
    failed = check_protocol(line, protocol, error);
    buffer_drop(&socket->in, head);
    return failed;
}

int websocket_open(const struct client *client, const char *path, const char *protocol, struct websocket **ret,
                   struct error *error)
{
    struct websocket *socket = memory_get(sizeof(*socket));
    int failed = client_connect(client, &socket->curl, error);
    if (!failed && curl_easy_getinfo(socket->curl, CURLINFO_ACTIVESOCKET, &socket->fd) != CURLE_OK)
        failed = broken(error);
    if (!failed)
        failed = send_upgrade(socket, client, path, protocol, error);
    if (!failed)
        failed = accept_answer(socket, protocol, error);
    if (failed) {
        websocket_free(socket);
        return failed;
    }
    *ret = socket;
    return 0;
}

int websocket_fd(const struct websocket *socket)
{
    return socket->fd;
}

bool websocket_closed(const struct websocket *socket)
{
    return socket->close_received;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

static int send_frame(struct websocket *socket, unsigned opcode, char *payload, size_t count, struct error *error)
{
    unsigned char header[FRAME_HEADER_MAX], mask[4];
    random_bytes(mask, sizeof(mask));
    size_t length = frame_header(opcode, count, mask, header);
    frame_mask(payload, count, mask);
    int failed = send_all(socket, header, length, error);
    return failed || !count ? failed : send_all(socket, payload, count, error);
}

/* 1000 is an ordinary end (RFC 6455, 7.4.1); what the gateway means by others is in gateway/forward.h. */
static int take_close(struct websocket *socket, struct slice payload, struct error *error)
{
    unsigned code = payload.n >= 2 ? (unsigned)(unsigned char)payload.p[0] << 8 | (unsigned char)payload.p[1] : 1000;
    socket->close_received = true;
    if (code == 1008)
        return error_set(error, ERROR_FORBIDDEN, NULL, "your access was taken back");
    if (code == 1001)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the service is going away");
    if (code != 1000)
        return error_set(error, ERROR_UPSTREAM, NULL, "the workload broke off (%u)", code);
    return 0;
}

int websocket_send(struct websocket *socket, char *bytes, size_t count, struct error *error)
{
    return send_frame(socket, FRAME_BINARY, bytes, count, error);
}

int websocket_end(struct websocket *socket, struct error *error)
{
    char code[2] = {(char)(1000 >> 8), (char)(1000 & 0xFF)};
    return send_frame(socket, FRAME_CLOSE, code, sizeof(code), error);
}

/* Hands on every whole frame that is here. */
static int take_frames(struct websocket *socket, websocket_taker take, void *context, struct error *error)
{
    int failed = 0;
    while (!failed && !socket->close_received) {
        unsigned opcode = 0;
        struct slice payload = {0};
        int64_t used = frame_read(buffer_slice(&socket->in), FRAME_MAX, &opcode, &payload);
        if (used == 0)
            return 0;
        if (used < 0)
            return error_set(error, ERROR_UPSTREAM, NULL, "the service broke the WebSocket protocol");
        if (opcode == FRAME_CLOSE) {
            failed = take_close(socket, payload, error);
        } else if (opcode == FRAME_PING) {
            char pong[125];
            memcpy(pong, payload.p, payload.n);
            failed = send_frame(socket, FRAME_PONG, pong, payload.n, error);
        } else if (opcode != FRAME_PONG) {
            failed = take(context, payload, error);
        }
        buffer_drop(&socket->in, (size_t)used);
    }
    return failed;
}

int websocket_receive(struct websocket *socket, websocket_taker take, void *context, struct error *error)
{
    int failed = take_frames(socket, take, context, error);
    for (int r = 1; !failed && r > 0 && !socket->close_received;) {
        r = receive(socket, error);
        failed = r < 0 ? r : take_frames(socket, take, context, error);
    }
    return failed;
}
