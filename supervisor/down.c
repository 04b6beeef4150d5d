/* How does everything of one data directory come to an end, pods included, and nothing else? */
#include "supervisor/rootless.h"
#include "supervisor/services.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define SUPERVISOR_STOP_MS 60000 /* longer than its three stops together usually take */
#define LOCK_POLL_MS 50
#define KILL_WAIT_MS 5000

static bool wait_ended(const struct child *child, int64_t timeout_ms)
{
    struct pollfd ended = {.fd = child->pidfd, .events = POLLIN};
    return poll(&ended, 1, (int)timeout_ms) == 1;
}

/* A supervisor that runs stops its three in order; then the lock is ours, and no other one can start meanwhile. */
static int stop_supervisor(const struct layout *layout, int *ret_lock, struct error *error)
{
    int64_t end = clock_monotonic_ms() + SUPERVISOR_STOP_MS;
    pid_t pid;
    uint64_t start_time;
    bool told = false;
    while (lock_take(layout, ret_lock, error) < 0) {
        if (!lock_holder(layout, &pid, &start_time) && told)
            return error_set(error, ERROR_INTERNAL, NULL, "%s/lock cannot be taken", layout->data);
        if (clock_monotonic_ms() >= end)
            return error_set(error, ERROR_TIMEOUT, NULL, "the supervisor (pid %d) does not stop", (int)pid);
        if (!told)
            told = process_signal(pid, start_time, SIGTERM);
        clock_sleep_ms(LOCK_POLL_MS);
    }
    if (error)
        *error = (struct error){0};
    return 0;
}

static int stop_stray(const struct layout *layout, struct error *error)
{
    struct child stray;
    if (!lock_find_stray(layout, &stray))
        return 0;
    child_signal(&stray, SIGTERM);
    bool ended = wait_ended(&stray, SUPERVISOR_STOP_MS);
    pid_t pid = stray.pid;
    child_release(&stray);
    return ended ? 0 : error_set(error, ERROR_TIMEOUT, NULL, "the supervisor (pid %d) does not stop", (int)pid);
}

static int stop_service(const struct layout *layout, enum service_id id, struct error *error)
{
    const struct service_info *info = &service_infos[id];
    const struct {
        int signal;
        int64_t wait_ms;
    } steps[] = {{info->stop, info->stop_ms}, {info->stop_now, info->stop_ms}, {SIGKILL, KILL_WAIT_MS}};
    struct child child;
    if (!service_find(layout, id, &child, NULL))
        return 0;
    log_line(LOG_INFO, "stopping", LOG_TEXT("process", info->name), LOG_NUMBER("pid", child.pid));
    bool ended = false;
    for (size_t i = 0; !ended && i < COUNT_OF(steps); i++) {
        child_signal(&child, steps[i].signal);
        ended = wait_ended(&child, steps[i].wait_ms);
    }
    pid_t pid = child.pid;
    child_release(&child);
    return ended ? 0 : error_set(error, ERROR_INTERNAL, NULL, "%s (pid %d) cannot be ended", info->name, (int)pid);
}

static int remove_run_directory(const struct layout *layout, struct error *error)
{
    static const char *const mounts[] = {"postgres", "images", "tls"};
    for (size_t i = 0; i < COUNT_OF(mounts); i++) {
        AUTO_FREE char *path = layout_run_path(layout, mounts[i]);
        int failed = mount_remove(path, error);
        if (failed)
            return failed;
    }
    return file_remove_tree(layout->run, error);
}

int supervisor_down(const struct layout *layout, struct error *error)
{
    AUTO_CLOSE int lock = -1;
    AUTO_FREE char *marker = layout_data_path(layout, "atelier");
    int failed = 0;
    bool ours = file_exists(marker);
    if (ours)
        failed = rootless_enter(layout, error);
    else
        rootless_enter_existing(layout);
    if (failed)
        return failed;
    if (!ours && !file_exists(layout->run)) {
        log_line(LOG_INFO, "nothing runs here", LOG_TEXT("data", layout->data));
        return 0;
    }
    if (ours)
        failed = stop_supervisor(layout, &lock, error);
    if (!failed)
        failed = stop_stray(layout, error);
    for (int i = SERVICE_COUNT - 1; !failed && i >= 0; i--)
        failed = stop_service(layout, (enum service_id)i, error);
    AUTO_FREE char *sandboxes = layout_data_path(layout, "sandboxes");
    bool had_sandboxes = file_exists(sandboxes);
    if (!failed && file_exists(layout->run))
        failed = services_remove_pods(layout, error);
    if (!had_sandboxes) /* sandboxd made itself an empty one to look into */
        file_remove_tree(sandboxes, NULL);
    if (!failed)
        failed = remove_run_directory(layout, error);
    if (!failed)
        rootless_end(layout);
    return failed;
}
