/* What of a head passes in either direction? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/headers.h"

static struct chunk *out;
static struct http_request request;
static struct host host;

static int setup(void **state)
{
    (void)state;
    out = malloc(sizeof(*out) + CHUNK_SMALL_BYTES);
    *out = (struct chunk){.capacity = CHUNK_SMALL_BYTES};
    host_parse(SLICE("notebook-nb1--alice.localhost:8080"), "localhost", &host);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(out);
    return 0;
}

static const char *forward(const char *head, const struct target *target, bool read_only)
{
    struct http_fault fault;
    struct route route;
    struct error error;
    assert_true(http_request_parse(slice_of(head), &request, &fault));
    assert_true(headers_check_connection(&request.fields, &fault));
    assert_true(route_parse(request.path, &route, &error));
    struct headers_forward all = {.request = &request,
                                  .host = &host,
                                  .route = &route,
                                  .target = target,
                                  .email = "alice@example.com",
                                  .peer = "::1",
                                  .request_id = "id",
                                  .read_only = read_only};
    out->start = out->end = 0;
    assert_true(headers_write_request(out, &all, &fault));
    chunk_add(out, (struct slice){"", 1});
    return out->bytes;
}

static const struct target jupyter = {
    .owner_kind = "Notebook", .header_name = "Authorization", .header_value = "token T"};
static const struct target ray = {
    .owner_kind = "RayCluster", .strip_prefix = true, .header_name = "X-Ray-Authorization", .header_value = "Bearer T"};

static void a_notebook_gets_its_own_path_and_token(void **state)
{
    (void)state;
    assert_string_equal(forward("GET /notebook/alice/nb1/lab?a HTTP/1.1\r\nHost: notebook-nb1--alice.localhost:8080\r\n"
                                "Accept: */*\r\nAuthorization: mine\r\nX-XSRFToken: x\r\nTE: trailers\r\n\r\n",
                                &jupyter, false),
                        "GET /notebook/alice/nb1/lab?a HTTP/1.1\r\nHost: notebook-nb1--alice.localhost:8080\r\n"
                        "Accept: */*\r\nX-XSRFToken: x\r\nX-Forwarded-For: ::1\r\nX-Forwarded-Proto: http\r\n"
                        "X-Forwarded-Host: notebook-nb1--alice.localhost:8080\r\nX-Atelier-User: alice@example.com\r\n"
                        "X-Request-Id: id\r\nAuthorization: token T\r\n\r\n");
}

static void ray_gets_the_tail_and_no_browser(void **state)
{
    (void)state;
    const char *head = forward("POST /ray/alice/rc1/api/jobs/ HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0\r\n"
                               "Origin: http://x\r\nReferer: http://x/\r\nSec-Fetch-Site: same-origin\r\n"
                               "Sec-Fetch-Mode: cors\r\nContent-Length: 2\r\n\r\n",
                               &ray, false);
    assert_non_null(strstr(head, "POST /api/jobs/ HTTP/1.1\r\n"));
    assert_non_null(strstr(head, "X-Ray-Authorization: Bearer T\r\n"));
    assert_non_null(strstr(head, "X-Forwarded-Prefix: /ray/alice/rc1\r\n"));
    assert_non_null(strstr(head, "Content-Length: 2\r\n"));
    assert_null(strstr(head, "Mozilla"));
    assert_null(strstr(head, "Origin"));
    assert_null(strstr(head, "Referer"));
    assert_null(strstr(head, "Sec-Fetch"));
    head = forward("POST /ray/alice/rc1/x HTTP/1.1\r\nHost: x\r\nUser-Agent: python-requests/2\r\n\r\n", &ray, false);
    assert_non_null(strstr(head, "User-Agent: python-requests/2\r\n"));
    assert_non_null(strstr(head, "Content-Length: 0\r\n"));
}

static void a_viewer_looks_like_a_browser_to_ray(void **state)
{
    (void)state;
    const char *head = forward("GET /ray/alice/rc1/api/jobs/ HTTP/1.1\r\nHost: x\r\n\r\n", &ray, true);
    assert_non_null(strstr(head, "Sec-Fetch-Site: same-origin\r\n"));
    head = forward("GET /ray/alice/rc1/api/jobs/ HTTP/1.1\r\nHost: x\r\n\r\n", &ray, false);
    assert_null(strstr(head, "Sec-Fetch"));
}

static const char *back(const char *head, bool main_host, const char *prefix)
{
    struct http_response response;
    struct http_fault fault;
    assert_true(http_response_parse(slice_of(head), false, &response, &fault));
    struct headers_return all = {.response = &response,
                                 .host = &host,
                                 .prefix = slice_of(prefix),
                                 .main_host = main_host,
                                 .chunked = response.framing == HTTP_BODY_CHUNKED,
                                 .keep_alive = true};
    out->start = out->end = 0;
    assert_true(headers_write_response(out, &all, &fault));
    chunk_add(out, (struct slice){"", 1});
    return out->bytes;
}

static void answers_keep_what_is_theirs(void **state)
{
    (void)state;
    assert_string_equal(back("HTTP/1.1 200 Fine\r\nServer: tornado\r\nSet-Cookie: _xsrf=1; Path=/\r\nAlt-Svc: h3\r\n"
                             "Set-Cookie: atelier_session=1\r\nTransfer-Encoding: chunked\r\n\r\n",
                             false, NULL),
                        "HTTP/1.1 200 Fine\r\nServer: tornado\r\nSet-Cookie: _xsrf=1; Path=/\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n");
    assert_string_equal(back("HTTP/1.1 204 No Content\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n", true, NULL),
                        "HTTP/1.1 204 No Content\r\nContent-Security-Policy: sandbox\r\nX-Content-Type-Options: "
                        "nosniff\r\n\r\n");
}

static void locations_stay_below_the_prefix(void **state)
{
    (void)state;
    static const struct {
        const char *said, *passed;
    } cases[] = {
        {"/x?y", "Location: /ray/a/b/x?y\r\n"},
        {"//evil.example/x", "Location: //evil.example/x\r\n"},
        {"x/y", "Location: x/y\r\n"},
        {"https://other.example/", "Location: https://other.example/\r\n"},
        {"http://notebook-nb1--alice.localhost:8080/x", "Location: /ray/a/b/x\r\n"},
        {"http://notebook-nb1--alice.localhost:80800/x", "Location: http://notebook-nb1--alice.localhost:80800/x\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char head[256];
        snprintf(head, sizeof(head), "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", cases[i].said);
        assert_non_null(strstr(back(head, false, "/ray/a/b"), cases[i].passed));
    }
}

static void the_cluster_hears_one_credential(void **state)
{
    (void)state;
    struct http_fault fault;
    static const char own[] =
        "Authorization: Bearer ours\r\nImpersonate-User: system:serviceaccount:t:alice.editor\r\n";
    const char *head =
        "GET /api/v1/namespaces/alice/pods/p/exec?command=sh&stdin=true HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.dG9rZW4, v5.channel.k8s.io\r\n"
        "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io,base64url.bearer.authorization.k8s.io.channel.k8s.io\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate\r\nAuthorization: Bearer theirs\r\nCookie: a=b\r\n"
        "Impersonate-User: admin\r\nImpersonate-Group: system:masters\r\nImpersonate-Extra-x: y\r\n"
        "X-Remote-User: admin\r\nX-Forwarded-For: 1.2.3.4\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n";
    assert_true(http_request_parse(slice_of(head), &request, &fault));
    out->start = out->end = 0;
    assert_true(headers_write_api(out, &request, own, &fault));
    chunk_add(out, (struct slice){"", 1});
    assert_string_equal(
        out->bytes,
        "GET /api/v1/namespaces/alice/pods/p/exec?command=sh&stdin=true HTTP/1.1\r\nHost: kubernetes\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v5.channel.k8s.io, SPDY/3.1+portforward.k8s.io\r\n"
        "Authorization: Bearer ours\r\nImpersonate-User: system:serviceaccount:t:alice.editor\r\n\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_notebook_gets_its_own_path_and_token, setup, teardown),
        cmocka_unit_test_setup_teardown(ray_gets_the_tail_and_no_browser, setup, teardown),
        cmocka_unit_test_setup_teardown(a_viewer_looks_like_a_browser_to_ray, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_keep_what_is_theirs, setup, teardown),
        cmocka_unit_test_setup_teardown(locations_stay_below_the_prefix, setup, teardown),
        cmocka_unit_test_setup_teardown(the_cluster_hears_one_credential, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
