/*
 * Is a proxy that asks by gRPC told what it would be told over HTTP, and nothing when it asks nonsense? A real gateway
 * and real sockets; people and engine are the fakes of tests/attacks/gateway_harness.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>

#include "tests/attacks/h2_peer.h"
#include "tests/unit/protobuf_look.h"

#define CHECK "/envoy.service.auth.v3.Authorization/Check"

static int check_port, main_port;

static int start(void **state)
{
    static char listen_at[32];
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    check_port = free_port();
    snprintf(listen_at, sizeof(listen_at), "127.0.0.1:%d", check_port);
    harness_check = listen_at;
    harness_start(2);
    main_port = gateway_port;
    gateway_port = check_port;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop();
    return 0;
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static void add(struct buffer *message, unsigned number, struct slice text)
{
    protobuf_add_bytes(message, number, text);
}

/* What Envoy makes of a request that came to it as <head>: "METHOD path\nname: value\n…", the first name is host. */
static void make_request(const char *head, bool raw, struct buffer *ret)
{
    AUTO_BUFFER struct buffer http = {0};
    AUTO_BUFFER struct buffer map = {0};
    AUTO_BUFFER struct buffer request = {0};
    AUTO_BUFFER struct buffer attributes = {0};
    struct slice rest, line = slice_split(slice_of(head), '\n', &rest), path;
    struct slice method = slice_split(line, ' ', &path);
    add(&http, 2, method);
    add(&http, 4, path);
    while (rest.n > 0) {
        AUTO_BUFFER struct buffer entry = {0};
        struct slice value, name;
        line = slice_split(rest, '\n', &rest);
        name = slice_split(line, ':', &value);
        value = slice_trim(value);
        if (slice_is(name, "host")) {
            add(&http, 5, value);
            continue;
        }
        add(&entry, 1, name);
        add(&entry, raw ? 3 : 2, value);
        add(raw ? &map : &http, raw ? 1 : 3, buffer_slice(&entry));
    }
    if (raw)
        add(&http, 13, buffer_slice(&map));
    add(&request, 2, buffer_slice(&http));
    add(&attributes, 4, buffer_slice(&request));
    add(ret, 1, buffer_slice(&attributes));
}

static void frame(struct slice message, struct buffer *ret)
{
    const uint8_t prefix[] = {0, (uint8_t)(message.n >> 24), (uint8_t)(message.n >> 16), (uint8_t)(message.n >> 8),
                              (uint8_t)message.n};
    buffer_add(ret, prefix, sizeof(prefix));
    buffer_add_slice(ret, message);
}

static bool says(const struct h2_answer *answer, const char *line)
{
    return answer->head.p && strstr(answer->head.p, line);
}

/* One call with <body> as it is, on a connection of its own. */
static struct h2_answer call(const char *path, struct slice body, struct buffer *said)
{
    struct h2_client client = h2_client_open_plain();
    static struct h2_answer answer;
    answer = (struct h2_answer){.body = body, .said = said};
    h2_client_begin(&client);
    h2_call(&client, "check", path, "", &answer);
    h2_client_run(&client, &answer.closed, PATIENCE_MS);
    h2_client_close(&client);
    assert_true(answer.closed);
    return answer;
}

struct decision_heard {
    bool passes;
    int status;            /* HTTP */
    struct buffer headers; /* "name: value\n", in their order; "-name\n" for one that is removed */
    struct buffer body;
};
static void heard_free(struct decision_heard *heard)
{
    buffer_free(&heard->headers);
    buffer_free(&heard->body);
}
#define AUTO_HEARD __attribute__((cleanup(heard_free)))

static void hear_headers(struct slice message, struct buffer *ret)
{
    struct protobuf_field one;
    bool end = false;
    while (protobuf_next(&message, &one, &end) && !end) {
        if (one.number == 2) {
            struct slice header = field(one.bytes, 1), name = field(header, 1), value = field(header, 2);
            buffer_add_format(ret, "%.*s: %.*s\n", (int)name.n, name.p, (int)value.n, value.p);
        } else if (one.number == 5) {
            buffer_add_format(ret, "-%.*s\n", (int)one.bytes.n, one.bytes.p);
        }
    }
    assert_true(end);
}

static void hear(struct slice framed, struct decision_heard *ret)
{
    assert_true(framed.n >= 5 && framed.p[0] == 0);
    assert_int_equal(framed.n - 5, (unsigned char)framed.p[3] << 8 | (unsigned char)framed.p[4]);
    struct slice message = slice_skip(framed, 5), ok = field(message, 3), denied = field(message, 2);
    ret->passes = number_of(field(message, 1), 1) == 0;
    assert_true(ret->passes ? ok.n > 0 && denied.n == 0 : ok.n == 0 && denied.n > 0);
    ret->status = ret->passes ? 200 : (int)number_of(field(denied, 1), 1);
    hear_headers(ret->passes ? ok : denied, &ret->headers);
    if (!ret->passes)
        buffer_add_slice(&ret->body, field(denied, 3));
}

static void ask(const char *head, bool raw, struct decision_heard *ret)
{
    AUTO_BUFFER struct buffer message = {0};
    AUTO_BUFFER struct buffer body = {0};
    AUTO_BUFFER struct buffer said = {0};
    make_request(head, raw, &message);
    frame(buffer_slice(&message), &body);
    struct h2_answer answer = call(CHECK, buffer_slice(&body), &said);
    if (!says(&answer, ":status: 200\n") || !says(&answer, "grpc-status: 0\n"))
        fail_msg("%s: %s", head, answer.head.p);
    assert_true(says(&answer, "content-type: application/grpc\n"));
    hear(buffer_slice(&said), ret);
    buffer_free(&answer.head);
}

/* --- the same as over HTTP ---------------------------------------------------------------------------------------- */

/* The same question as Envoy asks it over HTTP; the answer as it came. */
static int ask_over_http(const char *head, struct buffer *ret)
{
    AUTO_BUFFER struct buffer request = {0};
    struct slice rest, line = slice_split(slice_of(head), '\n', &rest);
    buffer_add_format(&request, "%.*s HTTP/1.1\r\n", (int)line.n, line.p);
    while (rest.n > 0) {
        line = slice_split(rest, '\n', &rest);
        buffer_add_format(&request, "%.*s\r\n", (int)line.n, line.p);
    }
    buffer_add_text(&request, "\r\n");
    int fd = client_connect();
    send_all(fd, request.p, request.n);
    int status = client_answer(fd, ret, strncmp(head, "HEAD ", 5) == 0, PATIENCE_MS);
    close(fd);
    return status;
}

static bool is_compared(struct slice name)
{
    static const char *const names[] = {"location",      "set-cookie",  "content-type",  "www-authenticate",
                                        "cache-control", "retry-after", "x-atelier-user"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (slice_is_nocase(name, names[i]))
            return true;
    return false;
}

/* Lines "Name: value" of either form, as "name: value\n". */
static void pick(struct slice lines, struct buffer *ret)
{
    for (struct slice value, name; lines.n > 0;) {
        struct slice line = slice_split(lines, '\n', &lines);
        name = slice_split(line, ':', &value);
        if (!is_compared(name))
            continue;
        for (size_t i = 0; i < name.n; i++)
            buffer_add_format(ret, "%c", name.p[i] | 0x20);
        value = slice_trim(value);
        while (value.n > 0 && value.p[value.n - 1] == '\r')
            value.n--;
        buffer_add_format(ret, ": %.*s\n", (int)value.n, value.p);
    }
}

/* But for the request's id. */
static bool is_same_text(const char *a, const char *b)
{
    const char *id = strstr(a, "\"requestId\"");
    return id ? strncmp(a, b, (size_t)(id - a)) == 0 : strcmp(a, b) == 0;
}

static void assert_same(const char *head, bool raw)
{
    AUTO_BUFFER struct buffer http = {0};
    AUTO_BUFFER struct buffer expected = {0};
    AUTO_BUFFER struct buffer got = {0};
    AUTO_HEARD struct decision_heard heard = {0};
    int status = ask_over_http(head, &http);
    ask(head, raw, &heard);
    char *end = strstr(http.p, "\r\n\r\n");
    assert_non_null(end);
    if (status != heard.status || heard.passes != (status == 200) ||
        (!heard.passes && !is_same_text(end + 4, heard.body.p ? heard.body.p : "")))
        fail_msg("%s: %d %s over HTTP, %d %s by gRPC", head, status, end + 4, heard.status, heard.body.p);
    pick((struct slice){http.p, (size_t)(end - http.p)}, &expected);
    pick(buffer_slice(&heard.headers), &got);
    if (heard.passes) { /* of what passes only who it is reaches a client or an application */
        const char *user = strstr(expected.p, "x-atelier-user: ");
        bool nobody = strcmp(user, "x-atelier-user: \n") == 0;
        assert_string_equal(got.p ? got.p : "", nobody ? "" : user);
        assert_int_equal(nobody, strstr(heard.headers.p, "-x-atelier-user\n") != NULL);
        assert_non_null(strstr(heard.headers.p, "-x_atelier_user\n"));
    } else if (strcmp(expected.p, got.p) != 0) {
        fail_msg("%s: over HTTP\n%sby gRPC\n%s", head, expected.p, got.p);
    }
}

#define TO "\nhost: localhost\n"
#define AS(who) "authorization: Bearer token-" who "\n"
#define OWN "\nhost: notebook-nb1--alice.localhost\n"
#define UPGRADE                                                                                                        \
    "connection: Upgrade\nupgrade: websocket\nsec-websocket-version: 13\nsec-websocket-key: "                          \
    "dGhlIHNhbXBsZSBub25jZQ==\n"
#define UPGRADE_BY_HTTP2 "connection: upgrade\nupgrade: websocket\nsec-websocket-version: 13\n"
static const char *const questions[] = {
    "GET /notebook/alice/nb1/lab" TO AS("alice"),
    "POST /notebook/alice/nb1/api" TO AS("alice"),
    "HEAD /notebook/alice/nb1/lab" TO AS("alice"),
    "HEAD /notebook/alice/nb1/lab" TO AS("bob"),
    "GET /notebook/alice/nb1/lab" TO AS("bob"),
    "GET /notebook/alice/nb1/lab" TO AS("victor"),
    "GET /notebook/alice/absent/lab" TO AS("alice"),
    "GET /notebook/alice/nb1/lab" TO,
    "GET /notebook/alice/nb1/lab" TO "authorization: Bearer nonsense\n",
    "GET /notebook/alice/nb1" TO AS("alice"),
    "POST /notebook/alice/nb1?x=1" TO AS("alice"),
    "GET /ray/alice/rc1/api/version" TO AS("victor"),
    "POST /ray/alice/rc1/api/jobs/" TO AS("victor"),
    "GET /ray/alice/rc1/api/version" TO AS("victor") UPGRADE,
    "GET /ray/alice/rc1/api/version" TO AS("alice") UPGRADE,
    "GET /ray/alice/asleep/" TO AS("alice"),
    "GET /serve/alice/open/app/x" TO,
    "GET /serve/alice/open/app/x" TO AS("bob"),
    "GET /serve/alice/open/other" TO,
    "GET /serve/alice/shop/app/x" TO AS("dora"),
    "GET /serve/alice/shop/app/x" TO AS("dora") UPGRADE,
    "GET /serve/alice/shop/other" TO AS("dora"),
    "GET /serve/alice/rc1/app/x" TO AS("dora"),
    "GET /ray/alice/shop/app/x" TO AS("dora"),
    "GET /tunnel/alice/svc/80" TO AS("alice"),
    "GET /notebook/alice/nb1/lab" OWN "cookie: a=b; atelier_resource=resource-alice\n",
    "GET /notebook/alice/nb1/lab" OWN
    "cookie: atelier_resource=resource-alice\ncookie: atelier_resource=resource-bob\n",
    "GET /notebook/alice/nb2/lab" OWN "cookie: atelier_resource=resource-alice\n",
    "POST /notebook/alice/nb1/api" OWN "cookie: atelier_resource=resource-alice\norigin: http://evil.example\n",
    "POST /notebook/alice/nb1/api" OWN
    "cookie: atelier_resource=resource-alice\norigin: http://notebook-nb1--alice.localhost\n",
    "GET /notebook/alice/nb1/lab" OWN "cookie: atelier_resource=resource-alice\nsec-fetch-site: cross-site\n",
    "GET /notebook/alice/nb1/lab" OWN "cookie: __Host-atelier_resource=resource-alice\nx-forwarded-proto: https\n",
    "GET /notebook/alice/nb1/lab" OWN "cookie: atelier_resource=resource-alice\nx-forwarded-proto: https\n",
    "POST /notebook/alice/nb1/api/contents" TO
    "cookie: atelier_session=session-alice\norigin: http://localhost\nx-atelier-csrf: csrf-of-alice\n",
    "POST /notebook/alice/nb1/api/contents" TO "cookie: atelier_session=session-alice\norigin: http://localhost\n",
    "GET /console" TO,
    "POST /auth/token" TO "origin: http://evil.example\n",
    "GET /api/v1/namespaces/alice/pods/nb1-0/exec?command=ls" TO AS("alice") UPGRADE,
    "GET /api/v1/namespaces/alice/pods/nb1-0/exec?command=ls" TO AS("carol") UPGRADE,
    "GET /api/v1/namespaces/alice/pods/nb2-0/exec?command=ls" TO AS("carol") UPGRADE,
    "GET /api/v1/namespaces/alice/pods/stray-0/exec?command=ls" TO AS("carol") UPGRADE,
    "GET /notebook/alice/nb1/lab\nhost: evil.example\n" AS("alice"),
    "GET /notebook/alice/nb1/lab\nhost: rayclient-rc1--alice.localhost\n" AS("alice"),
    "GET /notebook/alice/nb1/lab\nhost: a b\n" AS("alice"),
    "GET /notebook/alice/nb1/../nb2/lab" TO AS("alice"),
    "GET //notebook/alice/nb1/lab" TO AS("alice"),
    "GET /notebook%2falice/nb1/lab" TO AS("alice"),
    "GET /notebook/alice/nb1/lab x" TO AS("alice"),
    "GET notebook" TO AS("alice"),
    "OPTIONS *" TO AS("alice"),
    "get /notebook/alice/nb1/lab" TO AS("alice"),
    "CONNECT /notebook/alice/nb1/lab" TO AS("alice"),
    "GET /notebook/alice/nb1/lab" TO AS("alice") "connection: authorization\n",
    "GET /notebook/alice/nb1/lab" TO AS("alice") "upgrade: websocket\n",
};

/* What Envoy makes of a WebSocket by HTTP/2 has no key (RFC 8441), and is decided as one that has: never as a GET. */
static void a_websocket_is_one_without_a_key(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        int status;
    } cases[] = {
        {"GET /notebook/alice/nb1/api" TO AS("alice"), 200},
        {"GET /notebook/alice/nb1/api" TO AS("bob"), 404},
        {"GET /notebook/alice/nb1/api" TO AS("victor"), 403},
        {"GET /notebook/alice/nb1/api" TO, 401},
        {"GET /notebook/alice/nb1/api" TO "accept: text/html\n", 401},
        {"GET /notebook/alice/nb1/api" TO AS("nonsense"), 401},
        {"GET /ray/alice/rc1/api/version" TO AS("alice"), 200},
        {"GET /ray/alice/rc1/api/version" TO AS("victor"), 403}, /* who may look */
        {"GET /tunnel/alice/svc/80" TO AS("alice"), 200},
        {"GET /tunnel/alice/svc/80" TO AS("bob"), 404},
        {"GET /console" TO, 400},
        {"GET /api/v1/namespaces/alice/pods/nb2-0/exec?command=ls" TO AS("carol"), 404},
        {"GET /notebook/alice/nb1/api" OWN "cookie: atelier_resource=resource-alice\n"
         "origin: http://notebook-nb1--alice.localhost\n",
         200},
        {"GET /notebook/alice/nb1/api" OWN "cookie: atelier_resource=resource-alice\norigin: http://evil.example\n",
         403},
        {"GET /notebook/alice/nb1/api" OWN "cookie: atelier_resource=resource-alice\n", 403},
        {"POST /notebook/alice/nb1/api" TO AS("alice"), 400},
        {"CONNECT /notebook/alice/nb1/api" TO AS("alice"), 405},
        {"CONNECT /notebook/alice/nb1/api" TO AS("bob"), 405},
        {"CONNECT /notebook/alice/nb1/api" TO, 405},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_BUFFER struct buffer with = {0};
        AUTO_BUFFER struct buffer without = {0};
        AUTO_FREE char *keyed = memory_format("%s" UPGRADE, cases[i].head);
        AUTO_FREE char *keyless = memory_format("%s" UPGRADE_BY_HTTP2, cases[i].head);
        int expected = ask_over_http(keyed, &with), status = ask_over_http(keyless, &without);
        if (expected != cases[i].status || status != expected)
            fail_msg("%s: %d with a key, %d without", cases[i].head, expected, status);
        assert_same(keyless, false);
        assert_same(keyless, true);
    }
}

static void what_is_said_is_what_http_says(void **state)
{
    (void)state;
    unsigned passed = 0;
    for (size_t i = 0; i < COUNT_OF(questions); i++) {
        AUTO_HEARD struct decision_heard heard = {0};
        assert_same(questions[i], false);
        assert_same(questions[i], true);
        ask(questions[i], false, &heard);
        passed += heard.passes;
    }
    assert_true(passed > 10 && COUNT_OF(questions) - passed > 10);
}

static void what_is_too_large_is_denied_alike(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer long_path = {0};
    AUTO_BUFFER struct buffer long_cookie = {0};
    AUTO_BUFFER struct buffer many = {0};
    AUTO_FREE char *text = memory_get(17 * 1024 + 1);
    memset(text, 'x', 17 * 1024);
    buffer_add_format(&long_path, "GET /notebook/alice/nb1/%.9000s" TO AS("alice"), text);
    buffer_add_format(&long_cookie, "GET /notebook/alice/nb1/lab" TO AS("alice") "cookie: %s\n", text);
    buffer_add_text(&many, "GET /notebook/alice/nb1/lab" TO AS("alice"));
    for (int i = 0; i < 100; i++)
        buffer_add_text(&many, "cookie: a=b\n");
    const char *const heads[] = {long_path.p, long_cookie.p, many.p};
    static const int statuses[] = {414, 431, 431};
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        AUTO_HEARD struct decision_heard heard = {0};
        ask(heads[i], i == 2, &heard);
        assert_int_equal(heard.status, statuses[i]);
        assert_false(heard.passes);
        assert_same(heads[i], true);
    }
}

/* What answers nobody's browser is the API, on a thread of its own; nothing that it says lets anything pass. */
static void only_a_decision_lets_pass(void **state)
{
    (void)state;
    AUTO_HEARD struct decision_heard heard = {0};
    int before = handled;
    ask("GET /notebook/alice/nb1/lab" TO "accept: text/html\nsec-fetch-mode: navigate\n", false, &heard);
    assert_int_equal(handled, before + 1);
    assert_false(heard.passes);
    assert_int_equal(heard.status, 200); /* as the fake API says; atelierd leads to sign-in */
    assert_non_null(strstr(heard.body.p, "as ''"));
}

static void no_answer_is_said_at_once(void **state)
{
    (void)state;
    static const char *const tails[] = {"wide", "short"}; /* one that fits into no message, and one without end */
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        AUTO_BUFFER struct buffer message = {0};
        AUTO_BUFFER struct buffer body = {0};
        AUTO_FREE char *head =
            memory_format("GET /notebook/alice/nb1/%s" TO "accept: text/html\nsec-fetch-mode: navigate\n", tails[i]);
        int64_t before = clock_monotonic_ms();
        make_request(head, false, &message);
        frame(buffer_slice(&message), &body);
        struct h2_answer answer = call(CHECK, buffer_slice(&body), NULL);
        if (!says(&answer, "grpc-status: 14\n") || !says(&answer, "could not be decided"))
            fail_msg("%s: %s", tails[i], answer.head.p);
        assert_int_equal(answer.data, 0);
        assert_true(clock_monotonic_ms() - before < gateway_limits.write_window_ms / 2);
        buffer_free(&answer.head);
    }
}

/* --- nonsense ----------------------------------------------------------------------------------------------------- */

static void assert_status(const char *path, struct slice body, const char *expected, const char *message)
{
    struct h2_answer answer = call(path, body, NULL);
    if (!says(&answer, expected) || !says(&answer, message))
        fail_msg("%s", answer.head.p);
    assert_int_equal(answer.data, 0);
    buffer_free(&answer.head);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer message = {0};
    AUTO_BUFFER struct buffer good = {0};
    AUTO_BUFFER struct buffer twice = {0};
    AUTO_BUFFER struct buffer longer = {0};
    make_request(questions[0], false, &message);
    frame(buffer_slice(&message), &good);
    buffer_add_slice(&twice, buffer_slice(&good));
    buffer_add_slice(&twice, buffer_slice(&good));
    buffer_add_slice(&longer, buffer_slice(&good));
    buffer_add_text(&longer, "x");
    struct slice cut = {good.p, good.n - 1};
    assert_status(CHECK, SLICE(""), "grpc-status: 3\n", "expected one CheckRequest");
    assert_status(CHECK, SLICE("\0\0\0"), "grpc-status: 3\n", "expected one CheckRequest");
    assert_status(CHECK, SLICE("\0\0\0\0\0"), "grpc-status: 3\n", "no attributes.request.http");
    assert_status(CHECK, SLICE("\0\0\0\0\3\x0a\5x"), "grpc-status: 3\n", "malformed");
    assert_status(CHECK, cut, "grpc-status: 3\n", "of the length that it says");
    assert_status(CHECK, buffer_slice(&twice), "grpc-status: 3\n", "of the length that it says");
    assert_status(CHECK, buffer_slice(&longer), "grpc-status: 3\n", "of the length that it says");
    good.p[0] = 1;
    assert_status(CHECK, buffer_slice(&good), "grpc-status: 12\n", "compressed");
    good.p[0] = 0;
    assert_status("/envoy.service.auth.v2.Authorization/Check", buffer_slice(&good), "grpc-status: 12\n",
                  "only /envoy");
    assert_status("/t/Echo", buffer_slice(&good), "grpc-status: 12\n", "only /envoy");
}

static void large_messages_are_refused_as_soon_as_they_say_so(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer message = {0};
    AUTO_BUFFER struct buffer body = {0};
    AUTO_BUFFER struct buffer said = {0};
    AUTO_FREE char *filling = memory_get(LIMIT_CHECK_BYTES);
    memset(filling, 'x', LIMIT_CHECK_BYTES);
    assert_status(CHECK, SLICE("\0\0\2\0\1"), "grpc-status: 8\n", "larger than 128 KiB");
    assert_status(CHECK, SLICE("\0\xff\xff\xff\xff"), "grpc-status: 8\n", "larger than 128 KiB");
    make_request(questions[0], false, &message);
    add(&message, 15, (struct slice){filling, LIMIT_CHECK_BYTES - message.n - 4}); /* a field of the future */
    assert_int_equal(message.n, LIMIT_CHECK_BYTES);
    frame(buffer_slice(&message), &body);
    struct h2_answer most = call(CHECK, buffer_slice(&body), &said);
    assert_true(says(&most, "grpc-status: 0\n"));
    buffer_free(&most.head);
    add(&message, 16, SLICE(""));
    buffer_clear(&body);
    frame(buffer_slice(&message), &body);
    assert_status(CHECK, buffer_slice(&body), "grpc-status: 8\n", "larger than 128 KiB");
}

static void a_message_must_come_in_time(void **state)
{
    (void)state;
    int64_t before = gateway_limits.head_ms;
    gateway_limits.head_ms = 200;
    struct h2_client client = h2_client_open_plain();
    struct h2_answer answers[] = {{.half = true}, {.body = SLICE("\0\0\0\0\7half"), .half = true}};
    h2_client_begin(&client);
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        h2_call(&client, "check", CHECK, "", &answers[i]);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        h2_client_run(&client, &answers[i].closed, PATIENCE_MS);
        assert_true(says(&answers[i], "grpc-status: 4\n"));
        buffer_free(&answers[i].head);
    }
    gateway_limits.head_ms = before;
    h2_client_close(&client);
}

/* --- connections -------------------------------------------------------------------------------------------------- */

/* As many at once as one connection may have, some of which are decided on other threads. */
static void many_calls_share_a_connection(void **state)
{
    (void)state;
    enum { CALLS = 300 };
    static const char *const heads[] = {"GET /notebook/alice/nb1/lab" TO AS("alice"),
                                        "GET /api/v1/namespaces/alice/pods/nb1-0/exec?command=ls" TO AS("carol")
                                            UPGRADE,
                                        "GET /notebook/alice/nb1/lab" TO AS("bob")};
    static struct h2_answer answers[CALLS];
    static struct buffer said[CALLS], bodies[COUNT_OF(heads)];
    struct h2_client client = h2_client_open_plain();
    h2_client_begin(&client);
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        AUTO_BUFFER struct buffer message = {0};
        make_request(heads[i], false, &message);
        frame(buffer_slice(&message), &bodies[i]);
    }
    for (size_t i = 0; i < CALLS; i++) {
        answers[i] = (struct h2_answer){.body = buffer_slice(&bodies[i % COUNT_OF(heads)]), .said = &said[i]};
        h2_call(&client, "check", CHECK, "", &answers[i]);
    }
    for (size_t i = 0; i < CALLS; i++) {
        AUTO_HEARD struct decision_heard heard = {0};
        h2_client_run(&client, &answers[i].closed, PATIENCE_MS);
        assert_true(says(&answers[i], "grpc-status: 0\n"));
        hear(buffer_slice(&said[i]), &heard);
        static const char *const users[] = {"alice@", "carol@", NULL};
        assert_int_equal(heard.passes, users[i % COUNT_OF(heads)] != NULL);
        assert_true(!heard.passes || strstr(heard.headers.p, users[i % COUNT_OF(heads)]));
        buffer_free(&answers[i].head);
        buffer_free(&said[i]);
    }
    h2_client_close(&client);
    for (size_t i = 0; i < COUNT_OF(heads); i++)
        buffer_free(&bodies[i]);
}

/* The proxy gives up, or goes, while the API has the request. */
static void who_no_longer_waits_is_let_go(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer message = {0};
    AUTO_BUFFER struct buffer body = {0};
    make_request("GET /notebook/alice/nb1/lab" TO "accept: text/html\nsec-fetch-mode: navigate\n", false, &message);
    frame(buffer_slice(&message), &body);
    for (int i = 0; i < 40; i++) {
        struct h2_client client = h2_client_open_plain();
        struct h2_answer answer = {.body = buffer_slice(&body)};
        h2_client_begin(&client);
        h2_call(&client, "check", CHECK, "", &answer);
        h2_client_run(&client, &answer.closed, i % 4);
        if (i % 2)
            nghttp2_submit_rst_stream(client.session, NGHTTP2_FLAG_NONE, answer.id, NGHTTP2_CANCEL);
        h2_client_flush(&client);
        if (i % 2) { /* the connection goes on */
            AUTO_BUFFER struct buffer said = {0};
            struct h2_answer next = {.body = buffer_slice(&body), .said = &said};
            h2_call(&client, "check", CHECK, "", &next);
            h2_client_run(&client, &next.closed, PATIENCE_MS);
            assert_true(says(&next, "grpc-status: 0\n"));
            buffer_free(&next.head);
        }
        h2_client_close(&client);
        buffer_free(&answer.head);
    }
}

/* Byte by byte the preface is the same; on the main listener, and after a request of HTTP/1.1, it is none. */
static void http2_begins_with_its_preface_here_alone(void **state)
{
    (void)state;
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    AUTO_BUFFER struct buffer settings = {0};
    int fd = client_connect();
    for (size_t i = 0; i < sizeof(preface) - 1; i++)
        assert_true(send_all(fd, &preface[i], 1));
    client_read(fd, &settings, "\0", PATIENCE_MS);
    assert_true(settings.n > 9 && settings.p[3] == 4); /* SETTINGS */
    close(fd);
    AUTO_BUFFER struct buffer later = {0};
    fd = client_connect();
    static const char first[] = "GET /console HTTP/1.1\r\nHost: localhost\r\n\r\n";
    send_all(fd, first, sizeof(first) - 1);
    assert_int_equal(client_answer(fd, &later, false, PATIENCE_MS), 200);
    send_all(fd, preface, sizeof(preface) - 1);
    buffer_clear(&later);
    assert_int_equal(client_answer(fd, &later, false, PATIENCE_MS), 505);
    close(fd);
    gateway_port = main_port;
    AUTO_BUFFER struct buffer elsewhere = {0};
    fd = client_connect();
    gateway_port = check_port;
    send_all(fd, preface, sizeof(preface) - 1);
    assert_int_equal(client_answer(fd, &elsewhere, false, PATIENCE_MS), 505);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_websocket_is_one_without_a_key),
        cmocka_unit_test(what_is_said_is_what_http_says),
        cmocka_unit_test(what_is_too_large_is_denied_alike),
        cmocka_unit_test(only_a_decision_lets_pass),
        cmocka_unit_test(no_answer_is_said_at_once),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(large_messages_are_refused_as_soon_as_they_say_so),
        cmocka_unit_test(a_message_must_come_in_time),
        cmocka_unit_test(many_calls_share_a_connection),
        cmocka_unit_test(who_no_longer_waits_is_let_go),
        cmocka_unit_test(http2_begins_with_its_preface_here_alone),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
