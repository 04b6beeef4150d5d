/* Which head is made of a CheckRequest, what is refused, and what does a CheckResponse say? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/check_message.h"
#include "tests/unit/protobuf_look.h"

/* --- messages as Envoy writes them -------------------------------------------------------------------------------- */

static void add(struct buffer *message, unsigned number, const char *text)
{
    protobuf_add_bytes(message, number, slice_of(text));
}

static void add_entry(struct buffer *http, unsigned number, const char *key, unsigned value_number, const char *value)
{
    AUTO_BUFFER struct buffer entry = {0};
    add(&entry, 1, key);
    add(&entry, value_number, value);
    protobuf_add_bytes(http, number, buffer_slice(&entry));
}

/* What every request has, and what nothing is decided by. */
static void begin_http(struct buffer *http)
{
    add(http, 1, "17446744073709551615");
    add(http, 2, "GET");
    add(http, 4, "/notebook/alice/nb/api?x=1");
    add(http, 5, "localhost:8080");
    add(http, 6, "https");
    protobuf_add_number(http, 9, UINT64_MAX);
    add(http, 10, "HTTP/1.1");
    add(http, 11, "a body");
}

/* http -> CheckRequest, with a source that claims to be somebody. */
static void wrap(const struct buffer *http, struct buffer *ret)
{
    AUTO_BUFFER struct buffer request = {0};
    AUTO_BUFFER struct buffer source = {0};
    AUTO_BUFFER struct buffer attributes = {0};
    protobuf_add_bytes(&request, 1, SLICE("\x08\x01"));
    protobuf_add_bytes(&request, 2, buffer_slice(http));
    add(&source, 4, "spiffe://cluster.local/ns/alice/sa/root");
    protobuf_add_bytes(&attributes, 1, buffer_slice(&source));
    protobuf_add_bytes(&attributes, 4, buffer_slice(&request));
    protobuf_add_bytes(ret, 1, buffer_slice(&attributes));
}

static bool read_http(const struct buffer *http, struct buffer *head, const char **ret_why)
{
    AUTO_BUFFER struct buffer message = {0};
    wrap(http, &message);
    return check_request_read(buffer_slice(&message), head, ret_why);
}

static void assert_head(const struct buffer *http, const char *expected)
{
    AUTO_BUFFER struct buffer head = {0};
    const char *why = "";
    if (!read_http(http, &head, &why))
        fail_msg("%s", why);
    assert_string_equal(head.p, expected);
}

#define LINE "GET /notebook/alice/nb/api?x=1 HTTP/1.1\r\nhost: localhost:8080\r\n"

static void fields_that_decide_come_over(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer http = {0};
    begin_http(&http);
    add_entry(&http, 3, ":path", 2, "/elsewhere");
    add_entry(&http, 3, "authorization", 2, "Bearer t");
    add_entry(&http, 3, "Content-Length", 2, "17");
    add_entry(&http, 3, "transfer-encoding", 2, "chunked");
    add_entry(&http, 3, "host", 2, "evil.example");
    add_entry(&http, 3, "x_atelier_user", 2, "root@example.com");
    add_entry(&http, 3, "x-forwarded-proto", 2, "http");
    add_entry(&http, 3, "accept", 2, "text/html");
    add_entry(&http, 3, "cookie", 2, "");
    assert_head(&http,
                LINE "authorization: Bearer t\r\nx-forwarded-proto: http\r\naccept: text/html\r\ncookie: \r\n\r\n");
}

/* As of Envoy, which has made a GET of a WebSocket by HTTP/2; CONNECT stays what it is, to be refused. */
static void a_websocket_comes_over_without_a_key(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET", "CONNECT"};
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        AUTO_BUFFER struct buffer http = {0};
        AUTO_FREE char *expected =
            memory_format("%s /notebook/alice/nb/api HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n"
                          "upgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n",
                          methods[i]);
        add(&http, 2, methods[i]);
        add(&http, 4, "/notebook/alice/nb/api");
        add(&http, 5, "localhost");
        add_entry(&http, 3, ":method", 2, "GET");
        add_entry(&http, 3, ":protocol", 2, "websocket");
        add_entry(&http, 3, "connection", 2, "upgrade");
        add_entry(&http, 3, "upgrade", 2, "websocket");
        add_entry(&http, 3, "sec-websocket-version", 2, "13");
        assert_head(&http, expected);
    }
}

static void the_scheme_counts_where_no_header_says_it(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer http = {0};
    begin_http(&http);
    assert_head(&http, LINE "x-forwarded-proto: https\r\n\r\n");
}

static void raw_headers_keep_their_bytes_and_are_not_merged(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer http = {0};
    AUTO_BUFFER struct buffer map = {0};
    begin_http(&http);
    add_entry(&map, 1, "cookie", 3, "a=\xff\xfe");
    add_entry(&map, 1, "x-forwarded-proto", 3, "https");
    add_entry(&map, 1, "cookie", 3, "b=2");
    protobuf_add_bytes(&http, 13, buffer_slice(&map));
    assert_head(&http, LINE "cookie: a=\xff\xfe\r\nx-forwarded-proto: https\r\ncookie: b=2\r\n\r\n");
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

static void assert_refused(struct slice message, const char *expected)
{
    AUTO_BUFFER struct buffer head = {0};
    const char *why = "";
    assert_false(check_request_read(message, &head, &why));
    if (!strstr(why, expected))
        fail_msg("\"%s\" does not say \"%s\"", why, expected);
}

static void other_messages_are_refused(void **state)
{
    (void)state;
    assert_refused(SLICE(""), "no attributes.request.http");
    assert_refused(SLICE("\x0a\x00"), "no attributes.request.http");
    assert_refused(SLICE("\x0a\x02\x22\x00"), "no attributes.request.http");
    assert_refused(SLICE("\x0a\x02\x20\x01"), "of another type");
    assert_refused(SLICE("\x0a\x05\x22"), "malformed");
    assert_refused(SLICE("\x0a\x00\x0a\x00"), "repeated");
    assert_refused(SLICE("GET / HTTP/1.1\r\n\r\n"), "malformed");
}

static void assert_http_refused(unsigned number, const char *text, const char *expected)
{
    AUTO_BUFFER struct buffer http = {0};
    AUTO_BUFFER struct buffer message = {0};
    begin_http(&http);
    add(&http, number, text);
    wrap(&http, &message);
    assert_refused(buffer_slice(&message), expected);
}

static void what_two_readers_take_differently_is_refused(void **state)
{
    (void)state;
    assert_http_refused(2, "POST", "repeated");
    assert_http_refused(4, "/notebook/bob/nb/", "repeated");
    assert_http_refused(5, "evil.example", "repeated");
    assert_http_refused(6, "http", "repeated");
    assert_http_refused(3, "\x0a\x05half", "malformed");
    assert_http_refused(13, "\x0a\x05half", "malformed");
    assert_http_refused(3, "\x0a\x01k\x12\x01v\x1a\x01r", "both value and raw_value");
    AUTO_BUFFER struct buffer http = {0};
    AUTO_BUFFER struct buffer message = {0};
    begin_http(&http);
    add_entry(&http, 3, "accept", 2, "text/html");
    add(&http, 13, "");
    wrap(&http, &message);
    assert_refused(buffer_slice(&message), "both headers and header_map");
}

/* A line of one's own: who writes it would choose the path, the host or the credentials that are decided by. */
static void no_text_ends_its_line(void **state)
{
    (void)state;
    static const char *const ends[] = {"a\r\nAuthorization: Bearer t", "a\nb", "a\rb"};
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        for (unsigned at = 0; at < 5; at++) {
            AUTO_BUFFER struct buffer http = {0};
            AUTO_BUFFER struct buffer message = {0};
            static const unsigned numbers[] = {2, 4, 5, 6};
            if (at < COUNT_OF(numbers))
                add(&http, numbers[at], ends[i]);
            else
                add_entry(&http, 3, "accept", 2, ends[i]);
            wrap(&http, &message);
            assert_refused(buffer_slice(&message), "line end");
        }
}

/* Cut off anywhere, or with any byte changed, in memory of exactly that size. */
static void broken_messages_are_read_within_their_memory(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer http = {0};
    AUTO_BUFFER struct buffer message = {0};
    begin_http(&http);
    add_entry(&http, 3, "authorization", 2, "Bearer t");
    wrap(&http, &message);
    for (size_t n = 0; n < 2 * message.n; n++) {
        size_t length = n < message.n ? n : message.n;
        AUTO_FREE char *bytes = memory_get(length + 1);
        AUTO_BUFFER struct buffer head = {0};
        const char *why = NULL;
        memcpy(bytes, message.p, length);
        if (n >= message.n)
            bytes[n - message.n] = (char)(bytes[n - message.n] ^ 0x7f);
        assert_true(check_request_read((struct slice){bytes, length}, &head, &why) || why);
        assert_true(n >= message.n || why); /* cut off it is never whole */
    }
}

/* --- the response ------------------------------------------------------------------------------------------------- */

/* "key: value (action)\n" of every option in <number>; "-name\n" of every name to remove. */
static void list(struct slice message, unsigned options, unsigned removals, struct buffer *ret)
{
    struct protobuf_field one;
    bool end = false;
    while (protobuf_next(&message, &one, &end) && !end) {
        if (one.delimited && one.number == options) {
            struct slice header = field(one.bytes, 1), key = field(header, 1), value = field(header, 2);
            buffer_add_format(ret, "%.*s: %.*s (%d)\n", (int)key.n, key.p, (int)value.n, value.p,
                              (int)number_of(one.bytes, 3));
        } else if (one.delimited && one.number == removals) {
            buffer_add_format(ret, "-%.*s\n", (int)one.bytes.n, one.bytes.p);
        }
    }
    assert_true(end);
}

static void who_passes_is_named_and_nobody_is_not(void **state)
{
    (void)state;
    static const char *const users[][2] = {{"alice@example.com", "x-atelier-user: alice@example.com (2)\n"},
                                           {"", "-x-atelier-user\n"}};
    for (size_t i = 0; i < COUNT_OF(users); i++) {
        AUTO_BUFFER struct buffer message = {0};
        AUTO_BUFFER struct buffer said = {0};
        check_response_pass(slice_of(users[i][0]), &message);
        assert_int_equal(number_of(field(buffer_slice(&message), 1), 1), 0);
        assert_int_equal(field(buffer_slice(&message), 2).n, 0);
        list(field(buffer_slice(&message), 3), 2, 5, &said);
        AUTO_FREE char *expected = memory_format("%s-x_atelier_user\n-x-atelier_user\n-x_atelier-user\n", users[i][1]);
        assert_string_equal(said.p, expected);
    }
}

static void a_denial_is_the_answer_that_the_client_gets(void **state)
{
    (void)state;
    static const struct {
        int status;
        unsigned code;
    } cases[] = {{401, 16}, {302, 7}, {404, 7}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_BUFFER struct buffer message = {0};
        AUTO_BUFFER struct buffer said = {0};
        struct http_response response = {.status = cases[i].status};
        static const struct header fields[] = {
            {{"Location", 8}, {"/signin", 7}},  {{"Set-Cookie", 10}, {"a=1", 3}},   {{"Set-Cookie", 10}, {"b=2", 3}},
            {{"Content-Length", 14}, {"5", 1}}, {{"Connection", 10}, {"close", 5}}, {{"Upgrade", 7}, {"websocket", 9}},
        };
        memcpy(response.fields.at, fields, sizeof(fields));
        response.fields.count = COUNT_OF(fields);
        check_response_deny(&response, SLICE("hello"), &message);
        assert_int_equal(number_of(field(buffer_slice(&message), 1), 1), cases[i].code);
        assert_int_equal(field(buffer_slice(&message), 3).n, 0);
        struct slice denied = field(buffer_slice(&message), 2);
        assert_int_equal(number_of(field(denied, 1), 1), cases[i].status);
        assert_true(slice_is(field(denied, 3), "hello"));
        list(denied, 2, 0, &said);
        assert_string_equal(said.p, "location: /signin (2)\nset-cookie: a=1 (0)\nset-cookie: b=2 (0)\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_that_decide_come_over),
        cmocka_unit_test(a_websocket_comes_over_without_a_key),
        cmocka_unit_test(the_scheme_counts_where_no_header_says_it),
        cmocka_unit_test(raw_headers_keep_their_bytes_and_are_not_merged),
        cmocka_unit_test(other_messages_are_refused),
        cmocka_unit_test(what_two_readers_take_differently_is_refused),
        cmocka_unit_test(no_text_ends_its_line),
        cmocka_unit_test(broken_messages_are_read_within_their_memory),
        cmocka_unit_test(who_passes_is_named_and_nobody_is_not),
        cmocka_unit_test(a_denial_is_the_answer_that_the_client_gets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
