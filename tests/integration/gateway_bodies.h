/* How large may a body be, and does it wait for its reader? Tests of gateway_test.c, which includes this after its
 * helpers. */
#ifndef ATELIER_TESTS_GATEWAY_BODIES_H
#define ATELIER_TESTS_GATEWAY_BODIES_H

static int64_t resident_kb(void)
{
#ifdef __SANITIZE_ADDRESS__
    return 0; /* what was freed is kept for a while, to notice who still uses it: TLS frees a buffer a record */
#endif
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    int64_t kb = 0;
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "VmRSS: %" SCNd64, &kb) == 1)
            break;
    fclose(file);
    return kb;
}

static void large_upload_is_streamed(void **state)
{
    (void)state;
    const int64_t total = 100 * 1024 * 1024;
    static const char block[65536];
    AUTO_BUFFER struct buffer answer = {0};
    int64_t before = resident_kb();
    int fd = client_connect();
    char head[256];
    snprintf(head, sizeof(head),
             "PUT /ray/alice/rc1/api/packages/x HTTP/1.1\r\n" HOST ALICE "Content-Length: %lld\r\n\r\n",
             (long long)total);
    send_all(fd, head, strlen(head));
    for (int64_t sent = 0; sent < total; sent += (int64_t)sizeof(block))
        assert_true(send_all(fd, block, sizeof(block)));
    assert_int_equal(client_answer(fd, &answer, false, PATIENCE_MS), 200);
    assert_int_equal(workload_body_bytes, total);
    assert_true(resident_kb() - before < 8192);
    close(fd);
}

static void large_download_waits_for_its_reader(void **state)
{
    (void)state;
    workload.big = true;
    workload.big_bytes = 200 * 1024 * 1024;
    int64_t before = resident_kb();
    int fd = client_connect();
    static const char head[] = "GET /ray/alice/rc1/big HTTP/1.1\r\n" HOST ALICE "Connection: close\r\n\r\n";
    send_all(fd, head, sizeof(head) - 1);
    clock_sleep_ms(300); /* nobody reads: nothing may pile up */
    assert_true(resident_kb() - before < 16384);
    static char bytes[65536];
    int64_t got = 0;
    for (ssize_t n; (n = recv(fd, bytes, sizeof(bytes), 0)) > 0;)
        got += n;
    assert_true(got > workload.big_bytes);
    assert_true(got < workload.big_bytes + 1024);
    close(fd);
}

static void expect_continue_is_answered(void **state)
{
    (void)state;
    static const char *const paths[] = {"/api/x", "/ray/alice/rc1/x"};
    gateway_limits.body_window_ms = 800;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        AUTO_BUFFER struct buffer answer = {0};
        char head[256];
        int fd = client_connect();
        snprintf(head, sizeof(head),
                 "POST %s HTTP/1.1\r\n" HOST ALICE "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", paths[i]);
        send_all(fd, head, strlen(head));
        client_read(fd, &answer, "\r\n\r\n", PATIENCE_MS);
        assert_string_equal(answer.p, "HTTP/1.1 100 Continue\r\n\r\n");
        buffer_clear(&answer);
        send_all(fd, "abc", 3);
        assert_int_equal(client_answer(fd, &answer, false, PATIENCE_MS), 200);
        close(fd);
    }
    assert_false(workload_saw("Expect"));
}

/* Before a byte of it was taken, or where its length was not said, when it becomes too large. */
static void bodies_have_limits_which_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *request, *limit;
    } cases[] = {
        {"POST /auth/x HTTP/1.1\r\n" HOST "Content-Length: 70000\r\n\r\n", "64 KiB"},
        {"POST /api/x HTTP/1.1\r\n" HOST ALICE "Content-Length: 1048577\r\n\r\n", "1 MiB"},
        {"POST /api/x HTTP/1.1\r\n" HOST ALICE "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n", "1 MiB"},
        {"PATCH /api/x HTTP/1.1\r\n" HOST ALICE
         "Content-Type: application/apply-patch+yaml\r\nContent-Length: 2097153\r\n\r\n",
         "2 MiB"},
        {"POST /ray/alice/rc1/x HTTP/1.1\r\n" HOST ALICE "Content-Length: 9\r\n\r\n", "8 bytes"},
        {"POST /ray/alice/rc1/x HTTP/1.1\r\n" HOST ALICE "Transfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n",
         "8 bytes"},
    };
    int64_t usual = gateway_limits.proxy_body_bytes;
    gateway_limits.proxy_body_bytes = 8;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_BUFFER struct buffer answer = {0};
        AUTO_FREE char *told = memory_format("the body is larger than %s, the most that is taken here", cases[i].limit);
        assert_int_equal(ask(cases[i].request, &answer), 413);
        if (!strstr(answer.p, told))
            fail_msg("%s: expected \"%s\": %s", cases[i].request, told, answer.p);
    }
    gateway_limits.proxy_body_bytes = usual;
}

static void large_answers_of_the_api_arrive_whole(void **state)
{
    (void)state;
    int fd = client_connect();
    static const char head[] = "GET /api/large HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
    send_all(fd, head, sizeof(head) - 1);
    AUTO_BUFFER struct buffer answer = {0};
    assert_true(client_read(fd, &answer, NULL, PATIENCE_MS));
    assert_true(answer.n > 10 * 1024 * 1024);
    close(fd);
}

#endif
