/* Is a workload's answer framed as RFC 9112 6.3 says, without its leniencies? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/http1.h"

static struct http_response response;
static struct http_fault fault;

static bool parse(const char *head, bool to_head)
{
    return http_response_parse(slice_of(head), to_head, &response, &fault);
}

static void framing_follows_status_and_fields(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        bool to_head;
        enum http_framing framing;
        bool keep_alive;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, HTTP_BODY_LENGTH, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, HTTP_BODY_NONE, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, HTTP_BODY_NONE, true},
        {"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", false, HTTP_BODY_CHUNKED, true},
        {"HTTP/1.1 200 OK\r\nX: y\r\n\r\n", false, HTTP_BODY_UNTIL_CLOSE, false},
        {"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", false, HTTP_BODY_NONE, true},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, HTTP_BODY_NONE, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", false, HTTP_BODY_LENGTH, false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, HTTP_BODY_LENGTH, false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", false, HTTP_BODY_LENGTH, true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(parse(cases[i].head, cases[i].to_head));
        assert_int_equal(response.framing, cases[i].framing);
        assert_int_equal(response.keep_alive, cases[i].keep_alive);
    }
}

static void the_length_of_a_body_that_does_not_come_is_kept(void **state)
{
    (void)state;
    assert_true(parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true));
    assert_true(response.length_given);
    assert_int_equal(response.length_said, 5);
    assert_int_equal(response.length, 0);
}

static void what_two_readers_could_read_differently_is_refused(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "HTTP/2 200 OK\r\nX: y\r\n\r\n",
        "HTTP/1.1 99 Low\r\nX: y\r\n\r\n",
        "HTTP/1.1 600 High\r\nX: y\r\n\r\n",
        "HTTP/1.1  200 OK\r\nX: y\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nX: y\r\n\r\n",
        "HTTP/1.1 200 O\x01K\r\nX: y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        assert_false(parse(heads[i], false));
        assert_int_equal(fault.status, 502);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(framing_follows_status_and_fields),
        cmocka_unit_test(the_length_of_a_body_that_does_not_come_is_kept),
        cmocka_unit_test(what_two_readers_could_read_differently_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
