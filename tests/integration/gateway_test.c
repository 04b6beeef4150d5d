/*
 * Does the gateway keep its word on the wire? A real gateway and real sockets; people, engine and workloads are the
 * fakes of tests/attacks/gateway_harness.h. Without arguments all tests run; with a name, those whose name contains it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "gateway/websocket.h"
#include "tests/attacks/wire.h"

#define WS                                                                                                             \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                                       \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

/* Until it holds, or for as long as a test waits. */
#define AWAIT(condition)                                                                                               \
    for (int tries_ = 0; tries_ < PATIENCE_MS / 5 && !(condition); tries_++)                                           \
    clock_sleep_ms(5)

static int ask(const char *raw, struct buffer *ret)
{
    int fd = client_connect();
    send_all(fd, raw, strlen(raw));
    int status = client_answer(fd, ret, strncmp(raw, "HEAD", 4) == 0, PATIENCE_MS);
    close(fd);
    return status;
}

static int reset(void **state)
{
    (void)state;
    workload_reset();
    for (size_t i = 0; i < COUNT_OF(people); i++)
        person_revoked[i] = grant_revoked[i] = false;
    stream_gone_calls = 0;
    apps_open = true;
    late_cluster = TARGET_RESUMES;
    gateway_limits.resume_wait_ms = 0;
    gateway_limits.hold_look_ms = 50;
    gateway_limits.head_ms = gateway_limits.body_window_ms = gateway_limits.write_window_ms = PATIENCE_MS;
    return 0;
}

static void start_gateway(void)
{
#ifdef GATEWAY_OVER_TLS
    harness_start_tls();
#else
    harness_start(2);
#endif
}

/* --- the corpus --------------------------------------------------------------------------------------------------- */

static void play(const char *name)
{
    char path[128];
    unsigned count = 0;
    snprintf(path, sizeof(path), "tests/attacks/wire/%s.wire", name);
    unsigned failed = wire_run(path, &count);
    assert_true(count > 10);
    assert_int_equal(failed, 0);
}
#define CORPUS(name)                                                                                                   \
    static void wire_##name(void **state)                                                                              \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        play(#name);                                                                                                   \
    }
CORPUS(framing)
CORPUS(heads)
CORPUS(hosts)
CORPUS(paths)
CORPUS(identity)
CORPUS(guard)
CORPUS(upstream)
CORPUS(open)
CORPUS(application)
CORPUS(resume)

#include "tests/integration/gateway_bodies.h"

/* --- pooled connections ------------------------------------------------------------------------------------------- */

static void connections_are_reused(void **state)
{
    (void)state;
    int before = dial_calls;
    int fd = client_connect();
    for (int i = 0; i < 50; i++) {
        AUTO_BUFFER struct buffer answer = {0};
        static const char request[] = "GET /notebook/alice/pool/ HTTP/1.1\r\n" HOST ALICE "\r\n";
        send_all(fd, request, sizeof(request) - 1);
        assert_int_equal(client_answer(fd, &answer, false, PATIENCE_MS), 200);
    }
    close(fd);
    assert_int_equal(dial_calls - before, 1);
}

/* The workload closes a pooled connection when the next request comes: GET is sent again, POST is not. */
static void only_safe_requests_are_repeated(void **state)
{
    (void)state;
    static const char *const requests[] = {"GET /notebook/alice/retry0/ HTTP/1.1\r\n" HOST ALICE "\r\n",
                                           "POST /notebook/alice/retry1/ HTTP/1.1\r\n" HOST ALICE
                                           "Content-Length: 2\r\n\r\nok"};
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        const char *request = requests[i];
        AUTO_BUFFER struct buffer answer = {0};
        workload_reset();
        int fd = client_connect();
        send_all(fd, request, strlen(request));
        assert_int_equal(client_answer(fd, &answer, false, PATIENCE_MS), 200);
        buffer_clear(&answer);
        workload.close_before_answer = true;
        send_all(fd, request, strlen(request));
        assert_int_equal(client_answer(fd, &answer, false, PATIENCE_MS), 502);
        assert_int_equal(workload_requests(), i == 0 ? 3 : 2);
        close(fd);
    }
}

/* --- revocation --------------------------------------------------------------------------------------------------- */

static int open_websocket(const char *person)
{
    char head[512];
    AUTO_BUFFER struct buffer answer = {0};
    int fd = client_connect();
    snprintf(head, sizeof(head),
             "GET /notebook/alice/nb1/api/kernels/1/channels HTTP/1.1\r\n" HOST "Authorization: Bearer token-%s\r\n" WS
             "\r\n",
             person);
    send_all(fd, head, strlen(head));
    client_read(fd, &answer, "\r\n\r\n", PATIENCE_MS);
    assert_non_null(answer.p);
    assert_non_null(strstr(answer.p, "101 Switching"));
    return fd;
}

static void assert_echoes(int fd)
{
    AUTO_BUFFER struct buffer answer = {0};
    send_all(fd, "\x81\x85\x00\x00\x00\x00hello", 11);
    client_read(fd, &answer, "hello", PATIENCE_MS);
    assert_non_null(answer.p);
    assert_int_equal(answer.n, 11);
}

/* Since the sweep comes later than anybody waits (main), what closes here does so because it was told. */
static void assert_closes(int fd)
{
    AUTO_BUFFER struct buffer rest = {0};
    assert_true(client_read(fd, &rest, NULL, PATIENCE_MS));
}

static void revocation_closes_websockets(void **state)
{
    (void)state;
    int mine = open_websocket("alice");
    assert_echoes(mine);
    policy_changed(); /* of something else: nothing happens */
    assert_echoes(mine);
    grant_revoked[1] = true;
    policy_changed();
    assert_closes(mine);
    close(mine);
    AUTO_BUFFER struct buffer answer = {0};
    assert_int_equal(ask("GET /notebook/alice/nb1/ HTTP/1.1\r\n" HOST ALICE "\r\n", &answer), 404);
}

static void a_dead_session_closes_websockets(void **state)
{
    (void)state;
    int mine = open_websocket("alice");
    person_revoked[1] = true;
    policy_changed();
    assert_closes(mine);
    close(mine);
}

static void expiry_is_noticed_without_a_change(void **state)
{
    (void)state;
    int64_t usual = gateway_limits.sweep_ms;
    gateway_limits.sweep_ms = 500;
    harness_stop();
    start_gateway();
    int mine = open_websocket("alice");
    assert_echoes(mine);
    person_revoked[1] = true; /* as if its time had come: nobody says so */
    assert_closes(mine);
    close(mine);
    gateway_limits.sweep_ms = usual;
    harness_stop();
    start_gateway();
}

static void revocation_closes_answers_under_way(void **state)
{
    (void)state;
    workload.big = true;
    workload.big_bytes = 500 * 1024 * 1024;
    int fd = client_connect();
    static const char head[] = "GET /ray/alice/rc1/big HTTP/1.1\r\n" HOST ALICE "\r\n";
    send_all(fd, head, sizeof(head) - 1);
    clock_sleep_ms(100);
    person_revoked[1] = true;
    policy_changed();
    clock_sleep_ms(100);
    /* What is in the kernel's buffers still comes; then it ends, far from complete. */
    static char bytes[65536];
    int64_t got = 0;
    for (ssize_t n; (n = recv(fd, bytes, sizeof(bytes), 0)) > 0;)
        got += n;
    assert_true(got < workload.big_bytes / 2);
    close(fd);
}

#include "tests/integration/gateway_open.h"

static int open_api_stream(void)
{
    AUTO_BUFFER struct buffer answer = {0};
    int fd = client_connect();
    open_stream = NULL;
    static const char head[] = "GET /api/stream HTTP/1.1\r\n" HOST ALICE "\r\n";
    send_all(fd, head, sizeof(head) - 1);
    client_read(fd, &answer, "first", PATIENCE_MS);
    assert_non_null(strstr(answer.p, "Transfer-Encoding: chunked"));
    while (!open_stream)
        clock_sleep_ms(1);
    return fd;
}

static void revocation_closes_streams(void **state)
{
    (void)state;
    int fd = open_api_stream();
    grant_revoked[1] = true;
    policy_changed();
    assert_closes(fd);
    AWAIT(stream_gone_calls > 0);
    assert_int_equal(stream_gone_calls, 1);
    assert_false(stream_write(open_stream, SLICE("late")));
    stream_close(open_stream);
    close(fd);
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

static void streams_end_properly(void **state)
{
    (void)state;
    int fd = open_api_stream();
    AUTO_BUFFER struct buffer rest = {0};
    assert_true(stream_write(open_stream, SLICE("second")));
    client_read(fd, &rest, "second\r\n", PATIENCE_MS);
    assert_string_equal(rest.p, "6\r\nsecond\r\n");
    stream_close(open_stream);
    buffer_clear(&rest);
    client_read(fd, &rest, "0\r\n\r\n", PATIENCE_MS);
    assert_string_equal(rest.p, "0\r\n\r\n");
    assert_int_equal(stream_gone_calls, 0);
    /* and the connection goes on */
    static const char again[] = "GET /api/x HTTP/1.1\r\n" HOST "\r\n";
    send_all(fd, again, sizeof(again) - 1);
    buffer_clear(&rest);
    assert_int_equal(client_answer(fd, &rest, false, PATIENCE_MS), 200);
    close(fd);
}

static void a_reader_that_leaves_is_noticed(void **state)
{
    (void)state;
    close(open_api_stream());
    AWAIT(stream_gone_calls > 0);
    assert_int_equal(stream_gone_calls, 1);
    stream_close(open_stream);
}

static void a_reader_that_falls_behind_is_dropped(void **state)
{
    (void)state;
    int fd = open_api_stream();
    static char block[256 * 1024];
    bool open = true;
    int64_t written = 0;
    while (open && written < 64 * 1024 * 1024) {
        open = stream_write(open_stream, (struct slice){block, sizeof(block)});
        written += (int64_t)sizeof(block);
    }
    assert_false(open);
    assert_true(written >= 8 * 1024 * 1024);
    stream_close(open_stream);
    close(fd);
}

/* --- tunnels ------------------------------------------------------------------------------------------------------ */

/* The workload's script is empty: a tunnelled "request" is echoed like any other. */
static int open_tunnel(void)
{
    AUTO_BUFFER struct buffer answer = {0};
    int fd = client_connect();
    static const char head[] = "GET /tunnel/alice/rc1/10001 HTTP/1.1\r\n" HOST ALICE WS "\r\n";
    send_all(fd, head, sizeof(head) - 1);
    client_read(fd, &answer, "\r\n\r\n", PATIENCE_MS);
    assert_non_null(answer.p);
    assert_non_null(strstr(answer.p, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    return fd;
}

static void send_frame(int fd, unsigned char first, const char *payload, size_t length)
{
    unsigned char frame[4096] = {first, (unsigned char)(0x80 | length), 1, 2, 3, 4};
    for (size_t i = 0; i < length; i++)
        frame[6 + i] = (unsigned char)((unsigned char)payload[i] ^ frame[2 + i % 4]);
    send_all(fd, (char *)frame, 6 + length);
}

static void tunnels_carry_a_stream(void **state)
{
    (void)state;
    int before = dials_within;
    int fd = open_tunnel();
    assert_int_equal(dials_within - before, 1);
    AUTO_BUFFER struct buffer answer = {0};
    /* One stream in two fragments with a ping between them. */
    send_frame(fd, 0x02, "GET / HTTP", 10);
    send_frame(fd, 0x89, "are you there", 13);
    send_frame(fd, 0x80, "/1.1\r\n\r\n", 8);
    client_read(fd, &answer, "GET / HTTP/1.1\r\n\r\n", PATIENCE_MS);
    assert_non_null(memmem(answer.p, answer.n,
                           "\x8a\x0d"
                           "are you there",
                           15));
    assert_non_null(memmem(answer.p, answer.n, "\r\n\r\nGET / HTTP/1.1\r\n\r\n", 22));
    assert_true(workload_saw("GET / HTTP/1.1\r\n\r\n"));
    /* Closing: the workload sees the end, answers with its own, and both Closes are exchanged. */
    buffer_clear(&answer);
    send_frame(fd, 0x88, "\x03\xe8", 2);
    assert_true(client_read(fd, &answer, NULL, PATIENCE_MS));
    assert_int_equal(answer.n, 4);
    assert_memory_equal(answer.p, "\x88\x02\x03\xe8", 4);
    close(fd);
}

static void tunnels_refuse_bad_frames(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        const char *close;
    } cases[] = {
        {"\x82\x02hi", 4, "\x88\x02\x03\xea"},                                                /* not masked */
        {"\xc2\x81\x00\x00\x00\x00x", 7, "\x88\x02\x03\xea"},                                 /* reserved bit */
        {"\x83\x81\x00\x00\x00\x00x", 7, "\x88\x02\x03\xea"},                                 /* reserved opcode */
        {"\x80\x81\x00\x00\x00\x00x", 7, "\x88\x02\x03\xea"},                                 /* continues nothing */
        {"\x09\x80\x00\x00\x00\x00", 6, "\x88\x02\x03\xea"},                                  /* fragmented ping */
        {"\x81\x81\x00\x00\x00\x00x", 7, "\x88\x02\x03\xeb"},                                 /* text */
        {"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", 14, "\x88\x02\x03\xf1"}, /* 2^64 bytes */
        {"\x82\xfe\x00\x05\x00\x00\x00\x00", 8, "\x88\x02\x03\xea"}, /* not the shortest length */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int fd = open_tunnel();
        AUTO_BUFFER struct buffer answer = {0};
        send_all(fd, cases[i].bytes, cases[i].count);
        assert_true(client_read(fd, &answer, NULL, PATIENCE_MS));
        assert_int_equal(answer.n, 4);
        assert_memory_equal(answer.p, cases[i].close, 4);
        close(fd);
    }
    assert_int_equal(workload_requests(), 0);
}

static void revocation_closes_tunnels(void **state)
{
    (void)state;
    int fd = open_tunnel();
    AUTO_BUFFER struct buffer answer = {0};
    grant_revoked[1] = true;
    policy_changed();
    assert_true(client_read(fd, &answer, NULL, PATIENCE_MS));
    assert_int_equal(answer.n, 4);
    assert_memory_equal(answer.p, "\x88\x02\x03\xf0", 4); /* 1008 */
    close(fd);
}

static void websockets_half_close(void **state)
{
    (void)state;
    int fd = open_websocket("alice");
    assert_echoes(fd);
    shutdown(fd, SHUT_WR); /* the workload then closes too */
    assert_closes(fd);
    close(fd);
}

#include "tests/integration/gateway_pods.h"

/* --- slow and many ------------------------------------------------------------------------------------------------ */

/* A byte now and then, which must not put the end off, until something is answered. */
static void drip(int fd, const char *byte, struct buffer *answer)
{
    int64_t end = clock_monotonic_ms() + PATIENCE_MS;
    while (answer->n == 0 && clock_monotonic_ms() < end) {
        (void)send(fd, byte, 1, MSG_NOSIGNAL);
        client_read(fd, answer, NULL, 40);
    }
    client_read(fd, answer, NULL, PATIENCE_MS);
}

static void slow_heads_are_cut(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer answer = {0};
    gateway_limits.head_ms = 1200;
    int fd = client_connect();
    static const char head[] = "GET /api/x HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
    send_all(fd, head, sizeof(head) - 1);
    drip(fd, "a", &answer);
    assert_non_null(answer.p);
    assert_non_null(strstr(answer.p, "408"));
    close(fd);
}

/* The second head of a connection has the same deadline as the first. */
static void slow_second_heads_are_cut(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer answer = {0};
    gateway_limits.head_ms = 1200;
    int fd = client_connect();
    static const char both[] = "GET /api/x HTTP/1.1\r\n" HOST "\r\nGET /api/y HTTP/1.1\r\nHos";
    send_all(fd, both, sizeof(both) - 1);
    assert_true(client_read(fd, &answer, NULL, PATIENCE_MS));
    assert_non_null(strstr(answer.p, "HTTP/1.1 408"));
    close(fd);
}

static void slow_bodies_are_cut(void **state)
{
    (void)state;
    static const char *const paths[] = {"/api/x", "/ray/alice/rc1/x"};
    gateway_limits.body_window_ms = 800;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        AUTO_BUFFER struct buffer answer = {0};
        char head[256];
        int fd = client_connect();
        snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\n" HOST ALICE "Content-Length: 1000\r\n\r\n", paths[i]);
        send_all(fd, head, strlen(head));
        drip(fd, "x", &answer);
        assert_non_null(answer.p);
        assert_non_null(strstr(answer.p, "HTTP/1.1 408"));
        close(fd);
    }
}

static int64_t metric_of(const char *name)
{
    AUTO_BUFFER struct buffer all = {0};
    metrics_print(&all);
    const char *line = strstr(all.p, name);
    return line ? strtoll(line + strlen(name), NULL, 10) : 0;
}

/* How many connections were closed for this reason, as the metrics tell. */
static int64_t closed_for(const char *reason)
{
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "closed_total{reason=\"%s\"} ", reason);
    return metric_of(wanted);
}

static void slow_readers_are_cut(void **state)
{
    (void)state;
    int64_t before = closed_for("reader_slow");
    gateway_limits.write_window_ms = 800;
    workload.big = true;
    workload.big_bytes = 100 * 1024 * 1024;
    static const char *const paths[] = {"/api/large", "/ray/alice/rc1/big"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        char head[256];
        int fd = client_connect(), small = 4096;
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\n" HOST ALICE "\r\n", paths[i]);
        send_all(fd, head, strlen(head));
        for (int j = 0; j < PATIENCE_MS / 10 && closed_for("reader_slow") == (int64_t)i + before; j++)
            clock_sleep_ms(10);
        assert_int_equal(closed_for("reader_slow"), (int64_t)i + before + 1);
        close(fd);
    }
}

#ifndef GATEWAY_OVER_TLS /* there the client's threads and descriptors would be measured instead */
static void many_idle_connections_cost_little(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    static int fds[MANY];
    AUTO_BUFFER struct buffer answer = {0};
    int64_t before = resident_kb();
    for (int i = 0; i < MANY; i++) {
        fds[i] = client_connect();
        send_all(fds[i], "G", (size_t)(i % 2)); /* half of them have begun a head */
    }
    assert_int_equal(ask("GET /ray/alice/rc1/ HTTP/1.1\r\n" HOST ALICE "\r\n", &answer), 200);
#ifndef __SANITIZE_THREAD__
    assert_true(resident_kb() - before < 64 * 1024);
#else
    (void)before;
#endif
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
}

static void descriptors_run_out_without_spinning(void **state)
{
    (void)state;
    struct rlimit old, low;
    int existing = open_websocket("alice");
    getrlimit(RLIMIT_NOFILE, &old);
    int probe = dup(0);
    close(probe);
    low = old;
    low.rlim_cur = (rlim_t)probe + 8;
    enum { MANY = 12 };
    int fds[MANY], opened = 0;
    setrlimit(RLIMIT_NOFILE, &low);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)gateway_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    while (opened < MANY) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            break;
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
            abort();
        fds[opened++] = fd;
    }
    struct timespec cpu_before, cpu_after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_before);
    clock_sleep_ms(400);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_after);
    int64_t cpu_ms = (cpu_after.tv_sec - cpu_before.tv_sec) * 1000 + (cpu_after.tv_nsec - cpu_before.tv_nsec) / 1000000;
    assert_true(cpu_ms < 100);
    assert_echoes(existing);
    for (int i = 0; i < opened; i++)
        close(fds[i]);
    setrlimit(RLIMIT_NOFILE, &old);
    AUTO_BUFFER struct buffer answer = {0};
    assert_int_equal(ask("GET /api/x HTTP/1.1\r\n" HOST "\r\n", &answer), 200);
    close(existing);
}

#endif

static void one_tenant_cannot_take_every_dial(void **state)
{
    (void)state;
    int64_t dials = gateway_limits.tenant_dials;
    int fds[8];
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        static const char request[] = "GET /notebook/alice/hang/ HTTP/1.1\r\n" HOST ALICE "\r\n";
        fds[i] = client_connect();
        send_all(fds[i], request, sizeof(request) - 1);
    }
    AWAIT(hanging >= dials);
    clock_sleep_ms(100);
    assert_int_equal(hanging, dials); /* only its share runs, */
    AUTO_BUFFER struct buffer answer = {0};
    assert_int_equal(ask("GET /api/x HTTP/1.1\r\n" HOST "\r\n", &answer), 200);
    assert_int_equal(hanging, dials); /* and the API, on other threads, does not notice */
    assert_true(dials < (int64_t)COUNT_OF(fds));
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
    hang_over = true;
    AWAIT(hanging == 0);
    assert_int_equal(hanging, 0);
}

/* --- what waits for a cluster that starts ------------------------------------------------------------------------- */

/* Each test has a cluster of its own: connections to it are kept. */
#define TO_LATE(line, which) line " /ray/alice/asleep-late" which "/api/jobs/ HTTP/1.1\r\n" HOST

static int send_to_late(const char *request)
{
    int fd = client_connect();
    send_all(fd, request, strlen(request));
    return fd;
}

static void await_starting(void)
{
    AWAIT(late_cluster == TARGET_STARTING);
    assert_int_equal(late_cluster, TARGET_STARTING);
}

/* So many wait, as the metrics tell. */
static void await_held(int64_t count)
{
    AWAIT(metric_of("\natelier_gateway_requests_held ") == count);
    assert_int_equal(metric_of("\natelier_gateway_requests_held "), count);
}

static void assert_answered(int fd, int status, const char *text)
{
    AUTO_BUFFER struct buffer answer = {0};
    assert_int_equal(client_answer(fd, &answer, false, PATIENCE_MS), status);
    if (!strstr(answer.p, text))
        fail_msg("no \"%s\" in: %s", text, answer.p);
    close(fd);
}

static void a_request_waits_for_its_cluster(void **state)
{
    (void)state;
    gateway_limits.resume_wait_ms = 60000;
    int fd = send_to_late(TO_LATE("POST", "1") ALICE "Content-Length: 2\r\n\r\n{}");
    await_starting();
    clock_sleep_ms(200);
    assert_int_equal(workload.requests, 0);
    late_cluster = TARGET_AS_IT_IS;
    assert_answered(fd, 200, "");
    assert_int_equal(workload.requests, 1);
    assert_int_equal(workload_body_bytes, 2);
}

static void it_waits_only_so_long(void **state)
{
    (void)state;
    gateway_limits.resume_wait_ms = 300;
    int64_t start = clock_monotonic_ms();
    int fd = send_to_late(TO_LATE("GET", "2") ALICE "\r\n");
    assert_answered(fd, 503, "the cluster is starting");
    assert_in_range(clock_monotonic_ms() - start, 290, PATIENCE_MS);
    /* Nor does a person wait, nor a page of theirs. */
    gateway_limits.resume_wait_ms = 60000;
    assert_answered(send_to_late(TO_LATE("GET", "2") ALICE "Accept: text/html\r\n\r\n"), 503, "is starting");
    assert_int_equal(workload.requests, 0);
}

static void only_some_of_a_profile_wait(void **state)
{
    (void)state;
    int64_t usual = gateway_limits.tenant_holds;
    gateway_limits.resume_wait_ms = 60000;
    gateway_limits.tenant_holds = 2;
    int first = send_to_late(TO_LATE("GET", "3") ALICE "\r\n");
    await_starting();
    int second = send_to_late(TO_LATE("GET", "3") ALICE "\r\n");
    await_held(2);
    assert_answered(send_to_late(TO_LATE("GET", "3") ALICE "\r\n"), 503, "the cluster is starting");
    close(first); /* whoever goes makes room */
    await_held(1);
    int third = send_to_late(TO_LATE("GET", "3") ALICE "\r\n");
    await_held(2);
    late_cluster = TARGET_AS_IT_IS;
    assert_answered(second, 200, "");
    assert_answered(third, 200, "");
    gateway_limits.tenant_holds = usual;
}

static void who_loses_the_right_waits_no_longer(void **state)
{
    (void)state;
    gateway_limits.resume_wait_ms = 60000;
    int fd = send_to_late(TO_LATE("GET", "4") ALICE "\r\n");
    await_starting();
    clock_sleep_ms(50);
    person_revoked[1] = true;
    policy_changed();
    assert_closes(fd);
    close(fd);
    late_cluster = TARGET_AS_IT_IS;
    clock_sleep_ms(200);
    assert_int_equal(workload.requests, 0);
}

/* --- the admin socket --------------------------------------------------------------------------------------------- */

static void the_admin_socket_knows_its_user(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, admin_path, strlen(admin_path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    static const char request[] = "POST /api/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    send_all(fd, request, sizeof(request) - 1);
    AUTO_BUFFER struct buffer answer = {0};
    assert_int_equal(client_answer(fd, &answer, false, PATIENCE_MS), 200);
    assert_non_null(strstr(answer.p, "as 'local'"));
    assert_non_null(strstr(answer.p, "local 1"));
    close(fd);
}

/* A container's volume is empty at first. */
static void the_admin_socket_gets_its_directory(void **state)
{
    (void)state;
    struct error error = {0};
    struct gateway *second = NULL;
    struct stat status;
    char directory[] = "/tmp/atelier-gateway-test-XXXXXX";
    assert_non_null(mkdtemp(directory));
    AUTO_FREE char *run = memory_format("%s/data/run", directory);
    AUTO_FREE char *path = memory_format("%s/admin.sock", run);
    struct gateway_options options = {.listen = "127.0.0.1:0",
                                      .admin_socket = path,
                                      .base_domain = "localhost",
                                      .handler = handle,
                                      .resolver = resolve,
                                      .loops = 1,
                                      .workers = 1};
    if (gateway_new(&options, &second, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(stat(run, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    gateway_free(second);
    assert_int_equal(file_remove_tree(directory, NULL), 0);
}

static void a_taken_address_is_said_so(void **state)
{
    (void)state;
    struct error error = {0};
    struct gateway *second = NULL;
    char listen_at[32];
    snprintf(listen_at, sizeof(listen_at), "127.0.0.1:%d", gateway_port);
    struct gateway_options options = {.listen = listen_at,
                                      .base_domain = "localhost",
                                      .handler = handle,
                                      .resolver = resolve,
                                      .loops = 1,
                                      .workers = 1};
    assert_int_equal(gateway_new(&options, &second, &error), -ERROR_EXISTS);
    assert_non_null(strstr(error.message, listen_at));
    assert_null(second);
}

static void activity_is_remembered(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer answer = {0};
    assert_int_equal(gateway_last_activity(gateway, "alice", "Notebook", "never"), 0);
    ask("GET /notebook/alice/active/ HTTP/1.1\r\n" HOST ALICE "\r\n", &answer);
    assert_int_equal(gateway_last_activity(gateway, "alice", "Notebook", "active"), 0);
    buffer_clear(&answer);
    int64_t before = clock_wall_ms();
    assert_int_equal(ask("POST /notebook/alice/active/ HTTP/1.1\r\n" HOST ALICE "Content-Length: 0\r\n\r\n", &answer),
                     200);
    assert_in_range(gateway_last_activity(gateway, "alice", "Notebook", "active"), before - 1000,
                    clock_wall_ms() + 1000);
    /* A WebSocket's pings are no activity, its data is. */
    int fd = open_websocket("alice");
    clock_sleep_ms(50);
    int64_t opened = gateway_last_activity(gateway, "alice", "Notebook", "nb1");
    send_all(fd, "\x89\x80\x00\x00\x00\x00", 6);
    clock_sleep_ms(50);
    assert_int_equal(gateway_last_activity(gateway, "alice", "Notebook", "nb1"), opened);
    buffer_clear(&answer);
    client_read(fd, &answer, NULL, 20); /* the ping comes back */
    assert_echoes(fd);
    assert_true(gateway_last_activity(gateway, "alice", "Notebook", "nb1") > opened);
    close(fd);
}

/* Last: the gateway stops with a tunnel open and an answer under way. */
static void stopping_drains(void **state)
{
    (void)state;
    int slow = client_connect(), idle = client_connect(), tunnel = open_tunnel();
    static const char request[] = "GET /api/slow HTTP/1.1\r\n" HOST "\r\n";
    int before = handled;
    send_all(slow, request, sizeof(request) - 1);
    AWAIT(handled != before);
    gateway_stop(gateway, 3000);
    AUTO_BUFFER struct buffer answer = {0};
    assert_int_equal(client_answer(slow, &answer, false, PATIENCE_MS), 200);
    assert_non_null(strstr(answer.p, "Connection: close"));
    assert_closes(idle);
    AUTO_BUFFER struct buffer last = {0};
    assert_true(client_read(tunnel, &last, NULL, PATIENCE_MS));
    assert_memory_equal(last.p, "\x88\x02\x03\xe9", 4); /* 1001 */
    close(slow);
    close(idle);
    close(tunnel);
}

int main(int argc, char **argv)
{
    log_start("gateway_test", LOG_ERROR);
    gateway_limits.sweep_ms = 2 * PATIENCE_MS;
    gateway_limits.linger_ms = 500;
    workload_start();
    start_gateway();
#define TEST(f) cmocka_unit_test_setup(f, reset)
#define POD_TEST(f) cmocka_unit_test_setup_teardown(f, without_api, with_api)
    const struct CMUnitTest tests[] = {
        TEST(wire_framing),
        TEST(wire_heads),
        TEST(wire_hosts),
        TEST(wire_paths),
        TEST(wire_identity),
        TEST(wire_guard),
        TEST(wire_upstream),
        TEST(wire_open),
        TEST(wire_application),
        TEST(a_tokens_websocket_ends_with_the_token),
        TEST(wire_resume),
        TEST(a_request_waits_for_its_cluster),
        TEST(it_waits_only_so_long),
        TEST(only_some_of_a_profile_wait),
        TEST(who_loses_the_right_waits_no_longer),
        TEST(large_upload_is_streamed),
        TEST(large_download_waits_for_its_reader),
        TEST(expect_continue_is_answered),
        TEST(bodies_have_limits_which_are_told),
        TEST(large_answers_of_the_api_arrive_whole),
        TEST(connections_are_reused),
        TEST(only_safe_requests_are_repeated),
        TEST(revocation_closes_websockets),
        TEST(a_dead_session_closes_websockets),
        TEST(expiry_is_noticed_without_a_change),
        TEST(revocation_closes_answers_under_way),
        TEST(what_is_closed_again_ends),
        TEST(revocation_closes_streams),
        TEST(streams_end_properly),
        TEST(a_reader_that_leaves_is_noticed),
        TEST(a_reader_that_falls_behind_is_dropped),
        TEST(tunnels_carry_a_stream),
        TEST(tunnels_refuse_bad_frames),
        TEST(revocation_closes_tunnels),
        TEST(websockets_half_close),
        TEST(pods_are_entered_in_a_role),
        TEST(pods_of_a_shared_notebook_are_entered),
        TEST(pods_are_entered_by_nobody_else),
        POD_TEST(commands_travel_in_messages),
        POD_TEST(long_messages_are_split),
        POD_TEST(revocation_ends_commands),
        POD_TEST(commands_are_asked_for_properly),
        TEST(a_refusing_cluster_is_heard),
        TEST(slow_heads_are_cut),
        TEST(slow_second_heads_are_cut),
        TEST(slow_bodies_are_cut),
        TEST(slow_readers_are_cut),
#ifndef GATEWAY_OVER_TLS
        TEST(many_idle_connections_cost_little),
        TEST(descriptors_run_out_without_spinning),
#endif
        TEST(one_tenant_cannot_take_every_dial),
        TEST(the_admin_socket_knows_its_user),
        TEST(the_admin_socket_gets_its_directory),
        TEST(a_taken_address_is_said_so),
        TEST(activity_is_remembered),
        TEST(stopping_drains),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    harness_stop();
    workload_reset();
    return failed;
}
