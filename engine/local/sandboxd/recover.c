/* What did a predecessor that was killed leave, and what becomes of it? */
#include "engine/local/sandboxd/recover.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/local/sandboxd/address.h"
#include "engine/local/sandboxd/cgroup.h"
#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/mounts.h"
#include "engine/local/sandboxd/network.h"
#include "engine/local/sandboxd/outbound.h"
#include "engine/local/sandboxd/pod.h"
#include "engine/local/sandboxd/sandbox.h"
#include "engine/local/sandboxd/spec.h"
#include "engine/local/sandboxd/volume.h"

#define SETTLE_MS 3000 /* a runc that our predecessor called finishes within this, or is killed */

/* Calls <see> for every entry of <directory>. */
static void each_entry(const char *directory, void (*see)(struct box_daemon *, const char *, void *),
                       struct box_daemon *daemon, void *context)
{
    DIR *listing = opendir(directory);
    const struct dirent *entry;
    while (listing && (entry = readdir(listing)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            see(daemon, entry->d_name, context);
    if (listing)
        closedir(listing);
}

static cJSON *read_json(const char *directory, const char *name)
{
    AUTO_FREE char *path = memory_format("%s/%s", directory, name);
    AUTO_BUFFER struct buffer text = {0};
    struct json_limits limits = json_limits_default;
    cJSON *json = NULL;
    limits.bytes = BOX_STATE_BYTES_MAX;
    limits.keys = BOX_ENVS_MAX + BOX_VOLUME_FILES_MAX;
    if (!file_read(path, BOX_STATE_BYTES_MAX, &text, NULL))
        json_parse(buffer_slice(&text), &limits, &json, NULL);
    return json;
}

/* A container somewhere between two saves: nobody knows how far it got, so it begins again. */
static void settle_container(struct box_daemon *daemon, struct box_pod *pod, struct box_container *container)
{
    AUTO_FREE char *directory = box_path_container(&daemon->paths, pod->sandbox->name, pod->name, container->name);
    container->watched = false;
    if (container->state != BOX_CREATING)
        return;
    box_runtime_abandon(&daemon->runtime, directory, container->id);
    container->state = BOX_WAITING;
    container->start_after = 0;
}

/* A pod that was never made whole had no process: its caller got no answer and asks again. */
static bool adopt(struct box_daemon *daemon, const char *sandbox_name, const char *name)
{
    AUTO_FREE char *directory = box_path_pod(&daemon->paths, sandbox_name, name);
    AUTO_JSON cJSON *spec = read_json(directory, "spec.json");
    AUTO_JSON cJSON *saved = read_json(directory, "state.json");
    struct box_sandbox *sandbox = box_sandbox_find(daemon, sandbox_name);
    struct box_state state = {0};
    struct box_pod *pod = NULL;
    uint32_t address = 0;
    bool whole = sandbox && spec && saved && !box_spec_check(spec, NULL) && !box_state_parse(saved, &state, NULL) &&
                 state.made && (int)state.count == cJSON_GetArraySize(json_member(spec, "containers")) &&
                 box_address_parse(slice_of(state.address), &address) &&
                 !box_pod_enter(daemon, sandbox, name, spec, address, &pod, NULL);
    if (whole) {
        box_state_free(&pod->state);
        pod->state = state;
        for (size_t i = 0; i < state.count; i++)
            settle_container(daemon, pod, &pod->state.containers[i]);
        box_pod_save(daemon, pod, NULL);
        box_pod_publish(daemon, pod);
        pthread_mutex_unlock(&pod->lock);
        box_pod_put(daemon, pod);
    } else {
        box_state_free(&state);
    }
    box_sandbox_put(daemon, sandbox);
    return whole;
}

static bool pod_known(struct box_daemon *daemon, const char *sandbox, const char *name)
{
    struct box_pod *pod = box_pod_find(daemon, sandbox, name);
    box_pod_put(daemon, pod);
    return pod != NULL;
}

static void recover_pod(struct box_daemon *daemon, const char *name, void *context)
{
    const char *sandbox = context;
    if (adopt(daemon, sandbox, name))
        return;
    AUTO_FREE char *directory = box_path_pod(&daemon->paths, sandbox, name);
    AUTO_JSON cJSON *saved = read_json(directory, "state.json");
    uint32_t address = 0;
    box_address_parse(slice_of(json_text_or("", saved, "address", NULL)), &address);
    box_pod_clean(daemon, sandbox, name, address);
    log_line(LOG_INFO, "half-made pod removed", LOG_TEXT("sandbox", sandbox), LOG_TEXT("pod", name));
}

static void recover_pods_of(struct box_daemon *daemon, const char *sandbox, void *context)
{
    AUTO_FREE char *directory = memory_format("%s/pods/%s", daemon->paths.state, sandbox);
    (void)context;
    each_entry(directory, recover_pod, daemon, (void *)(uintptr_t)sandbox);
}

/* --- what belongs to nobody ----------------------------------------------------------------------------------------
 */

struct sweep {
    const char *sandbox;
    bool netns;
};

/* "+bridge" is a namespace of the sandbox's own; other names with '+' are images of scratch space that was being made.
 */
static void sweep_pod(struct box_daemon *daemon, const char *name, void *context)
{
    const struct sweep *sweep = context;
    if (*name == '+' && !sweep->netns) {
        AUTO_FREE char *image = memory_format("%s/scratch/%s/%s", daemon->paths.data, sweep->sandbox, name);
        unlink(image);
    } else if (*name != '+' && !pod_known(daemon, sweep->sandbox, name)) {
        box_pod_clean(daemon, sweep->sandbox, name, 0);
    }
}

static void sweep_netns(struct box_daemon *daemon, const char *sandbox, void *context)
{
    AUTO_FREE char *directory = memory_format("%s/netns/%s", daemon->paths.state, sandbox);
    struct sweep sweep = {.sandbox = sandbox, .netns = true};
    (void)context;
    each_entry(directory, sweep_pod, daemon, &sweep);
}

static void sweep_data(struct box_daemon *daemon, const char *sandbox, void *context)
{
    AUTO_FREE char *directory = memory_format("%s/%s/%s", daemon->paths.data, (const char *)context, sandbox);
    struct sweep sweep = {.sandbox = sandbox};
    each_entry(directory, sweep_pod, daemon, &sweep);
}

static bool id_known(struct box_daemon *daemon, const char *id)
{
    size_t count;
    struct box_pod **pods = box_pods(daemon, NULL, &count);
    bool known = false;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < pods[i]->state.count; j++)
            known = known || !strcmp(pods[i]->state.containers[j].id, id);
        box_pod_put(daemon, pods[i]);
    }
    free(pods);
    return known;
}

static void sweep_container(struct box_daemon *daemon, const char *id, void *context)
{
    (void)context;
    if (!id_known(daemon, id))
        box_runtime_delete(&daemon->runtime, id);
}

/* A removal that was interrupted is finished before anything else may happen to that sandbox. */
static void finish_removals(struct box_daemon *daemon)
{
    size_t count;
    struct box_sandbox **all = box_sandboxes(daemon, &count);
    for (size_t i = 0; i < count; i++) {
        struct error error = {0};
        bool removing = all[i]->removing;
        if (removing && box_sandbox_remove(daemon, all[i]->name, all[i]->remove_volumes, &error))
            log_line(LOG_WARN, "sandbox not removed", LOG_TEXT("sandbox", all[i]->name), LOG_FAULT(&error));
        box_sandbox_put(daemon, all[i]);
    }
    free(all);
}

void box_begin(struct box_daemon *daemon)
{
    size_t count;
    struct box_pod **pods = box_pods(daemon, NULL, &count);
    for (size_t i = 0; i < count; i++) {
        queue_add(daemon->queue, pods[i]->sandbox->name, pods[i]->key);
        box_pod_put(daemon, pods[i]);
    }
    free(pods);
    box_outbound_look_at_all(daemon);
}

void box_recover(struct box_daemon *daemon)
{
    AUTO_FREE char *pods = memory_format("%s/pods", daemon->paths.state);
    AUTO_FREE char *namespaces = memory_format("%s/netns", daemon->paths.state);
    AUTO_FREE char *scratch = memory_format("%s/scratch", daemon->paths.data);
    AUTO_FREE char *logs = memory_format("%s/logs", daemon->paths.data);
    box_runtime_settle(&daemon->runtime, SETTLE_MS);
    box_sandboxes_load(daemon);
    each_entry(pods, recover_pods_of, daemon, NULL);
    each_entry(namespaces, sweep_netns, daemon, NULL);
    each_entry(scratch, sweep_data, daemon, (void *)(uintptr_t) "scratch");
    each_entry(logs, sweep_data, daemon, (void *)(uintptr_t) "logs");
    each_entry(daemon->runtime.root, sweep_container, daemon, NULL);
    finish_removals(daemon);
    log_line(LOG_INFO, "recovered", LOG_NUMBER("sandboxes", map_count(daemon->sandboxes)),
             LOG_NUMBER("pods", map_count(daemon->pods)));
}

/* --- shutting down -------------------------------------------------------------------------------------------------
 */

static void stop_all(struct box_daemon *daemon, int64_t grace_s)
{
    size_t count, live;
    int64_t end = clock_monotonic_ms() + grace_s * 1000;
    struct box_pod **pods = box_pods(daemon, NULL, &count);
    for (size_t i = 0; i < count; i++)
        box_pod_stop(daemon, pods[i], grace_s, NULL);
    do {
        live = 0;
        for (size_t i = 0; i < count; i++) {
            AUTO_JSON cJSON *record = box_pod_record(daemon, pods[i]);
            live += strcmp(json_text_or("stopped", record, "phase", NULL), "stopped") != 0;
        }
        if (live)
            clock_sleep_ms(50);
    } while (live && clock_monotonic_ms() < end);
    for (size_t i = 0; i < count; i++)
        box_pod_put(daemon, pods[i]);
    free(pods);
}

static int stop_sandboxes(struct box_daemon *daemon, struct error *error)
{
    size_t count;
    struct box_sandbox **all = box_sandboxes(daemon, &count);
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        int one = box_sandbox_stop(daemon, all[i], error);
        failed = failed ? failed : one;
        box_sandbox_put(daemon, all[i]);
    }
    free(all);
    return failed;
}

int box_shut_down(struct box_daemon *daemon, int64_t grace_s, struct error *error)
{
    stop_all(daemon, grace_s);
    int failed = stop_sandboxes(daemon, error);
    AUTO_FREE char *cgroup = box_path_cgroup(&daemon->paths, NULL, NULL, NULL);
    if (!box_cgroup_remove(cgroup, BOX_KILL_TIMEOUT_MS) && !failed)
        failed = error_set(error, ERROR_UNAVAILABLE, NULL, "processes in cgroup %s do not end", cgroup);
    if (!box_mounts_detach(daemon->paths.state) && !failed)
        failed = error_set(error, ERROR_UNAVAILABLE, NULL, "%s cannot be unmounted", daemon->paths.state);
    if (!failed)
        failed = file_remove_tree(daemon->paths.state, error);
    return failed;
}
