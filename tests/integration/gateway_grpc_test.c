/*
 * Does gRPC come through the gateway, whose calls, and what do floods do? A real gateway with TLS and HTTP/2 at both
 * ends (tests/attacks/h2_peer.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <signal.h>

#include "base/file.h"
#include "tests/attacks/h2_peer.h"

#define RC1 "rayclient-rc1--alice.localhost"
#define GRPC_HOST "grpc-rc1--alice.localhost"

enum { LARGE = 8 * 1024 * 1024 };

static char directory[64];

static int start(void **state)
{
    static char listen_at[32];
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    snprintf(directory, sizeof(directory), "/tmp/atelier-gateway-grpc-%d", (int)getpid());
    int tls_port = free_port();
    snprintf(listen_at, sizeof(listen_at), "127.0.0.1:%d", tls_port);
    harness_tls = (struct gateway_tls){.listen = listen_at, .directory = directory};
    gateway_limits.resume_wait_ms = 0;
    gateway_limits.hold_look_ms = 50;
    h2_workload_start();
    harness_start(2);
    gateway_port = tls_port;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop();
    file_remove_tree(directory, NULL);
    return 0;
}

static bool eventually(bool (*holds)(void))
{
    for (int64_t end = clock_monotonic_ms() + PATIENCE_MS; clock_monotonic_ms() < end; clock_sleep_ms(10))
        if (holds())
            return true;
    return false;
}
static bool none_open(void)
{
    return h2_workload.open == 0;
}
static bool one_open(void)
{
    return h2_workload.open == 1;
}
static bool none_left(void)
{
    return h2_workload.open == 0 && h2_workload.connections == 0;
}

static int reset(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(people); i++)
        person_revoked[i] = grant_revoked[i] = false;
    (void)eventually(none_left); /* what the test before left goes with its connection */
    pthread_mutex_lock(&h2_workload.lock);
    buffer_free(&h2_workload.seen);
    h2_workload.seen = (struct buffer){0};
    pthread_mutex_unlock(&h2_workload.lock);
    h2_workload.sent = h2_workload.received = h2_workload.reset = 0;
    h2_workload.calls = 0;
    gateway_limits.resume_wait_ms = 0;
    late_cluster = TARGET_RESUMES;
    return 0;
}

static bool says(const struct h2_answer *answer, const char *line)
{
    return answer->head.p && strstr(answer->head.p, line);
}

/* One call on a connection of its own. */
static struct h2_answer ask(const char *host, const char *path, const char *token, const char *body)
{
    struct h2_client client = h2_client_open(host);
    assert_non_null(client.ssl);
    static struct h2_answer answer;
    answer = (struct h2_answer){.body = slice_of(body)};
    h2_client_begin(&client);
    h2_call(&client, host, path, token, &answer);
    h2_client_run(&client, &answer.closed, PATIENCE_MS);
    h2_client_close(&client);
    return answer;
}

/* --- who ---------------------------------------------------------------------------------------------------------- */

static void a_member_is_passed_on(void **state)
{
    (void)state;
    static const char *const hosts[] = {RC1, GRPC_HOST, "rayclient-long---0123456789abcdef.localhost"};
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct h2_answer answer = ask(hosts[i], "/t/Echo", "token-alice", "hello");
        assert_true(says(&answer, ":status: 200\n"));
        assert_true(says(&answer, "grpc-status: 0\n")); /* a trailer */
        assert_true(says(&answer, "x-custom: yes\n"));
        assert_true(says(&answer, "x-request-id: "));
        assert_false(says(&answer, "set-cookie"));
        assert_int_equal(answer.data, 5);
        assert_int_equal(answer.code, 0);
        buffer_free(&answer.head);
    }
    assert_true(h2_workload_saw("client_id: abc\n"));
    assert_true(h2_workload_saw("te: trailers\n"));
    assert_true(h2_workload_saw("x-atelier-user: alice@example.com\n"));
    assert_true(h2_workload_saw("x-ray-authorization: Bearer raysecret\n"));
    assert_true(h2_workload_saw("x-forwarded-for: 127.0.0.1\n"));
}

static void credentials_and_claims_do_not_pass(void **state)
{
    (void)state;
    struct h2_answer answer = ask(RC1, "/t/Echo", "token-alice", "x");
    assert_true(says(&answer, "grpc-status: 0\n"));
    buffer_free(&answer.head);
    assert_false(h2_workload_saw("token-alice"));
    assert_false(h2_workload_saw("Bearer mine"));
    assert_false(h2_workload_saw("session=secret"));
    assert_false(h2_workload_saw("root@example.com"));
    assert_false(h2_workload_saw("6.6.6.6"));
}

static void others_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *host, *token, *status, *message;
    } cases[] = {
        {RC1, "", "grpc-status: 16\n", "present a token"},
        {RC1, "wrong", "grpc-status: 16\n", "not valid"},
        {RC1, "token-bob", "grpc-status: 7\n", "nothing that you may use is there"},
        {"rayclient-absent--alice.localhost", "token-bob", "grpc-status: 7\n", "nothing that you may use is there"},
        {"rayclient-absent--alice.localhost", "token-alice", "grpc-status: 7\n", "nothing that you may use is there"},
        {"rayclient-long---fedcba9876543210.localhost", "token-alice", "grpc-status: 7\n", "is there"},
        {"rayclient-long---0123456789abcdef.localhost", "token-bob", "grpc-status: 7\n", "is there"},
        {RC1, "token-victor", "grpc-status: 7\n", "a viewer may only look"},
        {GRPC_HOST, "token-victor", "grpc-status: 7\n", "a viewer may only look"},
        {"rayclient-asleep--alice.localhost", "token-alice", "grpc-status: 14\n", "is starting"},
        {"rayclient-asleep-stuck--alice.localhost", "token-alice", "grpc-status: 14\n", "nothing can be written now"},
        {"rayclient-asleep--alice.localhost", "token-victor", "grpc-status: 7\n", "a viewer may only look"},
        {"rayclient-waiting--alice.localhost", "token-alice", "grpc-status: 14\n", "nothing answers yet"},
        {"rayclient-dead--alice.localhost", "token-alice", "grpc-status: 14\n", "stopped"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct h2_answer answer = ask(cases[i].host, "/t/Echo", cases[i].token, "x");
        assert_true(says(&answer, ":status: 200\n"));
        assert_true(says(&answer, "content-type: application/grpc\n"));
        if (!says(&answer, cases[i].status) || !says(&answer, cases[i].message))
            fail_msg("%s as '%s': %s", cases[i].host, cases[i].token, answer.head.p);
        buffer_free(&answer.head);
    }
    assert_int_equal(h2_workload.calls, 0);
}

/* --- applications that anybody may ask ---------------------------------------------------------------------------- */

#define OPEN "grpc-open--alice.localhost"

static struct h2_answer ask_application(const char *host, const char *path, const char *token, const char *first,
                                        const char *second)
{
    struct h2_client client = h2_client_open(host);
    static struct h2_answer answer;
    answer = (struct h2_answer){.body = SLICE("x")};
    h2_client_begin(&client);
    h2_call_to(&client, host, path, token, (const char *const[2]){first, second}, &answer);
    h2_client_run(&client, &answer.closed, PATIENCE_MS);
    h2_client_close(&client);
    return answer;
}

static void anybody_asks_an_open_application(void **state)
{
    (void)state;
    static const char *const tokens[] = {"", "token-bob"};
    for (size_t i = 0; i < COUNT_OF(tokens); i++) {
        struct h2_answer answer = ask_application(OPEN, "/t/Echo", tokens[i], "app", NULL);
        assert_true(says(&answer, "grpc-status: 0\n"));
        buffer_free(&answer.head);
    }
    assert_true(h2_workload_saw("application: app\n"));
    assert_false(h2_workload_saw("x-atelier-user")); /* it comes as nobody, the stranger with a token too */
    struct h2_answer member = ask_application(OPEN, "/t/Echo", "token-alice", "other", NULL);
    assert_true(says(&member, "grpc-status: 0\n"));
    assert_true(h2_workload_saw("x-atelier-user: alice@example.com\n"));
    buffer_free(&member.head);
}

/* dora's is a token of /app of the RayService shop. */
static void a_token_of_an_application_calls_that_alone(void **state)
{
    (void)state;
#define SHOP "grpc-shop--alice.localhost"
    static const struct {
        const char *host, *path, *first, *second, *status;
    } cases[] = {
        {SHOP, "/t/Echo", "other", NULL, "grpc-status: 7\n"},
        {SHOP, "/t/Echo", "unknown", NULL, "grpc-status: 7\n"}, /* Serve would choose */
        {SHOP, "/t/Echo", NULL, NULL, "grpc-status: 7\n"},
        {SHOP, "/t/Echo", "app", "other", "grpc-status: 7\n"},
        {SHOP, "/ray.serve.RayServeAPIService/ListApplications", "app", NULL, "grpc-status: 7\n"},
        {GRPC_HOST, "/t/Echo", "app", NULL, "grpc-status: 7\n"},
        {"rayclient-shop--alice.localhost", "/t/Echo", "app", NULL, "grpc-status: 7\n"},
        {"grpc-shop--bob.localhost", "/t/Echo", "app", NULL, "grpc-status: 7\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct h2_answer answer =
            ask_application(cases[i].host, cases[i].path, "token-dora", cases[i].first, cases[i].second);
        if (!says(&answer, cases[i].status))
            fail_msg("case %zu: %s", i, answer.head.p);
        buffer_free(&answer.head);
    }
    assert_int_equal(h2_workload.calls, 0);
    struct h2_answer answer = ask_application(SHOP, "/t/Echo", "token-dora", "app", NULL);
    assert_true(says(&answer, "grpc-status: 0\n"));
    assert_true(h2_workload_saw("x-atelier-user: token-5\n"));
    buffer_free(&answer.head);
}

static void a_tokens_call_ends_with_the_token(void **state)
{
    (void)state;
    struct h2_client client = h2_client_open(SHOP);
    struct h2_answer answer = {.half = true};
    h2_client_begin(&client);
    h2_call_to(&client, SHOP, "/t/Hang", "token-dora", (const char *const[2]){"app", NULL}, &answer);
    h2_client_run(&client, &answer.has_head, PATIENCE_MS);
    assert_true(says(&answer, ":status: 200\n"));
    policy_changed(); /* of somebody else */
    clock_sleep_ms(300);
    assert_false(none_open());
    grant_revoked[PERSON_DORA] = true;
    policy_changed();
    h2_client_run(&client, &answer.closed, PATIENCE_MS);
    grant_revoked[PERSON_DORA] = false;
    assert_int_equal(answer.code, NGHTTP2_INADEQUATE_SECURITY);
    assert_true(eventually(none_open));
    h2_client_close(&client);
    buffer_free(&answer.head);
}

static void nothing_else_is_open_with_it(void **state)
{
    (void)state;
    static const struct {
        const char *host, *path, *token, *first, *second, *status;
    } cases[] = {
        {OPEN, "/t/Echo", "", NULL, NULL, "grpc-status: 16\n"}, /* Serve would choose */
        {OPEN, "/t/Echo", "", "other", NULL, "grpc-status: 16\n"},
        {OPEN, "/t/Echo", "", "app", "other", "grpc-status: 16\n"}, /* the last one counts there */
        {OPEN, "/t/Echo", "", "other", "app", "grpc-status: 16\n"},
        {OPEN, "/t/Echo", "", "app,other", NULL, "grpc-status: 16\n"},
        {OPEN, "/t/Echo", "", "APP", NULL, "grpc-status: 16\n"},
        {OPEN, "/t/Echo", "", "", NULL, "grpc-status: 16\n"},
        {OPEN, "/ray.serve.RayServeAPIService/ListApplications", "", "app", NULL, "grpc-status: 16\n"},
        {OPEN, "/t/Echo", "wrong", "app", NULL, "grpc-status: 16\n"},
        {OPEN, "/t/Echo", "token-bob", "other", NULL, "grpc-status: 7\n"},
        {GRPC_HOST, "/t/Echo", "", "app", NULL, "grpc-status: 16\n"},
        {"rayclient-open--alice.localhost", "/t/Echo", "", "app", NULL, "grpc-status: 16\n"},
        {"rayclient-open--alice.localhost", "/t/Echo", "token-bob", "app", NULL, "grpc-status: 7\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct h2_answer answer =
            ask_application(cases[i].host, cases[i].path, cases[i].token, cases[i].first, cases[i].second);
        if (!says(&answer, cases[i].status))
            fail_msg("case %zu: %s", i, answer.head.p);
        buffer_free(&answer.head);
    }
    assert_int_equal(h2_workload.calls, 0);
}

static void closing_an_application_ends_its_calls(void **state)
{
    (void)state;
    struct h2_client client = h2_client_open(OPEN);
    struct h2_answer answer = {.half = true};
    h2_client_begin(&client);
    h2_call_to(&client, OPEN, "/t/Hang", "", (const char *const[2]){"app", NULL}, &answer);
    h2_client_run(&client, &answer.has_head, PATIENCE_MS);
    assert_true(says(&answer, ":status: 200\n"));
    apps_open = false;
    policy_changed();
    h2_client_run(&client, &answer.closed, PATIENCE_MS);
    apps_open = true;
    assert_int_equal(answer.code, NGHTTP2_INADEQUATE_SECURITY);
    assert_true(eventually(none_open));
    h2_client_close(&client);
    buffer_free(&answer.head);
}

static void what_is_not_grpc_is_said_so(void **state)
{
    (void)state;
    struct h2_client client = h2_client_open(RC1);
    struct h2_answer answer = {0}, other = {0};
    const nghttp2_nv fields[] = {H2_NV(":method", "GET"), H2_NV(":scheme", "https"), H2_NV(":authority", RC1),
                                 H2_NV(":path", "/")};
    h2_client_begin(&client);
    nghttp2_submit_request(client.session, NULL, fields, COUNT_OF(fields), NULL, &answer);
    h2_client_run(&client, &answer.closed, PATIENCE_MS);
    assert_true(says(&answer, ":status: 415\n"));
    h2_call(&client, "localhost", "/t/Echo", "token-alice", &other); /* its session is for browsers */
    h2_client_run(&client, &other.closed, PATIENCE_MS);
    assert_true(says(&other, ":status: 421\n"));
    h2_client_close(&client);
    buffer_free(&answer.head);
    buffer_free(&other.head);
}

static void only_hosts_of_grpc_speak_http2(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool h2;
    } cases[] = {{RC1, true}, {GRPC_HOST, true}, {"localhost", false}, {"ray-rc1--alice.localhost", false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const unsigned char *protocol;
        unsigned length;
        int tcp;
        SSL *ssl = h2_handshake(cases[i].host, &tcp);
        SSL_get0_alpn_selected(ssl, &protocol, &length);
        assert_int_equal(length == 2 && memcmp(protocol, "h2", 2) == 0, cases[i].h2);
        SSL_free(ssl);
        close(tcp);
    }
}

/* --- taken back --------------------------------------------------------------------------------------------------- */

static void an_open_call_ends_when_access_is_taken_back(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct h2_client client = h2_client_open(RC1);
        struct h2_answer answer = {.half = true}, after = {.half = true};
        h2_client_begin(&client);
        h2_call(&client, RC1, i ? "/t/Flood" : "/t/Hang", "token-alice", &answer);
        h2_client_run(&client, &answer.has_head, PATIENCE_MS);
        assert_true(says(&answer, ":status: 200\n"));
        grant_revoked[1] = true;
        policy_changed();
        h2_client_run(&client, &answer.closed, PATIENCE_MS);
        assert_true(answer.closed);
        assert_int_equal(answer.code, NGHTTP2_INADEQUATE_SECURITY);
        assert_true(eventually(none_open));
        assert_int_equal(h2_workload.reset, NGHTTP2_CANCEL);
        h2_call(&client, RC1, "/t/Echo", "token-alice", &after);
        h2_client_run(&client, &after.closed, PATIENCE_MS);
        assert_true(says(&after, "grpc-status: 7\n"));
        grant_revoked[1] = false;
        h2_client_close(&client);
        buffer_free(&answer.head);
        buffer_free(&after.head);
    }
}

static void each_call_of_a_connection_is_decided_by_itself(void **state)
{
    (void)state;
    struct h2_client client = h2_client_open(RC1);
    struct h2_answer mine = {.half = true}, foreign = {0}, looking = {0};
    h2_client_begin(&client);
    h2_call(&client, RC1, "/t/Hang", "token-alice", &mine);
    h2_call(&client, RC1, "/t/Echo", "token-bob", &foreign);
    h2_call(&client, RC1, "/t/Echo", "token-victor", &looking);
    h2_client_run(&client, &foreign.closed, PATIENCE_MS);
    h2_client_run(&client, &looking.closed, PATIENCE_MS);
    assert_true(says(&foreign, "grpc-status: 7\n"));
    assert_true(says(&looking, "grpc-status: 7\n"));
    assert_false(mine.closed);
    assert_true(eventually(one_open));
    assert_int_equal(h2_workload.calls, 1);
    h2_client_close(&client);
    assert_true(eventually(none_open)); /* a client that goes takes its calls along */
    buffer_free(&mine.head);
    buffer_free(&foreign.head);
    buffer_free(&looking.head);
}

/* --- what waits for a cluster that starts ------------------------------------------------------------------------- */

#define LATE "rayclient-asleep-late--alice.localhost"

static bool starting(void)
{
    return late_cluster == TARGET_STARTING;
}

static void calls_wait_for_their_cluster(void **state)
{
    (void)state;
    gateway_limits.resume_wait_ms = 10000;
    struct h2_client client = h2_client_open(LATE);
    AUTO_FREE char *large = memory_get(LARGE + 1);
    memset(large, 'x', LARGE);
    struct h2_answer answers[3] = {{.body = SLICE("first")}, {.body = {large, LARGE}}, {.body = SLICE("third")}};
    h2_client_begin(&client);
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        h2_call(&client, LATE, "/t/Echo", "token-alice", &answers[i]);
    h2_client_run(&client, NULL, 400);
    assert_true(eventually(starting));
    assert_int_equal(h2_workload.calls, 0);
    assert_true(LARGE - answers[1].body.n <= 262144 + 16384); /* its window, and no more */
    late_cluster = TARGET_AS_IT_IS;
    static const int64_t sizes[] = {5, LARGE, 5};
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        h2_client_run(&client, &answers[i].closed, PATIENCE_MS);
        assert_true(says(&answers[i], "grpc-status: 0\n"));
        assert_int_equal(answers[i].data, sizes[i]);
        buffer_free(&answers[i].head);
    }
    assert_int_equal(h2_workload.calls, 3);
    h2_client_close(&client);
}

static void a_call_waits_only_so_long(void **state)
{
    (void)state;
    gateway_limits.resume_wait_ms = 300;
    int64_t start = clock_monotonic_ms();
    struct h2_answer answer = ask(LATE, "/t/Echo", "token-alice", "x");
    assert_true(says(&answer, "grpc-status: 14\n") && says(&answer, "the cluster is starting"));
    assert_in_range(clock_monotonic_ms() - start, 290, PATIENCE_MS);
    buffer_free(&answer.head);
    assert_int_equal(h2_workload.calls, 0);
}

static void only_some_calls_of_a_profile_wait(void **state)
{
    (void)state;
    int64_t usual = gateway_limits.tenant_holds;
    gateway_limits.resume_wait_ms = 60000;
    gateway_limits.tenant_holds = 2;
    struct h2_client client = h2_client_open(LATE);
    struct h2_answer answers[4] = {0};
    h2_client_begin(&client);
    h2_call(&client, LATE, "/t/Echo", "token-alice", &answers[0]);
    h2_client_run(&client, NULL, 200);
    assert_true(eventually(starting));
    h2_call(&client, LATE, "/t/Echo", "token-alice", &answers[1]);
    h2_call(&client, LATE, "/t/Echo", "token-alice", &answers[2]);
    h2_client_run(&client, &answers[2].closed, PATIENCE_MS);
    assert_true(says(&answers[2], "grpc-status: 14\n") && says(&answers[2], "the cluster is starting"));
    nghttp2_submit_rst_stream(client.session, 0, answers[0].id, NGHTTP2_CANCEL); /* whoever goes makes room */
    h2_client_run(&client, NULL, 100);
    h2_call(&client, LATE, "/t/Echo", "token-alice", &answers[3]);
    h2_client_run(&client, NULL, 100);
    late_cluster = TARGET_AS_IT_IS;
    h2_client_run(&client, &answers[3].closed, PATIENCE_MS);
    h2_client_run(&client, &answers[1].closed, PATIENCE_MS);
    assert_true(says(&answers[1], "grpc-status: 0\n") && says(&answers[3], "grpc-status: 0\n"));
    h2_client_close(&client);
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        buffer_free(&answers[i].head);
    gateway_limits.tenant_holds = usual;
}

static void a_call_that_loses_the_right_waits_no_longer(void **state)
{
    (void)state;
    gateway_limits.resume_wait_ms = 60000;
    for (int i = 0; i < 2; i++) {
        struct h2_client client = h2_client_open(LATE);
        struct h2_answer answer = {.body = SLICE("x")};
        late_cluster = TARGET_RESUMES;
        h2_client_begin(&client);
        h2_call(&client, LATE, "/t/Echo", "token-alice", &answer);
        h2_client_run(&client, NULL, 200);
        assert_true(eventually(starting));
        if (i == 0) {
            grant_revoked[1] = true;
            policy_changed();
            h2_client_run(&client, &answer.closed, PATIENCE_MS);
            assert_true(says(&answer, "grpc-status: 7\n"));
            grant_revoked[1] = false;
        }
        h2_client_close(&client); /* the second is still waiting: it goes with its connection */
        late_cluster = TARGET_AS_IT_IS;
        clock_sleep_ms(200);
        assert_int_equal(h2_workload.calls, 0);
        buffer_free(&answer.head);
    }
}

/* --- ends and errors ---------------------------------------------------------------------------------------------- */

static void broken_and_early_answers(void **state)
{
    (void)state;
    struct h2_answer answer = ask(RC1, "/t/Break", "token-alice", "x");
    assert_true(says(&answer, "grpc-status: 14\n"));
    buffer_free(&answer.head);
    struct h2_client client = h2_client_open(RC1);
    struct h2_answer early = {.half = true};
    h2_client_begin(&client);
    h2_call(&client, RC1, "/t/Early", "token-alice", &early);
    h2_client_run(&client, &early.closed, PATIENCE_MS);
    assert_true(early.closed && says(&early, "grpc-status: 3\n"));
    assert_int_equal(early.code, NGHTTP2_NO_ERROR);
    h2_client_close(&client);
    buffer_free(&early.head);
}

static void a_cancelled_call_is_cancelled_at_the_workload(void **state)
{
    (void)state;
    struct h2_client client = h2_client_open(RC1);
    struct h2_answer answer = {.half = true};
    h2_client_begin(&client);
    h2_call(&client, RC1, "/t/Hang", "token-alice", &answer);
    h2_client_run(&client, NULL, 200);
    assert_true(eventually(one_open));
    nghttp2_submit_rst_stream(client.session, 0, answer.id, NGHTTP2_CANCEL);
    h2_client_run(&client, NULL, 100);
    assert_true(eventually(none_open));
    assert_int_equal(h2_workload.reset, NGHTTP2_CANCEL);
    h2_client_close(&client);
    buffer_free(&answer.head);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void large_messages_pass_both_ways(void **state)
{
    (void)state;
    AUTO_FREE char *large = memory_get(LARGE + 1);
    memset(large, 'x', LARGE);
    struct h2_answer answer = ask(RC1, "/t/Echo", "token-alice", large);
    assert_int_equal(answer.data, LARGE);
    assert_true(says(&answer, "grpc-status: 0\n"));
    buffer_free(&answer.head);
}

/* One reads nothing of a flood, the other writes to a workload that takes nothing. */
static void slow_readers_hold_the_other_side_back(void **state)
{
    (void)state;
    AUTO_FREE char *large = memory_get(LARGE + 1);
    memset(large, 'x', LARGE);
    struct h2_client client = h2_client_open(RC1);
    struct h2_answer answer = {.half = true};
    h2_client_begin(&client);
    h2_call(&client, RC1, "/t/Flood", "token-alice", &answer);
    h2_client_flush(&client); /* and now it looks away */
    int64_t sent = -1;
    for (int i = 0; i < 30 && (h2_workload.sent == 0 || h2_workload.sent != sent); i++) {
        sent = h2_workload.sent;
        clock_sleep_ms(1000);
    }
    assert_int_equal(h2_workload.sent, sent);
    assert_true(sent > 0 && sent < 8 * 1024 * 1024); /* the sockets' buffers and one window */
    for (int i = 0; i < 100 && h2_workload.sent == sent; i++)
        h2_client_run(&client, NULL, 300);
    assert_true(h2_workload.sent > sent); /* it goes on when it reads */
    h2_client_close(&client);
    assert_true(eventually(none_open));
    buffer_free(&answer.head);

    client = h2_client_open(RC1);
    answer = (struct h2_answer){.body = slice_of(large)};
    h2_client_begin(&client);
    h2_call(&client, RC1, "/t/Sink", "token-alice", &answer);
    for (int i = 0; i < 100 && h2_workload.received < 65535; i++)
        h2_client_run(&client, NULL, 300);
    h2_client_run(&client, NULL, 700);
    assert_int_equal(h2_workload.received, 65535); /* its window */
    assert_true(LARGE - answer.body.n <= 65535 + 262144 + 16384);
    h2_client_close(&client);
    buffer_free(&answer.head);
}

/* --- floods ------------------------------------------------------------------------------------------------------- */

static void more_streams_than_allowed_are_refused(void **state)
{
    (void)state;
    struct h2_client client = h2_client_open(RC1);
    static struct h2_answer answers[130];
    memset(answers, 0, sizeof(answers));
    h2_client_begin(&client);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        answers[i].half = true;
        h2_call(&client, RC1, "/t/Hang", "token-alice", &answers[i]);
    }
    for (int i = 0; i < 100 && h2_workload.calls < 90; i++)
        h2_client_run(&client, NULL, 300);
    h2_client_run(&client, NULL, 700); /* nghttp2 as a client waits rather than be refused */
    assert_true(h2_workload.calls <= 100 && h2_workload.open <= 100);
    assert_true(h2_workload.calls >= 90);
    h2_client_close(&client);
    assert_true(eventually(none_open));
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        buffer_free(&answers[i].head);
}

/* CVE-2023-44487 */
static void rapid_reset_ends_the_connection(void **state)
{
    (void)state;
    struct h2_client client = h2_client_open(RC1);
    static struct h2_answer answers[1500];
    memset(answers, 0, sizeof(answers));
    h2_client_begin(&client);
    h2_client_run(&client, NULL, 100);
    for (size_t i = 0; i < COUNT_OF(answers) && !client.closed; i++) {
        answers[i].half = true;
        h2_call(&client, RC1, "/t/Hang", "token-alice", &answers[i]);
        h2_client_flush(&client);
        nghttp2_submit_rst_stream(client.session, 0, answers[i].id, NGHTTP2_CANCEL);
        h2_client_flush(&client);
    }
    h2_client_run(&client, &client.has_goaway, PATIENCE_MS);
    assert_true(client.has_goaway || client.closed);
    if (client.has_goaway)
        assert_int_not_equal(client.goaway, NGHTTP2_NO_ERROR);
    h2_client_run(&client, &client.closed, PATIENCE_MS);
    assert_true(client.closed);
    assert_true(h2_workload.calls < 400);
    h2_client_close(&client);
    assert_true(eventually(none_open));
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        buffer_free(&answers[i].head);
}

static bool floods_out(void (*flood)(struct h2_client *client), int timeout_ms)
{
    struct h2_client client = h2_client_open(RC1);
    h2_client_begin(&client);
    h2_client_run(&client, NULL, 100);
    flood(&client);
    h2_client_run(&client, &client.closed, timeout_ms);
    bool out = client.closed;
    h2_client_close(&client);
    return out;
}

static void write_raw(struct h2_client *client, const unsigned char *bytes, size_t count, int times)
{
    for (int i = 0; i < times; i++)
        if (SSL_write(client->ssl, bytes, (int)count) != (int)count)
            break;
    ERR_clear_error();
}
static void pings(struct h2_client *client)
{
    static const unsigned char ping[17] = {0, 0, 8, 6};
    write_raw(client, ping, sizeof(ping), 700);
}
static void few_pings(struct h2_client *client)
{
    static const unsigned char ping[17] = {0, 0, 8, 6};
    write_raw(client, ping, sizeof(ping), 100);
}
static void settings(struct h2_client *client)
{
    static const unsigned char settings_frame[9] = {0, 0, 0, 4};
    write_raw(client, settings_frame, sizeof(settings_frame), 700);
}
/* HEADERS without END_HEADERS, then CONTINUATION without end (CVE-2024-27316). */
static void continuations(struct h2_client *client)
{
    static const unsigned char headers[10] = {0, 0, 1, 1, 0, 0, 0, 0, 1, 0x83},
                               continuation[10] = {0, 0, 1, 9, 0, 0, 0, 0, 1, 0x83};
    write_raw(client, headers, sizeof(headers), 1);
    write_raw(client, continuation, sizeof(continuation), 20);
}
static void garbage(struct h2_client *client)
{
    static const unsigned char bytes[64] = {0xff, 0xff, 0xff, 0xff, 0xff};
    write_raw(client, bytes, sizeof(bytes), 1);
}

static void frames_that_do_nothing_are_bounded(void **state)
{
    (void)state;
    assert_true(floods_out(pings, PATIENCE_MS));
    assert_true(floods_out(settings, PATIENCE_MS));
    assert_true(floods_out(continuations, PATIENCE_MS));
    assert_true(floods_out(garbage, PATIENCE_MS));
    assert_false(floods_out(few_pings, 3000));
}

static void a_head_that_drips_is_not_waited_for(void **state)
{
    (void)state;
    static const unsigned char begun[10] = {0, 0, 9, 1, 4, 0, 0, 0, 1, 0x83};
    int64_t head_ms = gateway_limits.head_ms;
    gateway_limits.head_ms = 300;
    struct h2_client client = h2_client_open(RC1);
    h2_client_begin(&client);
    h2_client_run(&client, NULL, 100);
    write_raw(&client, begun, sizeof(begun), 1);
    h2_client_run(&client, &client.closed, PATIENCE_MS);
    assert_true(client.closed);
    h2_client_close(&client);
    client = h2_client_open(RC1); /* nor a client that never says which settings */
    h2_client_begin(&client);
    char byte;
    assert_true(SSL_read(client.ssl, &byte, 1) == 1); /* ours */
    int64_t since = clock_monotonic_ms();
    while (SSL_read(client.ssl, &byte, 1) == 1)
        continue;
    ERR_clear_error();
    assert_true(clock_monotonic_ms() - since < PATIENCE_MS);
    h2_client_close(&client);
    gateway_limits.head_ms = head_ms;
}

static void large_metadata_is_refused(void **state)
{
    (void)state;
    struct h2_client client = h2_client_open(RC1);
    struct h2_answer answer = {0};
    AUTO_FREE char *large = memory_get(20001);
    memset(large, 'x', 20000);
    const nghttp2_nv fields[] = {H2_NV(":method", "POST"),
                                 H2_NV(":scheme", "https"),
                                 H2_NV(":authority", RC1),
                                 H2_NV(":path", "/t/Echo"),
                                 H2_NV("x-large", large),
                                 H2_NV("content-type", "application/grpc"),
                                 H2_NV("authorization", "Bearer token-alice")};
    h2_client_begin(&client);
    nghttp2_submit_request(client.session, NULL, fields, COUNT_OF(fields), NULL, &answer);
    h2_client_run(&client, &answer.closed, PATIENCE_MS);
    assert_true(says(&answer, "grpc-status: 8\n"));
    assert_int_equal(h2_workload.calls, 0);
    h2_client_close(&client);
    buffer_free(&answer.head);
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup(name, reset)
    const struct CMUnitTest tests[] = {
        T(a_member_is_passed_on),
        T(credentials_and_claims_do_not_pass),
        T(others_are_refused),
        T(anybody_asks_an_open_application),
        T(nothing_else_is_open_with_it),
        T(a_token_of_an_application_calls_that_alone),
        T(a_tokens_call_ends_with_the_token),
        T(closing_an_application_ends_its_calls),
        T(what_is_not_grpc_is_said_so),
        T(only_hosts_of_grpc_speak_http2),
        T(an_open_call_ends_when_access_is_taken_back),
        T(each_call_of_a_connection_is_decided_by_itself),
        T(calls_wait_for_their_cluster),
        T(a_call_waits_only_so_long),
        T(only_some_calls_of_a_profile_wait),
        T(a_call_that_loses_the_right_waits_no_longer),
        T(broken_and_early_answers),
        T(a_cancelled_call_is_cancelled_at_the_workload),
        T(large_messages_pass_both_ways),
        T(slow_readers_hold_the_other_side_back),
        T(more_streams_than_allowed_are_refused),
        T(rapid_reset_ends_the_connection),
        T(frames_that_do_nothing_are_bounded),
        T(a_head_that_drips_is_not_waited_for),
        T(large_metadata_is_refused),
    };
    static char pattern[96];
    if (argc > 1) {
        snprintf(pattern, sizeof(pattern), "*%s*", argv[1]);
        cmocka_set_test_filter(pattern);
    }
    return cmocka_run_group_tests(tests, start, stop);
}
