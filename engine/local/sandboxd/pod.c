/* What is the next thing to do for a pod? */
#include "engine/local/sandboxd/pod.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/local/sandboxd/address.h"
#include "engine/local/sandboxd/cgroup.h"
#include "engine/local/sandboxd/etc.h"
#include "engine/local/sandboxd/gpu.h"
#include "engine/local/sandboxd/image.h"
#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/mounts.h"
#include "engine/local/sandboxd/network.h"
#include "engine/local/sandboxd/outbound.h"
#include "engine/local/sandboxd/sandbox.h"
#include "engine/local/sandboxd/spec.h"
#include "engine/local/sandboxd/volume.h"

#define LOOK_AGAIN_MS 250 /* after a SIGKILL; the monitor's end wakes us sooner */

int box_pod_save(struct box_daemon *daemon, struct box_pod *pod, struct error *error)
{
    AUTO_FREE char *directory = box_path_pod(&daemon->paths, pod->sandbox->name, pod->name);
    AUTO_FREE char *path = memory_format("%s/state.json", directory);
    AUTO_JSON cJSON *json = box_state_print(&pod->state);
    AUTO_FREE char *text = json_print(json);
    return box_write_file(path, slice_of(text), 0600, error);
}

static void save_and_publish(struct box_daemon *daemon, struct box_pod *pod)
{
    struct error error = {0};
    if (box_pod_save(daemon, pod, &error))
        log_line(LOG_ERROR, "pod state not saved", LOG_TEXT("pod", pod->key), LOG_FAULT(&error));
    box_pod_publish(daemon, pod);
}

/* --- making --------------------------------------------------------------------------------------------------------
 */

static int save_spec(struct box_daemon *daemon, struct box_pod *pod, struct error *error)
{
    AUTO_FREE char *directory = box_path_pod(&daemon->paths, pod->sandbox->name, pod->name);
    AUTO_FREE char *path = memory_format("%s/spec.json", directory);
    AUTO_FREE char *text = json_print(pod->spec);
    int failed = file_make_directories(directory, 0700, error);
    return failed ? failed : box_write_file(path, slice_of(text), 0600, error);
}

/* Everything but the containers. Until <made> is saved, a crash means that all of it is thrown away. */
static int make(struct box_daemon *daemon, struct box_pod *pod, struct error *error)
{
    const char *sandbox = pod->sandbox->name;
    AUTO_FREE char *directory = box_path_pod(&daemon->paths, sandbox, pod->name);
    AUTO_FREE char *etc = memory_format("%s/etc", directory);
    AUTO_FREE char *logs = box_path_logs(&daemon->paths, sandbox, pod->name);
    AUTO_FREE char *netns = box_path_netns(&daemon->paths, sandbox, pod->name);
    AUTO_FREE char *bridge = box_path_netns(&daemon->paths, sandbox, NULL);
    box_pod_clean(daemon, sandbox, pod->name, pod->address); /* logs of a predecessor, for one */
    int failed = save_spec(daemon, pod, error);
    if (!failed)
        failed = box_pod_save(daemon, pod, error);
    if (!failed)
        failed = box_network_make_pod(netns, bridge, pod->address, error);
    if (!failed)
        failed = file_make_directories(logs, 0700, error);
    if (!failed)
        failed = box_etc_make(etc, json_text_or(pod->name, pod->spec, "hostname", NULL), pod->sandbox->uid, error);
    if (!failed && pod->sandbox->open)
        failed = box_outbound_pod(daemon, pod, error);
    if (!failed)
        failed = box_pod_write_hosts(daemon, pod, error);
    if (!failed)
        failed = box_pod_make_volumes(daemon, pod, error);
    if (failed)
        return failed;
    pod->state.made = true;
    return box_pod_save(daemon, pod, error);
}

/* Also what a crash left: by name alone, whatever of it is there. */
void box_pod_clean(struct box_daemon *daemon, const char *sandbox, const char *name, uint32_t address)
{
    AUTO_FREE char *directory = box_path_pod(&daemon->paths, sandbox, name);
    AUTO_FREE char *netns = box_path_netns(&daemon->paths, sandbox, name);
    AUTO_FREE char *bridge = box_path_netns(&daemon->paths, sandbox, NULL);
    AUTO_FREE char *logs = box_path_logs(&daemon->paths, sandbox, name);
    AUTO_FREE char *cgroup = box_path_cgroup(&daemon->paths, sandbox, name, NULL);
    box_cgroup_remove(cgroup, BOX_KILL_TIMEOUT_MS);
    if (address && file_exists(netns))
        box_network_unplug(bridge, address);
    box_network_remove(netns);
    box_mounts_detach(directory);
    box_scratch_remove(&daemon->paths, sandbox, name);
    file_remove_tree(logs, NULL);
    file_remove_tree(directory, NULL);
}

static void throw_away(struct box_daemon *daemon, struct box_pod *pod)
{
    box_pod_clean(daemon, pod->sandbox->name, pod->name, pod->address);
    pod->removed = true;
    box_pod_forget(daemon, pod);
    box_outbound_look(daemon, pod->sandbox->name); /* nothing is kept up for a sandbox without pods */
}

/* --- steps ---------------------------------------------------------------------------------------------------------
 */

/* With pod->lock held: SIGTERM once, SIGKILL from <kill_after> on. Milliseconds until there is more to do, or 0. */
static int64_t step_stopping(struct box_daemon *daemon, struct box_pod *pod)
{
    int64_t now = clock_monotonic_ms(), left = pod->state.kill_after - now;
    bool live = false;
    for (size_t i = 0; i < pod->state.count; i++) {
        struct box_container *at = &pod->state.containers[i];
        if (at->state == BOX_WAITING) {
            at->state = BOX_EXITED;
            snprintf(at->reason, sizeof(at->reason), "%s", "Stopped");
            at->finished_at = at->finished_at ? at->finished_at : clock_wall_ms();
        }
        if (at->state != BOX_RUNNING)
            continue;
        live = true;
        box_container_watch(daemon, pod, at);
        if (left <= 0)
            process_signal(at->pid, at->pid_start, SIGKILL);
        else if (!at->asked_to_end)
            process_signal(at->pid, at->pid_start, SIGTERM);
        at->asked_to_end = true;
    }
    return !live ? 0 : left > 0 ? left : LOOK_AGAIN_MS;
}

/* Starts what is due. False if the pod must wait before anything after this container may start. */
static bool start_due(struct box_daemon *daemon, struct box_pod *pod, struct box_container *container,
                      int64_t *ret_wait_ms)
{
    if (container->state == BOX_WAITING) {
        int64_t left = container->start_after - clock_monotonic_ms();
        if (left <= 0) {
            box_container_start(daemon, pod, container);
            save_and_publish(daemon, pod);
            left = container->state == BOX_WAITING ? container->start_after - clock_monotonic_ms() : 0;
        }
        if (container->state == BOX_WAITING && (left < 1 || !*ret_wait_ms || left < *ret_wait_ms))
            *ret_wait_ms = left < 1 ? 1 : left;
    }
    box_container_watch(daemon, pod, container);
    int64_t settles_ms = box_container_settle_cpu(daemon, pod, container);
    if (settles_ms && (!*ret_wait_ms || settles_ms < *ret_wait_ms))
        *ret_wait_ms = settles_ms;
    return container->state == BOX_EXITED && !container->exit_code;
}

static int64_t step_running(struct box_daemon *daemon, struct box_pod *pod)
{
    int64_t wait_ms = 0;
    for (size_t i = 0; i < pod->state.count; i++) /* one after the other */
        if (pod->state.containers[i].init && !start_due(daemon, pod, &pod->state.containers[i], &wait_ms))
            return wait_ms;
    for (size_t i = 0; i < pod->state.count; i++) /* side by side */
        if (!pod->state.containers[i].init)
            start_due(daemon, pod, &pod->state.containers[i], &wait_ms);
    return wait_ms;
}

static int64_t step(struct box_daemon *daemon, struct box_pod *pod)
{
    for (size_t i = 0; i < pod->state.count; i++)
        box_container_collect(daemon, pod, &pod->state.containers[i]);
    int64_t wait_ms = pod->state.stopping ? step_stopping(daemon, pod) : step_running(daemon, pod);
    save_and_publish(daemon, pod);
    return wait_ms;
}

int64_t box_pod_step(void *context, const char *key)
{
    struct box_daemon *daemon = context;
    struct slice name = {0}, sandbox = slice_split(slice_of(key), '/', &name);
    AUTO_FREE char *sandbox_text = memory_text_n(sandbox.p, sandbox.n);
    AUTO_FREE char *name_text = memory_text_n(name.p, name.n);
    struct box_pod *pod = box_pod_find(daemon, sandbox_text, name_text);
    int64_t wait_ms = 0;
    if (!pod)
        return 0;
    pthread_mutex_lock(&pod->lock);
    if (!pod->removed && pod->state.made)
        wait_ms = step(daemon, pod);
    pthread_mutex_unlock(&pod->lock);
    box_pod_put(daemon, pod);
    return wait_ms;
}

/* --- requests ------------------------------------------------------------------------------------------------------
 */

/* An image that is not there is the caller's mistake, to be told at once, not a container that crashes. */
static int check_images(struct box_daemon *daemon, const cJSON *spec, struct error *error)
{
    const cJSON *container;
    cJSON_ArrayForEach(container, json_member(spec, "containers"))
    {
        AUTO_FREE char *path = NULL;
        int failed = box_image_path(daemon->paths.images, json_text(container, "image", NULL), &path, error);
        if (failed)
            return failed;
    }
    return 0;
}

static int admit(struct box_daemon *daemon, struct box_sandbox *sandbox, const char *name, const cJSON *spec,
                 struct box_pod **ret, struct error *error)
{
    uint32_t address = 0;
    const char *wanted = json_text(spec, "address", NULL);
    if (wanted)
        box_address_parse(slice_of(wanted), &address);
    pthread_mutex_lock(&sandbox->lock);
    int failed = sandbox->removing || sandbox->gone
                     ? error_set(error, ERROR_CONFLICT, "sandbox", "sandbox \"%s\" is being removed", sandbox->name)
                     : box_sandbox_connect(daemon, sandbox, error);
    if (!failed)
        failed = box_pod_enter(daemon, sandbox, name, spec, address, ret, error);
    pthread_mutex_unlock(&sandbox->lock);
    return failed;
}

static int start_new(struct box_daemon *daemon, struct box_sandbox *sandbox, const char *name, const cJSON *spec,
                     cJSON **ret, struct error *error)
{
    struct box_pod *pod = NULL;
    int failed = check_images(daemon, spec, error);
    if (!failed)
        failed = admit(daemon, sandbox, name, spec, &pod, error);
    if (failed)
        return failed;
    box_outbound_look(daemon, sandbox->name);
    failed = make(daemon, pod, error); /* its lock came to us taken */
    if (failed) {
        throw_away(daemon, pod);
    } else {
        int64_t wait_ms = step(daemon, pod);
        if (wait_ms)
            queue_add_after(daemon->queue, sandbox->name, pod->key, wait_ms);
        *ret = box_pod_record(daemon, pod);
    }
    pthread_mutex_unlock(&pod->lock);
    box_pod_put(daemon, pod);
    return failed;
}

/* The same pod asked for again: its record. Another of that name: the caller removes the old one first. */
static int answer_existing(struct box_daemon *daemon, const struct box_pod *known, const char *uid, cJSON **ret,
                           struct error *error)
{
    struct box_pod *pod = box_pod_find(daemon, known->sandbox->name, known->name);
    if (!pod)
        return error_set(error, ERROR_CONFLICT, "pod", "the pod is being removed; try again");
    pthread_mutex_lock(&pod->lock);
    bool same = !pod->removed && !strcmp(pod->state.uid, uid);
    pthread_mutex_unlock(&pod->lock);
    cJSON *record = same ? box_pod_record(daemon, pod) : NULL;
    box_pod_put(daemon, pod);
    if (!record)
        return error_set(error, ERROR_EXISTS, "pod", "another pod of that name exists; remove it first");
    *ret = record;
    return 0;
}

int box_pod_start(struct box_daemon *daemon, const char *sandbox_name, const char *name, const cJSON *spec, cJSON **ret,
                  struct error *error)
{
    int failed = box_spec_check(spec, error);
    if (failed)
        return failed;
    struct box_sandbox *sandbox = box_sandbox_find(daemon, sandbox_name);
    if (!sandbox)
        return error_set(error, ERROR_NOT_FOUND, "sandbox", "there is no sandbox \"%s\"", sandbox_name);
    struct box_pod *existing = box_pod_find(daemon, sandbox_name, name);
    if (existing) {
        failed = answer_existing(daemon, existing, json_text(spec, "uid", NULL), ret, error);
    } else {
        failed = box_gpus_check_free(daemon, sandbox_name, name, spec, error);
        if (!failed)
            failed = start_new(daemon, sandbox, name, spec, ret, error);
    }
    box_pod_put(daemon, existing);
    box_sandbox_put(daemon, sandbox);
    return failed;
}

int box_pod_stop(struct box_daemon *daemon, struct box_pod *pod, int64_t grace_s, struct error *error)
{
    int64_t kill_after = clock_monotonic_ms() + grace_s * 1000;
    pthread_mutex_lock(&pod->lock);
    /* A second request may shorten the grace, never lengthen it. */
    if (!pod->state.stopping || kill_after < pod->state.kill_after)
        pod->state.kill_after = kill_after;
    pod->state.stopping = true;
    int failed = pod->removed ? 0 : box_pod_save(daemon, pod, error);
    if (!pod->removed)
        box_pod_publish(daemon, pod);
    pthread_mutex_unlock(&pod->lock);
    queue_add(daemon->queue, pod->sandbox->name, pod->key);
    return failed;
}

void box_pod_kill(struct box_daemon *daemon, struct box_pod *pod)
{
    pthread_mutex_lock(&pod->lock);
    pod->state.stopping = true;
    pod->state.kill_after = 0;
    if (!pod->removed) {
        box_pod_save(daemon, pod, NULL);
        step_stopping(daemon, pod);
    }
    pthread_mutex_unlock(&pod->lock);
}

/* With pod->lock held, after SIGKILL. */
static bool wait_for_end(struct box_daemon *daemon, struct box_pod *pod)
{
    int64_t end = clock_monotonic_ms() + BOX_KILL_TIMEOUT_MS;
    bool all = true;
    for (size_t i = 0; i < pod->state.count; i++) {
        struct box_container *at = &pod->state.containers[i];
        const struct box_process init = {at->pid, at->pid_start}, monitor = {at->monitor_pid, at->monitor_start};
        if (at->state != BOX_RUNNING)
            continue;
        int64_t left = end - clock_monotonic_ms();
        all = box_process_wait(&init, left) && all;
        box_process_wait(&monitor, 1000);
        box_container_collect(daemon, pod, at);
    }
    return all;
}

int box_pod_remove(struct box_daemon *daemon, struct box_pod *pod, struct error *error)
{
    box_pod_kill(daemon, pod);
    pthread_mutex_lock(&pod->lock);
    int failed = 0;
    if (!pod->removed && !wait_for_end(daemon, pod))
        failed = error_set(error, ERROR_UNAVAILABLE, NULL, "a process of the pod does not end");
    if (!pod->removed && !failed)
        throw_away(daemon, pod);
    pthread_mutex_unlock(&pod->lock);
    return failed;
}
