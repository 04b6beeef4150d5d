/* Child processes: results, output, time-outs, daemons left behind; and signals to exactly one process. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

static int run_shell(const char *script, int64_t timeout_ms, struct buffer *output, struct error *error)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    return process_run(argv, timeout_ms, output, error);
}

static void reports_results(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_BUFFER struct buffer output = {0};
    assert_int_equal(run_shell("echo out; echo err >&2", 5000, &output, &error), 0);
    assert_string_equal(output.p, "out\nerr\n");
    assert_int_equal(run_shell("exit 0", 5000, NULL, NULL), 0);
    assert_int_equal(run_shell("echo first; printf 'last \\033[31mline\\n\\n'; exit 3", 5000, NULL, &error),
                     -ERROR_INTERNAL);
    assert_string_equal(error.message, "sh exited with status 3: last \\x1b[31mline");
    assert_int_equal(run_shell("exit 4", 5000, NULL, &error), -ERROR_INTERNAL);
    assert_string_equal(error.message, "sh exited with status 4");
    assert_int_equal(run_shell("kill -9 $$", 5000, NULL, &error), -ERROR_INTERNAL);
    assert_string_equal(error.message, "sh was killed by signal 9");
    const char *const absent[] = {"atelier-no-such-program", NULL};
    assert_int_equal(process_run(absent, 5000, NULL, &error), -ERROR_NOT_FOUND);
    assert_string_equal(error.message, "atelier-no-such-program: command not found");
    const char *const directory[] = {"/tmp", NULL};
    assert_int_equal(process_run(directory, 5000, NULL, &error), -ERROR_INTERNAL);
}

static void no_shell_is_involved(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer output = {0};
    const char *const argv[] = {"printf", "%s|", "$(id)", "a b", "; ls", "`x`", NULL};
    assert_int_equal(process_run(argv, 5000, &output, NULL), 0);
    assert_string_equal(output.p, "$(id)|a b|; ls|`x`|");
}

static void an_answer_is_stdout_alone(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer answer = {0};
    struct error error = {0};
    const char *const argv[] = {"sh", "-c", "echo complaint >&2; printf '%s %s' \"$ATELIER_X\" \"$HOME\"", NULL};
    const char *const environment[] = {"ATELIER_X=one=1", "HOME=/elsewhere", NULL};
    assert_int_equal(process_answer(argv, environment, 5000, 100, &answer, &error), 0);
    assert_string_equal(answer.p, "one=1 /elsewhere");
    buffer_clear(&answer);
    const char *const fails[] = {"sh", "-c", "echo answer; echo reason >&2; exit 2", NULL};
    assert_int_equal(process_answer(fails, NULL, 5000, 100, &answer, &error), -ERROR_INTERNAL);
    assert_string_equal(error.message, "sh exited with status 2: reason");
    const char *const much[] = {"sh", "-c", "head -c 101 /dev/zero", NULL};
    assert_int_equal(process_answer(much, NULL, 5000, 100, &answer, &error), -ERROR_TOO_LARGE);
    assert_int_equal(answer.n, 0);
    const char *const enough[] = {"sh", "-c", "head -c 100 /dev/zero; head -c 100000 /dev/zero >&2", NULL};
    assert_int_equal(process_answer(enough, NULL, 5000, 100, &answer, &error), 0);
    assert_int_equal(answer.n, 100);
}

static void collects_at_most_64_kib(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer output = {0};
    struct error error = {0};
    assert_int_equal(run_shell("yes 0123456 | head -c 1000000; echo; echo the end; exit 1", 20000, &output, &error),
                     -ERROR_INTERNAL);
    assert_int_equal(output.n, 65536);
    assert_string_equal(error.message, "sh exited with status 1: the end");
}

static void the_child_inherits_nothing(void **state)
{
    (void)state;
    int leaked = open("/dev/null", O_RDONLY); /* deliberately without O_CLOEXEC */
    AUTO_BUFFER struct buffer output = {0};
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(run_shell("readlink /proc/self/fd/0; ls /proc/$$/fd;"
                               /* Signals 1 to 28: glibc keeps 32 and 33 to itself. By the shell alone: it blocks
                                * signals while it starts another program, which may be running already. */
                               "while read -r name mask; do case $name in SigBlk: | SigIgn:)"
                               " echo ${name%:} ${mask#?????????};; esac; done </proc/$$/status",
                               5000, &output, NULL),
                     0);
    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(leaked);
    assert_string_equal(output.p, "/dev/null\n0\n1\n2\nSigBlk 0000000\nSigIgn 0000000\n");
}

static void a_time_out_ends_the_whole_group(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_BUFFER struct buffer output = {0};
    int64_t from = clock_monotonic_ms();
    int result = run_shell("trap '' TERM; sleep 60 & echo $!; wait; sleep 60", 300, &output, &error);
    int64_t took = clock_monotonic_ms() - from, pid;
    assert_int_equal(result, -ERROR_TIMEOUT);
    assert_string_equal(error.message, "sh did not finish within 300 ms");
    assert_true(took >= 300 && took < 5000);
    struct slice rest;
    assert_true(text_parse_i64(slice_split(buffer_slice(&output), '\n', &rest), 1, INT32_MAX, &pid));
    uint64_t start;
    for (int i = 0; i < 100 && process_start_time((pid_t)pid, &start) && process_signal((pid_t)pid, start, 0); i++)
        clock_sleep_ms(20);
    assert_false(process_start_time((pid_t)pid, &start) && process_signal((pid_t)pid, start, 0));
}

/* A daemon that keeps our pipe open must not make us wait for it. */
static void returns_when_the_child_exits(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer output = {0};
    int64_t from = clock_monotonic_ms(), pid;
    uint64_t start;
    assert_int_equal(run_shell("sleep 30 & echo $!", 20000, &output, NULL), 0);
    assert_true(clock_monotonic_ms() - from < 10000);
    struct slice rest;
    assert_true(text_parse_i64(slice_split(buffer_slice(&output), '\n', &rest), 1, INT32_MAX, &pid));
    assert_true(process_start_time((pid_t)pid, &start));
    assert_true(process_signal((pid_t)pid, start, SIGKILL));
}

static pid_t sleeper(void)
{
    pid_t child = fork();
    if (child == 0) {
        execlp("sleep", "sleep (x) 60) S 1", "60", (char *)NULL);
        _exit(127);
    }
    return child;
}

static void signals_exactly_one_process(void **state)
{
    (void)state;
    pid_t child = sleeper();
    uint64_t start = 0, own = 0;
    int status;
    assert_true(process_start_time(getpid(), &own));
    assert_true(process_start_time(child, &start));
    assert_true(start >= own);
    assert_true(process_signal(child, start, 0));
    assert_false(process_signal(child, start + 1, SIGKILL)); /* another process with the same pid */
    assert_int_equal(waitpid(child, &status, WNOHANG), 0);
    assert_true(process_signal(child, start, SIGTERM));
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    assert_false(process_signal(child, start, 0)); /* exited, though not yet reaped */
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WTERMSIG(status), SIGTERM);
    assert_false(process_signal(child, start, 0));
    assert_false(process_start_time(child, &start));
    assert_false(process_signal(0, start, SIGKILL)); /* 0 and -1 would be groups and everybody */
    assert_false(process_signal(-1, start, SIGKILL));
    assert_false(process_start_time(-1, &start));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_results),
        cmocka_unit_test(no_shell_is_involved),
        cmocka_unit_test(an_answer_is_stdout_alone),
        cmocka_unit_test(collects_at_most_64_kib),
        cmocka_unit_test(the_child_inherits_nothing),
        cmocka_unit_test(a_time_out_ends_the_whole_group),
        cmocka_unit_test(returns_when_the_child_exits),
        cmocka_unit_test(signals_exactly_one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
