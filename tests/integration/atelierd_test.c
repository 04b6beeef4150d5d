/* The program itself: what it says about wrong settings, how it starts, how it stops, and what a lost database means.
 */
#include "tests/integration/postgres.h"

#include <arpa/inet.h>
#include <libgen.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/text.h"
#include "store/store.h"
#include "tests/integration/ports.h"

/* How long a test waits for what must come: a slow machine, or one under sanitizers, is not a defect. */
#define PATIENCE_MS 60000
#define NOBODY 65534 /* Debian's user and group of that name: atelierd refuses root */

static char program[PATH_MAX], directory[] = "/tmp/atelierd-test-XXXXXX", port[8];
static char *database;

struct run {
    pid_t pid;
    int out, err, notify;
    struct buffer text[2]; /* what it said: stdout, stderr */
    int status;
};

static void child(const char *const *arguments, const char *const *variables, bool as_root, int fds[3])
{
    dup2(fds[0], 1);
    dup2(fds[1], 2);
    dup2(fds[2], 63);
    int binary = open(program, O_RDONLY | O_CLOEXEC); /* nobody may not be able to enter the tree's directory */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (geteuid() == 0 && !as_root && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
        _exit(126);
    execveat(binary, "", (char *const *)(uintptr_t)arguments, (char *const *)(uintptr_t)variables, AT_EMPTY_PATH);
    _exit(127);
}

/* Starts atelierd with settings of its own; <more> is one further NAME=value, or NULL. */
static struct run launch(const char *argument, const char *more, bool as_root)
{
    AUTO_FREE char *listen = memory_format("ATELIER_LISTEN=127.0.0.1:%s", port);
    AUTO_FREE char *data = memory_format("ATELIER_DATA=%s", directory);
    AUTO_FREE char *run_dir = memory_format("ATELIER_RUN_DIR=%s", directory);
    AUTO_FREE char *url = memory_format("DATABASE_URL=%s", database ? database : "host=/nowhere");
    /* getenv finds the first of a name, so <more> wins. */
    const char *const variables[] = {
        more ? more : "LANG=C", listen, "ATELIER_METRICS_LISTEN=", "ATELIER_TLS_LISTEN=", data, run_dir, url,
        "ATELIER_NOTIFY_FD=63", NULL};
    const char *const arguments[] = {"atelierd", argument, NULL};
    int out[2], err[2], notify[2];
    if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC) || pipe2(notify, O_CLOEXEC))
        fail_msg("pipe");
    struct run run = {.out = out[0], .err = err[0], .notify = notify[0], .status = -1};
    run.pid = fork();
    if (run.pid == 0)
        child(arguments, variables, as_root, (int[]){out[1], err[1], notify[1]});
    close(out[1]);
    close(err[1]);
    close(notify[1]);
    return run;
}

/* Collects what it says until <wanted> is there, or (NULL) it has ended. */
static bool hear(struct run *run, const char *wanted, int64_t patience_ms)
{
    int64_t until = clock_monotonic_ms() + patience_ms;
    bool open[2] = {true, true};
    while ((open[0] || open[1]) && clock_monotonic_ms() < until) {
        struct pollfd fds[2] = {{open[0] ? run->out : -1, POLLIN, 0}, {open[1] ? run->err : -1, POLLIN, 0}};
        poll(fds, 2, 100);
        for (int i = 0; i < 2; i++) {
            char chunk[4096];
            ssize_t count = fds[i].revents ? read(fds[i].fd, chunk, sizeof(chunk)) : -1;
            if (count > 0)
                buffer_add(&run->text[i], chunk, (size_t)count);
            if (count == 0)
                open[i] = false;
        }
        for (int i = 0; i < 2 && wanted; i++) {
            if (run->text[i].p && strstr(run->text[i].p, wanted))
                return true;
        }
    }
    return !wanted && !open[0] && !open[1];
}

static int finish(struct run *run, int signal_number)
{
    if (signal_number)
        kill(run->pid, signal_number);
    bool ended = hear(run, NULL, PATIENCE_MS);
    if (!ended)
        kill(run->pid, SIGKILL);
    waitpid(run->pid, &run->status, 0);
    close(run->out);
    close(run->err);
    close(run->notify);
    assert_true(ended);
    return WIFEXITED(run->status) ? WEXITSTATUS(run->status) : -WTERMSIG(run->status);
}

static void forget(struct run *run)
{
    buffer_free(&run->text[0]);
    buffer_free(&run->text[1]);
}

static void expect_ready(struct run *run, int64_t patience_ms)
{
    struct pollfd fd = {run->notify, POLLIN, 0};
    char text[8] = "";
    bool ready = poll(&fd, 1, (int)patience_ms) == 1 && read(run->notify, text, sizeof(text)) == 6 &&
                 memcmp(text, "ready\n", 6) == 0 && read(run->notify, text, 1) == 0; /* and it is closed after */
    if (ready)
        return;
    hear(run, "\1", 100);
    fail_msg("not ready: %s", run->text[1].p ? run->text[1].p : "(silence)");
}

static int get_from(const char *at, const char *host, const char *path)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtol(at, NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AUTO_FREE char *request =
        memory_format("GET %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n", path, host, at);
    char answer[64] = "";
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        return 0;
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0 || recv(fd, answer, sizeof(answer) - 1, MSG_WAITALL) < 12)
        return -1;
    return (int)strtol(answer + 9, NULL, 10);
}

static int get(const char *path)
{
    return get_from(port, "localhost", path);
}

/* What /readyz says, in the end. */
static bool becomes(int status)
{
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS; clock_monotonic_ms() < until; clock_sleep_ms(100))
        if (get("/readyz") == status)
            return true;
    return false;
}

/* --- the tests -----------------------------------------------------------------------------------------------------
 */
static void expect_exit(const char *argument, const char *more, bool as_root, int status, const char *words)
{
    struct run run = launch(argument, more, as_root);
    int got = finish(&run, 0);
    const char *said = run.text[got ? 1 : 0].p;
    if (got != status || !said || !strstr(said, words))
        fail_msg("%s %s: exit %d, expected %d with \"%s\": %s", argument ? argument : "", more ? more : "", got, status,
                 words, said ? said : "(nothing)");
    forget(&run);
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    expect_exit("--help", NULL, false, 0, "ATELIER_LISTEN");
    expect_exit("--version", NULL, false, 0, "atelierd ");
    expect_exit("--print-config-docs", NULL, false, 0, "| `listen` |");
    expect_exit("check-config", NULL, false, 0, "listen: \"127.0.0.1:");
    expect_exit("check-config", "ATELIER_WORKERS=many", false, 78, "ATELIER_WORKERS");
    expect_exit(NULL, "ATELIER_LOG_LEVEL=loud", false, 78, "debug, info, warn or error");
    expect_exit(NULL, "ATELIER_CONFIG=/nowhere/atelier.yaml", false, 78, "/nowhere/atelier.yaml");
    expect_exit(NULL, "DATABASE_URL=", false, 78, "DATABASE_URL is not set");
    expect_exit("--what", NULL, false, 64, "--help");
    if (geteuid() == 0)
        expect_exit(NULL, NULL, true, 77, "atelier local up");
}

static void waits_for_the_database_and_gives_up(void **state)
{
    (void)state;
    char *kept = database;
    database = NULL;
    expect_exit(NULL, "ATELIER_DATABASE_WAIT_S=1", false, 69, "PostgreSQL");
    database = kept;
}

static void serves_and_stops(void **state)
{
    (void)state;
    int64_t began = clock_monotonic_ms();
    struct run run = launch(NULL, NULL, false);
    expect_ready(&run, PATIENCE_MS);
    int64_t first = clock_monotonic_ms() - began;
    assert_int_equal(get("/readyz"), 200);
    assert_int_equal(get("/healthz"), 200);
    AUTO_FREE char *link = memory_format("Sign in: http://localhost:%s/auth/link/", port);
    assert_true(hear(&run, link, PATIENCE_MS));
    /* The address is taken now, and says so. */
    struct run second = launch(NULL, "ATELIER_ADMIN_SOCKET=/tmp/atelierd-test-none", false);
    assert_int_equal(finish(&second, 0), 69);
    if (!strstr(second.text[1].p, port))
        fail_msg("%s", second.text[1].p);
    forget(&second);
    assert_int_equal(get("/readyz"), 200);
    kill(run.pid, SIGHUP);
    assert_true(hear(&run, "configuration reloaded", PATIENCE_MS));
    assert_int_equal(finish(&run, SIGTERM), 0);
    assert_int_equal(run.text[0].n, strlen(link) + 44); /* that one line, and nothing else, on stdout */
    forget(&run);
    assert_int_equal(get("/healthz"), 0);
    began = clock_monotonic_ms();
    struct run again = launch(NULL, NULL, false);
    expect_ready(&again, PATIENCE_MS);
    print_message("ready after %lld ms with migrations, %lld ms without\n", (long long)first,
                  (long long)(clock_monotonic_ms() - began));
    assert_true(hear(&again, link, PATIENCE_MS)); /* not used yet: printed again */
    assert_int_equal(finish(&again, SIGINT), 0);
    forget(&again);
}

static void goes_on_without_the_database_for_a_while(void **state)
{
    (void)state;
    struct run run = launch(NULL, "ATELIER_MAX_STALE_S=10", false);
    expect_ready(&run, PATIENCE_MS);
    postgres_kill();
    assert_int_equal(get("/readyz"), 200);
    assert_int_equal(get("/auth/link/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), 503);
    assert_true(becomes(503)); /* past max_stale it decides nothing any more */
    assert_int_equal(get("/readyz?verbose"), 503);
    assert_int_equal(get("/healthz"), 200);
    assert_int_equal(get("/livez"), 200);
    postgres_start();
    assert_true(becomes(200));
    assert_int_equal(get("/auth/link/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), 410);
    assert_int_equal(finish(&run, SIGTERM), 0);
    forget(&run);
}

/* As a kubelet asks a pod: by address, which the main listener does not take for one of its hosts. */
static void removes_old_audit_entries_and_says_so(void **state)
{
    (void)state;
    struct error error = {0};
    struct store *store = NULL;
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    const struct store_options options = {.url = database, .connections = 1};
    assert_int_equal(store_new(&options, &store, &error), 0);
    assert_int_equal(store_wait(store, PATIENCE_MS, &error), 0);
    assert_int_equal(store_take(store, &c, &error), 0);
    assert_int_equal(
        store_run(c, "old", "INSERT INTO audit(uid, at_ms, action) VALUES ('old', 1, 'test')", NULL, 0, NULL, &error),
        0);
    struct run run = launch(NULL, "ATELIER_AUDIT_KEPT_S=86400", false);
    expect_ready(&run, PATIENCE_MS);
    assert_true(hear(&run, "old audit entries removed", PATIENCE_MS));
    assert_int_equal(finish(&run, SIGTERM), 0); /* what is to be written down is, before it ends */
    forget(&run);
    assert_int_equal(store_run(c, "told",
                               "SELECT count(*) FILTER (WHERE uid = 'old') AS old,"
                               " count(*) FILTER (WHERE action = 'expire-audit' AND actor = 'atelier'"
                               " AND detail = '1 entries older than 86400 s') AS told FROM audit",
                               NULL, 0, &rows, &error),
                     0);
    assert_int_equal(store_number(rows, 0, "old"), 0);
    assert_int_equal(store_number(rows, 0, "told"), 1);
    store_give(TAKE_POINTER(c));
    store_free(store);
}

static void answers_probes_by_address(void **state)
{
    (void)state;
    char probes[8];
    snprintf(probes, sizeof(probes), "%u", free_port());
    AUTO_FREE char *listen = memory_format("ATELIER_METRICS_LISTEN=127.0.0.1:%s", probes);
    struct run run = launch(NULL, listen, false);
    expect_ready(&run, PATIENCE_MS);
    assert_int_equal(get_from(port, "10.1.2.3", "/healthz"), 421);
    assert_int_equal(get_from(probes, "10.1.2.3", "/healthz"), 200);
    assert_int_equal(get_from(probes, "10.1.2.3", "/livez"), 200);
    assert_int_equal(get_from(probes, "10.1.2.3", "/readyz"), 200);
    assert_int_equal(get_from(probes, "10.1.2.3", "/metrics"), 200);
    assert_int_equal(get_from(probes, "localhost", "/api/v1/namespaces"), 404);
    assert_int_equal(finish(&run, SIGTERM), 0);
    forget(&run);
}

static int prepare(void **state)
{
    (void)state;
    char self[PATH_MAX] = "";
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return -1;
    snprintf(program, sizeof(program), "%.4000s/../atelierd", dirname(self)); /* build/tests/… beside build/atelierd */
    if (access(program, X_OK) != 0)
        fail_msg("%s is not built", program);
    snprintf(port, sizeof(port), "%u", free_port());
    if (!mkdtemp(directory) || (geteuid() == 0 && chown(directory, NOBODY, NOBODY)))
        return -1;
    database = postgres_database("atelierd");
    return chmod(postgres_state.directory, 0755);
}

static int clean(void **state)
{
    (void)state;
    free(database);
    return file_remove_tree(directory, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(waits_for_the_database_and_gives_up),
        cmocka_unit_test(serves_and_stops),
        cmocka_unit_test(answers_probes_by_address),
        cmocka_unit_test(removes_old_audit_entries_and_says_so),
        cmocka_unit_test(goes_on_without_the_database_for_a_while),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
