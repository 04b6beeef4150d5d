/* Which requests are there, and what does each need to be well-formed? */
#include "engine/local/sandboxd/operations.h"

#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "engine/local/sandboxd/address.h"
#include "engine/local/sandboxd/cgroup.h"
#include "engine/local/sandboxd/disk.h"
#include "engine/local/sandboxd/exec.h"
#include "engine/local/sandboxd/gpu.h"
#include "engine/local/sandboxd/image.h"
#include "engine/local/sandboxd/image_prune.h"
#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/network.h"
#include "engine/local/sandboxd/outbound.h"
#include "engine/local/sandboxd/pod.h"
#include "engine/local/sandboxd/sandbox.h"
#include "engine/local/sandboxd/spec.h"
#include "engine/local/sandboxd/usage.h"
#include "engine/local/sandboxd/volume.h"

#define VERSION "0.1.0"

struct call {
    struct box_daemon *daemon;
    const cJSON *request;
    const char *sandbox, *pod, *container, *volume; /* checked names, or NULL when the operation has none */
    cJSON *answer;
    int fd;
};

static int take_number(const struct call *call, const char *key, int64_t minimum, int64_t maximum, int64_t *ret,
                       struct error *error)
{
    int64_t value;
    if (!json_i64(json_member(call->request, key), &value) || value < minimum || value > maximum)
        return error_set(error, ERROR_INVALID, key, "%s: expected a whole number from %lld to %lld", key,
                         (long long)minimum, (long long)maximum);
    *ret = value;
    return 0;
}

static int no_such_pod(const struct call *call, struct error *error)
{
    return error_set(error, ERROR_NOT_FOUND, "pod", "there is no pod \"%s\" in sandbox \"%s\"", call->pod,
                     call->sandbox);
}

static struct box_sandbox *take_sandbox(const struct call *call, struct error *error)
{
    struct box_sandbox *sandbox = box_sandbox_find(call->daemon, call->sandbox);
    if (!sandbox)
        error_set(error, ERROR_NOT_FOUND, "sandbox", "there is no sandbox \"%s\"", call->sandbox);
    return sandbox;
}

/* --- the operations ------------------------------------------------------------------------------------------------
 */

static int hello(struct call *call, struct error *error)
{
    (void)error;
    json_set_text(call->answer, "version", VERSION);
    json_set_bool(call->answer, "root", geteuid() == 0);
    json_set_text(call->answer, "cgroup", box_cgroup_limits() ? box_cgroup_kind_name() : "none");
    const char *slash = strrchr(call->daemon->runtime.runc, '/');
    json_set_text(call->answer, "runtime", slash ? slash + 1 : call->daemon->runtime.runc);
    json_set_bool(call->answer, "volumes_enforced", box_volume_enforced());
    json_set_text(call->answer, "tag", call->daemon->paths.tag);
    json_set(call->answer, "gpus", box_gpu_names(&call->daemon->paths));
    json_set(call->answer, "missing", box_daemon_missing(call->daemon));
    return 0;
}

static int sandbox_ensure_op(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *made = NULL;
    int failed = box_sandbox_ensure(call->daemon, call->sandbox, &made, error);
    if (failed)
        return failed;
    json_set(call->answer, "uid", json_copy(json_member(made, "uid")));
    json_set(call->answer, "directory", json_copy(json_member(made, "directory")));
    return 0;
}

static int sandbox_remove_op(struct call *call, struct error *error)
{
    return box_sandbox_remove(call->daemon, call->sandbox, json_true(call->request, "volumes", NULL), error);
}

static int volume_ensure_op(struct call *call, struct error *error)
{
    int64_t bytes, held = 0;
    bool enforced = false;
    int failed = take_number(call, "bytes", BOX_VOLUME_MIN, BOX_VOLUME_MAX, &bytes, error);
    struct box_sandbox *sandbox = failed ? NULL : take_sandbox(call, error);
    if (!sandbox)
        return -(int)error->code;
    pthread_mutex_lock(&sandbox->volume_lock); /* alone: mke2fs may take long, and dialling needs the other lock */
    failed = sandbox->removing || sandbox->gone
                 ? error_set(error, ERROR_CONFLICT, "sandbox", "the sandbox is being removed")
                 : box_volume_ensure(&call->daemon->paths, call->sandbox, call->volume, bytes, sandbox->uid, &enforced,
                                     &held, error);
    pthread_mutex_unlock(&sandbox->volume_lock);
    box_sandbox_put(call->daemon, sandbox);
    json_set_bool(call->answer, "enforced", enforced);
    json_set_i64(call->answer, "bytes", held);
    return failed;
}

static bool uses_volume(const struct box_pod *pod, const char *volume)
{
    const cJSON *at;
    cJSON_ArrayForEach(at, json_member(pod->spec, "volumes"))
    {
        if (!strcmp(json_text_or("", at, "type", NULL), "named") &&
            !strcmp(json_text_or("", at, "volume", NULL), volume))
            return true;
    }
    return false;
}

static int check_unused(const struct call *call, struct error *error)
{
    size_t count;
    struct box_pod **pods = box_pods(call->daemon, call->sandbox, &count);
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        if (!failed && uses_volume(pods[i], call->volume))
            failed = error_set(error, ERROR_CONFLICT, "volume", "pod \"%s\" uses the volume", pods[i]->name);
        box_pod_put(call->daemon, pods[i]);
    }
    free(pods);
    return failed;
}

static int volume_remove_op(struct call *call, struct error *error)
{
    struct box_sandbox *sandbox = box_sandbox_find(call->daemon, call->sandbox);
    if (!sandbox)
        return 0;
    pthread_mutex_lock(&sandbox->lock); /* no pod is admitted between the look and the removal */
    pthread_mutex_lock(&sandbox->volume_lock);
    int failed = check_unused(call, error);
    if (!failed)
        failed = box_volume_remove(&call->daemon->paths, call->sandbox, call->volume, error);
    pthread_mutex_unlock(&sandbox->volume_lock);
    pthread_mutex_unlock(&sandbox->lock);
    box_sandbox_put(call->daemon, sandbox);
    return failed;
}

static int pod_start_op(struct call *call, struct error *error)
{
    cJSON *record = NULL;
    int failed =
        box_pod_start(call->daemon, call->sandbox, call->pod, json_member(call->request, "spec"), &record, error);
    if (!failed)
        json_set(call->answer, "pod", record ? record : json_object());
    return failed;
}

static int pod_stop_op(struct call *call, struct error *error)
{
    int64_t grace_s = 0;
    struct box_pod *pod = box_pod_find(call->daemon, call->sandbox, call->pod);
    if (!pod)
        return no_such_pod(call, error);
    int64_t own = BOX_GRACE_DEFAULT_S;
    json_i64(json_member(pod->spec, "grace_s"), &own);
    int failed = json_member(call->request, "grace_s")
                     ? take_number(call, "grace_s", -1, BOX_GRACE_MAX_S, &grace_s, error)
                     : (grace_s = -1, 0);
    if (!failed)
        failed = box_pod_stop(call->daemon, pod, grace_s < 0 ? own : grace_s, error);
    box_pod_put(call->daemon, pod);
    return failed;
}

static int pod_remove_op(struct call *call, struct error *error)
{
    struct box_pod *pod = box_pod_find(call->daemon, call->sandbox, call->pod);
    int failed = pod ? box_pod_remove(call->daemon, pod, error) : 0;
    box_pod_put(call->daemon, pod);
    return failed;
}

static int pod_list_op(struct call *call, struct error *error)
{
    const cJSON *sandbox = json_member(call->request, "sandbox");
    if (sandbox && !cJSON_IsNull(sandbox) &&
        (!cJSON_IsString(sandbox) || !name_is_label(slice_of(sandbox->valuestring))))
        return error_set(error, ERROR_INVALID, "sandbox", "sandbox: expected a DNS label");
    json_set(call->answer, "pods", box_records(call->daemon, cJSON_IsString(sandbox) ? sandbox->valuestring : NULL));
    return 0;
}

static int usage_op(struct call *call, struct error *error)
{
    (void)error;
    box_usage_report(call->daemon, call->answer);
    return 0;
}

static int disk_op(struct call *call, struct error *error)
{
    return box_disk(call->daemon, call->answer, error);
}

static int images_prune_op(struct call *call, struct error *error)
{
    const cJSON *keep = json_member(call->request, "keep"), *at;
    cJSON *removed = NULL;
    int64_t unused_s;
    if (!cJSON_IsArray(keep) || cJSON_GetArraySize(keep) > BOX_IMAGES_MAX)
        return error_set(error, ERROR_INVALID, "keep", "keep: expected at most %d names of images", BOX_IMAGES_MAX);
    cJSON_ArrayForEach(at, keep)
    {
        if (!cJSON_IsString(at) || !box_image_name_ok(slice_of(at->valuestring)))
            return error_set(error, ERROR_INVALID, "keep", "keep: expected names of image directories");
    }
    int failed = take_number(call, "unused_s", 0, BOX_IMAGE_UNUSED_MAX_S, &unused_s, error);
    if (!failed)
        failed = box_images_prune(call->daemon, keep, unused_s, &removed, error);
    json_set(call->answer, "removed", removed ? removed : json_array());
    return failed;
}

static int hosts_op(struct call *call, struct error *error)
{
    const cJSON *entries = json_member(call->request, "entries");
    int failed = box_hosts_check(entries, error);
    return failed ? failed : box_sandbox_set_hosts(call->daemon, call->sandbox, entries, error);
}

static int outbound_op(struct call *call, struct error *error)
{
    return box_outbound_set(call->daemon, call->sandbox, json_text_or("", call->request, "policy", NULL), error);
}

/* The namespace's descriptor for the length of a call: a removal meanwhile does not pull it away. */
static int borrow_netns(const struct call *call, int *ret_fd, struct error *error)
{
    struct box_sandbox *sandbox = take_sandbox(call, error);
    if (!sandbox)
        return -(int)error->code;
    pthread_mutex_lock(&sandbox->lock);
    int failed = sandbox->removing || sandbox->gone
                     ? error_set(error, ERROR_UNAVAILABLE, "sandbox", "the sandbox is being removed")
                     : box_sandbox_connect(call->daemon, sandbox, error);
    int fd = failed ? -1 : fcntl(sandbox->netns, F_DUPFD_CLOEXEC, 3);
    pthread_mutex_unlock(&sandbox->lock);
    box_sandbox_put(call->daemon, sandbox);
    if (!failed && fd < 0)
        failed = error_set(error, ERROR_UNAVAILABLE, NULL, "too many open files");
    *ret_fd = fd;
    return failed;
}

/* From inside the pod: what listens on its loopback alone, or else on its address. */
static int dial_within(const char *netns_path, uint32_t address, uint16_t port, int *ret_fd, struct error *error)
{
    AUTO_CLOSE int netns = open(netns_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (netns < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "pod network: %s", strerrordesc_np(errno));
    int failed = box_network_dial(netns, BOX_LOOPBACK_ADDRESS, port, BOX_DIAL_TIMEOUT_MS, ret_fd, error);
    return failed == -ERROR_UNAVAILABLE ? box_network_dial(netns, address, port, BOX_DIAL_TIMEOUT_MS, ret_fd, error)
                                        : failed;
}

static int dial_op(struct call *call, struct error *error)
{
    AUTO_CLOSE int netns = -1;
    uint32_t address = 0;
    int64_t port;
    const char *text = json_text_or("", call->request, "address", NULL);
    if (!box_address_parse(slice_of(text), &address))
        return error_set(error, ERROR_INVALID, "address", "address: expected a pod's address");
    int failed = take_number(call, "port", 1, 65535, &port, error);
    if (failed)
        return failed;
    struct box_pod *pod = box_pod_find_address(call->daemon, call->sandbox, address);
    AUTO_FREE char *inside = pod ? box_path_netns(&call->daemon->paths, call->sandbox, pod->name) : NULL;
    box_pod_put(call->daemon, pod);
    if (!pod)
        return error_set(error, ERROR_NOT_FOUND, "address", "no pod of the sandbox has the address %s", text);
    if (json_true(call->request, "within", NULL))
        return dial_within(inside, address, (uint16_t)port, &call->fd, error);
    failed = borrow_netns(call, &netns, error);
    return failed ? failed : box_network_dial(netns, address, (uint16_t)port, BOX_DIAL_TIMEOUT_MS, &call->fd, error);
}

static int listen_op(struct call *call, struct error *error)
{
    AUTO_CLOSE int netns = -1;
    int64_t port;
    int failed = take_number(call, "port", 1, 65535, &port, error);
    if (!failed)
        failed = borrow_netns(call, &netns, error);
    return failed ? failed : box_network_listen(netns, BOX_BRIDGE_ADDRESS, (uint16_t)port, &call->fd, error);
}

static bool has_container(const struct box_pod *pod, const char *name)
{
    return json_named(json_member(pod->spec, "containers"), name) != NULL;
}

static int no_such_container(const struct call *call, struct error *error)
{
    return error_set(error, ERROR_NOT_FOUND, "container", "the pod has no container \"%s\"", call->container);
}

static int log_op(struct call *call, struct error *error)
{
    struct box_pod *pod = box_pod_find(call->daemon, call->sandbox, call->pod);
    if (!pod)
        return no_such_pod(call, error);
    bool known = has_container(pod, call->container);
    box_pod_put(call->daemon, pod);
    if (!known)
        return no_such_container(call, error);
    AUTO_FREE char *directory = box_path_logs(&call->daemon->paths, call->sandbox, call->pod);
    AUTO_FREE char *path = memory_format("%s/%s.log", directory, call->container);
    call->fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (call->fd < 0)
        return error_set(error, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_UNAVAILABLE, "container",
                         "container \"%s\" has no log yet", call->container);
    return 0;
}

static int enter_op(struct call *call, box_entry *enter, struct error *error)
{
    struct box_pod *pod = box_pod_find(call->daemon, call->sandbox, call->pod);
    if (!pod)
        return no_such_pod(call, error);
    int failed = has_container(pod, call->container)
                     ? enter(call->daemon, pod, call->container, call->request, &call->fd, error)
                     : no_such_container(call, error);
    box_pod_put(call->daemon, pod);
    return failed;
}

static int exec_op(struct call *call, struct error *error)
{
    return enter_op(call, box_exec, error);
}

static int attach_op(struct call *call, struct error *error)
{
    return enter_op(call, box_attach, error);
}

/* --- the table -----------------------------------------------------------------------------------------------------
 */

enum { SANDBOX = 1, POD = 2, CONTAINER = 4, VOLUME = 8 };

static const struct operation {
    const char *name;
    int names; /* which names the request must carry */
    int (*run)(struct call *call, struct error *error);
} operations[] = {
    {"hello", 0, hello},
    {"sandbox_ensure", SANDBOX, sandbox_ensure_op},
    {"sandbox_remove", SANDBOX, sandbox_remove_op},
    {"volume_ensure", SANDBOX | VOLUME, volume_ensure_op},
    {"volume_remove", SANDBOX | VOLUME, volume_remove_op},
    {"pod_start", SANDBOX | POD, pod_start_op},
    {"pod_stop", SANDBOX | POD, pod_stop_op},
    {"pod_remove", SANDBOX | POD, pod_remove_op},
    {"pod_list", 0, pod_list_op},
    {"usage", 0, usage_op},
    {"disk", 0, disk_op},
    {"images_prune", 0, images_prune_op},
    {"hosts", SANDBOX, hosts_op},
    {"outbound", SANDBOX, outbound_op},
    {"dial", SANDBOX, dial_op},
    {"listen", SANDBOX, listen_op},
    {"log", SANDBOX | POD | CONTAINER, log_op},
    {"exec", SANDBOX | POD | CONTAINER, exec_op},
    {"attach", SANDBOX | POD | CONTAINER, attach_op},
};

static int take_name(const cJSON *request, const char *key, bool (*valid)(struct slice), const char *expected,
                     const char **ret, struct error *error)
{
    const cJSON *value = json_member(request, key);
    if (!cJSON_IsString(value) || !valid(slice_of(value->valuestring)))
        return error_set(error, ERROR_INVALID, key, "%s: expected %s", key, expected);
    *ret = value->valuestring;
    return 0;
}

int box_operate(struct box_daemon *daemon, const cJSON *request, cJSON *answer, int *ret_fd, struct error *error)
{
    const char *name = json_text_or("", request, "op", NULL);
    struct call call = {.daemon = daemon, .request = request, .answer = answer, .fd = -1};
    for (size_t i = 0; i < COUNT_OF(operations); i++) {
        const struct operation *at = &operations[i];
        if (strcmp(at->name, name))
            continue;
        int failed = 0;
        if (at->names & SANDBOX)
            failed = take_name(request, "sandbox", name_is_label, "a DNS label", &call.sandbox, error);
        if (!failed && at->names & POD)
            failed = take_name(request, "pod", name_is_subdomain, "a DNS name", &call.pod, error);
        if (!failed && at->names & CONTAINER)
            failed = take_name(request, "container", name_is_label, "a DNS label", &call.container, error);
        if (!failed && at->names & VOLUME)
            failed = take_name(request, "volume", name_is_label, "a DNS label", &call.volume, error);
        if (!failed)
            failed = at->run(&call, error);
        *ret_fd = call.fd;
        return failed;
    }
    char shown[64];
    text_printable(slice_of(name), shown, sizeof(shown));
    return error_set(error, ERROR_NOT_FOUND, "op", "there is no operation \"%s\"", shown);
}
