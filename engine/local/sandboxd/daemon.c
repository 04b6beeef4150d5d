/* What must be there before the first request can be answered? */
#include "engine/local/sandboxd/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "engine/local/sandboxd/cgroup.h"
#include "engine/local/sandboxd/exec.h"
#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/monitor.h"
#include "engine/local/sandboxd/mounts.h"
#include "engine/local/sandboxd/network.h"
#include "engine/local/sandboxd/outbound.h"
#include "engine/local/sandboxd/outside.h"
#include "engine/local/sandboxd/pod.h"
#include "engine/local/sandboxd/volume.h"

#define STATE_BYTES ((int64_t)512 << 20) /* the ceiling of a tmpfs; a pod's files take about 300 KiB of it */

/* A tmpfs of our own, also where /run is on a disk: secrets stay in memory, and a reboot empties it. */
static int open_state(struct box_daemon *daemon, struct error *error)
{
    const char *state = daemon->paths.state;
    int failed = file_make_directories(state, 0700, error);
    if (!failed && !box_mount_exists(state)) {
        failed = box_mount_tmpfs(state, STATE_BYTES, 0700, true, error);
        if (!failed && mount(NULL, state, NULL, MS_PRIVATE, NULL) < 0)
            failed = error_set(error, ERROR_INTERNAL, NULL, "%s: %s", state, strerrordesc_np(errno));
    }
    static const char *const directories[] = {"netns", "sandboxes", "pods", "runc", "empty", "exec"};
    for (size_t i = 0; !failed && i < COUNT_OF(directories); i++) {
        AUTO_FREE char *path = memory_format("%s/%s", state, directories[i]);
        failed = file_make_directories(path, i == 4 ? 0755 : 0700, error);
    }
    return failed;
}

/* Containers bring their own pid 1: this program, copied so that an upgrade of ours does not change under them. */
static int copy_init(const struct box_daemon *daemon, struct error *error)
{
    AUTO_FREE char *path = memory_format("%s/init", daemon->paths.state);
    AUTO_FREE char *fresh = memory_format("%s.new", path);
    AUTO_CLOSE int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    AUTO_CLOSE int to = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    char bytes[65536];
    ssize_t count = -1;
    while (from >= 0 && to >= 0 && (count = read(from, bytes, sizeof(bytes))) > 0)
        if (write(to, bytes, (size_t)count) != count) {
            count = -1;
            break;
        }
    if (count == 0 && fchmod(to, 0755) == 0 && rename(fresh, path) == 0)
        return 0;
    return error_set(error, ERROR_INTERNAL, NULL, "%s: %s", path, strerrordesc_np(errno));
}

static bool swap_is_limited(void)
{
    if (box_cgroup_kind() == BOX_CGROUP_V2)
        return true;
    return file_exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes");
}

static int64_t file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max == RLIM_INFINITY || limit.rlim_max > BOX_NOFILE_MAX)
        return BOX_NOFILE_MAX;
    return (int64_t)limit.rlim_max;
}

/* We hold a descriptor a container and a connection: take all the system grants. */
static void raise_own_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* A key is a pod's, "sandbox/pod", or a sandbox's. */
static int64_t step(void *context, const char *key)
{
    return strchr(key, '/') ? box_pod_step(context, key) : box_outbound_step(context, key);
}

int box_daemon_open(struct box_daemon *daemon, const struct box_places *places, struct error *error)
{
    memset(daemon, 0, sizeof(*daemon));
    pthread_mutex_init(&daemon->lock, NULL);
    daemon->sandboxes = map_new();
    daemon->pods = map_new();
    daemon->execs = box_execs_new();
    daemon->nofile = file_limit();
    raise_own_limit();
    box_volume_start();
    daemon->cpu_start_ms = places->cpu_start_s * 1000;
    int failed = box_paths_open(&daemon->paths, places, error);
    if (failed)
        return failed;
    AUTO_FREE char *cgroup = box_path_cgroup(&daemon->paths, NULL, NULL, NULL);
    box_cgroup_start(cgroup);
    daemon->swap_limited = box_cgroup_limits() && swap_is_limited();
    failed = box_outside_start(error);
    if (!failed)
        failed = box_network_start(error);
    if (!failed)
        failed = open_state(daemon, error);
    if (!failed)
        failed = copy_init(daemon, error);
    if (failed)
        return failed;
    AUTO_FREE char *root = memory_format("%s/runc", daemon->paths.state);
    failed = box_runtime_open(&daemon->runtime, root, cgroup, error);
    if (failed)
        return failed;
    daemon->queue = queue_new("sandboxd", BOX_STEP_WORKERS, step, daemon);
    daemon->monitor = box_monitor_new(daemon->queue);
    if (!daemon->monitor)
        return error_set(error, ERROR_INTERNAL, NULL, "epoll: %s", strerrordesc_np(errno));
    box_outbound_open(daemon);
    return 0;
}

cJSON *box_daemon_missing(const struct box_daemon *daemon)
{
    cJSON *missing = json_array();
    bool inside = process_is_in_user_namespace();
    if (!box_volume_enforced())
        json_push_text(missing, inside ? "volume sizes are not enforced: loop devices are root's alone"
                                       : "volume sizes are not enforced: loop devices and e2fsprogs are needed");
    if (!box_cgroup_limits())
        json_push_text(missing, "CPU, memory and processes of pods are neither limited nor measured: this user was "
                                "given no control group");
    else if (!daemon->swap_limited)
        json_push_text(missing, "swap is not limited: the kernel has no swap accounting (swapaccount=1)");
    if (box_outbound_missing(daemon))
        json_push_text(missing, box_outbound_missing(daemon));
    return missing;
}

static void forget_everything(struct box_daemon *daemon)
{
    size_t count;
    struct box_pod **pods = box_pods(daemon, NULL, &count);
    daemon->changed = NULL;
    for (size_t i = 0; i < count; i++) {
        box_pod_forget(daemon, pods[i]);
        box_pod_put(daemon, pods[i]);
    }
    free(pods);
    struct box_sandbox **sandboxes = box_sandboxes(daemon, &count);
    for (size_t i = 0; i < count; i++) {
        box_sandbox_forget(daemon, sandboxes[i]);
        box_sandbox_put(daemon, sandboxes[i]);
    }
    free(sandboxes);
}

void box_daemon_close(struct box_daemon *daemon)
{
    if (daemon->queue)
        queue_stop(daemon->queue);
    box_outbound_close(daemon);
    box_monitor_free(daemon->monitor);
    queue_free(daemon->queue);
    forget_everything(daemon);
    box_execs_free(daemon->execs);
    map_free(daemon->pods);
    map_free(daemon->sandboxes);
    box_runtime_close(&daemon->runtime);
    box_paths_close(&daemon->paths);
    pthread_mutex_destroy(&daemon->lock);
}
