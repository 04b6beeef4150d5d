/* What has come of this request's body? */
#include "gateway/body.h"

void body_begin(struct exchange *exchange)
{
    const struct http_request *request = &exchange->request;
    exchange->body_done = request->framing == HTTP_BODY_NONE;
    exchange->body_left = request->length;
    exchange->continue_due = request->expect_continue;
}

void body_continue(struct exchange *exchange)
{
    struct connection *connection = exchange->connection;
    if (!exchange->continue_due || exchange->body_seen > 0)
        return;
    exchange->continue_due = false;
    if (connection_ahead(connection).n == 0)
        chunk_add_text(connection_out(connection), "HTTP/1.1 100 Continue\r\n\r\n");
}

/* Raw bytes: first those read along with the head, then the socket's. */
static ssize_t take_raw(struct connection *connection, char *into, size_t count)
{
    struct slice ahead = connection_ahead(connection);
    if (ahead.n > 0) {
        size_t taken = ahead.n < count ? ahead.n : count;
        memcpy(into, ahead.p, taken);
        connection->in->start += taken;
        return (ssize_t)taken;
    }
    return connection->io.readable ? io_read(&connection->io, into, count) : IO_AGAIN;
}

/* Bytes that were taken but belong to the next request go back to where the next head is looked for. */
static void put_back(struct connection *connection, const char *bytes, size_t count)
{
    struct chunk *in = connection->in;
    if (in->start == in->end)
        in->start = in->end = connection->exchange->head_bytes;
    if (in->start - connection->exchange->head_bytes >= count) {
        in->start -= count;
        memcpy(in->bytes + in->start, bytes, count);
        return;
    }
    memmove(in->bytes + connection->exchange->head_bytes + count, in->bytes + in->start, in->end - in->start);
    in->end = connection->exchange->head_bytes + count + (in->end - in->start);
    in->start = connection->exchange->head_bytes;
    memcpy(in->bytes + in->start, bytes, count);
}

bool body_fits(struct exchange *exchange, uint64_t limit, struct http_fault *fault)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB"};
    bool told = exchange->request.framing == HTTP_BODY_LENGTH;
    if ((told ? exchange->request.length : exchange->body_seen) <= limit)
        return true;
    size_t unit = 0;
    for (; unit + 1 < COUNT_OF(units) && limit && limit % 1024 == 0; unit++)
        limit /= 1024;
    snprintf(exchange->too_large, sizeof(exchange->too_large),
             "the body is larger than %llu %s, the most that is taken here", (unsigned long long)limit, units[unit]);
    *fault = (struct http_fault){413, exchange->too_large};
    return false;
}

static enum body judge(ssize_t got)
{
    return got == IO_AGAIN ? BODY_WAIT : BODY_GONE;
}

static enum body read_length(struct exchange *exchange, struct chunk *into)
{
    size_t room = chunk_room(into) - CHUNK_TAILROOM;
    size_t wanted = exchange->body_left < room ? (size_t)exchange->body_left : room;
    ssize_t got = take_raw(exchange->connection, into->bytes + into->end, wanted);
    if (got <= 0)
        return judge(got);
    into->end += (size_t)got;
    exchange->connection->came += got;
    exchange->body_left -= (size_t)got;
    exchange->body_seen += (size_t)got;
    exchange->body_done = exchange->body_left == 0;
    return BODY_MORE;
}

static enum body read_chunked(struct exchange *exchange, struct chunk *into, struct http_fault *fault)
{
    struct connection *connection = exchange->connection;
    size_t room = chunk_room(into) - CHUNK_TAILROOM;
    /* Whatever turns out to belong to the next request must fit behind the head again. */
    size_t behind = connection->in->capacity - exchange->head_bytes;
    char *at = into->bytes + into->end;
    ssize_t got = take_raw(connection, at, room < behind ? room : behind);
    if (got <= 0)
        return judge(got);
    size_t payload, used;
    enum http_verdict verdict = http_chunked_decode(&exchange->chunked, at, (size_t)got, &payload, &used, fault);
    if (verdict == HTTP_REFUSED)
        return BODY_REFUSED;
    if (used < (size_t)got)
        put_back(connection, at + used, (size_t)got - used);
    into->end += payload;
    exchange->body_seen += payload;
    exchange->body_done = verdict == HTTP_DONE;
    connection->came += got;
    return BODY_MORE;
}

enum body body_read(struct exchange *exchange, struct chunk *into, uint64_t limit, struct http_fault *fault)
{
    if (exchange->body_done)
        return BODY_END;
    if (!body_fits(exchange, limit, fault))
        return BODY_REFUSED;
    enum body result = exchange->request.framing == HTTP_BODY_LENGTH ? read_length(exchange, into)
                                                                     : read_chunked(exchange, into, fault);
    return result == BODY_MORE && !body_fits(exchange, limit, fault) ? BODY_REFUSED : result;
}
