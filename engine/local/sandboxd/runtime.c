/* How is a container created, started, watched and deleted through the OCI runtime? */
#include "engine/local/sandboxd/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/local/sandboxd/cgroup.h"
#include "engine/local/sandboxd/limits.h"

char *box_find_program(const char *name)
{
    static const char *const directories[] = {"/usr/sbin", "/usr/bin", "/sbin", "/bin"};
    for (size_t i = 0; i < COUNT_OF(directories); i++) {
        AUTO_FREE char *path = memory_format("%s/%s", directories[i], name);
        if (access(path, X_OK) == 0)
            return TAKE_POINTER(path);
    }
    return NULL;
}

int box_runtime_open(struct box_runtime *runtime, const char *root, const char *cgroup, struct error *error)
{
    *runtime = (struct box_runtime){.runc = box_find_program("runc"),
                                    .conmon = box_find_program("conmon"),
                                    .root = memory_text(root),
                                    .cgroup = memory_text(cgroup)};
    if (!runtime->runc && box_cgroup_kind() == BOX_CGROUP_V2) /* crun refuses v1 controllers */
        runtime->runc = box_find_program("crun");
    if (runtime->runc && runtime->conmon)
        return 0;
    return error_set(error, ERROR_UNAVAILABLE, NULL, "%s is missing: install the package of that name",
                     runtime->runc ? "conmon" : "runc");
}

void box_runtime_close(struct box_runtime *runtime)
{
    free(runtime->runc);
    free(runtime->conmon);
    free(runtime->root);
    free(runtime->cgroup);
}

static int open_process(const struct box_process *process)
{
    uint64_t start;
    int pidfd = process->pid > 1 ? (int)syscall(SYS_pidfd_open, process->pid, 0u) : -1;
    if (pidfd >= 0 && process_start_time(process->pid, &start) && start == process->start)
        return pidfd;
    if (pidfd >= 0)
        close(pidfd);
    return -1;
}

bool box_process_wait(const struct box_process *process, int64_t timeout_ms)
{
    AUTO_CLOSE int pidfd = open_process(process);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    if (pidfd < 0)
        return true;
    return poll(&ended, 1, timeout_ms > 0 ? (int)timeout_ms : 0) > 0;
}

bool box_process_alive(const struct box_process *process)
{
    return !box_process_wait(process, 0);
}

/* --- starting the monitor ------------------------------------------------------------------------------------------
 */

/* Between fork and exec in a process with threads: only async-signal-safe calls. */
static _Noreturn void become(const struct box_launch *launch)
{
    sigset_t none;
    sigemptyset(&none);
    for (int signal_number = 1; signal_number < 32; signal_number++)
        signal(signal_number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (size_t i = 0; i < launch->group_count; i++)
        if (write(launch->groups[i], "0", 1) < 0) /* then it stays in our group: it works, if less independently */
            continue;
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    int kept = fcntl(launch->fd, F_DUPFD, BOX_LAUNCH_FD + 1);
    dup2(kept, BOX_LAUNCH_FD);
    syscall(SYS_close_range, BOX_LAUNCH_FD + 1, ~0u, 0);
    if (chdir("/") == 0 && (!launch->prepare || launch->prepare(launch->prepare_context)))
        execve(launch->argv[0], (char *const *)(uintptr_t)launch->argv, (char *const *)(uintptr_t)launch->environment);
    _exit(127);
}

pid_t box_launch(const struct box_launch *launch)
{
    pid_t child = fork();
    if (child == 0)
        become(launch);
    return child < 0 ? -errno : child;
}

static int read_report(int sync, struct buffer *report, int64_t timeout_ms)
{
    int64_t end = clock_monotonic_ms() + timeout_ms;
    report->max = 16384;
    while (!report->n || report->p[report->n - 1] != '\n') {
        char bytes[1024];
        int64_t left = end - clock_monotonic_ms();
        struct pollfd waiting = {.fd = sync, .events = POLLIN};
        if (left <= 0 || poll(&waiting, 1, (int)left) == 0)
            return -ETIMEDOUT;
        ssize_t count = read(sync, bytes, sizeof(bytes));
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return -EPIPE;
        buffer_add(report, bytes, (size_t)count);
    }
    return 0;
}

/* {"pid": 123} or {"pid": -1, "message": "what runc said"} */
static int parse_report(struct slice text, pid_t *ret, struct error *error)
{
    AUTO_JSON cJSON *json = NULL;
    struct slice rest = {0}, line = slice_split(text, '\n', &rest);
    int64_t pid = -1;
    if (json_parse(line, &json_limits_default, &json, NULL) || !json_i64(json_member(json, "pid"), &pid) || pid <= 0) {
        char message[400];
        text_printable(slice_of(json_text_or("no reason given", json, "message", NULL)), message, sizeof(message));
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the container was not created: %s", message);
    }
    *ret = (pid_t)pid;
    return 0;
}

static int launch_monitor(struct box_launch *launch, struct buffer *report, struct error *error)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "pipe: %s", strerrordesc_np(errno));
    AUTO_CLOSE int read_end = ends[0];
    launch->fd = ends[1];
    pid_t child = box_launch(launch);
    close(ends[1]);
    if (child < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "fork: %s", strerrordesc_np(-child));
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) /* it puts itself in the background at once */
        ;
    int failed = read_report(read_end, report, BOX_RUNTIME_TIMEOUT_MS);
    return failed ? error_set(error, ERROR_UNAVAILABLE, NULL, "the container's monitor said nothing: %s",
                              strerrordesc_np(-failed))
                  : 0;
}

static bool read_pid_file(const char *bundle, const char *name, pid_t *ret)
{
    AUTO_FREE char *path = memory_format("%s/%s", bundle, name);
    AUTO_BUFFER struct buffer text = {0};
    struct slice rest = {0};
    int64_t pid;
    if (file_read(path, 64, &text, NULL) ||
        !text_parse_i64(slice_trim(slice_split(buffer_slice(&text), '\n', &rest)), 2, INT32_MAX, &pid))
        return false;
    *ret = (pid_t)pid;
    return true;
}

static int identify(pid_t pid, struct box_process *ret, const char *what, struct error *error)
{
    ret->pid = pid;
    if (process_start_time(pid, &ret->start))
        return 0;
    return error_set(error, ERROR_UNAVAILABLE, NULL, "the %s ended at once", what);
}

int box_runtime_create(const struct box_runtime *runtime, const char *bundle, const char *id, const char *log,
                       struct box_process *ret_container, struct box_process *ret_monitor, struct error *error)
{
    AUTO_FREE char *root = memory_format("--root=%s", runtime->root);
    AUTO_FREE char *container_pid = memory_format("%s/pid", bundle);
    AUTO_FREE char *monitor_pid = memory_format("%s/monitor.pid", bundle);
    AUTO_FREE char *exits = memory_format("%s/exit", bundle);
    AUTO_FREE char *persist = memory_format("%s/persist", bundle);
    AUTO_FREE char *log_option = memory_format("k8s-file:%s", log);
    char log_bytes[32];
    snprintf(log_bytes, sizeof(log_bytes), "%lld", (long long)BOX_LOG_BYTES_MAX);
    const char *const argv[] = {runtime->conmon,
                                "--cid",
                                id,
                                "--cuuid",
                                id,
                                "--name",
                                id,
                                "--runtime",
                                runtime->runc,
                                "--runtime-arg",
                                root,
                                "--bundle",
                                bundle,
                                "--container-pidfile",
                                container_pid,
                                "--conmon-pidfile",
                                monitor_pid,
                                "--exit-dir",
                                exits,
                                "--persist-dir",
                                persist,
                                "--log-path",
                                log_option,
                                "--log-size-max",
                                log_bytes,
                                "--log-level",
                                "error",
                                "--full-attach",
                                "--no-sync-log",
                                NULL};
    const char *const environment[] = {"_OCI_SYNCPIPE=3" /* BOX_LAUNCH_FD: where the pid is reported */,
                                       "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", NULL};
    struct box_launch launch = {.argv = argv, .environment = environment};
    AUTO_BUFFER struct buffer report = {0};
    pid_t pid = 0, monitor = 0;
    launch.group_count = box_cgroup_open_monitors(runtime->cgroup, launch.groups);
    int failed = launch_monitor(&launch, &report, error);
    for (size_t i = 0; i < launch.group_count; i++)
        close(launch.groups[i]);
    if (!failed)
        failed = parse_report(buffer_slice(&report), &pid, error);
    if (!failed && !read_pid_file(bundle, "monitor.pid", &monitor))
        failed = error_set(error, ERROR_INTERNAL, NULL, "the container's monitor left no pid");
    if (!failed)
        failed = identify(pid, ret_container, "container", error);
    return failed ? failed : identify(monitor, ret_monitor, "container's monitor", error);
}

int box_runtime_start(const struct box_runtime *runtime, const char *id, struct error *error)
{
    const char *const argv[] = {runtime->runc, "--root", runtime->root, "start", id, NULL};
    return process_run(argv, BOX_RUNTIME_TIMEOUT_MS, NULL, error);
}

void box_runtime_delete(const struct box_runtime *runtime, const char *id)
{
    AUTO_FREE char *state = memory_format("%s/%s", runtime->root, id);
    if (!file_exists(state))
        return;
    const char *const argv[] = {runtime->runc, "--root", runtime->root, "delete", "--force", id, NULL};
    process_run(argv, BOX_RUNTIME_TIMEOUT_MS, NULL, NULL);
    file_remove_tree(state, NULL); /* what a runtime killed in the middle left: it refuses to delete that itself */
}

bool box_runtime_exit(const char *bundle, const char *id, int *ret_code, int64_t *ret_finished_ms)
{
    AUTO_FREE char *path = memory_format("%s/exit/%s", bundle, id);
    AUTO_BUFFER struct buffer text = {0};
    struct slice rest = {0};
    struct stat status;
    int64_t code;
    if (stat(path, &status) < 0 || file_read(path, 64, &text, NULL) ||
        !text_parse_i64(slice_trim(slice_split(buffer_slice(&text), '\n', &rest)), 0, 255, &code))
        return false;
    *ret_code = (int)code;
    *ret_finished_ms = (int64_t)status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1000000;
    return true;
}

/* --- after a crash -------------------------------------------------------------------------------------------------
 */

/* Whether process <pid>'s program is <program> and one of its arguments is, or begins a path with, <argument>. */
static bool command_line_has(const char *pid, const char *program, const char *argument)
{
    AUTO_FREE char *path = memory_format("/proc/%s/cmdline", pid);
    AUTO_BUFFER struct buffer text = {0};
    if (file_read(path, 65536, &text, NULL) || !text.n)
        return false;
    const char *slash = strrchr(text.p, '/');
    if (strcmp(slash ? slash + 1 : text.p, program))
        return false;
    for (size_t at = strlen(text.p) + 1; at < text.n; at += strlen(text.p + at) + 1)
        if (!strcmp(text.p + at, argument))
            return true;
    return false;
}

static int kill_matching(const char *program, const char *argument, bool really)
{
    DIR *processes = opendir("/proc");
    const struct dirent *entry;
    int found = 0;
    while (processes && (entry = readdir(processes))) {
        int64_t pid;
        if (!text_parse_i64(slice_of(entry->d_name), 2, INT32_MAX, &pid) ||
            !command_line_has(entry->d_name, program, argument))
            continue;
        found++;
        if (really)
            kill((pid_t)pid, SIGKILL);
    }
    if (processes)
        closedir(processes);
    return found;
}

void box_runtime_abandon(const struct box_runtime *runtime, const char *bundle, const char *id)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        if (!kill_matching("conmon", bundle, true) && !kill_matching("runc", bundle, true) &&
            !kill_matching("runc", id, true))
            break;
        clock_sleep_ms(10);
    }
    box_runtime_delete(runtime, id);
}

void box_runtime_settle(const struct box_runtime *runtime, int64_t timeout_ms)
{
    AUTO_FREE char *root_option = memory_format("--root=%s", runtime->root);
    int64_t end = clock_monotonic_ms() + timeout_ms;
    for (;;) {
        bool late = clock_monotonic_ms() >= end;
        int found = kill_matching("runc", root_option, late) + kill_matching("runc", runtime->root, late);
        if (!found || clock_monotonic_ms() >= end + 2000)
            return;
        clock_sleep_ms(20);
    }
}
