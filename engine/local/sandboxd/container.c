/* How does one container of a pod start, and what became of one that ended? */
#include "engine/local/sandboxd/pod.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "engine/local/sandboxd/bundle.h"
#include "engine/local/sandboxd/cgroup.h"
#include "engine/local/sandboxd/etc.h"
#include "engine/local/sandboxd/gpu.h"
#include "engine/local/sandboxd/image.h"
#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/monitor.h"
#include "engine/local/sandboxd/mounts.h"

#define LOG_TAIL_BYTES 4096 /* read of the log's end to find the last line */

static const cJSON *container_spec(const struct box_pod *pod, const char *name)
{
    return json_named(json_member(pod->spec, "containers"), name);
}

/* The runtime wants an id that is unique in its directory, and short: it is part of file names. */
static void make_id(const struct box_daemon *daemon, const struct box_pod *pod, struct box_container *container)
{
    char hex[2 * DIGEST_SIZE + 1];
    AUTO_FREE char *full = memory_format("%s/%s/%s", pod->key, pod->state.uid, container->name);
    digest_sha256_hex(slice_of(full), hex);
    snprintf(container->id, sizeof(container->id), "%s-%.24s", daemon->paths.tag, hex);
}

/* /tmp, /var/tmp and HOME begin empty at every start, as a container's own layer does on Kubernetes. */
static int make_private(char *const directories[3], uint32_t uid, struct error *error)
{
    for (int i = 0; i < 3; i++) {
        int failed = file_remove_tree(directories[i], error);
        if (failed)
            return failed;
        bool home = i == 2;
        /* /tmp belongs to root and is sticky: mount points made in it cannot be exchanged by the tenant. */
        if (mkdir(directories[i], 0700) < 0 || (home && chown(directories[i], uid, uid) < 0) ||
            chmod(directories[i], home ? 0755 : 01777) < 0)
            return error_set(error, ERROR_UNAVAILABLE, NULL, "%s: %s", directories[i], strerrordesc_np(errno));
    }
    return 0;
}

static int render(struct box_daemon *daemon, struct box_pod *pod, const struct box_container *container,
                  const char *directory, struct box_bundle *bundle, struct error *error)
{
    AUTO_FREE char *pod_directory = box_path_pod(&daemon->paths, pod->sandbox->name, pod->name);
    AUTO_FREE char *scratch = box_path_scratch(&daemon->paths, pod->sandbox->name, pod->name);
    AUTO_FREE char *netns = box_path_netns(&daemon->paths, pod->sandbox->name, pod->name);
    AUTO_FREE char *cgroup = box_path_cgroup(&daemon->paths, pod->sandbox->name, pod->name, container->name);
    AUTO_FREE char *rootfs = memory_format("%s/rootfs", directory);
    AUTO_FREE char *etc = memory_format("%s/etc", pod_directory);
    AUTO_FREE char *shm = memory_format("%s/shm", pod_directory);
    AUTO_FREE char *init = memory_format("%s/init", daemon->paths.state);
    AUTO_FREE char *empty = memory_format("%s/empty", daemon->paths.state);
    AUTO_FREE char *tmp = memory_format("%s/tmp.%s", scratch, container->name);
    AUTO_FREE char *var_tmp = memory_format("%s/vartmp.%s", scratch, container->name);
    AUTO_FREE char *home = memory_format("%s/home.%s", scratch, container->name);
    AUTO_FREE char *config = memory_format("%s/config.json", directory);
    int failed = make_private((char *const[]){tmp, var_tmp, home}, pod->sandbox->uid, error);
    if (!failed)
        failed = box_rootfs_make(rootfs, error);
    if (failed)
        return failed;
    bundle->hostname = json_text_or(pod->name, pod->spec, "hostname", NULL);
    bundle->address = pod->state.address;
    bundle->uid = pod->sandbox->uid;
    bundle->netns = netns;
    bundle->cgroup = box_cgroup_limits() ? cgroup : NULL;
    bundle->rootfs = rootfs;
    bundle->etc = etc;
    bundle->shm = shm;
    bundle->init = init;
    bundle->empty = empty;
    bundle->tmp = tmp;
    bundle->var_tmp = var_tmp;
    bundle->home = home;
    bundle->nofile = daemon->nofile;
    bundle->cpu_first_milli = daemon->cpu_start_ms ? BOX_CPU_START_MILLI : 0;
    bundle->swap_limited = daemon->swap_limited;
    AUTO_JSON cJSON *json = box_bundle_render(bundle);
    AUTO_FREE char *text = json_print(json);
    return box_write_file(config, slice_of(text), 0600, error);
}

static int make_bundle(struct box_daemon *daemon, struct box_pod *pod, const struct box_container *container,
                       const char *directory, struct error *error)
{
    const cJSON *spec = container_spec(pod, container->name);
    AUTO_FREE char *image = NULL;
    AUTO_FREE char *exits = memory_format("%s/exit", directory);
    AUTO_FREE char *persist = memory_format("%s/persist", directory);
    struct box_gpus gpus = {0};
    struct box_bundle bundle = {.container = spec, .gpus = &gpus};
    struct box_bind *binds = NULL;
    box_mounts_detach(directory);
    int failed = file_remove_tree(directory, error);
    if (!failed)
        failed = file_make_directories(exits, 0700, error);
    if (!failed)
        failed = file_make_directories(persist, 0700, error);
    if (!failed)
        failed = box_image_path(daemon->paths.images, json_text(spec, "image", NULL), &image, error);
    if (!failed)
        failed = box_gpus_take(&daemon->paths, json_member(spec, "gpus"), &gpus, error);
    if (!failed)
        failed = box_container_binds(daemon, pod, spec, &binds, &bundle.bind_count, error);
    bundle.image = image;
    bundle.binds = binds;
    if (!failed)
        failed = render(daemon, pod, container, directory, &bundle, error);
    box_gpus_free(&gpus);
    box_binds_free(binds, bundle.bind_count);
    return failed;
}

static char *log_path(struct box_daemon *daemon, const struct box_pod *pod, const char *container)
{
    AUTO_FREE char *directory = box_path_logs(&daemon->paths, pod->sandbox->name, pod->name);
    return memory_format("%s/%s.log", directory, container);
}

static int run(struct box_daemon *daemon, struct box_pod *pod, struct box_container *container, const char *directory,
               struct error *error)
{
    AUTO_FREE char *log = log_path(daemon, pod, container->name);
    struct box_process init = {0}, monitor = {0};
    int failed = make_bundle(daemon, pod, container, directory, error);
    if (!failed)
        failed = box_runtime_create(&daemon->runtime, directory, container->id, log, &init, &monitor, error);
    if (failed)
        return failed;
    container->pid = init.pid;
    container->pid_start = init.start;
    container->monitor_pid = monitor.pid;
    container->monitor_start = monitor.start;
    return box_runtime_start(&daemon->runtime, container->id, error);
}

/* Decides what follows an end: another start after a pause, or nothing. */
static void decide(struct box_pod *pod, struct box_container *container)
{
    container->state = BOX_EXITED;
    container->pid = container->monitor_pid = 0;
    container->asked_to_end = container->watched = container->cpu_settled = false;
    if (pod->state.stopping || !box_container_restarts(container))
        return;
    int64_t ran = container->started_at ? container->finished_at - container->started_at : 0;
    container->backoff_ms = box_backoff_next(container->backoff_ms, ran);
    container->start_after = clock_monotonic_ms() + container->backoff_ms;
    container->restarts++;
    container->state = BOX_WAITING;
    AUTO_FREE char *was =
        memory_format("%s (exit code %d)%s%s; starts again in %lld s", container->reason, container->exit_code,
                      *container->message ? ": " : "", container->message, (long long)container->backoff_ms / 1000);
    snprintf(container->message, sizeof(container->message), "%s", was);
    snprintf(container->reason, sizeof(container->reason), "CrashLoopBackOff");
}

void box_container_start(struct box_daemon *daemon, struct box_pod *pod, struct box_container *container)
{
    AUTO_FREE char *directory = box_path_container(&daemon->paths, pod->sandbox->name, pod->name, container->name);
    struct error error = {0};
    int64_t begun = clock_monotonic_ms();
    make_id(daemon, pod, container);
    container->state = BOX_CREATING;
    int failed = box_pod_save(daemon, pod, &error); /* whoever finds us dead in the middle knows what to look for */
    if (!failed)
        failed = run(daemon, pod, container, directory, &error);
    if (failed) {
        box_runtime_abandon(&daemon->runtime, directory, container->id);
        container->exit_code = 128;
        container->finished_at = clock_wall_ms();
        snprintf(container->reason, sizeof(container->reason), "StartError");
        snprintf(container->message, sizeof(container->message), "%.300s", error.message);
        log_line(LOG_WARN, "container not started", LOG_TEXT("pod", pod->key), LOG_TEXT("container", container->name),
                 LOG_FAULT(&error));
        decide(pod, container);
        return;
    }
    container->state = BOX_RUNNING;
    container->started_at = clock_wall_ms();
    container->finished_at = 0;
    container->reason[0] = container->message[0] = 0;
    log_line(LOG_INFO, "container started", LOG_TEXT("pod", pod->key), LOG_TEXT("container", container->name),
             LOG_NUMBER("pid", container->pid), LOG_NUMBER("ms", clock_monotonic_ms() - begun));
}

/* One line of a CRI log, "TIME stdout F text"; "P" instead of F: the text goes on in the next. */
static struct slice log_text(struct slice line, bool *ret_partial)
{
    slice_split(line, ' ', &line);
    slice_split(line, ' ', &line);
    *ret_partial = slice_is(slice_split(line, ' ', &line), "P");
    return line;
}

/* The last line a container wrote, for whoever asks why it ended. */
static void last_log_line(struct box_daemon *daemon, const struct box_pod *pod, const char *container, char *ret,
                          size_t size)
{
    AUTO_FREE char *path = log_path(daemon, pod, container);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO_BUFFER struct buffer whole = {0};
    char bytes[LOG_TAIL_BYTES];
    struct stat status;
    ret[0] = 0;
    if (fd < 0 || fstat(fd, &status) < 0)
        return;
    off_t from = status.st_size > LOG_TAIL_BYTES ? status.st_size - LOG_TAIL_BYTES : 0;
    ssize_t count = pread(fd, bytes, sizeof(bytes), from);
    struct slice rest = {bytes, count > 0 ? (size_t)count : 0};
    bool partial = false;
    while (rest.n) {
        bool goes_on;
        struct slice text = log_text(slice_split(rest, '\n', &rest), &goes_on);
        if (!partial && slice_trim(text).n)
            buffer_clear(&whole);
        buffer_add_slice(&whole, text);
        partial = goes_on;
    }
    text_printable(slice_trim(buffer_slice(&whole)), ret, size);
}

static void explain(struct box_daemon *daemon, struct box_pod *pod, struct box_container *container)
{
    AUTO_FREE char *cgroup = box_path_cgroup(&daemon->paths, pod->sandbox->name, pod->name, container->name);
    bool killed_for_memory = box_cgroup_oom_kills(cgroup) > 0;
    const char *reason = !container->exit_code                              ? "Completed"
                         : killed_for_memory && container->exit_code == 137 ? "OOMKilled"
                                                                            : "Error";
    char line[256];
    last_log_line(daemon, pod, container->name, line, sizeof(line));
    snprintf(container->reason, sizeof(container->reason), "%s", reason);
    container->message[0] = 0;
    if (!strcmp(reason, "OOMKilled"))
        snprintf(container->message, sizeof(container->message), "it needed more memory than its limit");
    else if (container->exit_code && killed_for_memory)
        snprintf(container->message, sizeof(container->message), "a process of it was killed at the memory limit; %s",
                 line);
    else if (container->exit_code)
        snprintf(container->message, sizeof(container->message), "%s", line);
}

void box_container_collect(struct box_daemon *daemon, struct box_pod *pod, struct box_container *container)
{
    AUTO_FREE char *directory = box_path_container(&daemon->paths, pod->sandbox->name, pod->name, container->name);
    const struct box_process monitor = {container->monitor_pid, container->monitor_start};
    if (container->state != BOX_RUNNING)
        return;
    bool alive = box_process_alive(&monitor); /* asked first: the exit code is written before the monitor ends */
    if (box_runtime_exit(directory, container->id, &container->exit_code, &container->finished_at)) {
        /* The end is a file's time, which the kernel rounds down to its tick. */
        if (container->finished_at < container->started_at)
            container->finished_at = container->started_at;
        explain(daemon, pod, container);
    } else if (!alive) {
        const struct box_process init = {container->pid, container->pid_start};
        process_signal(container->pid, container->pid_start, SIGKILL);
        box_process_wait(&init, BOX_KILL_TIMEOUT_MS);
        container->exit_code = 137;
        container->finished_at = clock_wall_ms();
        snprintf(container->reason, sizeof(container->reason), "MonitorLost");
        snprintf(container->message, sizeof(container->message), "the process that kept its log was killed");
    } else {
        return;
    }
    box_process_wait(&monitor, 1000); /* its last lines reach the log, and it is out of the cgroup's way */
    box_runtime_delete(&daemon->runtime, container->id);
    log_line(LOG_INFO, "container ended", LOG_TEXT("pod", pod->key), LOG_TEXT("container", container->name),
             LOG_NUMBER("exit_code", container->exit_code), LOG_TEXT("reason", container->reason));
    decide(pod, container);
}

void box_container_watch(struct box_daemon *daemon, struct box_pod *pod, struct box_container *container)
{
    const struct box_process monitor = {container->monitor_pid, container->monitor_start};
    if (container->state != BOX_RUNNING || container->watched)
        return;
    container->watched = true;
    box_monitor_watch(daemon->monitor, &monitor, pod->sandbox->name, pod->key);
}

int64_t box_container_settle_cpu(struct box_daemon *daemon, const struct box_pod *pod, struct box_container *container)
{
    if (container->state != BOX_RUNNING || container->cpu_settled)
        return 0;
    int64_t milli = 0, left = container->started_at + daemon->cpu_start_ms - clock_wall_ms();
    if (left > 0 && left <= daemon->cpu_start_ms) /* a clock that stepped back gives no one more */
        return left;
    AUTO_FREE char *cgroup = box_path_cgroup(&daemon->paths, pod->sandbox->name, pod->name, container->name);
    (void)json_i64(json_member(container_spec(pod, container->name), "cpu_milli"), &milli);
    if (milli > 0 && milli < BOX_CPU_START_MILLI && box_cgroup_limits() && !box_cgroup_set_cpu(cgroup, milli))
        log_line(LOG_WARN, "a container's limit of CPU could not be set after its start", LOG_TEXT("pod", pod->key),
                 LOG_TEXT("container", container->name));
    container->cpu_settled = true;
    return 0;
}
