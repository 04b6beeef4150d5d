/* What does a workload answer to one GET? HTTP/1.0 (RFC 1945): the answer ends with its length or with the connection.
 */
#include "base/fetch.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"

#define HEAD_MAX 16384U /* bytes before the body */

struct taking {
    const struct fetch *fetch;
    int64_t until_ms;
    struct buffer bytes;
    struct slice body; /* what follows the head; p NULL until that is whole */
    int64_t length;    /* of the body; -1: until the end */
    int status;
};

static int too_late(const struct taking *taking, struct error *error)
{
    return error_set(error, ERROR_TIMEOUT, NULL, "%s did not answer within %lld ms", taking->fetch->path,
                     (long long)taking->fetch->timeout_ms);
}

static int broken(const struct taking *taking, struct error *error)
{
    return error_set(error, ERROR_UPSTREAM, NULL, "%s: the connection broke: %s", taking->fetch->path, strerror(errno));
}

static bool wait_ready(const struct taking *taking, short events)
{
    struct pollfd poller = {.fd = taking->fetch->fd, .events = events};
    int64_t left_ms = taking->until_ms - clock_monotonic_ms();
    return left_ms > 0 && poll(&poller, 1, (int)left_ms) == 1;
}

static int say(const struct taking *taking, struct error *error)
{
    const struct fetch *fetch = taking->fetch;
    char *request = memory_format("GET %s HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n%s%s\r\n",
                                  fetch->path, fetch->header ? fetch->header : "", fetch->header ? "\r\n" : "");
    size_t n = strlen(request), said = 0;
    int r = 0;
    while (r == 0 && said < n) {
        if (!wait_ready(taking, POLLOUT)) {
            r = too_late(taking, error);
            break;
        }
        ssize_t sent = send(fetch->fd, request + said, n - said, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            said += (size_t)sent;
        else if (errno != EAGAIN && errno != EINTR)
            r = broken(taking, error);
    }
    memory_wipe(request, n);
    free(request);
    return r;
}

/* False if this is no head of HTTP. */
static bool read_head(struct taking *taking, struct slice head)
{
    struct slice rest, line = slice_split(head, '\n', &rest);
    int64_t status;
    if (!slice_starts(line, "HTTP/1.") || line.n < 12 || line.p[8] != ' ' ||
        !text_parse_i64((struct slice){line.p + 9, 3}, 100, 599, &status))
        return false;
    taking->status = (int)status;
    taking->length = -1;
    while (rest.n) {
        struct slice value, name = slice_split(slice_split(rest, '\n', &rest), ':', &value);
        if (value.n && value.p[value.n - 1] == '\r')
            value.n--;
        if (slice_is_nocase(name, "Transfer-Encoding")) /* HTTP/1.0 has none */
            return false;
        if (slice_is_nocase(name, "Content-Length") &&
            !text_parse_i64(slice_trim(value), 0, INT64_MAX, &taking->length))
            return false;
    }
    return true;
}

/* Looks for the end of the head in what has come. False if there will be none. */
static bool look_for_head(struct taking *taking)
{
    const char *end = taking->bytes.n ? memmem(taking->bytes.p, taking->bytes.n, "\r\n\r\n", 4) : NULL;
    if (!end)
        return taking->bytes.n < HEAD_MAX;
    size_t n = (size_t)(end - taking->bytes.p) + 2;
    taking->body = (struct slice){taking->bytes.p + n + 2, taking->bytes.n - n - 2};
    return read_head(taking, (struct slice){taking->bytes.p, n});
}

static int hear(struct taking *taking, struct error *error)
{
    char bytes[8192];
    const struct fetch *fetch = taking->fetch;
    for (;;) {
        if (!look_for_head(taking))
            return error_set(error, ERROR_UPSTREAM, NULL, "%s did not answer with HTTP", fetch->path);
        if (taking->body.n > fetch->bytes_max || (taking->body.p && taking->length > (int64_t)fetch->bytes_max))
            return error_set(error, ERROR_UPSTREAM, NULL, "%s is longer than %zu bytes", fetch->path, fetch->bytes_max);
        if (taking->body.p && taking->length >= 0 && (int64_t)taking->body.n >= taking->length)
            return 0;
        if (!wait_ready(taking, POLLIN))
            return too_late(taking, error);
        ssize_t got = recv(fetch->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (got > 0)
            buffer_add(&taking->bytes, bytes, (size_t)got);
        else if (got == 0 && taking->body.p && taking->length < 0)
            return 0;
        else if (got == 0)
            return error_set(error, ERROR_UPSTREAM, NULL, "%s: the answer broke off", fetch->path);
        else if (errno != EAGAIN && errno != EINTR)
            return broken(taking, error);
    }
}

int fetch_json(const struct fetch *fetch, int *ret_status, cJSON **ret, struct error *error)
{
    struct taking taking = {.fetch = fetch, .until_ms = clock_monotonic_ms() + fetch->timeout_ms, .length = -1};
    int r = say(&taking, error);
    if (r == 0)
        r = hear(&taking, error);
    *ret_status = taking.status;
    if (r == 0 && taking.status != 200)
        r = error_set(error, ERROR_UPSTREAM, NULL, "%s answered with status %d", fetch->path, taking.status);
    struct json_limits limits = json_limits_default;
    if (fetch->bytes_max > limits.bytes)
        limits.bytes = fetch->bytes_max;
    if (r == 0 && json_parse(taking.body, &limits, ret, error) < 0)
        r = error_set(error, ERROR_UPSTREAM, NULL, "%s did not answer with JSON", fetch->path);
    buffer_free(&taking.bytes);
    return r;
}
