/* How do several connections to a pod's ports share one that speaks SPDY? */
#include "gateway/port_forward.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "gateway/limits.h"
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
struct port_forward {
    struct port_forwards *all;
    struct port_forward *next;
    char namespace[64], pod[254];
    int fd; /* the client's */
    struct spdy_reader reader;
    struct spdy_packer *packer;
    struct buffer out; /* for the client */
    size_t up_bytes;   /* of all pairs */
    struct pair pairs[LIMIT_FORWARD_PAIRS];
};
struct port_forwards {
    struct engine *engine;
    pthread_mutex_t lock; /* guards <first>, and the descriptor of each against being closed */
    pthread_cond_t ended;
    struct port_forward *first;
};

static struct metric open_forwards = METRIC_GAUGE("atelier_gateway_port_forwards", "Open port-forwards into pods.");
static struct metric pairs_opened =
    METRIC_COUNTER("atelier_gateway_port_forward_connections_total", "Connections made through port-forwards.");

/* --- pairs -------------------------------------------------------------------------------------------------------- */

static bool is_free(const struct pair *pair)
{
    return !pair->error_stream && !pair->data_stream;
}

static void pair_drop(struct port_forward *forward, struct pair *pair)
{
    if (pair->fd >= 0)
        close(pair->fd);
    forward->up_bytes -= pair->up.n;
    buffer_free(&pair->up);
    *pair = (struct pair){.fd = -1};
}

static struct pair *find_stream(struct port_forward *forward, uint32_t stream)
{
    for (size_t i = 0; i < LIMIT_FORWARD_PAIRS; i++) {
        struct pair *pair = &forward->pairs[i];
        if (stream && (pair->data_stream == stream || pair->error_stream == stream))
            return pair;
    }
    return NULL;
}

/* The pair of that request that still lacks this stream, or a free one. NULL: there are as many as may be. */
static struct pair *find_half(struct port_forward *forward, const char *request, bool data)
{
    struct pair *spare = NULL;
    for (size_t i = 0; i < LIMIT_FORWARD_PAIRS; i++) {
        struct pair *pair = &forward->pairs[i];
        if (is_free(pair))
            spare = spare ? spare : pair;
        else if (strcmp(pair->request, request) == 0 && !(data ? pair->data_stream : pair->error_stream))
            return pair;
    }
    return spare;
}

/* Nothing more comes from the pod: both of its streams end, and the pair as soon as the client's side has. */
static void end_down(struct port_forward *forward, struct pair *pair)
{
    pair->pod_ended = true;
    spdy_add_data(pair->data_stream, (struct slice){0}, true, &forward->out);
    if (pair->error_stream)
        spdy_add_data(pair->error_stream, (struct slice){0}, true, &forward->out);
}

/* The pod cannot be written to or read from: whatever still waits for it is in vain. */
static void fail(struct port_forward *forward, struct pair *pair, const char *why)
{
    if (why && pair->error_stream) {
        char text[512];
        int length =
            snprintf(text, sizeof(text), "error forwarding port %u to pod %s: %s", pair->port, forward->pod, why);
        size_t count = (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1;
        spdy_add_data(pair->error_stream, (struct slice){text, count}, false, &forward->out);
    }
    if (!pair->pod_ended)
        end_down(forward, pair);
    pair_drop(forward, pair);
}

static void reach_pod(struct port_forward *forward, struct pair *pair)
{
    struct error error = {0};
    metric_add(&pairs_opened, 1);
    int r = engine_dial_pod(forward->all->engine, forward->namespace, forward->pod, pair->port, &pair->fd, &error);
    if (r < 0) {
        pair->fd = -1;
        fail(forward, pair, error.message);
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

static void open_stream(struct port_forward *forward)
{
    const struct spdy_reader *reader = &forward->reader;
    struct slice type, request;
    uint16_t port;
    char id[sizeof(forward->pairs[0].request)];
    bool good = read_port(reader->unpacker, &port) && spdy_header(reader->unpacker, "streamtype", &type) &&
                spdy_header(reader->unpacker, "requestid", &request) && request.n < sizeof(id) &&
                (slice_is(type, "data") || slice_is(type, "error"));
    if (!good) {
        spdy_add_reset(reader->stream, SPDY_PROTOCOL_ERROR, &forward->out);
        return;
    }
    snprintf(id, sizeof(id), "%.*s", (int)request.n, request.p);
    bool data = slice_is(type, "data");
    struct pair *pair = find_half(forward, id, data);
    if (!pair || (!is_free(pair) && pair->port != port)) {
        spdy_add_reset(reader->stream, SPDY_REFUSED_STREAM, &forward->out);
        return;
    }
    pair->port = port;
    memcpy(pair->request, id, sizeof(id));
    *(data ? &pair->data_stream : &pair->error_stream) = reader->stream;
    pair->client_ended = pair->client_ended || (data && reader->fin);
    spdy_add_reply(forward->packer, reader->stream, &forward->out);
    if (pair->data_stream && pair->error_stream)
        reach_pod(forward, pair);
}

/* Before the pair is whole nothing waits for an answer, and a client has no reason to send. */
static void take_data(struct port_forward *forward)
{
    const struct spdy_reader *reader = &forward->reader;
    struct pair *pair = find_stream(forward, reader->stream);
    if (!pair || pair->data_stream != reader->stream)
        return;
    if (reader->data.n > 0 && pair->fd < 0) {
        spdy_add_reset(reader->stream, SPDY_PROTOCOL_ERROR, &forward->out);
        pair_drop(forward, pair);
        return;
    }
    buffer_add_slice(&pair->up, reader->data);
    forward->up_bytes += reader->data.n;
    pair->client_ended = pair->client_ended || reader->fin;
}

static void let_go(struct port_forward *forward)
{
    struct pair *pair = find_stream(forward, forward->reader.stream);
    if (!pair)
        return;
    if (!pair->pod_ended && pair->data_stream)
        end_down(forward, pair);
    pair_drop(forward, pair);
}

/* False: nothing more can be understood. */
static bool understand(struct port_forward *forward, struct slice bytes)
{
    for (;;) {
        switch (spdy_read(&forward->reader, &bytes)) {
        case SPDY_OPEN:
            open_stream(forward);
            break;
        case SPDY_DATA:
            take_data(forward);
            break;
        case SPDY_RESET:
            let_go(forward);
            break;
        case SPDY_PING:
            spdy_add_ping(forward->reader.stream, &forward->out);
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

static void write_pod(struct port_forward *forward, struct pair *pair)
{
    if (pair->up.n > 0) {
        ssize_t sent = send(pair->fd, pair->up.p, pair->up.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (is_for_later(sent))
            return;
        if (sent < 0) {
            fail(forward, pair, NULL);
            return;
        }
        buffer_drop(&pair->up, (size_t)sent);
        forward->up_bytes -= (size_t)sent;
    }
    if (pair->up.n > 0 || !pair->client_ended)
        return;
    if (pair->pod_ended) {
        pair_drop(forward, pair);
        return;
    }
    if (!pair->client_end_said)
        shutdown(pair->fd, SHUT_WR);
    pair->client_end_said = true;
}

static void read_pod(struct port_forward *forward, struct pair *pair)
{
    char piece[PIECE_BYTES];
    ssize_t came = recv(pair->fd, piece, sizeof(piece), MSG_DONTWAIT);
    if (is_for_later(came))
        return;
    if (came < 0)
        fail(forward, pair, NULL);
    else if (came > 0)
        spdy_add_data(pair->data_stream, (struct slice){piece, (size_t)came}, false, &forward->out);
    else
        end_down(forward, pair);
    if (pair->pod_ended && pair->client_end_said)
        pair_drop(forward, pair);
}

/* False: the client is gone, or not understood. */
static bool serve_client(struct port_forward *forward, short events)
{
    char piece[PIECE_BYTES];
    if (events & (POLLERR | POLLHUP))
        return false;
    if (events & POLLIN) {
        ssize_t came = recv(forward->fd, piece, sizeof(piece), MSG_DONTWAIT);
        if (!is_for_later(came) && (came <= 0 || !understand(forward, (struct slice){piece, (size_t)came})))
            return false;
    }
    if (forward->out.n > 0) {
        ssize_t sent = send(forward->fd, forward->out.p, forward->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && !is_for_later(sent))
            return false;
        buffer_drop(&forward->out, sent > 0 ? (size_t)sent : 0);
    }
    return true;
}

static short wanted_of(const struct port_forward *forward, const struct pair *pair)
{
    bool end_due = pair->client_ended && !pair->client_end_said;
    bool listening = !pair->pod_ended && forward->out.n < LIMIT_FORWARD_BYTES;
    return (short)((pair->up.n > 0 || end_due ? POLLOUT : 0) | (listening ? POLLIN : 0));
}

static size_t list_polls(const struct port_forward *forward, struct pollfd polls[], size_t pair_of[])
{
    size_t count = 1;
    bool hears = forward->up_bytes < LIMIT_FORWARD_BYTES && forward->out.n < LIMIT_FORWARD_BYTES;
    polls[0] = (struct pollfd){.fd = forward->fd,
                               .events = (short)((forward->out.n > 0 ? POLLOUT : 0) | (hears ? POLLIN : 0))};
    for (size_t i = 0; i < LIMIT_FORWARD_PAIRS; i++) {
        const struct pair *pair = &forward->pairs[i];
        short events = pair->fd >= 0 ? wanted_of(forward, pair) : 0;
        if (!events)
            continue; /* a hang-up would be told again and again */
        pair_of[count] = i;
        polls[count++] = (struct pollfd){.fd = pair->fd, .events = events};
    }
    return count;
}

static void serve(struct port_forward *forward)
{
    struct pollfd polls[LIMIT_FORWARD_PAIRS + 1];
    size_t pair_of[LIMIT_FORWARD_PAIRS + 1];
    for (;;) {
        size_t count = list_polls(forward, polls, pair_of);
        if (poll(polls, count, -1) < 0 && errno != EINTR)
            return;
        for (size_t i = 1; i < count; i++) {
            struct pair *pair = &forward->pairs[pair_of[i]];
            if (polls[i].revents && polls[i].events & POLLIN)
                read_pod(forward, pair);
            if (polls[i].revents && polls[i].events & POLLOUT && pair->fd >= 0)
                write_pod(forward, pair);
        }
        if (!serve_client(forward, polls[0].revents))
            return;
    }
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

static struct port_forward *forward_new(struct port_forwards *all, const char *namespace, const char *pod, int fd)
{
    struct port_forward *forward = memory_get(sizeof(*forward));
    forward->all = all;
    snprintf(forward->namespace, sizeof(forward->namespace), "%s", namespace);
    snprintf(forward->pod, sizeof(forward->pod), "%s", pod);
    forward->fd = fd;
    forward->reader.unpacker = spdy_unpacker_new();
    forward->packer = spdy_packer_new();
    for (size_t i = 0; i < LIMIT_FORWARD_PAIRS; i++)
        forward->pairs[i].fd = -1;
    return forward;
}

/* Not of the list any more. */
static void forward_free(struct port_forward *forward)
{
    for (size_t i = 0; i < LIMIT_FORWARD_PAIRS; i++)
        pair_drop(forward, &forward->pairs[i]);
    close(forward->fd);
    spdy_unpacker_free(forward->reader.unpacker);
    spdy_packer_free(forward->packer);
    buffer_free(&forward->out);
    free(forward);
}

static void *run(void *context)
{
    struct port_forward *forward = context;
    struct port_forwards *all = forward->all;
    serve(forward);
    pthread_mutex_lock(&all->lock);
    struct port_forward **at = &all->first;
    while (*at != forward)
        at = &(*at)->next;
    *at = forward->next;
    forward_free(forward);
    metric_add(&open_forwards, -1);
    pthread_cond_broadcast(&all->ended);
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

/* With the lock held. */
static bool is_full(const struct port_forwards *all, const char *namespace)
{
    int64_t count = 0, own = 0;
    for (const struct port_forward *forward = all->first; forward; forward = forward->next) {
        count++;
        own += strcmp(forward->namespace, namespace) == 0;
    }
    return count >= gateway_limits.port_forwards || own >= gateway_limits.tenant_port_forwards;
}

static bool start_thread(struct port_forward *forward)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    bool started = pthread_create(&thread, &attributes, run, forward) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

/* With the lock held. */
static int start(struct port_forwards *all, const char *namespace, const char *pod, int *ret_fd, struct error *error)
{
    int ends[2];
    if (is_full(all, namespace))
        return error_set(error, ERROR_LIMITED, NULL, "as many port-forwards are open as may be");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "no descriptors are left: %s", strerrordesc_np(errno));
    struct port_forward *forward = forward_new(all, namespace, pod, ends[0]);
    if (!start_thread(forward)) {
        forward_free(forward);
        close(ends[1]);
        return error_set(error, ERROR_UNAVAILABLE, NULL, "a thread cannot be started");
    }
    forward->next = all->first;
    all->first = forward;
    metric_add(&open_forwards, 1);
    *ret_fd = ends[1];
    return 0;
}

int port_forward_open(struct port_forwards *all, const char *namespace, const char *pod, int *ret_fd,
                      struct error *error)
{
    AUTO_JSON cJSON *object = NULL;
    int r = engine_get(all->engine, KIND_POD, namespace, pod, &object, error);
    if (r < 0)
        return r;
    if (strcmp(json_text_or("", object, "status", "phase", NULL), "Running") != 0)
        return error_set(error, ERROR_CONFLICT, NULL, "pod %s does not run", pod);
    pthread_mutex_lock(&all->lock);
    r = start(all, namespace, pod, ret_fd, error);
    pthread_mutex_unlock(&all->lock);
    return r;
}

struct port_forwards *port_forwards_new(struct engine *engine)
{
    struct port_forwards *all = memory_get(sizeof(*all));
    all->engine = engine;
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->ended, NULL);
    return all;
}

void port_forwards_free(struct port_forwards *all)
{
    if (!all)
        return;
    pthread_mutex_lock(&all->lock);
    for (struct port_forward *forward = all->first; forward; forward = forward->next)
        shutdown(forward->fd, SHUT_RDWR);
    while (all->first)
        pthread_cond_wait(&all->ended, &all->lock);
    pthread_mutex_unlock(&all->lock);
    pthread_cond_destroy(&all->ended);
    pthread_mutex_destroy(&all->lock);
    free(all);
}
