/* What does the gateway say itself? */
#include "gateway/reply.h"

#include "gateway/exchange.h"
#include "gateway/internal.h"
#include "gateway/status.h"

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return status < 400 ? "OK" : "Error";
}

static const char *extra_headers(int status)
{
    switch (status) {
    case 401:
        return "WWW-Authenticate: Bearer realm=\"atelier\"\r\n";
    case 405:
        return "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n";
    case 426:
        return "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    case 429:
    case 503:
        return "Retry-After: 2\r\n";
    default:
        return "";
    }
}

/* Who sends one malformed message may have meant two; who asked for an upgrade may already speak another protocol. */
static bool keeps_connection(const struct connection *connection, int status)
{
    const struct exchange *exchange = connection->exchange;
    return exchange && status != 400 && exchange->request.keep_alive && exchange->body_done &&
           !exchange->request.websocket && !connection->io.loop->draining;
}

enum step reply_send(struct connection *connection, const struct reply *reply)
{
    struct exchange *exchange = connection->exchange;
    connection->close_after = !keeps_connection(connection, reply->status);
    struct chunk *out = connection_out(connection); /* an interim answer may still wait in it */
    chunk_add_text(out, "HTTP/1.1 ");
    chunk_add_number(out, (uint64_t)reply->status);
    chunk_add_text(out, " ");
    chunk_add_text(out, http_reason(reply->status));
    chunk_add_text(out, "\r\nContent-Type: ");
    chunk_add_text(out, reply->type ? reply->type : "application/json");
    chunk_add_text(out, "\r\nContent-Length: ");
    chunk_add_number(out, reply->body.n);
    chunk_add_text(
        out, "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: same-origin\r\n");
    if (exchange) {
        chunk_add_text(out, "X-Request-Id: ");
        chunk_add_text(out, exchange->id);
        chunk_add_text(out, "\r\n");
        exchange->reply_started = true;
    }
    chunk_add_text(out, extra_headers(reply->status));
    if (reply->headers)
        chunk_add_text(out, reply->headers);
    if (connection->close_after)
        chunk_add_text(out, "Connection: close\r\n");
    chunk_add_text(out, "\r\n");
    connection->rest[0] = connection->rest[1] = (struct slice){NULL, 0};
    if (!exchange || !exchange->request.head) {
        buffer_clear(&connection->owned);
        buffer_add_slice(&connection->owned, reply->body);
        connection->rest[0] = buffer_slice(&connection->owned);
    }
    connection_set_state(connection, CONNECTION_REPLY);
    return STEP_AGAIN;
}

static bool asks_people(const struct connection *connection)
{
    return connection->exchange && status_is_people(connection->exchange->request.path);
}

static enum step send_failure(struct connection *connection, int status, const struct buffer *body)
{
    const char *type = asks_people(connection) ? "application/problem+json" : NULL;
    return reply_send(connection, &(struct reply){.status = status, .type = type, .body = buffer_slice(body)});
}

enum step reply_fault(struct connection *connection, const struct http_fault *fault)
{
    AUTO_BUFFER struct buffer body = {0};
    const char *reason = status_reason(fault->status);
    if (asks_people(connection))
        status_problem(&body, fault->status, reason, fault->what, "", connection->exchange->id);
    else
        status_print(&body, fault->status, reason, fault->what);
    return send_failure(connection, fault->status, &body);
}

enum step reply_error(struct connection *connection, const struct error *error)
{
    AUTO_BUFFER struct buffer body = {0};
    int status = error_status(error->code);
    if (asks_people(connection))
        status_problem(&body, status, error_reason(error->code),
                       error->message[0] ? error->message : error_text(error->code), error->field,
                       connection->exchange->id);
    else
        status_error(&body, error);
    return send_failure(connection, status, &body);
}

enum step reply_redirect(struct connection *connection, int status, struct slice location_path, struct slice query,
                         bool has_query)
{
    AUTO_BUFFER struct buffer header = {0};
    buffer_add_text(&header, "Location: ");
    buffer_add_slice(&header, location_path);
    buffer_add_text(&header, "/");
    if (has_query) {
        buffer_add_text(&header, "?");
        buffer_add_slice(&header, query);
    }
    buffer_add_text(&header, "\r\n");
    return reply_send(connection, &(struct reply){.status = status,
                                                  .type = "text/plain",
                                                  .headers = header.p,
                                                  .body = SLICE("The address ends in a slash.\n")});
}

enum step reply_to_https(struct connection *connection)
{
    AUTO_BUFFER struct buffer header = {0};
    const struct exchange *exchange = connection->exchange;
    buffer_add_format(&header, "Location: https://%.*s", (int)exchange->host.name_length, exchange->host.text);
    if (connection->io.loop->gateway->https_port != 443)
        buffer_add_format(&header, ":%u", connection->io.loop->gateway->https_port);
    buffer_add_slice(&header, exchange->request.path);
    if (exchange->request.has_query) {
        buffer_add_text(&header, "?");
        buffer_add_slice(&header, exchange->request.query);
    }
    buffer_add_text(&header, "\r\n");
    return reply_send(connection, &(struct reply){.status = 308,
                                                  .type = "text/plain",
                                                  .headers = header.p,
                                                  .body = SLICE("Everything here is served with https.\n")});
}

enum step reply_metrics(struct connection *connection)
{
    AUTO_BUFFER struct buffer body = {0};
    metrics_print(&body);
    return reply_send(connection, &(struct reply){.status = 200,
                                                  .type = "text/plain; version=0.0.4; charset=utf-8",
                                                  .body = buffer_slice(&body)});
}
