/*
 * A real atelier-sandboxd over a directory of the test's own, spoken to through the client library. Pods run the host's
 * bash and python3; the "image" is a directory with a link to the latter. Needs root; everything it makes is removed.
 */
#ifndef ATELIER_TESTS_SANDBOXD_HARNESS_H
#define ATELIER_TESTS_SANDBOXD_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/local/sandbox.h"

struct bench {
    char *directory, *socket, *program, *log;
    pid_t daemon;
    struct sandbox_client *client;
};
/* How long a test waits for what must come: a slow machine, or one under sanitizers, is not a defect. */
enum { BENCH_PATIENCE_MS = 60000 };

static struct bench bench;

static inline char *bench_path(const char *name)
{
    return memory_format("%s/%s", bench.directory, name);
}

static inline char *bench_program(void)
{
    const char *build = getenv("ATELIER_BUILD");
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (build)
        return memory_format("%s/atelier-sandboxd", build);
    self[length > 0 ? length : 0] = 0;
    *strrchr(self, '/') = 0;
    return memory_format("%s/../atelier-sandboxd", self);
}

/* Runs the daemon with <mode> ("serve" or "down"); returns its pid. */
static inline pid_t bench_spawn(bool down)
{
    AUTO_FREE char *run = bench_path("run");
    AUTO_FREE char *data = bench_path("data");
    AUTO_FREE char *images = bench_path("images");
    AUTO_FREE char *gpus = bench_path("gpus");
    AUTO_FREE char *driver = bench_path("driver");
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    int log = open(bench.log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    if (down)
        execl(bench.program, "atelier-sandboxd", "--down", "--run-dir", run, "--data-dir", data, "--grace", "1", NULL);
    else
        execl(bench.program, "atelier-sandboxd", "--run-dir", run, "--data-dir", data, "--images-dir", images,
              "--socket", bench.socket, "--socket-user", "0:0", "--gpu-devices", gpus, "--gpu-driver", driver,
              "--cpu-start", "2", NULL);
    _exit(127);
}

static inline void bench_up(void)
{
    bench.daemon = bench_spawn(false);
    assert_true(bench.daemon > 0);
    for (int64_t end = clock_monotonic_ms() + BENCH_PATIENCE_MS; clock_monotonic_ms() < end;) {
        cJSON *hello = NULL;
        struct error error = {0};
        if (sandbox_hello(bench.client, &hello, &error) == 0) {
            cJSON_Delete(hello);
            return;
        }
        clock_sleep_ms(25);
    }
    AUTO_BUFFER struct buffer log = {0};
    (void)file_read(bench.log, 1 << 24, &log, NULL); /* the folder goes with the test, so say here what it said */
    size_t from = log.n > 3000 ? log.n - 3000 : 0;
    fail_msg("atelier-sandboxd did not come up; it said: %s", log.p ? log.p + from : "nothing");
}

static inline int bench_end(int signal_number)
{
    int status = 0;
    if (bench.daemon <= 0)
        return 0;
    kill(bench.daemon, signal_number);
    waitpid(bench.daemon, &status, 0);
    bench.daemon = 0;
    return status;
}

static inline void bench_down(void)
{
    int status = -1;
    pid_t pid = bench_spawn(true);
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        AUTO_BUFFER struct buffer text = {0};
        file_read(bench.log, (size_t)1 << 20, &text, NULL);
        print_error("%s\n", text.p ? text.p : "");
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static inline void bench_put(const char *path, const char *text)
{
    struct error error = {0};
    assert_int_equal(file_write(path, slice_of(text), 0644, &error), 0);
}

static inline int bench_setup(void **state)
{
    (void)state;
    char pattern[] = "/tmp/atelier-sandboxd-test-XXXXXX";
    if (geteuid() != 0) {
        print_error("this test makes namespaces and cgroups: it needs root\n");
        return -1;
    }
    assert_non_null(mkdtemp(pattern));
    bench.directory = memory_text(pattern);
    bench.socket = bench_path("sock");
    bench.log = bench_path("log");
    bench.program = bench_program();
    AUTO_FREE char *bin = bench_path("images/plain/venv/bin");
    AUTO_FREE char *python = memory_format("%s/python3", bin);
    AUTO_FREE char *description = bench_path("images/plain/image.json");
    assert_int_equal(file_make_directories(bin, 0755, NULL), 0);
    assert_int_equal(symlink("/usr/bin/python3", python), 0);
    bench_put(description, "{\"name\":\"plain\"}");
    bench.client = sandbox_client_new(bench.socket);
    bench_up();
    return 0;
}

static inline int bench_teardown(void **state)
{
    (void)state;
    bench_end(SIGTERM);
    bench_down();
    sandbox_client_free(bench.client);
    assert_int_equal(file_remove_tree(bench.directory, NULL), 0);
    free(bench.directory);
    free(bench.socket);
    free(bench.log);
    free(bench.program);
    return 0;
}

/* --- pods ----------------------------------------------------------------------------------------------------------
 */

/* A pod of one container that runs <script> in bash. Changed by the caller through bench_container(). */
static inline cJSON *bench_pod(const char *uid, const char *script)
{
    cJSON *spec = json_object();
    json_set_text(spec, "uid", uid);
    json_set_text(spec, "hostname", "h1");
    json_set_i64(spec, "grace_s", 5);
    json_set(spec, "volumes", json_object());
    cJSON *container = json_push(json_set(spec, "containers", json_array()), json_object());
    json_set_text(container, "name", "main");
    json_set_text(container, "image", "plain");
    json_set_text(container, "restart", "Never");
    json_set_i64(container, "memory_bytes", 128 << 20);
    json_set_i64(container, "cpu_milli", 2000);
    cJSON *args = json_set(container, "args", json_array());
    json_push_text(args, "/bin/bash");
    json_push_text(args, "-c");
    json_push_text(args, script);
    return spec;
}

static inline cJSON *bench_container(cJSON *spec)
{
    return json_member(spec, "containers")->child;
}

static inline void bench_mount(cJSON *spec, const char *volume, const char *path, const char *subpath)
{
    cJSON *container = bench_container(spec);
    cJSON *mounts = json_member(container, "mounts");
    cJSON *mount = json_push(mounts ? mounts : json_set(container, "mounts", json_array()), json_object());
    json_set_text(mount, "volume", volume);
    json_set_text(mount, "path", path);
    json_set_text(mount, "subpath", subpath);
}

static inline void bench_sandbox(const char *name)
{
    struct error error = {0};
    cJSON *answer = NULL;
    assert_int_equal(sandbox_ensure(bench.client, name, &answer, &error), 0);
    cJSON_Delete(answer);
}

/* Starts <spec> (consumed); the record is the caller's. */
static inline cJSON *bench_start(const char *sandbox, const char *pod, cJSON *spec)
{
    struct error error = {0};
    cJSON *record = NULL;
    if (sandbox_pod_start(bench.client, sandbox, pod, spec, &record, &error))
        fail_msg("%s/%s: %s", sandbox, pod, error.message);
    cJSON_Delete(spec);
    return record;
}

static inline cJSON *bench_record(const char *sandbox, const char *pod)
{
    cJSON *list = NULL, *at, *found = NULL;
    struct error error = {0};
    assert_int_equal(sandbox_pod_list(bench.client, sandbox, &list, &error), 0);
    cJSON_ArrayForEach(at, list)
    {
        if (!strcmp(json_text(at, "pod", NULL), pod))
            found = json_copy(at);
    }
    cJSON_Delete(list);
    return found;
}

/* Waits until the pod's phase is <phase>; the record is the caller's. */
static inline cJSON *bench_wait(const char *sandbox, const char *pod, const char *phase)
{
    int64_t end = clock_monotonic_ms() + BENCH_PATIENCE_MS;
    for (;;) {
        cJSON *record = bench_record(sandbox, pod);
        if (record && !strcmp(json_text(record, "phase", NULL), phase))
            return record;
        if (clock_monotonic_ms() > end) {
            AUTO_FREE char *text = record ? json_print(record) : memory_text("no such pod");
            fail_msg("%s/%s is not %s: %s", sandbox, pod, phase, text);
        }
        cJSON_Delete(record);
        clock_sleep_ms(10);
    }
}

static inline const cJSON *bench_first(const cJSON *record)
{
    return json_member(record, "containers")->child;
}

static inline int64_t bench_number(const cJSON *object, const char *key)
{
    int64_t value = -1;
    assert_true(json_i64(json_member(object, key), &value));
    return value;
}

/* What the container wrote, without the log format's first three words a line; malloc'ed. */
static inline char *bench_output(const char *sandbox, const char *pod)
{
    AUTO_CLOSE int fd = -1;
    struct error error = {0};
    struct buffer raw = {0}, text = {0};
    char bytes[4096];
    ssize_t count;
    if (sandbox_log(bench.client, sandbox, pod, "main", &fd, &error))
        return memory_text("");
    while ((count = read(fd, bytes, sizeof(bytes))) > 0)
        buffer_add(&raw, bytes, (size_t)count);
    struct slice rest = buffer_slice(&raw);
    while (rest.n) {
        struct slice line = slice_split(rest, '\n', &rest);
        slice_split(line, ' ', &line);
        slice_split(line, ' ', &line);
        bool partial = slice_is(slice_split(line, ' ', &line), "P");
        buffer_add_slice(&text, line);
        buffer_add_text(&text, partial ? "" : "\n");
    }
    buffer_free(&raw);
    return buffer_take(&text);
}

static inline void bench_remove(const char *sandbox, const char *pod)
{
    struct error error = {0};
    assert_int_equal(sandbox_pod_remove(bench.client, sandbox, pod, &error), 0);
}

/* Runs <spec> (consumed) to its end, removes the pod and returns its output. *ret_record may be NULL. */
static inline char *bench_run(const char *sandbox, const char *pod, cJSON *spec, cJSON **ret_record)
{
    cJSON_Delete(bench_start(sandbox, pod, spec));
    cJSON *record = bench_wait(sandbox, pod, "stopped");
    char *output = bench_output(sandbox, pod);
    bench_remove(sandbox, pod);
    if (ret_record)
        *ret_record = record;
    else
        cJSON_Delete(record);
    return output;
}

static inline void bench_expect(const char *output, const char *line)
{
    if (!strstr(output, line))
        fail_msg("expected \"%s\" in:\n%s", line, output);
}

static inline void bench_refute(const char *output, const char *text)
{
    if (strstr(output, text))
        fail_msg("unexpected \"%s\" in:\n%s", text, output);
}

static inline void bench_await_output(const char *sandbox, const char *pod, const char *line)
{
    int64_t end = clock_monotonic_ms() + BENCH_PATIENCE_MS;
    for (;;) {
        AUTO_FREE char *output = bench_output(sandbox, pod);
        if (strstr(output, line))
            return;
        if (clock_monotonic_ms() > end)
            fail_msg("%s/%s never wrote \"%s\":\n%s", sandbox, pod, line, output);
        clock_sleep_ms(20);
    }
}

#endif
