/* Is a workload's answer believed no further than its limits? */
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fetch.h"

struct peer {
    int fd;
    const char *says;
    struct buffer heard;
};

/* Reads one request's head, answers, and hangs up; says nothing if there is nothing to say. */
static void *answer(void *context)
{
    struct peer *peer = context;
    char bytes[4096];
    ssize_t n;
    while (!(peer->heard.n >= 4 && memcmp(peer->heard.p + peer->heard.n - 4, "\r\n\r\n", 4) == 0) &&
           (n = read(peer->fd, bytes, sizeof(bytes))) > 0)
        buffer_add(&peer->heard, bytes, (size_t)n);
    if (!peer->says)
        while (read(peer->fd, bytes, sizeof(bytes)) > 0) {
        }
    else
        (void)!send(peer->fd, peer->says, strlen(peer->says), MSG_NOSIGNAL);
    close(peer->fd);
    return NULL;
}

static int ask(struct peer *peer, size_t bytes_max, int *ret_status, cJSON **ret, struct error *error)
{
    int pair[2];
    pthread_t thread;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    peer->fd = pair[1];
    assert_int_equal(pthread_create(&thread, NULL, answer, peer), 0);
    const struct fetch fetch = {.fd = pair[0],
                                .path = "/api/kernels?x=1",
                                .header = "Authorization: token s3cret",
                                .timeout_ms = 500,
                                .bytes_max = bytes_max};
    int r = fetch_json(&fetch, ret_status, ret, error);
    close(pair[0]);
    pthread_join(thread, NULL);
    assert_null(strstr(error->message, "s3cret"));
    return r;
}

static void an_answer_is_read(void **state)
{
    (void)state;
    struct peer peer = {.says = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"a\":[1]}"};
    struct error error = {0};
    AUTO_JSON cJSON *json = NULL;
    int status = 0;
    assert_int_equal(ask(&peer, 100, &status, &json, &error), 0);
    assert_int_equal(status, 200);
    assert_non_null(json_member(json, "a"));
    buffer_add(&peer.heard, "", 1);
    assert_ptr_equal(strstr(peer.heard.p, "GET /api/kernels?x=1 HTTP/1.0\r\n"), peer.heard.p);
    assert_non_null(strstr(peer.heard.p, "\r\nAuthorization: token s3cret\r\n"));
    buffer_free(&peer.heard);
}

static void one_without_a_length_ends_with_the_connection(void **state)
{
    (void)state;
    struct peer peer = {.says = "HTTP/1.0 200 OK\r\n\r\n[1,2]"};
    struct error error = {0};
    AUTO_JSON cJSON *json = NULL;
    int status = 0;
    assert_int_equal(ask(&peer, 5, &status, &json, &error), 0);
    assert_int_equal(cJSON_GetArraySize(json), 2);
    buffer_free(&peer.heard);
}

static void refuse(const char *says, size_t bytes_max, int code, int expected_status)
{
    struct peer peer = {.says = says};
    struct error error = {0};
    AUTO_JSON cJSON *json = NULL;
    int status = 0;
    assert_int_equal(ask(&peer, bytes_max, &status, &json, &error), code);
    assert_int_equal(status, expected_status);
    assert_null(json);
    buffer_free(&peer.heard);
}

static void anything_else_is_no_answer(void **state)
{
    (void)state;
    refuse("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", 100, -ERROR_UPSTREAM, 404);
    refuse("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"a\":[1]}", 8, -ERROR_UPSTREAM, 200);
    refuse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 100, -ERROR_UPSTREAM, 200);
    refuse("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 100, -ERROR_UPSTREAM,
           302);
    refuse("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", 100, -ERROR_UPSTREAM, 200);
    refuse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 100, -ERROR_UPSTREAM, 200);
    refuse("SSH-2.0-OpenSSH\r\n", 100, -ERROR_UPSTREAM, 0);
}

static void silence_ends(void **state)
{
    (void)state;
    refuse(NULL, 100, -ERROR_TIMEOUT, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_answer_is_read),
                                       cmocka_unit_test(one_without_a_length_ends_with_the_connection),
                                       cmocka_unit_test(anything_else_is_no_answer), cmocka_unit_test(silence_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
