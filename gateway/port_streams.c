/* How do several connections to a pod's ports share one that speaks SPDY? */
#include "gateway/port_serve.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "gateway/spdy.h"

enum { PIECE_BYTES = 32 << 10 };

/* The two streams of one connection to the pod. A stream is 0 until it comes, and a pair is free without any. */
struct pair {
    uint32_t error_stream, data_stream;
    uint16_t port;
    char request[32]; /* requestID */
    int fd;           /* to the pod; -1 without */
    struct buffer up; /* for the pod */
    bool client_ended, client_end_said, pod_ended;
};
struct streams {
    const struct port_serve *serve;
    struct spdy_reader reader;
    struct spdy_packer *packer;
    struct buffer out; /* for the client */
    size_t up_bytes;   /* of all pairs */
    struct pair pairs[LIMIT_FORWARD_PAIRS];
};

/* --- pairs -------------------------------------------------------------------------------------------------------- */

static bool is_free(const struct pair *pair)
{
    return !pair->error_stream && !pair->data_stream;
}

static void pair_drop(struct streams *streams, struct pair *pair)
{
    if (pair->fd >= 0)
        close(pair->fd);
    streams->up_bytes -= pair->up.n;
    buffer_free(&pair->up);
    *pair = (struct pair){.fd = -1};
}

static struct pair *find_stream(struct streams *streams, uint32_t stream)
{
    for (size_t i = 0; i < LIMIT_FORWARD_PAIRS; i++) {
        struct pair *pair = &streams->pairs[i];
        if (stream && (pair->data_stream == stream || pair->error_stream == stream))
            return pair;
    }
    return NULL;
}

/* The pair of that request that still lacks this stream, or a free one. NULL: there are as many as may be. */
static struct pair *find_half(struct streams *streams, const char *request, bool data)
{
    struct pair *spare = NULL;
    for (size_t i = 0; i < LIMIT_FORWARD_PAIRS; i++) {
        struct pair *pair = &streams->pairs[i];
        if (is_free(pair))
            spare = spare ? spare : pair;
        else if (strcmp(pair->request, request) == 0 && !(data ? pair->data_stream : pair->error_stream))
            return pair;
    }
    return spare;
}

/* Nothing more comes from the pod: both of its streams end, and the pair as soon as the client's side has. */
static void end_down(struct streams *streams, struct pair *pair)
{
    pair->pod_ended = true;
    spdy_add_data(pair->data_stream, (struct slice){0}, true, &streams->out);
    if (pair->error_stream)
        spdy_add_data(pair->error_stream, (struct slice){0}, true, &streams->out);
}

/* The pod cannot be written to or read from: whatever still waits for it is in vain. */
static void fail(struct streams *streams, struct pair *pair, const char *why)
{
    if (why && pair->error_stream) {
        char text[512];
        int length = snprintf(text, sizeof(text), "error forwarding port %u to pod %s: %s", pair->port,
                              streams->serve->pod, why);
        size_t count = (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1;
        spdy_add_data(pair->error_stream, (struct slice){text, count}, false, &streams->out);
    }
    if (!pair->pod_ended)
        end_down(streams, pair);
    pair_drop(streams, pair);
}

static void reach_pod(struct streams *streams, struct pair *pair)
{
    struct error error = {0};
    if (port_reach(streams->serve, pair->port, &pair->fd, &error) < 0) {
        pair->fd = -1;
        fail(streams, pair, error.message);
    }
}

/* --- what the client says ----------------------------------------------------------------------------------------- */

static bool read_port(const struct spdy_unpacker *headers, uint16_t *ret)
{
    struct slice text;
    int64_t number;
    if (!spdy_header(headers, "port", &text) || !text_parse_i64(text, 1, UINT16_MAX, &number))
        return false;
    *ret = (uint16_t)number;
    return true;
}

static void open_stream(struct streams *streams)
{
    const struct spdy_reader *reader = &streams->reader;
    struct slice type, request;
    uint16_t port;
    char id[sizeof(streams->pairs[0].request)];
    bool good = read_port(reader->unpacker, &port) && spdy_header(reader->unpacker, "streamtype", &type) &&
                spdy_header(reader->unpacker, "requestid", &request) && request.n < sizeof(id) &&
                (slice_is(type, "data") || slice_is(type, "error"));
    if (!good) {
        spdy_add_reset(reader->stream, SPDY_PROTOCOL_ERROR, &streams->out);
        return;
    }
    snprintf(id, sizeof(id), "%.*s", (int)request.n, request.p);
    bool data = slice_is(type, "data");
    struct pair *pair = find_half(streams, id, data);
    if (!pair || (!is_free(pair) && pair->port != port)) {
        spdy_add_reset(reader->stream, SPDY_REFUSED_STREAM, &streams->out);
        return;
    }
    pair->port = port;
    memcpy(pair->request, id, sizeof(id));
    *(data ? &pair->data_stream : &pair->error_stream) = reader->stream;
    pair->client_ended = pair->client_ended || (data && reader->fin);
    spdy_add_reply(streams->packer, reader->stream, &streams->out);
    if (pair->data_stream && pair->error_stream)
        reach_pod(streams, pair);
}

/* Before the pair is whole nothing waits for an answer, and a client has no reason to send. */
static void take_data(struct streams *streams)
{
    const struct spdy_reader *reader = &streams->reader;
    struct pair *pair = find_stream(streams, reader->stream);
    if (!pair || pair->data_stream != reader->stream)
        return;
    if (reader->data.n > 0 && pair->fd < 0) {
        spdy_add_reset(reader->stream, SPDY_PROTOCOL_ERROR, &streams->out);
        pair_drop(streams, pair);
        return;
    }
    buffer_add_slice(&pair->up, reader->data);
    streams->up_bytes += reader->data.n;
    pair->client_ended = pair->client_ended || reader->fin;
}

static void let_go(struct streams *streams)
{
    struct pair *pair = find_stream(streams, streams->reader.stream);
    if (!pair)
        return;
    if (!pair->pod_ended && pair->data_stream)
        end_down(streams, pair);
    pair_drop(streams, pair);
}

/* False: nothing more can be understood. */
static bool understand(struct streams *streams, struct slice bytes)
{
    for (;;) {
        switch (spdy_read(&streams->reader, &bytes)) {
        case SPDY_OPEN:
            open_stream(streams);
            break;
        case SPDY_DATA:
            take_data(streams);
            break;
        case SPDY_RESET:
            let_go(streams);
            break;
        case SPDY_PING:
            spdy_add_ping(streams->reader.stream, &streams->out);
            break;
        case SPDY_GO_AWAY:
            break;
        case SPDY_BROKEN:
            return false;
        case SPDY_MORE:
            return true;
        }
    }
}

/* --- carrying ----------------------------------------------------------------------------------------------------- */

static bool is_for_later(ssize_t result)
{
    return result < 0 && (errno == EAGAIN || errno == EINTR);
}

static void write_pod(struct streams *streams, struct pair *pair)
{
    if (pair->up.n > 0) {
        ssize_t sent = send(pair->fd, pair->up.p, pair->up.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (is_for_later(sent))
            return;
        if (sent < 0) {
            fail(streams, pair, NULL);
            return;
        }
        buffer_drop(&pair->up, (size_t)sent);
        streams->up_bytes -= (size_t)sent;
    }
    if (pair->up.n > 0 || !pair->client_ended)
        return;
    if (pair->pod_ended) {
        pair_drop(streams, pair);
        return;
    }
    if (!pair->client_end_said)
        shutdown(pair->fd, SHUT_WR);
    pair->client_end_said = true;
}

static void read_pod(struct streams *streams, struct pair *pair)
{
    char piece[PIECE_BYTES];
    ssize_t came = recv(pair->fd, piece, sizeof(piece), MSG_DONTWAIT);
    if (is_for_later(came))
        return;
    if (came < 0)
        fail(streams, pair, NULL);
    else if (came > 0)
        spdy_add_data(pair->data_stream, (struct slice){piece, (size_t)came}, false, &streams->out);
    else
        end_down(streams, pair);
    if (pair->pod_ended && pair->client_end_said)
        pair_drop(streams, pair);
}

/* False: the client is gone, or not understood. */
static bool serve_client(struct streams *streams, short events)
{
    char piece[PIECE_BYTES];
    if (events & (POLLERR | POLLHUP))
        return false;
    if (events & POLLIN) {
        ssize_t came = recv(streams->serve->fd, piece, sizeof(piece), MSG_DONTWAIT);
        if (!is_for_later(came) && (came <= 0 || !understand(streams, (struct slice){piece, (size_t)came})))
            return false;
    }
    if (streams->out.n > 0) {
        ssize_t sent = send(streams->serve->fd, streams->out.p, streams->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && !is_for_later(sent))
            return false;
        buffer_drop(&streams->out, sent > 0 ? (size_t)sent : 0);
    }
    return true;
}

static short wanted_of(const struct streams *streams, const struct pair *pair)
{
    bool end_due = pair->client_ended && !pair->client_end_said;
    bool listening = !pair->pod_ended && streams->out.n < LIMIT_FORWARD_BYTES;
    return (short)((pair->up.n > 0 || end_due ? POLLOUT : 0) | (listening ? POLLIN : 0));
}

static size_t list_polls(const struct streams *streams, struct pollfd polls[], size_t pair_of[])
{
    size_t count = 1;
    bool hears = streams->up_bytes < LIMIT_FORWARD_BYTES && streams->out.n < LIMIT_FORWARD_BYTES;
    polls[0] = (struct pollfd){.fd = streams->serve->fd,
                               .events = (short)((streams->out.n > 0 ? POLLOUT : 0) | (hears ? POLLIN : 0))};
    for (size_t i = 0; i < LIMIT_FORWARD_PAIRS; i++) {
        const struct pair *pair = &streams->pairs[i];
        short events = pair->fd >= 0 ? wanted_of(streams, pair) : 0;
        if (!events)
            continue; /* a hang-up would be told again and again */
        pair_of[count] = i;
        polls[count++] = (struct pollfd){.fd = pair->fd, .events = events};
    }
    return count;
}

static void run(struct streams *streams)
{
    struct pollfd polls[LIMIT_FORWARD_PAIRS + 1];
    size_t pair_of[LIMIT_FORWARD_PAIRS + 1];
    for (;;) {
        size_t count = list_polls(streams, polls, pair_of);
        if (poll(polls, count, -1) < 0 && errno != EINTR)
            return;
        for (size_t i = 1; i < count; i++) {
            struct pair *pair = &streams->pairs[pair_of[i]];
            if (polls[i].revents && polls[i].events & POLLIN)
                read_pod(streams, pair);
            if (polls[i].revents && polls[i].events & POLLOUT && pair->fd >= 0)
                write_pod(streams, pair);
        }
        if (!serve_client(streams, polls[0].revents))
            return;
    }
}

void port_streams_serve(const struct port_serve *serve)
{
    struct streams *streams = memory_get(sizeof(*streams));
    streams->serve = serve;
    streams->reader.unpacker = spdy_unpacker_new();
    streams->packer = spdy_packer_new();
    for (size_t i = 0; i < LIMIT_FORWARD_PAIRS; i++)
        streams->pairs[i].fd = -1;
    run(streams);
    for (size_t i = 0; i < LIMIT_FORWARD_PAIRS; i++)
        pair_drop(streams, &streams->pairs[i]);
    spdy_unpacker_free(streams->reader.unpacker);
    spdy_packer_free(streams->packer);
    buffer_free(&streams->out);
    free(streams);
}
