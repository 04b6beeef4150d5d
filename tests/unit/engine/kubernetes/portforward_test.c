/* How bytes come through TLS and a WebSocket to a port of a pod, and what ends that. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>

#include "scripted_server.h"

#include "base/clock.h"
#include "engine/kubernetes/portforward.h"
#include "engine/kubernetes/relay.h"

#define SWITCH                                                                                                         \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                                \
    "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n"
#define PATIENCE_MS 20000

struct scene {
    struct scripted_server server;
    struct kube_client *client;
};

static void open_scene(struct scene *scene, const struct step *step, const char *authority)
{
    server_start(&scene->server, step, 1);
    AUTO_FREE char *url = memory_format("https://127.0.0.1:%u", scene->server.port);
    const struct kube_config config = {.server = url,
                                       .ca = (char *)(uintptr_t)(authority ? authority : scene->server.certificate),
                                       .token = (char[]){"platform"}};
    assert_int_equal(kube_client_new(&config, &scene->client, NULL), 0);
}

static void close_scene(struct scene *scene)
{
    kube_client_free(scene->client);
    server_stop(&scene->server);
}

/* --- the kubelet's side ------------------------------------------------------------------------------------------- */

static bool read_all(SSL *tls, uint8_t *ret, size_t count)
{
    for (size_t have = 0; have < count;) {
        int got = SSL_read(tls, ret + have, (int)(count - have));
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    return true;
}

/* One frame of the client's, unmasked; false at the end, and for one that is not masked. */
static bool read_frame(SSL *tls, int *ret_op, uint8_t *ret, size_t *ret_count)
{
    uint8_t head[2], wide[2] = {0}, mask[4];
    if (!read_all(tls, head, 2) || !(head[1] & 0x80))
        return false;
    size_t count = head[1] & 0x7f;
    if (count == 126) {
        if (!read_all(tls, wide, 2))
            return false;
        count = (size_t)wide[0] << 8 | wide[1];
    }
    if (count > 0xffff || !read_all(tls, mask, 4) || !read_all(tls, ret, count))
        return false;
    for (size_t i = 0; i < count; i++)
        ret[i] ^= mask[i % 4];
    *ret_op = head[0] & 0x0f;
    *ret_count = count;
    return true;
}

static void write_frame(SSL *tls, int op, const void *payload, size_t count)
{
    uint8_t head[10] = {(uint8_t)(0x80 | op)};
    size_t length = 2;
    if (count < 126) {
        head[1] = (uint8_t)count;
    } else if (count < 0x10000) {
        head[1] = 126;
        head[2] = (uint8_t)(count >> 8);
        head[3] = (uint8_t)count;
        length = 4;
    } else {
        head[1] = 127;
        for (int i = 0; i < 8; i++)
            head[2 + i] = (uint8_t)((uint64_t)count >> (56 - 8 * i));
        length = 10;
    }
    SSL_write(tls, head, (int)length);
    if (count)
        SSL_write(tls, payload, (int)count);
}

static void greet(SSL *tls)
{
    write_frame(tls, 2, (const uint8_t[]){0, 0xb8, 0x22}, 3);
    write_frame(tls, 2, (const uint8_t[]){1, 0xb8, 0x22}, 3);
}

#define TOTAL ((size_t)1 << 20)

/* Sends back what comes, one byte and then TOTAL, in frames of all three lengths, after its ping has been answered. */
static void echo(SSL *tls)
{
    static uint8_t bytes[0x10000], large[0x20001];
    size_t count, kept = 0, seen = 0;
    bool alive = false;
    int op;
    greet(tls);
    write_frame(tls, 9, "are you there", 13);
    while (read_frame(tls, &op, bytes, &count)) {
        if (op == 10 && !alive && count == 13 && memcmp(bytes, "are you there", 13) == 0) {
            alive = true;
            count = 1;
        } else if (op != 2 || count < 1 || bytes[0] != 0) {
            return;
        }
        memcpy(large + 1 + kept, bytes + 1, count - 1);
        kept += count - 1;
        seen += count - 1;
        if (!alive || !kept || (kept < 70000 && seen != 1 && seen != 1 + TOTAL))
            continue; /* for a frame of more than 64 KiB */
        large[0] = 0;
        write_frame(tls, 2, large, kept + 1);
        kept = 0;
    }
}

static void complain(SSL *tls)
{
    greet(tls);
    write_frame(tls, 2, "\x00hello", 6);
    write_frame(tls, 2, "\x01nothing listens on port 8888", 29);
}

static void say_goodbye(SSL *tls)
{
    greet(tls);
    write_frame(tls, 2, "\x00hello", 6);
    write_frame(tls, 8, "\x03\xe8", 2);
}

static void send_too_much(SSL *tls)
{
    greet(tls);
    write_frame(tls, 2, "\x00hello", 6);
    SSL_write(tls, "\x82\x7f\x00\x00\x00\x7f\xff\xff\xff\xff", 10);
}

static void send_masked(SSL *tls)
{
    greet(tls);
    write_frame(tls, 2, "\x00hello", 6);
    SSL_write(tls, "\x82\x82\x00\x00\x00\x00\x00x", 8);
}

/* --- ours --------------------------------------------------------------------------------------------------------- */

static ssize_t read_some(int fd, char *ret, size_t room)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&polled, 1, PATIENCE_MS), 1);
    return read(fd, ret, room);
}

static void assert_says(int fd, const char *text)
{
    char bytes[64];
    size_t have = 0;
    while (have < strlen(text)) {
        ssize_t came = read_some(fd, bytes + have, sizeof(bytes) - have);
        assert_true(came > 0);
        have += (size_t)came;
    }
    assert_int_equal(have, strlen(text));
    assert_memory_equal(bytes, text, have);
}

static void assert_over(int fd)
{
    char byte;
    assert_true(read_some(fd, &byte, 1) <= 0);
}

static int open_port(struct scene *scene, struct error *error)
{
    int fd = -1;
    *error = (struct error){0};
    int r = portforward_open(scene->client, "alice", "nb1-0", 8888, &fd, error);
    return r < 0 ? r : fd;
}

static void carries_bytes_both_ways(void **state)
{
    const struct step step = {SWITCH, STEP_CLOSE, echo};
    struct scene scene;
    struct error error;
    (void)state;
    open_scene(&scene, &step, NULL);
    int fd = open_port(&scene, &error);
    assert_true(fd >= 0);
    const char *request = server_request(&scene.server, 0);
    assert_non_null(strstr(request, "GET /api/v1/namespaces/alice/pods/nb1-0/portforward?ports=8888 HTTP/1.1\r\n"));
    assert_non_null(strstr(request, "Authorization: Bearer platform\r\n"));
    assert_int_equal(write(fd, "x", 1), 1);
    assert_says(fd, "x");
    AUTO_FREE char *sent = memory_get(TOTAL), *came = memory_get(TOTAL);
    for (size_t i = 0; i < TOTAL; i++)
        sent[i] = (char)(i * 2654435761u >> 13);
    size_t out = 0, in = 0;
    int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (in < TOTAL && clock_monotonic_ms() < until_ms) {
        struct pollfd polled = {.fd = fd, .events = (short)(POLLIN | (out < TOTAL ? POLLOUT : 0))};
        poll(&polled, 1, 1000);
        ssize_t n = out < TOTAL ? write(fd, sent + out, TOTAL - out) : 0;
        out += n > 0 ? (size_t)n : 0;
        n = read(fd, came + in, TOTAL - in);
        in += n > 0 ? (size_t)n : 0;
    }
    assert_int_equal(in, TOTAL);
    assert_memory_equal(sent, came, TOTAL);
    close(fd);
    close_scene(&scene);
}

static void ends_when_the_pods_side_does(void **state)
{
    const struct step steps[] = {{SWITCH, STEP_STALL, complain},
                                 {SWITCH, STEP_STALL, say_goodbye},
                                 {SWITCH, STEP_STALL, send_too_much},
                                 {SWITCH, STEP_STALL, send_masked}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct scene scene;
        struct error error;
        open_scene(&scene, &steps[i], NULL);
        int fd = open_port(&scene, &error);
        assert_true(fd >= 0);
        assert_says(fd, "hello");
        assert_over(fd);
        close(fd);
        close_scene(&scene);
    }
}

static void ends_when_the_connection_breaks(void **state)
{
    const struct step step = {SWITCH, STEP_CUT, greet};
    struct scene scene;
    struct error error;
    (void)state;
    open_scene(&scene, &step, NULL);
    int fd = open_port(&scene, &error);
    assert_true(fd >= 0);
    assert_over(fd);
    close(fd);
    close_scene(&scene);
}

static void says_why_there_is_no_port(void **state)
{
    const struct step steps[] = {
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", STEP_CLOSE, NULL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", STEP_CLOSE, NULL},
        {"", STEP_CUT, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct scene scene;
        struct error error;
        open_scene(&scene, &steps[i], NULL);
        assert_int_equal(open_port(&scene, &error), -ERROR_UNAVAILABLE);
        assert_null(strstr(error.message, "platform"));
        close_scene(&scene);
    }
}

/* --- the relay alone ---------------------------------------------------------------------------------------------- */

static void relays_plain_bytes_to_the_server(void **state)
{
    const struct step step = {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", STEP_CLOSE, NULL};
    const char request[] = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n";
    struct scene scene;
    int fd;
    (void)state;
    open_scene(&scene, &step, NULL);
    assert_int_equal(kube_relay_open(scene.client, &fd, NULL), 0);
    assert_int_equal(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
    assert_says(fd, step.answer);
    assert_over(fd);
    close(fd);
    close_scene(&scene);
}

static void relays_only_to_the_authority_it_was_given(void **state)
{
    const struct step step = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", STEP_CLOSE, NULL};
    char *certificate, *key;
    struct scene scene;
    struct error error = {0};
    int fd;
    (void)state;
    make_certificate("another", &certificate, &key);
    open_scene(&scene, &step, certificate);
    assert_int_equal(kube_relay_open(scene.client, &fd, &error), -ERROR_UNAVAILABLE);
    assert_null(server_request(&scene.server, 0));
    close_scene(&scene);
    free(certificate);
    free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_bytes_both_ways),          cmocka_unit_test(ends_when_the_pods_side_does),
        cmocka_unit_test(ends_when_the_connection_breaks),  cmocka_unit_test(says_why_there_is_no_port),
        cmocka_unit_test(relays_plain_bytes_to_the_server), cmocka_unit_test(relays_only_to_the_authority_it_was_given),
    };
    signal(SIGPIPE, SIG_IGN); /* a server whose client hangs up */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
