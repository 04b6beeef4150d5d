/* How does a sandbox come to be, and how does it go without a trace? */
#include "engine/local/sandboxd/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "engine/local/sandboxd/cgroup.h"
#include "engine/local/sandboxd/etc.h"
#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/mounts.h"
#include "engine/local/sandboxd/network.h"
#include "engine/local/sandboxd/outbound.h"
#include "engine/local/sandboxd/pod.h"
#include "engine/local/sandboxd/volume.h"

/* uids 0x70000000 to 0x7FFFFFFF: above what systemd and subuid ranges use. A block of 65536 an installation, chosen by
 * its tag so that two installations on one machine do not share per-uid kernel limits. */
#define UID_FIRST 0x70000000u
#define UID_BLOCKS 4096u
/* In a user namespace, above what Debian gives its system users; the namespace is one installation's alone. */
#define UID_INSIDE_FIRST 2000u

static uint32_t uid_of(const char *tag, int64_t index)
{
    if (process_is_in_user_namespace())
        return UID_INSIDE_FIRST + (uint32_t)index * BOX_UIDS_PER_SANDBOX;
    uint8_t digest[DIGEST_SIZE];
    digest_sha256(slice_of(tag), digest);
    uint32_t block = ((uint32_t)digest[0] << 8 | digest[1]) % UID_BLOCKS;
    return UID_FIRST + block * 65536u + (uint32_t)index * BOX_UIDS_PER_SANDBOX;
}

/* --- sandbox.json --------------------------------------------------------------------------------------------------
 */

int box_sandbox_save(struct box_daemon *daemon, const struct box_sandbox *sandbox, struct error *error)
{
    AUTO_FREE char *directory = box_path_sandbox_data(&daemon->paths, sandbox->name);
    AUTO_FREE char *path = memory_format("%s/sandbox.json", directory);
    AUTO_JSON cJSON *json = json_object();
    AUTO_BUFFER struct buffer outbound = {0};
    int failed = file_make_directories(directory, 0700, error);
    if (failed)
        return failed;
    json_set_i64(json, "index", sandbox->index);
    json_set_i64(json, "uid", sandbox->uid);
    json_set_text(json, "removing", !sandbox->removing ? NULL : sandbox->remove_volumes ? "everything" : "runtime");
    outbound_print(&sandbox->way.policy, &outbound);
    json_set_text(json, "outbound", outbound.p);
    AUTO_FREE char *text = json_print_pretty(json);
    return file_write(path, slice_of(text), 0600, error);
}

static struct box_sandbox *load(struct box_daemon *daemon, const char *name)
{
    AUTO_FREE char *directory = box_path_sandbox_data(&daemon->paths, name);
    AUTO_FREE char *path = memory_format("%s/sandbox.json", directory);
    AUTO_BUFFER struct buffer text = {0};
    AUTO_JSON cJSON *json = NULL;
    int64_t index, uid;
    if (file_read(path, 65536, &text, NULL) || json_parse(buffer_slice(&text), &json_limits_default, &json, NULL) ||
        !json_i64(json_member(json, "index"), &index) || !json_i64(json_member(json, "uid"), &uid) || index < 0 ||
        uid < 1000 || uid > UINT32_MAX - 2)
        return NULL;
    struct box_sandbox *sandbox = box_sandbox_new(name, index, (uint32_t)uid);
    const char *removing = json_text(json, "removing", NULL);
    sandbox->removing = removing != NULL;
    sandbox->remove_volumes = removing && !strcmp(removing, "everything");
    outbound_parse(slice_of(json_text_or("off", json, "outbound", NULL)), "outbound", &sandbox->way.policy, NULL);
    sandbox->open = sandbox->way.policy.count && !box_outbound_missing(daemon);
    return sandbox;
}

static void load_hosts(struct box_daemon *daemon, struct box_sandbox *sandbox)
{
    AUTO_FREE char *directory = box_path_sandbox_run(&daemon->paths, sandbox->name);
    AUTO_FREE char *path = memory_format("%s/hosts.json", directory);
    AUTO_BUFFER struct buffer text = {0};
    struct json_limits limits = json_limits_default;
    limits.bytes = BOX_STATE_BYTES_MAX;
    if (!file_read(path, BOX_STATE_BYTES_MAX, &text, NULL))
        json_parse(buffer_slice(&text), &limits, &sandbox->hosts, NULL);
}

/* --- making --------------------------------------------------------------------------------------------------------
 */

/* The least index that no sandbox has, also none whose removal is not finished. */
static int64_t free_index(struct box_daemon *daemon)
{
    size_t count;
    struct box_sandbox **all = box_sandboxes(daemon, &count);
    int64_t index = 0;
    for (size_t i = 0; i < count; i++)
        if (all[i]->index == index) {
            index++;
            i = (size_t)-1; /* again from the first */
        }
    for (size_t i = 0; i < count; i++)
        box_sandbox_put(daemon, all[i]);
    free(all);
    return index;
}

/* One at a time in the whole daemon: two sandboxes must not choose the same index. */
static struct box_sandbox *find_or_create(struct box_daemon *daemon, const char *name, struct error *error)
{
    static pthread_mutex_t creation = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&creation);
    struct box_sandbox *sandbox = box_sandbox_find(daemon, name);
    if (!sandbox) {
        int64_t index = free_index(daemon);
        if (index >= BOX_SANDBOXES_MAX) {
            error_set(error, ERROR_LIMITED, NULL, "this installation holds at most %d sandboxes", BOX_SANDBOXES_MAX);
        } else {
            sandbox = box_sandbox_new(name, index, uid_of(daemon->paths.tag, index));
            if (box_sandbox_save(daemon, sandbox, error)) {
                box_sandbox_put(daemon, sandbox);
                sandbox = NULL;
            } else {
                box_sandbox_enter(daemon, sandbox);
            }
        }
    }
    pthread_mutex_unlock(&creation);
    return sandbox;
}

int box_sandbox_connect(struct box_daemon *daemon, struct box_sandbox *sandbox, struct error *error)
{
    AUTO_FREE char *path = box_path_netns(&daemon->paths, sandbox->name, NULL);
    AUTO_FREE char *directory = box_path_sandbox_run(&daemon->paths, sandbox->name);
    if (sandbox->netns >= 0)
        return 0;
    int failed = file_make_directories(directory, 0700, error);
    if (!failed)
        failed = box_network_make_bridge(path, error);
    if (failed)
        return failed;
    sandbox->netns = open(path, O_RDONLY | O_CLOEXEC);
    if (sandbox->netns < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "%s: %s", path, strerrordesc_np(errno));
    return 0;
}

int box_sandbox_ensure(struct box_daemon *daemon, const char *name, cJSON **ret, struct error *error)
{
    struct box_sandbox *sandbox = find_or_create(daemon, name, error);
    if (!sandbox)
        return -(int)error->code;
    pthread_mutex_lock(&sandbox->lock);
    int failed = sandbox->removing || sandbox->gone
                     ? error_set(error, ERROR_CONFLICT, "sandbox", "sandbox \"%s\" is being removed", name)
                     : box_sandbox_connect(daemon, sandbox, error);
    pthread_mutex_unlock(&sandbox->lock);
    if (!failed) {
        AUTO_FREE char *directory = box_path_sandbox_data(&daemon->paths, name);
        *ret = json_object();
        json_set_i64(*ret, "uid", sandbox->uid);
        json_set_text(*ret, "directory", directory);
    }
    box_sandbox_put(daemon, sandbox);
    return failed;
}

/* --- removing ------------------------------------------------------------------------------------------------------
 */

/* Every pod's removal begins before the first is waited for: their processes end side by side. */
static int remove_pods(struct box_daemon *daemon, struct box_sandbox *sandbox, struct error *error)
{
    size_t count;
    struct box_pod **pods = box_pods(daemon, sandbox->name, &count);
    int failed = 0;
    for (size_t i = 0; i < count; i++)
        box_pod_kill(daemon, pods[i]);
    for (size_t i = 0; i < count; i++) {
        int one = box_pod_remove(daemon, pods[i], error);
        failed = failed ? failed : one;
        box_pod_put(daemon, pods[i]);
    }
    free(pods);
    return failed;
}

/* With sandbox->lock held. */
static int stop_runtime(struct box_daemon *daemon, struct box_sandbox *sandbox, struct error *error)
{
    AUTO_FREE char *netns = box_path_netns(&daemon->paths, sandbox->name, NULL);
    AUTO_FREE char *directory = box_path_sandbox_run(&daemon->paths, sandbox->name);
    AUTO_FREE char *cgroup = box_path_cgroup(&daemon->paths, sandbox->name, NULL, NULL);
    AUTO_FREE char *pods = memory_format("%s/pods/%s", daemon->paths.state, sandbox->name);
    AUTO_FREE char *namespaces = memory_format("%s/netns/%s", daemon->paths.state, sandbox->name);
    AUTO_FREE char *scratch = memory_format("%s/scratch/%s", daemon->paths.data, sandbox->name);
    AUTO_FREE char *logs = memory_format("%s/logs/%s", daemon->paths.data, sandbox->name);
    int failed = remove_pods(daemon, sandbox, error);
    if (failed)
        return failed;
    if (!box_outbound_end(daemon, sandbox))
        return error_set(error, ERROR_UNAVAILABLE, NULL, "pasta of the sandbox does not end");
    free(sandbox->way.loaded); /* goes with the namespace */
    sandbox->way.loaded = NULL;
    if (!box_cgroup_remove(cgroup, BOX_KILL_TIMEOUT_MS))
        return error_set(error, ERROR_UNAVAILABLE, NULL, "processes of the sandbox do not end");
    if (sandbox->netns >= 0)
        close(sandbox->netns);
    sandbox->netns = -1;
    box_network_remove(netns);
    if (!box_mounts_detach(directory) || !box_mounts_detach(pods) || !box_mounts_detach(namespaces) ||
        !box_mounts_detach(scratch))
        return error_set(error, ERROR_UNAVAILABLE, NULL, "a volume of the sandbox cannot be unmounted");
    const char *const trees[] = {directory, pods, namespaces, scratch, logs};
    for (size_t i = 0; !failed && i < COUNT_OF(trees); i++)
        failed = file_remove_tree(trees[i], error);
    return failed;
}

int box_sandbox_stop(struct box_daemon *daemon, struct box_sandbox *sandbox, struct error *error)
{
    pthread_mutex_lock(&sandbox->lock);
    int failed = stop_runtime(daemon, sandbox, error);
    pthread_mutex_unlock(&sandbox->lock);
    return failed;
}

/* With sandbox->lock held. Waits for a volume that is just being made; none is made from then on. */
static void mark(struct box_sandbox *sandbox, bool removing, bool gone)
{
    pthread_mutex_lock(&sandbox->volume_lock);
    sandbox->removing = removing;
    sandbox->gone = gone;
    pthread_mutex_unlock(&sandbox->volume_lock);
}

/* With sandbox->lock held, <removing> set and saved: each step may be done again after a crash. */
static int finish_removal(struct box_daemon *daemon, struct box_sandbox *sandbox, struct error *error)
{
    int failed = stop_runtime(daemon, sandbox, error);
    if (failed)
        return failed;
    if (!sandbox->remove_volumes) {
        mark(sandbox, false, false);
        return box_sandbox_save(daemon, sandbox, error);
    }
    /* The volumes go first and sandbox.json last: while anything is left, the index is not given to another. */
    AUTO_FREE char *directory = box_path_sandbox_data(&daemon->paths, sandbox->name);
    AUTO_FREE char *volumes = memory_format("%s/volumes", directory);
    failed = file_remove_tree(volumes, error);
    if (!failed)
        failed = file_remove_tree(directory, error);
    if (failed)
        return failed;
    mark(sandbox, true, true);
    box_sandbox_forget(daemon, sandbox);
    return 0;
}

int box_sandbox_remove(struct box_daemon *daemon, const char *name, bool volumes, struct error *error)
{
    struct box_sandbox *sandbox = box_sandbox_find(daemon, name);
    if (!sandbox)
        return 0;
    pthread_mutex_lock(&sandbox->lock);
    int failed = 0;
    if (!sandbox->gone) {
        sandbox->remove_volumes = volumes || (sandbox->removing && sandbox->remove_volumes);
        mark(sandbox, true, false);
        failed = box_sandbox_save(daemon, sandbox, error);
        if (!failed)
            failed = finish_removal(daemon, sandbox, error);
    }
    pthread_mutex_unlock(&sandbox->lock);
    box_sandbox_put(daemon, sandbox);
    return failed;
}

/* --- after a start -------------------------------------------------------------------------------------------------
 */

static void load_one(struct box_daemon *daemon, const char *name)
{
    struct box_sandbox *sandbox = name_is_label(slice_of(name)) ? load(daemon, name) : NULL;
    struct error error = {0};
    if (!sandbox)
        return;
    load_hosts(daemon, sandbox);
    box_outbound_adopt(daemon, sandbox);
    box_sandbox_enter(daemon, sandbox);
    AUTO_FREE char *netns = box_path_netns(&daemon->paths, name, NULL);
    pthread_mutex_lock(&sandbox->lock);
    int failed = 0;
    if (box_network_exists(netns))
        failed = box_sandbox_connect(daemon, sandbox, &error);
    pthread_mutex_unlock(&sandbox->lock);
    if (failed)
        log_line(LOG_WARN, "sandbox not connected", LOG_TEXT("sandbox", name), LOG_FAULT(&error));
    box_sandbox_put(daemon, sandbox);
}

void box_sandboxes_load(struct box_daemon *daemon)
{
    AUTO_FREE char *directory = memory_format("%s/sandboxes", daemon->paths.data);
    DIR *listing = opendir(directory);
    const struct dirent *entry;
    while (listing && (entry = readdir(listing)))
        if (entry->d_name[0] != '.')
            load_one(daemon, entry->d_name);
    if (listing)
        closedir(listing);
}

/* --- names ---------------------------------------------------------------------------------------------------------
 */

/* With sandbox->hosts_lock held. */
static int write_hosts(struct box_daemon *daemon, const struct box_pod *pod, struct error *error)
{
    AUTO_FREE char *directory = box_path_pod(&daemon->paths, pod->sandbox->name, pod->name);
    AUTO_FREE char *etc = memory_format("%s/etc", directory);
    AUTO_BUFFER struct buffer text = {0};
    const char *address = pod->state.address; /* never changes while the pod is known */
    box_hosts_render(address, json_text_or(pod->name, pod->spec, "hostname", NULL), pod->name, pod->sandbox->hosts,
                     &text);
    return box_etc_set_hosts(etc, buffer_slice(&text), error);
}

int box_pod_write_hosts(struct box_daemon *daemon, struct box_pod *pod, struct error *error)
{
    pthread_mutex_lock(&pod->sandbox->hosts_lock);
    int failed = write_hosts(daemon, pod, error);
    pthread_mutex_unlock(&pod->sandbox->hosts_lock);
    return failed;
}

static int save_hosts(struct box_daemon *daemon, const struct box_sandbox *sandbox, struct error *error)
{
    AUTO_FREE char *directory = box_path_sandbox_run(&daemon->paths, sandbox->name);
    AUTO_FREE char *path = memory_format("%s/hosts.json", directory);
    AUTO_FREE char *text = json_print(sandbox->hosts);
    int failed = file_make_directories(directory, 0700, error);
    return failed ? failed : box_write_file(path, slice_of(text), 0600, error);
}

int box_sandbox_set_hosts(struct box_daemon *daemon, const char *name, const cJSON *entries, struct error *error)
{
    struct box_sandbox *sandbox = box_sandbox_find(daemon, name);
    if (!sandbox)
        return error_set(error, ERROR_NOT_FOUND, "sandbox", "there is no sandbox \"%s\"", name);
    int failed = 0;
    pthread_mutex_lock(&sandbox->hosts_lock);
    if (!sandbox->hosts || !json_equal(sandbox->hosts, entries)) {
        size_t count;
        cJSON_Delete(sandbox->hosts);
        sandbox->hosts = json_copy(entries);
        failed = save_hosts(daemon, sandbox, error);
        struct box_pod **pods = box_pods(daemon, name, &count);
        for (size_t i = 0; i < count; i++) {
            write_hosts(daemon, pods[i],
                        NULL); /* one that is being made writes its own; one being removed needs none */
            box_pod_put(daemon, pods[i]);
        }
        free(pods);
    }
    pthread_mutex_unlock(&sandbox->hosts_lock);
    box_sandbox_put(daemon, sandbox);
    return failed;
}
