/* How do we run a helper program to its end, and name or signal exactly one process? */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

#define OUTPUT_BYTES_MAX ((size_t)64 * 1024)
#define TAIL_BYTES 512 /* enough for the last line of any tool's complaint */

extern char **environ;

struct run {
    pid_t pid;
    int pidfd, pipe, complaints; /* read ends: of its stdout; of its stderr, or -1 if that goes to <pipe> too */
    size_t output_max;
    struct buffer output;
    bool overflowed;
    struct buffer tail; /* of its stderr, or of both */
};

static int pidfd_open_checked(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0u);
}

static int pidfd_signal(int pidfd, int signal)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0u);
}

/* A group of its own: a time-out ends what it started too, and a terminal's Ctrl-C reaches only us. */
static int spawn_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setpgroup(attributes, 0);
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

static int spawn(const char *const *argv, char *const *environment, int output, int complaints, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int failed = spawn_attributes(&attributes);
    if (!failed)
        failed = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&actions, complaints, STDERR_FILENO);
    if (!failed)
        failed = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    if (!failed)
        failed = posix_spawnp(ret_pid, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* A descriptor above 2, so that the child's dup2 onto 1 and 2 cannot meet it even if ours were closed. */
static int raise_descriptor(int fd)
{
    if (fd > STDERR_FILENO)
        return fd;
    int raised = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return raised;
}

/* Both ends above 2; the read end does not block. */
static int make_pipe(int *ret_read, int *ret_write)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    AUTO_CLOSE int read_end = raise_descriptor(ends[0]);
    AUTO_CLOSE int write_end = raise_descriptor(ends[1]);
    if (read_end < 0 || write_end < 0)
        return -1;
    fcntl(read_end, F_SETFL, O_NONBLOCK);
    *ret_read = TAKE_FD(read_end);
    *ret_write = TAKE_FD(write_end);
    return 0;
}

static int start(const char *const *argv, char *const *environment, bool apart, struct run *run, struct error *error)
{
    AUTO_CLOSE int output = -1;
    AUTO_CLOSE int complaints = -1;
    if (make_pipe(&run->pipe, &output) < 0 || (apart && make_pipe(&run->complaints, &complaints) < 0))
        return error_set(error, ERROR_UNAVAILABLE, NULL, "%s: pipe: %s", argv[0], strerrordesc_np(errno));
    int failed = spawn(argv, environment, output, apart ? complaints : output, &run->pid);
    if (failed == ENOENT)
        return error_set(error, ERROR_NOT_FOUND, NULL, "%s: command not found", argv[0]);
    if (failed)
        return error_set(error, ERROR_INTERNAL, NULL, "%s: cannot be started: %s", argv[0], strerrordesc_np(failed));
    run->pidfd = pidfd_open_checked(run->pid);
    if (run->pidfd >= 0)
        return 0;
    int reason = errno;
    kill(run->pid, SIGKILL); /* still ours and unreaped: the pid cannot be another's */
    waitpid(run->pid, NULL, 0);
    return error_set(error, ERROR_UNAVAILABLE, NULL, "%s: pidfd: %s", argv[0], strerrordesc_np(reason));
}

static void keep_output(struct run *run, const char *bytes, size_t count)
{
    size_t room = run->output_max - run->output.n;
    run->overflowed = run->overflowed || count > room;
    buffer_add(&run->output, bytes, count < room ? count : room);
}

static void keep_tail(struct run *run, const char *bytes, size_t count)
{
    buffer_add(&run->tail, bytes, count);
    if (run->tail.n > TAIL_BYTES)
        buffer_drop(&run->tail, run->tail.n - TAIL_BYTES);
}

/* Takes what one of the pipes holds now. False at its end. */
static bool drain(struct run *run, int pipe)
{
    char bytes[4096];
    for (;;) {
        ssize_t count = read(pipe, bytes, sizeof(bytes));
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count < 0;
        if (pipe == run->pipe)
            keep_output(run, bytes, (size_t)count);
        if (pipe == run->complaints || run->complaints < 0)
            keep_tail(run, bytes, (size_t)count);
    }
}

/* Waits for the exit, not for the end of the pipe: a daemon it left behind may hold that open for ever. */
static bool wait_for_exit(struct run *run, int64_t timeout_ms)
{
    int64_t end = clock_monotonic_ms() + timeout_ms;
    struct pollfd polls[3] = {{.fd = run->pidfd, .events = POLLIN},
                              {.fd = run->pipe, .events = POLLIN},
                              {.fd = run->complaints, .events = POLLIN}};
    for (;;) {
        int64_t left = end - clock_monotonic_ms();
        int ready = poll(polls, 3, left <= 0 ? 0 : left > 60000 ? 60000 : (int)left);
        for (int i = 1; i < 3; i++) {
            if (ready > 0 && polls[i].revents && !drain(run, polls[i].fd))
                polls[i].fd = -1;
        }
        if (ready > 0 && polls[0].revents)
            return true;
        if (left <= 0)
            return false;
    }
}

static void last_line(const struct buffer *tail, char *ret, size_t size)
{
    struct slice text = buffer_slice(tail), rest = text;
    while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r' || text.p[text.n - 1] == ' '))
        text.n--;
    rest = text;
    while (rest.n) {
        text = slice_split(rest, '\n', &rest);
    }
    text_printable(text, ret, size);
}

static int report(const char *program, const siginfo_t *info, const struct run *run, struct error *error)
{
    char line[TAIL_BYTES];
    last_line(&run->tail, line, sizeof(line));
    const char *separator = line[0] ? ": " : "";
    if (info->si_code == CLD_EXITED && info->si_status == 0)
        return 0;
    if (info->si_code == CLD_EXITED)
        return error_set(error, ERROR_INTERNAL, NULL, "%s exited with status %d%s%s", program, info->si_status,
                         separator, line);
    return error_set(error, ERROR_INTERNAL, NULL, "%s was killed by signal %d%s%s", program, info->si_status, separator,
                     line);
}

static int finish(const char *program, struct run *run, int64_t timeout_ms, struct error *error)
{
    siginfo_t info = {0};
    bool exited = wait_for_exit(run, timeout_ms);
    if (!exited) {
        kill(-run->pid, SIGKILL); /* the group's number stays taken until its leader is reaped below */
        pidfd_signal(run->pidfd, SIGKILL);
    }
    int waited;
    do
        waited = waitid((idtype_t)P_PIDFD, (id_t)run->pidfd, &info, WEXITED);
    while (waited < 0 && errno == EINTR);
    drain(run, run->pipe);
    if (run->complaints >= 0)
        drain(run, run->complaints);
    if (!exited)
        return error_set(error, ERROR_TIMEOUT, NULL, "%s did not finish within %lld ms", program,
                         (long long)timeout_ms);
    if (waited < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "%s: its exit status was collected elsewhere", program);
    return report(program, &info, run, error);
}

static void run_free(struct run *run)
{
    memory_wipe(run->output.p, run->output.n);
    buffer_free(&run->output);
    buffer_free(&run->tail);
    const int fds[] = {run->pidfd, run->pipe, run->complaints};
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

int process_run(const char *const *argv, int64_t timeout_ms, struct buffer *output, struct error *error)
{
    struct run run = {.pidfd = -1, .pipe = -1, .complaints = -1, .output_max = OUTPUT_BYTES_MAX};
    int failed = start(argv, environ, false, &run, error);
    if (!failed)
        failed = finish(argv[0], &run, timeout_ms, error);
    if (output)
        buffer_add_slice(output, buffer_slice(&run.output));
    run_free(&run);
    return failed;
}

/* Ours, with <more> in place of variables of the same name. The array is the caller's, its texts are borrowed. */
static char **environment_with(const char *const *more)
{
    size_t ours = 0, further = 0, count = 0;
    while (environ && environ[ours])
        ours++;
    while (more && more[further])
        further++;
    char **ret = memory_get((ours + further + 1) * sizeof(*ret));
    for (size_t i = 0; i < ours; i++) {
        bool replaced = false;
        size_t name = strcspn(environ[i], "=") + 1;
        for (size_t j = 0; j < further; j++)
            replaced = replaced || strncmp(environ[i], more[j], name) == 0;
        if (!replaced)
            ret[count++] = environ[i];
    }
    for (size_t j = 0; j < further; j++)
        ret[count++] = (char *)(uintptr_t)more[j];
    return ret;
}

int process_answer(const char *const *argv, const char *const *environment, int64_t timeout_ms, size_t max,
                   struct buffer *ret, struct error *error)
{
    struct run run = {.pidfd = -1, .pipe = -1, .complaints = -1, .output_max = max};
    AUTO_FREE char **variables = environment_with(environment);
    int failed = start(argv, variables, true, &run, error);
    if (!failed)
        failed = finish(argv[0], &run, timeout_ms, error);
    if (!failed && run.overflowed)
        failed = error_set(error, ERROR_TOO_LARGE, NULL, "%s wrote more than %zu bytes", argv[0], max);
    if (!failed)
        buffer_add_slice(ret, buffer_slice(&run.output));
    run_free(&run);
    return failed;
}

/* Field 22 of /proc/PID/stat, and field 3. The name (field 2) may hold anything, so reading starts after its last ')'.
 */
static bool read_stat(pid_t pid, uint64_t *ret_start, char *ret_state)
{
    char path[64];
    AUTO_BUFFER struct buffer stat = {0};
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (pid <= 0 || file_read(path, 8192, &stat, NULL) < 0)
        return false;
    const char *after_name = memrchr(stat.p, ')', stat.n);
    if (!after_name)
        return false;
    struct slice rest = slice_skip(buffer_slice(&stat), (size_t)(after_name - stat.p) + 2), field = rest;
    int64_t start = 0;
    for (int number = 3; number <= 22; number++) {
        field = slice_split(rest, ' ', &rest);
        if (number == 3)
            *ret_state = field.n ? field.p[0] : '?';
    }
    if (!text_parse_i64(field, 0, INT64_MAX, &start))
        return false;
    *ret_start = (uint64_t)start;
    return true;
}

bool process_start_time(pid_t pid, uint64_t *ret)
{
    char state;
    return read_stat(pid, ret, &state);
}

bool process_signal(pid_t pid, uint64_t start_time, int signal)
{
    uint64_t found;
    char state;
    if (pid <= 0)
        return false;
    /* The descriptor pins whoever has the pid now; the start time read after says whether that is who was meant. */
    AUTO_CLOSE int pidfd = pidfd_open_checked(pid);
    if (pidfd < 0 || !read_stat(pid, &found, &state) || found != start_time || state == 'Z' || state == 'X')
        return false;
    return pidfd_signal(pidfd, signal) == 0;
}

bool process_is_in_user_namespace(void)
{
    AUTO_BUFFER struct buffer text = {0};
    if (file_read("/proc/self/uid_map", 4096, &text, NULL))
        return false;
    struct slice rest, line = slice_split(buffer_slice(&text), '\n', &rest);
    return !slice_ends(slice_trim(line), " 4294967295"); /* the initial one maps every id there is */
}
