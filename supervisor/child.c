/* How is one daemon started under its own user, recognised again after we were gone, and named without mistake? */
#include "supervisor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define HIGH_FD 64              /* where descriptors wait that 0..3 must not overwrite */
#define OPEN_FILES_MAX 1048576u /* beyond this a table of descriptors costs more than it serves */
#define RECORD_BYTES_MAX 256

/* What the child reports through a close-on-exec pipe when it cannot become the program. */
struct failure {
    char step[32];
    int number;
};

_Noreturn static void fail(int report, const char *step)
{
    struct failure failure = {.number = errno};
    snprintf(failure.step, sizeof(failure.step), "%s", step);
    ssize_t written = write(report, &failure, sizeof(failure));
    (void)written; /* the parent then sees an exit status instead */
    _exit(127);
}

static void take_descriptors(const struct program *program, int notify, int report)
{
    int sources[] = {program->input, program->output, program->errors, notify};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        sources[i] = fcntl(sources[i] >= 0 ? sources[i] : null, F_DUPFD_CLOEXEC, HIGH_FD);
        if (sources[i] < 0)
            fail(report, "descriptors");
    }
    for (int i = 0; i < (int)COUNT_OF(sources); i++)
        if (dup2(sources[i], i) < 0)
            fail(report, "descriptors");
    if (notify < 0)
        close(CHILD_NOTIFY_FD);
    if (syscall(SYS_close_range, CHILD_NOTIFY_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        fail(report, "close_range");
}

static void become_user(const struct program *program, int report)
{
    if (!program->drop_privileges)
        return;
    if (setgroups(1, &program->gid) < 0 || setresgid(program->gid, program->gid, program->gid) < 0 ||
        setresuid(program->uid, program->uid, program->uid) < 0)
        fail(report, "change of user");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail(report, "no_new_privs");
}

/* Written by the process itself before it becomes the program: a supervisor killed in between leaves no stranger. */
static bool write_record(const struct program *program)
{
    char fingerprint[CHILD_FINGERPRINT_SIZE];
    uint64_t start_time;
    child_fingerprint(program, fingerprint);
    if (!process_start_time(getpid(), &start_time))
        return false;
    AUTO_FREE char *text = memory_format("%d %llu %s\n", (int)getpid(), (unsigned long long)start_time, fingerprint);
    return file_write(program->record, slice_of(text), 0644, NULL) == 0;
}

static void raise_open_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max < OPEN_FILES_MAX ? limit.rlim_max : OPEN_FILES_MAX;
    setrlimit(RLIMIT_NOFILE, &limit); /* a lower limit only means fewer connections */
}

_Noreturn static void become(const struct program *program, int directory, int file, int notify, int report)
{
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < SIGRTMIN; number++)
        signal(number, SIG_DFL);
    if (program->ignores_usr1)
        signal(SIGUSR1, SIG_IGN);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid(); /* a terminal's Ctrl-C reaches the supervisor alone, which stops the three in order */
    umask(077);
    directory = fcntl(directory, F_DUPFD_CLOEXEC, HIGH_FD);
    file = fcntl(file, F_DUPFD_CLOEXEC, HIGH_FD);
    report = fcntl(report, F_DUPFD_CLOEXEC, HIGH_FD);
    take_descriptors(program, notify, report);
    if (chdir("/") < 0)
        fail(report, "chdir");
    if (program->many_files)
        raise_open_files();
    if (program->record && !write_record(program))
        fail(report, "record");
    become_user(program, report);
    char *const *arguments = (char *const *)(uintptr_t)program->arguments;
    char *const *environment = (char *const *)(uintptr_t)program->environment;
    /* By name below the open directory first: it keeps the process's name; the file's own descriptor needs less. */
    syscall(SYS_execveat, directory, program->file, arguments, environment, 0);
    syscall(SYS_execveat, file, "", arguments, environment, AT_EMPTY_PATH);
    fail(report, "exec");
}

static int explain(const struct program *program, const struct failure *failure, struct error *error)
{
    if (failure->number == EACCES && strcmp(failure->step, "exec") == 0)
        return error_set(error, ERROR_INVALID, NULL, "%s/%s cannot be executed by user %s: chmod o+rx %s/%s",
                         program->directory, program->file, program->user, program->directory, program->file);
    return error_set(error, ERROR_INTERNAL, NULL, "%s cannot be started as user %s: %s: %s", program->file,
                     program->user, failure->step, strerrordesc_np(failure->number));
}

static int open_program(const struct program *program, int *ret_directory, int *ret_file, struct error *error)
{
    *ret_directory = open(program->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    *ret_file = *ret_directory < 0 ? -1 : openat(*ret_directory, program->file, O_PATH | O_CLOEXEC);
    if (*ret_file >= 0)
        return 0;
    return error_set(error, ERROR_NOT_FOUND, NULL, "%s/%s: %s", program->directory, program->file,
                     strerrordesc_np(errno));
}

int child_start(const struct program *program, struct child *ret, struct error *error)
{
    AUTO_CLOSE int directory = -1;
    AUTO_CLOSE int file = -1;
    int failed = open_program(program, &directory, &file, error);
    if (failed)
        return failed;
    int report[2] = {-1, -1}, notify[2] = {-1, -1};
    if (pipe2(report, O_CLOEXEC) < 0 || (program->notifies && pipe2(notify, O_CLOEXEC | O_NONBLOCK) < 0))
        return error_set(error, ERROR_UNAVAILABLE, NULL, "pipe: %s", strerrordesc_np(errno));
    pid_t pid = fork();
    if (pid == 0)
        become(program, directory, file, notify[1], report[1]);
    int number = errno;
    close(report[1]);
    if (notify[1] >= 0)
        close(notify[1]);
    struct failure failure = {.step = "fork", .number = number};
    ssize_t count = pid < 0 ? (ssize_t)sizeof(failure) : read(report[0], &failure, sizeof(failure));
    close(report[0]);
    struct child child = {.pid = pid, .pidfd = -1, .notify = notify[0]};
    if (count > 0) {
        if (pid > 0)
            waitpid(pid, NULL, 0);
        child_release(&child);
        return explain(program, &failure, error);
    }
    child.pidfd = (int)syscall(SYS_pidfd_open, pid, 0u);
    process_start_time(pid, &child.start_time); /* not reaped yet, so it is there even when already dead */
    *ret = child;
    return 0;
}

int child_run(const struct program *program, int64_t timeout_ms, struct error *error)
{
    struct child child;
    int failed = child_start(program, &child, error);
    if (failed)
        return failed;
    int status = -1;
    struct pollfd ended = {.fd = child.pidfd, .events = POLLIN};
    bool done = poll(&ended, 1, (int)timeout_ms) == 1;
    if (!done) {
        child_signal(&child, SIGKILL);
        poll(&ended, 1, -1);
    }
    child_ended(&child, &status);
    child_release(&child);
    if (!done)
        return error_set(error, ERROR_TIMEOUT, NULL, "%s did not finish within %lld s", program->file,
                         (long long)(timeout_ms / 1000));
    return status == 0 ? 0 : error_set(error, ERROR_INTERNAL, NULL, "%s ended with status %d", program->file, status);
}

bool child_hold(pid_t pid, uint64_t start_time, struct child *ret)
{
    uint64_t found;
    AUTO_CLOSE int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0u) : -1;
    /* The descriptor pins whoever has the pid now; the start time says whether that is who was recorded. */
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    if (pidfd < 0 || !process_start_time(pid, &found) || found != start_time || poll(&ended, 1, 0) != 0)
        return false;
    *ret = (struct child){.pid = pid, .start_time = start_time, .pidfd = TAKE_FD(pidfd), .notify = -1};
    return true;
}

bool child_signal(const struct child *child, int signal)
{
    return child->pidfd >= 0 && syscall(SYS_pidfd_send_signal, child->pidfd, signal, NULL, 0u) == 0;
}

bool child_ended(const struct child *child, int *ret_status)
{
    struct pollfd ended = {.fd = child->pidfd, .events = POLLIN};
    if (child->pidfd >= 0 && poll(&ended, 1, 0) == 0)
        return false;
    siginfo_t info = {0};
    *ret_status = -1;
    if (child->pidfd >= 0 && waitid((idtype_t)P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG) == 0 &&
        info.si_pid)
        *ret_status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    return true;
}

void child_release(struct child *child)
{
    if (child->pidfd >= 0)
        close(child->pidfd);
    if (child->notify >= 0)
        close(child->notify);
    *child = CHILD_NONE;
}

void child_fingerprint(const struct program *program, char ret[CHILD_FINGERPRINT_SIZE])
{
    AUTO_BUFFER struct buffer text = {0};
    struct stat status = {0};
    AUTO_FREE char *path = memory_format("%s/%s", program->directory, program->file);
    stat(path, &status); /* absent: zeros, which match nothing that runs */
    buffer_add_format(&text, "%llu:%llu:%lld:%lld.%09ld", (unsigned long long)status.st_dev,
                      (unsigned long long)status.st_ino, (long long)status.st_size, (long long)status.st_mtim.tv_sec,
                      status.st_mtim.tv_nsec);
    for (const char *const *argument = program->arguments; *argument; argument++)
        buffer_add(&text, *argument, strlen(*argument) + 1);
    for (const char *const *variable = program->environment; *variable; variable++)
        if ((strncmp(*variable, "ATELIER_", 8) == 0 && strncmp(*variable, "ATELIER_LOG_FORMAT=", 19) != 0) ||
            strncmp(*variable, "DATABASE_", 9) == 0)
            buffer_add(&text, *variable, strlen(*variable) + 1);
    digest_sha256_hex(buffer_slice(&text), ret);
}

bool child_recall(const char *path, pid_t *ret_pid, uint64_t *ret_start_time, char ret[CHILD_FINGERPRINT_SIZE])
{
    AUTO_BUFFER struct buffer text = {0};
    if (file_read(path, RECORD_BYTES_MAX, &text, NULL) < 0)
        return false;
    struct slice rest = buffer_slice(&text), line = slice_split(rest, '\n', &rest);
    struct slice pid = slice_split(line, ' ', &line), start = slice_split(line, ' ', &line);
    int64_t pid_number, start_number;
    if (!text_parse_i64(pid, 1, INT32_MAX, &pid_number) || !text_parse_i64(start, 0, INT64_MAX, &start_number) ||
        line.n >= CHILD_FINGERPRINT_SIZE)
        return false;
    *ret_pid = (pid_t)pid_number;
    *ret_start_time = (uint64_t)start_number;
    snprintf(ret, CHILD_FINGERPRINT_SIZE, "%.*s", (int)line.n, line.p ? line.p : "");
    return true;
}
