/* Does the request parser accept exactly one form of everything? The refusals are in tests/attacks/wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/http1.h"

static struct http_request request;
static struct http_fault fault;

static bool parse(const char *head)
{
    struct http_scan scan = {0};
    struct slice all = slice_of(head);
    size_t bytes;
    fault = (struct http_fault){0, NULL};
    assert_int_equal(http_scan(&scan, all, true, &bytes, &fault), HTTP_DONE);
    assert_int_equal(bytes, all.n);
    return http_request_parse(all, &request, &fault);
}

static void reads_a_request(void **state)
{
    (void)state;
    assert_true(parse("PATCH /a/b?c=d&e HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: 12\r\nX:  y z \t\r\n\r\n"));
    assert_true(slice_is(request.method, "PATCH"));
    assert_true(slice_is(request.path, "/a/b"));
    assert_true(slice_is(request.query, "c=d&e"));
    assert_true(slice_is(request.host, "localhost:8080"));
    assert_int_equal(request.framing, HTTP_BODY_LENGTH);
    assert_int_equal(request.length, 12);
    assert_true(request.keep_alive);
    assert_false(request.safe);
    assert_int_equal(request.fields.count, 3);
    assert_true(slice_is(request.fields.at[2].value, "y z"));
}

static void knows_when_a_connection_ends(void **state)
{
    (void)state;
    assert_true(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive, Close\r\n\r\n"));
    assert_false(request.keep_alive);
    assert_true(parse("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"));
    assert_false(request.keep_alive);
    assert_int_equal(request.minor, 0);
}

static void an_empty_query_is_still_one(void **state)
{
    (void)state;
    assert_true(parse("GET /a? HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_true(request.has_query);
    assert_int_equal(request.query.n, 0);
    assert_true(parse("GET /a HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_false(request.has_query);
}

static void absolute_form_must_agree_with_host(void **state)
{
    (void)state;
    assert_true(parse("GET HTTP://x HTTP/1.1\r\nHost: x\r\n\r\n") == false);
    assert_true(parse("GET http://LOCALHOST:80/p?q HTTP/1.1\r\nHost: localhost:80\r\n\r\n"));
    assert_true(slice_is(request.path, "/p"));
    assert_true(slice_is(request.query, "q"));
    assert_false(parse("GET http://localhost/p HTTP/1.1\r\nHost: localhost:80\r\n\r\n"));
    assert_int_equal(fault.status, 400);
}

static void zero_length_is_no_body(void **state)
{
    (void)state;
    assert_true(parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n"));
    assert_int_equal(request.framing, HTTP_BODY_NONE);
    assert_false(request.expect_continue);
    assert_false(parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\n\r\n"));
}

static void websocket_is_recognised_whole(void **state)
{
    (void)state;
    assert_true(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"));
    assert_true(request.websocket);
    assert_true(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"));
    assert_false(request.websocket);
}

/* Only who asks about a request may leave out the key, and nothing else. */
static void a_key_is_needed_by_who_answers(void **state)
{
    (void)state;
#define WEBSOCKET(more) "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" more "\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
    assert_false(parse(WEBSOCKET(VERSION)));
    assert_int_equal(fault.status, 400);
    assert_true(http_request_parse_asked(SLICE(WEBSOCKET(VERSION)), &request, &fault));
    assert_true(request.websocket);
    static const struct {
        const char *head;
        int status;
    } refused[] = {
        {WEBSOCKET(VERSION "Sec-WebSocket-Key: short\r\n"), 400},
        {WEBSOCKET(VERSION "Sec-WebSocket-Key: \r\n"), 400},
        {WEBSOCKET(""), 426},
        {WEBSOCKET(VERSION "Content-Length: 1\r\n"), 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n" VERSION "\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 400},
        {"CONNECT / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" VERSION "\r\n", 405},
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        assert_false(http_request_parse_asked(slice_of(refused[i].head), &request, &fault));
        assert_int_equal(fault.status, refused[i].status);
    }
}

static void scanning_finds_faults_early(void **state)
{
    (void)state;
    struct http_scan scan = {0};
    size_t bytes;
    assert_int_equal(http_scan(&scan, SLICE("GET / HTTP/1.1\n"), true, &bytes, &fault), HTTP_REFUSED);
    scan = (struct http_scan){0};
    assert_int_equal(http_scan(&scan, SLICE("GET / HT"), true, &bytes, &fault), HTTP_MORE);
    assert_int_equal(http_scan(&scan, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r"), true, &bytes, &fault), HTTP_MORE);
    assert_int_equal(http_scan(&scan, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\nrest"), true, &bytes, &fault), HTTP_DONE);
    assert_int_equal(bytes, 27);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_request),
        cmocka_unit_test(knows_when_a_connection_ends),
        cmocka_unit_test(an_empty_query_is_still_one),
        cmocka_unit_test(absolute_form_must_agree_with_host),
        cmocka_unit_test(zero_length_is_no_body),
        cmocka_unit_test(websocket_is_recognised_whole),
        cmocka_unit_test(a_key_is_needed_by_who_answers),
        cmocka_unit_test(scanning_finds_faults_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
