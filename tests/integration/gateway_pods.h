/* Who gets into pods, and what passes: tests of gateway_test.c, which includes this after its helpers. */
#ifndef ATELIER_TESTS_GATEWAY_PODS_H
#define ATELIER_TESTS_GATEWAY_PODS_H

/* --- into pods, through the cluster's API ------------------------------------------------------------------------- */

struct expected {
    const char *head;
    int status;
};

static void expect_statuses(const struct expected *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        AUTO_BUFFER struct buffer answer = {0}, head = {0};
        buffer_add_text(&head, cases[i].head);
        if (client_wrap)
            wire_for_tls(&head);
        int status = ask(head.p, &answer);
        if (status != cases[i].status)
            fail_msg("%s: expected %d: %s", cases[i].head, cases[i].status, answer.p);
    }
}

#define EXEC "GET /api/v1/namespaces/alice/pods/nb1-0/exec?command=sh HTTP/1.1\r\n" HOST

static int open_pod(const char *person)
{
    char head[512];
    AUTO_BUFFER struct buffer answer = {0};
    int fd = client_connect();
    snprintf(head, sizeof(head),
             EXEC "Authorization: Bearer token-%s\r\nSec-WebSocket-Protocol: "
                  "base64url.bearer.authorization.k8s.io.dA, v5.channel.k8s.io\r\n" WS "\r\n",
             person);
    send_all(fd, head, strlen(head));
    client_read(fd, &answer, "\r\n\r\n", PATIENCE_MS);
    assert_non_null(answer.p);
    assert_non_null(strstr(answer.p, "101 Switching"));
    return fd;
}

static void pods_are_entered_in_a_role(void **state)
{
    (void)state;
    int fd = open_pod("alice");
    assert_echoes(fd);
    assert_true(workload_saw("GET /api/v1/namespaces/alice/pods/nb1-0/exec?command=sh HTTP/1.1\r\n"));
    assert_true(workload_saw("\r\nAuthorization: Bearer ours\r\nX-As: alice.admin alice@example.com\r\n"));
    assert_true(workload_saw("\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n"));
    assert_false(workload_saw("token-alice") || workload_saw("base64url"));
    grant_revoked[1] = true;
    policy_changed();
    assert_closes(fd);
    close(fd);
}

/* To whom one notebook is shared, its pod is open, and as an editor; the neighbours' are not there. */
static void pods_of_a_shared_notebook_are_entered(void **state)
{
    (void)state;
    static const char *const others[] = {"nb2-0", "stray-0", "absent-0"};
    int fd = open_pod("carol");
    assert_echoes(fd);
    assert_true(workload_saw("X-As: alice.editor carol@example.com\r\n"));
    grant_revoked[PERSON_CAROL] = true;
    policy_changed();
    assert_closes(fd);
    close(fd);
    grant_revoked[PERSON_CAROL] = false;
    unsigned before = workload_requests();
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        AUTO_BUFFER struct buffer answer = {0};
        AUTO_BUFFER struct buffer head = {0};
        buffer_add_format(&head, "GET /api/v1/namespaces/alice/pods/%s/exec?command=sh HTTP/1.1\r\n", others[i]);
        buffer_add_text(&head, HOST "Authorization: Bearer token-carol\r\n" WS "\r\n");
        if (client_wrap)
            wire_for_tls(&head);
        assert_int_equal(ask(head.p, &answer), 404);
        assert_non_null(strstr(answer.p, others[i]));
    }
    assert_int_equal(workload_requests(), before);
}

static void pods_are_entered_by_nobody_else(void **state)
{
    (void)state;
    static const struct expected cases[] = {
        {EXEC WS "\r\n", 401},
        {EXEC "Authorization: Bearer token-victor\r\n" WS "\r\n", 403},
        {EXEC "Authorization: Bearer token-bob\r\n" WS "\r\n", 404},
        {EXEC ALICE "Impersonate-User: admin\r\n" WS "\r\n", 400},
        {EXEC ALICE "impersonate-extra-x: y\r\n" WS "\r\n", 400},
        {EXEC "Cookie: atelier_session=session-alice\r\nOrigin: http://localhost\r\n" WS "\r\n", 403},
        {"GET /api/v1/namespaces/bob/pods/nb1-0/exec HTTP/1.1\r\n" HOST ALICE WS "\r\n", 404},
        {"GET /api/v1/namespaces/alice/pods/nb1-0/log HTTP/1.1\r\n" HOST ALICE WS "\r\n", 400},
        {"GET /api/v1/namespaces/alice/pods/nb1-0%2f/exec HTTP/1.1\r\n" HOST ALICE WS "\r\n", 400},
        {"GET /api/v1/namespaces/alice/pods//exec HTTP/1.1\r\n" HOST ALICE WS "\r\n", 400},
        {"GET /api/v1/namespaces/alice/pods/nb1-0/exec HTTP/1.1\r\nHost: notebook-nb1--alice.localhost:8080\r\n"
         "Cookie: atelier_resource=resource-alice\r\nOrigin: http://notebook-nb1--alice.localhost:8080\r\n" WS "\r\n",
         404},
    };
    expect_statuses(cases, COUNT_OF(cases));
    assert_int_equal(workload_requests(), 0);
}

/* --- into pods that the engine itself runs ------------------------------------------------------------------------ */

#define COMMAND                                                                                                        \
    "GET /api/v1/namespaces/alice/pods/nb1-0/exec?command=sh&command=a+b%26c&container=main&stdin=true&tty=1 "
#define CHANNELS "Sec-WebSocket-Protocol: SPDY/3.1, v5.channel.k8s.io, v4.channel.k8s.io\r\n"

static int without_api(void **state)
{
    engine_has_api = false;
    return reset(state);
}

static int with_api(void **state)
{
    (void)state;
    engine_has_api = true;
    return 0;
}

static int open_command(void)
{
    static const char head[] = COMMAND "HTTP/1.1\r\n" HOST ALICE CHANNELS WS "\r\n";
    static const char asked[] = "alice/nb1-0/main [\"sh\",\"a b&c\"] 1001";
    AUTO_BUFFER struct buffer answer = {0};
    int fd = client_connect();
    send_all(fd, head, sizeof(head) - 1);
    client_read(fd, &answer, asked, PATIENCE_MS);
    assert_non_null(answer.p);
    assert_non_null(strstr(answer.p, "101 Switching"));
    assert_non_null(strstr(answer.p, "\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n"));
    return fd;
}

static void commands_travel_in_messages(void **state)
{
    (void)state;
    int fd = open_command();
    AUTO_BUFFER struct buffer answer = {0};
    send_frame(fd, 0x82, "\0one", 4);
    client_read(fd, &answer, "\1one", PATIENCE_MS);
    /* In fragments with a ping between them, and as text; each fragment is a message with the same channel. */
    buffer_clear(&answer);
    send_frame(fd, 0x02, "\0tw", 3);
    send_frame(fd, 0x89, "there", 5);
    send_frame(fd, 0x80, "o", 1);
    send_frame(fd, 0x81, "\0three", 6);
    client_read(fd, &answer, "\1three", PATIENCE_MS);
    assert_non_null(memmem(answer.p, answer.n, "\x82\x03\1tw", 5));
    assert_non_null(memmem(answer.p, answer.n, "\x82\x02\1o", 4));
    assert_non_null(memmem(answer.p, answer.n, "\x8a\x05there", 7));
    /* The end of the input is the command's end; its last word comes before our Close. */
    buffer_clear(&answer);
    send_frame(fd, 0x82, "\xff\0", 2);
    client_read(fd, &answer, "\x88\x02\x03\xe8", PATIENCE_MS);
    assert_int_equal(answer.n, 8);
    assert_memory_equal(answer.p, "\x82\x02\3\0\x88\x02\x03\xe8", 8);
    send_frame(fd, 0x88, "\x03\xe8", 2);
    assert_closes(fd);
    close(fd);
}

/* Longer than what the engine takes at a time. */
static void long_messages_are_split(void **state)
{
    (void)state;
    enum { LENGTH = 60001 };
    int fd = open_command();
    AUTO_BUFFER struct buffer answer = {0};
    AUTO_FREE char *frame = memory_get(LENGTH + 8);
    static const unsigned char head[] = {0x82, 0xfe, LENGTH >> 8, LENGTH & 0xff, 0, 0, 0, 0};
    memcpy(frame, head, sizeof(head));
    memset(frame + sizeof(head) + 1, 'x', LENGTH - 1);
    send_all(fd, frame, LENGTH + 8);
    send_frame(fd, 0x82, "\0end", 4);
    client_read(fd, &answer, "\1end", PATIENCE_MS);
    size_t seen = 0;
    for (size_t i = 0; i < answer.n; i++)
        seen += answer.p[i] == 'x';
    assert_int_equal(seen, LENGTH - 1);
    close(fd);
}

static void revocation_ends_commands(void **state)
{
    (void)state;
    int fd = open_command();
    grant_revoked[1] = true;
    policy_changed();
    assert_closes(fd);
    close(fd);
}

static void commands_are_asked_for_properly(void **state)
{
    (void)state;
#define POD "GET /api/v1/namespaces/alice/pods/nb1-0/"
    static const struct expected cases[] = {
        {COMMAND "HTTP/1.1\r\n" HOST CHANNELS WS "\r\n", 401},
        {COMMAND "HTTP/1.1\r\n" HOST "Authorization: Bearer token-victor\r\n" CHANNELS WS "\r\n", 403},
        {COMMAND "HTTP/1.1\r\n" HOST "Authorization: Bearer token-bob\r\n" CHANNELS WS "\r\n", 404},
        {COMMAND "HTTP/1.1\r\n" HOST "Cookie: atelier_session=session-alice\r\nOrigin: http://localhost\r\n" CHANNELS WS
                 "\r\n",
         403},
        {COMMAND "HTTP/1.1\r\n" HOST ALICE WS "\r\n", 400},
        {COMMAND "HTTP/1.1\r\n" HOST ALICE "Sec-WebSocket-Protocol: channel.k8s.io\r\n" WS "\r\n", 400},
        {POD "exec HTTP/1.1\r\n" HOST ALICE CHANNELS WS "\r\n", 400},
        {POD "exec?command=%ff HTTP/1.1\r\n" HOST ALICE CHANNELS WS "\r\n", 400},
        {POD "exec?command=%00 HTTP/1.1\r\n" HOST ALICE CHANNELS WS "\r\n", 400},
        {POD "exec?command=a&container=A_B HTTP/1.1\r\n" HOST ALICE CHANNELS WS "\r\n", 400},
        {POD "attach?stdin=true HTTP/1.1\r\n" HOST ALICE CHANNELS WS "\r\n", 400},
        {POD "attach?stdout=true HTTP/1.1\r\n" HOST ALICE WS "\r\n", 400},
        {"GET /api/v1/namespaces/alice/pods/nb2-0/exec?command=a HTTP/1.1\r\n" HOST ALICE CHANNELS WS "\r\n", 404},
    };
    expect_statuses(cases, COUNT_OF(cases));
    assert_int_equal(workload_requests(), 0);
}

/* What the cluster answers instead of an upgrade reaches the client, and the connection ends. */
static void a_refusing_cluster_is_heard(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer answer = {0};
    static const char refusal[] =
        "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    workload_says(refusal, sizeof(refusal) - 1, false);
    assert_int_equal(ask(EXEC ALICE WS "\r\n", &answer), 403);
    assert_non_null(strstr(answer.p, "Connection: close"));
}

#endif
