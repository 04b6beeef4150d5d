/* Commands run by hand in a container: what passes, who is counted, and what ends them. */
#include "tests/integration/sandboxd_harness.h"

#include <poll.h>
#include <sys/socket.h>

#include "engine/local/sandboxd/limits.h"

/* --- one conversation --------------------------------------------------------------------------------------------- */

static cJSON *wanted(const char *script, bool in, bool terminal)
{
    cJSON *request = json_object(), *command = json_set(request, "command", json_array());
    json_push_text(command, "/bin/bash");
    json_push_text(command, "-c");
    json_push_text(command, script);
    json_set_bool(request, "stdin", in);
    json_set_bool(request, "stdout", true);
    json_set_bool(request, "stderr", true);
    json_set_bool(request, "tty", terminal);
    return request;
}

/* The places of commands that were closed come free when their processes have ended. */
static int begin(const char *script, bool in, bool terminal)
{
    AUTO_JSON cJSON *request = wanted(script, in, terminal);
    struct error error = {0};
    int fd = -1, failed;
    for (int i = 0;
         (failed = sandbox_exec(bench.client, "alice", "p", "main", request, &fd, &error)) == -ERROR_LIMITED &&
         i < BENCH_PATIENCE_MS / 50;
         i++)
        clock_sleep_ms(50);
    if (failed)
        fail_msg("exec: %s", error.message);
    return fd;
}

static void say(int fd, unsigned char channel, const char *text)
{
    AUTO_FREE char *message = memory_format("%c%s", channel ? channel : '0', text);
    message[0] = (char)channel;
    assert_true(send(fd, message, strlen(text) + 1, MSG_NOSIGNAL) > 0);
}

/* One message; false at the end. */
static bool hear(int fd, char *ret_channel, struct buffer *ret)
{
    char packet[BOX_EXEC_PACKET_BYTES];
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, BENCH_PATIENCE_MS), 1);
    ssize_t count = recv(fd, packet, sizeof(packet), 0);
    assert_true(count >= 0);
    if (count == 0)
        return false;
    *ret_channel = packet[0];
    buffer_add(ret, packet + 1, (size_t)count - 1);
    return true;
}

/* All of it; *ret_status is the Status that came last, after which nothing comes. */
static char *hear_all(int fd, char channel, cJSON **ret_status)
{
    AUTO_BUFFER struct buffer output = {0};
    for (;;) {
        AUTO_BUFFER struct buffer text = {0};
        char on = 0;
        if (!hear(fd, &on, &text))
            break;
        if (on == 3)
            assert_int_equal(json_parse(buffer_slice(&text), &json_limits_default, ret_status, NULL), 0);
        else if (on == channel)
            buffer_add_slice(&output, buffer_slice(&text));
    }
    close(fd);
    return buffer_take(&output);
}

/* --- the tests ---------------------------------------------------------------------------------------------------- */

static int setup(void **state)
{
    int failed = bench_setup(state);
    if (failed)
        return failed;
    bench_sandbox("alice");
    cJSON_Delete(bench_start("alice", "p", bench_pod("u1", "export SECRET=x; sleep 600")));
    for (int i = 0; i < BENCH_PATIENCE_MS / 25; i++) {
        AUTO_JSON cJSON *record = bench_record("alice", "p");
        if (!strcmp(json_text_or("", json_member(record, "containers")->child, "state", NULL), "running"))
            return 0;
        clock_sleep_ms(25);
    }
    return -1;
}

static void a_command_tells_how_it_ended(void **state)
{
    (void)state;
    AUTO_JSON cJSON *good = NULL, *bad = NULL, *killed = NULL;
    free(hear_all(begin("true", false, false), 1, &good));
    assert_string_equal(json_text(good, "status", NULL), "Success");
    AUTO_FREE char *errors = hear_all(begin("echo oops >&2; exit 7", false, false), 2, &bad);
    assert_string_equal(errors, "oops\n");
    assert_string_equal(json_text(bad, "reason", NULL), "NonZeroExitCode");
    assert_string_equal(json_text(json_at(bad, "details", "causes", NULL)->child, "message", NULL), "7");
    free(hear_all(begin("kill -9 $$", false, false), 1, &killed));
    assert_string_equal(json_text(json_at(killed, "details", "causes", NULL)->child, "message", NULL), "137");
}

static void it_is_as_caged_as_its_container(void **state)
{
    (void)state;
    AUTO_JSON cJSON *status = NULL;
    AUTO_FREE char *seen =
        hear_all(begin("grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | cut -f2 | "
                       "tr '\\n' ' '; readlink /proc/1/ns/mnt /proc/self/ns/mnt | uniq | wc -l; "
                       "ls /proc/self/fd | wc -l; touch /usr/x 2>/dev/null || echo read-only",
                       false, false),
                 1, &status);
    assert_string_equal(seen, "0000000000000000 0000000000000000 1 2 1\n4\nread-only\n");
}

/* Sizes around what socket, packet and pipe hold together: the command ends while some of it still waits in each. */
static void a_slow_reader_gets_it_all(void **state)
{
    (void)state;
    for (int size = 100000; size <= 400000; size += 25000) {
        AUTO_JSON cJSON *status = NULL;
        AUTO_FREE char *script = memory_format("head -c %d /dev/zero | tr '\\0' x", size);
        int fd = begin(script, false, false);
        clock_sleep_ms(250); /* it ends meanwhile, if what it writes has room */
        AUTO_FREE char *output = hear_all(fd, 1, &status);
        assert_int_equal(strlen(output), size);
        assert_string_equal(json_text(status, "status", NULL), "Success");
    }
}

static void input_ends_when_it_is_closed(void **state)
{
    (void)state;
    AUTO_JSON cJSON *status = NULL;
    int fd = begin("cat", true, false);
    say(fd, 0, "one ");
    say(fd, 0, "two");
    assert_int_equal(send(fd, "\377\0", 2, 0), 2);
    AUTO_FREE char *output = hear_all(fd, 1, &status);
    assert_string_equal(output, "one two");
    assert_string_equal(json_text(status, "status", NULL), "Success");
}

static void a_terminal_has_a_size_and_signals(void **state)
{
    (void)state;
    AUTO_JSON cJSON *status = NULL;
    int fd = begin("trap 'stty size; exit 4' INT; echo ready; while :; do sleep 0.1; done", true, true);
    AUTO_BUFFER struct buffer text = {0};
    char channel = 0;
    while (!text.p || !strstr(text.p, "ready"))
        assert_true(hear(fd, &channel, &text));
    say(fd, 4, "{\"Width\":123,\"Height\":45}");
    say(fd, 4, "{\"Width\":0,\"Height\":70000}"); /* nonsense changes nothing */
    say(fd, 4, "[");
    say(fd, 0, "\003");
    AUTO_FREE char *output = hear_all(fd, 1, &status);
    assert_non_null(strstr(output, "45 123"));
    assert_string_equal(json_text(json_at(status, "details", "causes", NULL)->child, "message", NULL), "4");
}

static void what_cannot_be_started_says_why(void **state)
{
    (void)state;
    AUTO_JSON cJSON *status = NULL, *request = wanted("true", false, false);
    struct error error = {0};
    int fd = -1;
    cJSON_SetValuestring(json_member(request, "command")->child, "/no/such");
    assert_int_equal(sandbox_exec(bench.client, "alice", "p", "main", request, &fd, &error), 0);
    free(hear_all(fd, 1, &status));
    assert_string_equal(json_text(status, "reason", NULL), "InternalError");
    assert_non_null(strstr(json_text(status, "message", NULL), "/no/such"));
    assert_int_equal(sandbox_exec(bench.client, "alice", "p", "other", request, &fd, &error), -ERROR_NOT_FOUND);
    assert_int_equal(sandbox_exec(bench.client, "alice", "q", "main", request, &fd, &error), -ERROR_NOT_FOUND);
    assert_int_equal(sandbox_exec(bench.client, "bob", "p", "main", request, &fd, &error), -ERROR_NOT_FOUND);
    json_set(request, "command", json_array());
    assert_int_equal(sandbox_exec(bench.client, "alice", "p", "main", request, &fd, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "exec.command");
}

static bool pod_has(const char *word)
{
    AUTO_JSON cJSON *status = NULL;
    AUTO_FREE char *script = memory_format("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c '^%s$'", word);
    AUTO_FREE char *count = hear_all(begin(script, false, false), 1, &status);
    return strcmp(count, "0\n") != 0;
}

/* Also what it began in the background, and what ignores SIGHUP. */
static void closing_ends_everything(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer text = {0};
    char channel = 0;
    int fd = begin("trap '' HUP; sleep 81234 & echo up; sleep 81235", false, false);
    while (!text.p || !strstr(text.p, "up"))
        assert_true(hear(fd, &channel, &text));
    assert_true(pod_has("81234"));
    close(fd);
    for (int i = 0; pod_has("81234") || pod_has("81235"); i++) {
        assert_true(i < BENCH_PATIENCE_MS / 50);
        clock_sleep_ms(50);
    }
}

static void there_are_not_too_many(void **state)
{
    (void)state;
    int held[BOX_EXECS_PER_SANDBOX_MAX];
    size_t count = 0;
    struct error error = {0};
    AUTO_JSON cJSON *request = wanted("sleep 600", false, false);
    while (count < COUNT_OF(held) && !sandbox_exec(bench.client, "alice", "p", "main", request, &held[count], &error))
        count++;
    int one_more = -1;
    assert_int_equal(sandbox_exec(bench.client, "alice", "p", "main", request, &one_more, &error), -ERROR_LIMITED);
    for (size_t i = 0; i < count; i++)
        close(held[i]);
    close(begin("sleep 600", false, false));
}

static void a_session_outlives_the_daemon_and_ends_with_its_pod(void **state)
{
    (void)state;
    AUTO_JSON cJSON *status = NULL;
    int fd = begin("cat", true, false);
    bench_end(SIGKILL);
    bench_up();
    say(fd, 0, "still here");
    AUTO_BUFFER struct buffer text = {0};
    char channel = 0;
    assert_true(hear(fd, &channel, &text));
    assert_string_equal(text.p, "still here");
    assert_int_equal(sandbox_pod_remove(bench.client, "alice", "p", NULL), 0);
    free(hear_all(fd, 1, &status));
    assert_string_equal(json_text(json_at(status, "details", "causes", NULL)->child, "message", NULL), "137");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_tells_how_it_ended),
        cmocka_unit_test(it_is_as_caged_as_its_container),
        cmocka_unit_test(a_slow_reader_gets_it_all),
        cmocka_unit_test(input_ends_when_it_is_closed),
        cmocka_unit_test(a_terminal_has_a_size_and_signals),
        cmocka_unit_test(what_cannot_be_started_says_why),
        cmocka_unit_test(closing_ends_everything),
        cmocka_unit_test(there_are_not_too_many),
        cmocka_unit_test(a_session_outlives_the_daemon_and_ends_with_its_pod),
    };
    return cmocka_run_group_tests(tests, setup, bench_teardown);
}
