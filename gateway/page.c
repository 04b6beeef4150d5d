/* What does a person see when a workload does not answer? */
#include <inttypes.h>

#include "base/clock.h"
#include "gateway/dial.h"
#include "gateway/exchange.h"
#include "gateway/guard.h"
#include "gateway/hold.h"
#include "gateway/internal.h"
#include "gateway/page_text.h"
#include "gateway/reply.h"
#include "gateway/status.h"

static const char page_headers[] = "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
                                   "base-uri 'none'; form-action 'self'; frame-ancestors 'self'\r\n";

static const struct page_text *text_for(const struct connection *connection)
{
    return page_text_for(&connection->exchange->request.fields);
}

/* <around>: what is said before and after it. */
static void print_console_link(struct buffer *page, const struct connection *connection, const char *const around[2])
{
    const struct exchange *exchange = connection->exchange;
    const struct gateway *gateway = connection->io.loop->gateway;
    const char *port = exchange->host.text + exchange->host.name_length;
    buffer_add_format(page, "%s<a href=\"%s://%s%s/\">%s</a>%s", around[0],
                      connection_is_secure(connection) ? "https" : "http", gateway->options.base_domain, port,
                      text_for(connection)->console, around[1]);
}

static const char *what_is_meant(const struct page_text *text, enum route_kind kind)
{
    switch (kind) {
    case ROUTE_NOTEBOOK:
        return text->notebook;
    case ROUTE_RAY:
        return text->cluster;
    default:
        return text->service;
    }
}

/* As far as its heading. <reload>: the page is loaded again by itself, without a script. */
static void print_page_head(struct buffer *page, const struct connection *connection, const char *title,
                            const char *what_it_is, bool reload)
{
    const struct page_text *text = text_for(connection);
    const struct route *route = &connection->exchange->route;
    buffer_add_format(page,
                      "<!doctype html><html lang=\"%s\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
                      "content=\"width=device-width\">",
                      text->language);
    if (reload)
        buffer_add_text(page, "<meta http-equiv=\"refresh\" content=\"3\">");
    buffer_add_format(page, "<title>%s · Atelier</title>", title);
    buffer_add_text(page, "<style>body{font:16px/1.5 "
                          "system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;color:#222;"
                          "background:#fff}a{color:#0b57d0}button{font:inherit;padding:.4rem 1rem}"
                          "@media(prefers-color-scheme:dark){body{color:#eee;"
                          "background:#161616}a{color:#8ab4f8}}ol{padding-left:1.5rem}"
                          "[aria-current]{font-weight:600}</style><main>");
    buffer_add_format(page, "<h1>%s%s %s%s</h1>", text->before, what_is_meant(text, route->kind), route->name,
                      what_it_is);
}

/* Names are DNS labels and messages ours or an engine's, but all go through the one escape that knows no exceptions. */
static void print_text(struct buffer *page, const char *text)
{
    for (const char *p = text; *p; p++)
        buffer_add_format(page, *p == '<' || *p == '>' || *p == '&' || *p == '"' ? "&#%d;" : "%c", *p);
}

static void print_since(struct buffer *page, const struct page_text *text, int64_t since_ms)
{
    int64_t seconds = (clock_wall_ms() - since_ms) / 1000;
    if (!since_ms || seconds < 0)
        return;
    bool minutes = seconds >= 120;
    buffer_add_format(page, "<p>%s%" PRId64 "%s</p>", text->begun, minutes ? seconds / 60 : seconds,
                      minutes ? text->minutes_ago : text->seconds_ago);
}

/* What is done, what is waited for, and what comes after it; and why it is not further, in the engine's words. */
static void print_progress(struct buffer *page, const struct page_text *text, enum route_kind kind,
                           const struct progress *progress)
{
    buffer_add_text(page, "<ol>");
    for (enum progress_stage step = PROGRESS_PLACE; step < PROGRESS_STAGES; step++) {
        bool of_ray = step == PROGRESS_ANSWER && kind != ROUTE_NOTEBOOK;
        buffer_add_format(page, "<li%s>%s%s</li>", step == progress->stage ? " aria-current=\"step\"" : "",
                          of_ray ? text->ray_answers : text->steps[step],
                          step < progress->stage    ? text->done
                          : step == progress->stage ? text->waited_for
                                                    : "");
    }
    buffer_add_text(page, "</ol>");
    if (progress->message[0]) {
        buffer_add_text(page, "<p role=\"status\">");
        print_text(page, progress->message);
        buffer_add_text(page, "</p>");
    }
    print_since(page, text, progress->since_ms);
}

static void print_starting_page(struct buffer *page, const struct connection *connection,
                                const struct progress *progress)
{
    const struct page_text *text = text_for(connection);
    print_page_head(page, connection, text->starting, text->is_starting, true);
    if (progress)
        print_progress(page, text, connection->exchange->route.kind, progress);
    buffer_add_text(page, "<p>");
    print_console_link(page, connection, text->more);
}

/* The form is sent from here, which no other site can do: the Origin says so. */
static void print_suspended_page(struct buffer *page, const struct connection *connection)
{
    const struct page_text *text = text_for(connection);
    print_page_head(page, connection, text->suspended, text->is_suspended, false);
    buffer_add_format(page, "<form method=\"post\"><button>%s</button></form><p>", text->start);
    print_console_link(page, connection, text->see);
}

static void print_silent_page(struct buffer *page, const struct connection *connection, const char *message)
{
    const struct page_text *text = text_for(connection);
    print_page_head(page, connection, text->not_running, text->is_silent, false);
    buffer_add_text(page, "<p>");
    print_text(page, message);
    buffer_add_text(page, "</p><p>");
    print_console_link(page, connection, text->silent);
}

static void print_page(struct buffer *page, const struct connection *connection, int status, const char *message,
                       const struct progress *progress)
{
    enum target_state state = status == 503 ? connection->exchange->target.state : TARGET_AS_IT_IS;
    if (state == TARGET_AS_IT_IS && progress && progress->starting)
        state = TARGET_STARTING;
    if (progress && !progress->starting && progress->message[0])
        message = progress->message;
    switch (state) {
    case TARGET_STARTING:
        print_starting_page(page, connection, progress);
        break;
    case TARGET_RESUMES:
        print_suspended_page(page, connection);
        break;
    case TARGET_AS_IT_IS:
        print_silent_page(page, connection, message);
        break;
    }
    buffer_add_text(page, "</p></main></html>\n");
}

/* A person's browser shows what it is answered to a form, too. */
static bool is_shown(const struct http_request *request)
{
    const struct header *mode = http_fields_find(&request->fields, "Sec-Fetch-Mode");
    return guard_is_navigation(request) || (mode && slice_is_nocase(mode->value, "navigate") && !request->websocket);
}

static enum step say(struct connection *connection, int status, const char *message, const struct progress *progress)
{
    AUTO_BUFFER struct buffer body = {0};
    bool person = is_shown(&connection->exchange->request);
    bool starting = status == 503 && connection->exchange->target.state == TARGET_STARTING;
    if (person)
        print_page(&body, connection, status, message, progress);
    else
        status_print(&body, status, status_reason(status), starting ? HOLD_STARTING : message);
    return reply_send(connection, &(struct reply){.status = status,
                                                  .type = person ? "text/html; charset=utf-8" : NULL,
                                                  .headers = person ? page_headers : NULL,
                                                  .body = buffer_slice(&body)});
}

static void on_explained(struct connection *connection, int fd, const struct error *error)
{
    struct exchange *exchange = connection->exchange;
    const struct dial *dial = exchange->dial;
    (void)fd;
    (void)error;
    exchange->dial = NULL; /* it is released after this, and what it learnt with it */
    say(connection, 503, dial_message(dial), dial_progress(dial));
    connection_run(connection);
}

/* Of somebody who may see it: how far it has come is looked up first. An application that is open to everybody tells
 * nothing of what is behind it. */
static bool explain_begin(struct connection *connection, const char *message)
{
    struct exchange *exchange = connection->exchange;
    bool known = exchange->route.kind == ROUTE_NOTEBOOK || exchange->route.kind == ROUTE_RAY;
    if (!connection->io.loop->gateway->options.explain || !known || exchange->target.state == TARGET_RESUMES ||
        exchange->permit.identity.kind == IDENTITY_ANONYMOUS || !exchange->body_done)
        return false;
    exchange->dial =
        dial_explain_start(connection, exchange->route.namespace, &exchange->target, message, on_explained);
    if (!exchange->dial)
        return false;
    connection_set_state(connection, CONNECTION_PROXY);
    exchange->wait = WAIT_NOTHING;
    timer_set(connection->io.loop, &connection->timer, gateway_limits.dial_ms);
    return true;
}

enum step reply_unavailable(struct connection *connection, int status, const char *message)
{
    if (status == 503 && is_shown(&connection->exchange->request) && explain_begin(connection, message))
        return STEP_WAIT;
    return say(connection, status, message, NULL);
}
