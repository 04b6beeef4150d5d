/* What does the gateway say itself? */
#include "gateway/reply.h"

#include "gateway/exchange.h"
#include "gateway/guard.h"
#include "gateway/hold.h"
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

/* --- the page that a person sees when a workload does not answer ---------------------------------------------------
 */

static const char page_headers[] = "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
                                   "base-uri 'none'; form-action 'self'; frame-ancestors 'self'\r\n";

static void print_console_link(struct buffer *page, const struct connection *connection)
{
    const struct exchange *exchange = connection->exchange;
    const struct gateway *gateway = connection->io.loop->gateway;
    const char *port = exchange->host.text + exchange->host.name_length;
    buffer_add_format(page, "<a href=\"%s://%s%s/\">the console</a>",
                      connection_is_secure(connection) ? "https" : "http", gateway->options.base_domain, port);
}

static const char *what_is_meant(enum route_kind kind)
{
    switch (kind) {
    case ROUTE_NOTEBOOK:
        return "notebook";
    case ROUTE_RAY:
        return "Ray cluster";
    default:
        return "service";
    }
}

/* <reload>: the page is loaded again by itself, without a script. */
static void print_page_head(struct buffer *page, const char *title, bool reload)
{
    buffer_add_text(page, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
                          "content=\"width=device-width\">");
    if (reload)
        buffer_add_text(page, "<meta http-equiv=\"refresh\" content=\"3\">");
    buffer_add_format(page, "<title>%s</title>", title);
    buffer_add_text(page, "<style>body{font:16px/1.5 "
                          "system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;color:#222;"
                          "background:#fff}a{color:#0b57d0}button{font:inherit;padding:.4rem 1rem}"
                          "@media(prefers-color-scheme:dark){body{color:#eee;"
                          "background:#161616}a{color:#8ab4f8}}</style><main><h1>");
}

static void print_starting_page(struct buffer *page, const struct connection *connection)
{
    const struct route *route = &connection->exchange->route;
    print_page_head(page, "Starting", true);
    buffer_add_format(page, "The %s %s is starting", what_is_meant(route->kind), route->name);
    buffer_add_text(page, "</h1><p>This page loads itself again until it answers. What it waits for is in ");
    print_console_link(page, connection);
    buffer_add_text(page, ".</p></main></html>\n");
}

/* The form is sent from here, which no other site can do: the Origin says so. */
static void print_suspended_page(struct buffer *page, const struct connection *connection)
{
    const struct route *route = &connection->exchange->route;
    print_page_head(page, "Suspended", false);
    buffer_add_format(page, "The %s %s is suspended", what_is_meant(route->kind), route->name);
    buffer_add_text(page, "</h1><form method=\"post\"><button>Start it</button></form><p>Or see it in ");
    print_console_link(page, connection);
    buffer_add_text(page, ".</p></main></html>\n");
}

static void print_silent_page(struct buffer *page, const struct connection *connection, const char *message)
{
    const struct route *route = &connection->exchange->route;
    /* Names are DNS labels and messages ours, but both go through the one escape that knows no exceptions. */
    AUTO_BUFFER struct buffer text = {0};
    for (const char *p = message; *p; p++)
        buffer_add_format(&text, *p == '<' || *p == '>' || *p == '&' || *p == '"' ? "&#%d;" : "%c", *p);
    print_page_head(page, "Not running", false);
    buffer_add_format(page, "The %s %s is not answering", what_is_meant(route->kind), route->name);
    buffer_add_format(page,
                      "</h1><p>%s</p><p>It may be stopped or still starting. Start it, or see what it waits for, in ",
                      text.p ? text.p : "");
    print_console_link(page, connection);
    buffer_add_text(page, ", then load this page again.</p></main></html>\n");
}

static void print_page(struct buffer *page, const struct connection *connection, int status, const char *message)
{
    enum target_state state = status == 503 ? connection->exchange->target.state : TARGET_AS_IT_IS;
    switch (state) {
    case TARGET_STARTING:
        print_starting_page(page, connection);
        break;
    case TARGET_RESUMES:
        print_suspended_page(page, connection);
        break;
    case TARGET_AS_IT_IS:
        print_silent_page(page, connection, message);
        break;
    }
}

/* A person's browser shows what it is answered to a form, too. */
static bool is_shown(const struct http_request *request)
{
    const struct header *mode = http_fields_find(&request->fields, "Sec-Fetch-Mode");
    return guard_is_navigation(request) || (mode && slice_is_nocase(mode->value, "navigate") && !request->websocket);
}

enum step reply_unavailable(struct connection *connection, int status, const char *message)
{
    AUTO_BUFFER struct buffer body = {0};
    bool person = is_shown(&connection->exchange->request);
    bool starting = status == 503 && connection->exchange->target.state == TARGET_STARTING;
    if (person)
        print_page(&body, connection, status, message);
    else
        status_print(&body, status, status_reason(status), starting ? HOLD_STARTING : message);
    return reply_send(connection, &(struct reply){.status = status,
                                                  .type = person ? "text/html; charset=utf-8" : NULL,
                                                  .headers = person ? page_headers : NULL,
                                                  .body = buffer_slice(&body)});
}
