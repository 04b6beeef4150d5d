/*
 * A sandboxd in the test's own process: the functions of engine/local/sandbox.h over a list in memory, so that the
 * engine's controllers can be tested without privileges, and its failures be made at will.
 *
 * Pods run as soon as they are started, and use a quarter of a core and 100 MiB each. `fake.away` makes every call
 * UNAVAILABLE; `fake_restart` forgets all pods, as a reboot does; `fake_exit` ends a container.
 */
#ifndef ATELIER_TESTS_FAKE_SANDBOX_H
#define ATELIER_TESTS_FAKE_SANDBOX_H

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "engine/local/sandbox.h"

static struct {
    pthread_mutex_t lock;                          /* guards what follows */
    cJSON *pods;                                   /* records, with the spec beside them under "spec" */
    cJSON *sandboxes, *volumes, *hosts, *outbound; /* maps */
    cJSON *kept;                                   /* what the last images_prune was to keep */
    int64_t unused_s, disk_free_bytes;             /* 0: 50 GiB */
    cJSON *disk_bytes;                             /* by pod's name; others have 1 MiB */
    unsigned next_address, host_writes;
    _Atomic unsigned starts, gpus; /* gpus: how many the machine has */
    int log;                       /* a memory file; 0 until first used */
    sandbox_changed changed;
    void *context;
    _Atomic bool away, silent; /* silent: nothing listens in the pods */
    _Atomic unsigned late_ms;  /* below 1000: how long it takes from a reading of what pods use to the answer */
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .next_address = 2};

static inline void fake_reset(void)
{
    pthread_mutex_lock(&fake.lock);
    cJSON_Delete(fake.pods);
    cJSON_Delete(fake.sandboxes);
    cJSON_Delete(fake.volumes);
    cJSON_Delete(fake.hosts);
    cJSON_Delete(TAKE_POINTER(fake.kept));
    cJSON_Delete(fake.outbound);
    cJSON_Delete(TAKE_POINTER(fake.disk_bytes));
    fake.disk_free_bytes = 0;
    fake.pods = json_array();
    fake.sandboxes = json_object();
    fake.volumes = json_object();
    fake.hosts = json_object();
    fake.outbound = json_object();
    fake.starts = 0;
    fake.gpus = 0;
    fake.host_writes = 0;
    pthread_mutex_unlock(&fake.lock);
}

/* Every container has the same log, which begins with "hello". */
static inline void fake_log_write(const char *raw)
{
    static const char line[] = "2026-11-23T03:00:00.000000000Z stdout F hello\n";
    pthread_mutex_lock(&fake.lock);
    if (fake.log == 0) {
        fake.log = memfd_create("log", MFD_CLOEXEC);
        (void)!write(fake.log, line, sizeof(line) - 1);
    }
    (void)!write(fake.log, raw, strlen(raw));
    pthread_mutex_unlock(&fake.lock);
}

static inline int fake_check(struct error *error)
{
    return fake.away ? error_set(error, ERROR_UNAVAILABLE, NULL, "sandboxd is away") : 0;
}

static inline cJSON *fake_find(const char *sandbox, const char *pod)
{
    cJSON *record;
    cJSON_ArrayForEach(record, fake.pods)
    {
        if (strcmp(json_text(record, "sandbox", NULL), sandbox) == 0 &&
            strcmp(json_text(record, "pod", NULL), pod) == 0)
            return record;
    }
    return NULL;
}

static inline void fake_tell(const char *sandbox, const char *pod)
{
    if (fake.changed)
        fake.changed(fake.context, sandbox, pod);
}

static inline size_t fake_pod_count(void)
{
    pthread_mutex_lock(&fake.lock);
    size_t count = (size_t)cJSON_GetArraySize(fake.pods);
    pthread_mutex_unlock(&fake.lock);
    return count;
}

/* A machine that restarted: nothing runs, and the connection is new. */
static inline void fake_restart(void)
{
    pthread_mutex_lock(&fake.lock);
    cJSON_Delete(fake.pods);
    cJSON_Delete(fake.sandboxes);
    fake.pods = json_array();
    fake.sandboxes = json_object();
    pthread_mutex_unlock(&fake.lock);
    fake_tell(NULL, NULL);
}

/* All containers of a pod end and stay ended. */
static inline void fake_exit(const char *sandbox, const char *pod, int code, const char *reason)
{
    pthread_mutex_lock(&fake.lock);
    cJSON *record = fake_find(sandbox, pod), *container;
    cJSON_ArrayForEach(container, json_member(record, "containers"))
    {
        json_set_text(container, "state", "exited");
        json_set_i64(container, "exit_code", code);
        json_set_text(container, "reason", reason);
        json_set_i64(container, "finished_at", clock_wall_ms());
    }
    if (record)
        json_set_text(record, "phase", "stopped");
    pthread_mutex_unlock(&fake.lock);
    fake_tell(sandbox, pod);
}

struct sandbox_client *sandbox_client_new(const char *socket_path)
{
    (void)socket_path;
    return (struct sandbox_client *)&fake;
}

void sandbox_client_free(struct sandbox_client *client)
{
    (void)client;
    fake.changed = NULL;
}

int sandbox_ensure(struct sandbox_client *client, const char *sandbox, cJSON **ret, struct error *error)
{
    (void)client;
    int r = fake_check(error);
    if (r < 0)
        return r;
    pthread_mutex_lock(&fake.lock);
    json_set_bool(fake.sandboxes, sandbox, true);
    pthread_mutex_unlock(&fake.lock);
    if (ret)
        *ret = json_object();
    return 0;
}

int sandbox_remove(struct sandbox_client *client, const char *sandbox, bool volumes, struct error *error)
{
    (void)client;
    (void)volumes;
    int r = fake_check(error);
    if (r < 0)
        return r;
    pthread_mutex_lock(&fake.lock);
    json_remove(fake.sandboxes, sandbox);
    for (cJSON *record = fake.pods->child, *next; record; record = next) {
        next = record->next;
        if (strcmp(json_text(record, "sandbox", NULL), sandbox) == 0)
            cJSON_Delete(cJSON_DetachItemViaPointer(fake.pods, record));
    }
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

int sandbox_volume_ensure(struct sandbox_client *client, const char *sandbox, const char *volume, int64_t bytes,
                          cJSON **ret, struct error *error)
{
    (void)client;
    int r = fake_check(error);
    if (r < 0)
        return r;
    AUTO_FREE char *key = memory_format("%s/%s", sandbox, volume);
    pthread_mutex_lock(&fake.lock);
    json_set_i64(fake.volumes, key, bytes);
    pthread_mutex_unlock(&fake.lock);
    if (ret) {
        *ret = json_object();
        json_set_bool(*ret, "enforced", true);
        json_set_i64(*ret, "bytes", bytes);
    }
    return 0;
}

int sandbox_volume_remove(struct sandbox_client *client, const char *sandbox, const char *volume, struct error *error)
{
    (void)client;
    int r = fake_check(error);
    if (r < 0)
        return r;
    AUTO_FREE char *key = memory_format("%s/%s", sandbox, volume);
    pthread_mutex_lock(&fake.lock);
    json_remove(fake.volumes, key);
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

static inline cJSON *fake_record(const char *sandbox, const char *pod, const cJSON *spec)
{
    cJSON *record = json_object();
    char address[32];
    (void)snprintf(address, sizeof(address), "10.64.0.%u", fake.next_address++);
    json_set_text(record, "sandbox", sandbox);
    json_set_text(record, "pod", pod);
    json_set_text(record, "uid", json_text(spec, "uid", NULL));
    json_set_text(record, "address", address);
    json_set_text(record, "phase", "running");
    json_set_i64(record, "started_at", clock_wall_ms());
    cJSON *containers = json_set(record, "containers", json_array());
    const cJSON *container;
    cJSON_ArrayForEach(container, json_member(spec, "containers"))
    {
        cJSON *one = json_push(containers, json_object());
        json_set_text(one, "name", json_text(container, "name", NULL));
        json_set_text(one, "state", json_true(container, "init", NULL) ? "exited" : "running");
        json_set_i64(one, "exit_code", 0);
        json_set_i64(one, "started_at", clock_wall_ms());
        json_set_i64(one, "restarts", 0);
    }
    json_set(record, "spec", json_copy(spec));
    return record;
}

int sandbox_pod_start(struct sandbox_client *client, const char *sandbox, const char *pod, const cJSON *spec,
                      cJSON **ret, struct error *error)
{
    (void)client;
    int r = fake_check(error);
    if (r < 0)
        return r;
    pthread_mutex_lock(&fake.lock);
    cJSON *record = fake_find(sandbox, pod);
    if (!json_member(fake.sandboxes, sandbox))
        r = error_set(error, ERROR_NOT_FOUND, NULL, "no such sandbox");
    else if (!record) {
        record = json_push(fake.pods, fake_record(sandbox, pod, spec));
        fake.starts++;
    }
    if (r == 0)
        *ret = json_copy(record);
    pthread_mutex_unlock(&fake.lock);
    return r;
}

int sandbox_pod_stop(struct sandbox_client *client, const char *sandbox, const char *pod, int64_t grace_s,
                     struct error *error)
{
    (void)client;
    (void)grace_s;
    int r = fake_check(error);
    if (r == 0)
        fake_exit(sandbox, pod, 143, "Error");
    return r;
}

int sandbox_pod_remove(struct sandbox_client *client, const char *sandbox, const char *pod, struct error *error)
{
    (void)client;
    int r = fake_check(error);
    if (r < 0)
        return r;
    pthread_mutex_lock(&fake.lock);
    cJSON *record = fake_find(sandbox, pod);
    if (record)
        cJSON_Delete(cJSON_DetachItemViaPointer(fake.pods, record));
    pthread_mutex_unlock(&fake.lock);
    return record ? 0 : error_set(error, ERROR_NOT_FOUND, NULL, "no such pod");
}

int sandbox_pod_list(struct sandbox_client *client, const char *sandbox, cJSON **ret, struct error *error)
{
    (void)client;
    int r = fake_check(error);
    if (r < 0)
        return r;
    *ret = json_array();
    cJSON *record;
    pthread_mutex_lock(&fake.lock);
    cJSON_ArrayForEach(record, fake.pods)
    {
        if (!sandbox || strcmp(json_text(record, "sandbox", NULL), sandbox) == 0)
            json_push(*ret, json_copy(record));
    }
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

int sandbox_images_prune(struct sandbox_client *client, const cJSON *keep, int64_t unused_s, cJSON **ret,
                         struct error *error)
{
    (void)client;
    int r = fake_check(error);
    if (r < 0)
        return r;
    pthread_mutex_lock(&fake.lock);
    cJSON_Delete(fake.kept);
    fake.kept = json_copy(keep);
    fake.unused_s = unused_s;
    pthread_mutex_unlock(&fake.lock);
    *ret = json_array();
    return 0;
}

int sandbox_disk(struct sandbox_client *client, cJSON **ret, struct error *error)
{
    (void)client;
    int r = fake_check(error);
    if (r < 0)
        return r;
    *ret = json_object();
    cJSON *list = json_set(*ret, "pods", json_array());
    const cJSON *record;
    pthread_mutex_lock(&fake.lock);
    json_set_i64(*ret, "total_bytes", INT64_C(100) << 30);
    json_set_i64(*ret, "free_bytes", fake.disk_free_bytes ? fake.disk_free_bytes : INT64_C(50) << 30);
    json_set_i64(*ret, "pending_bytes", 0);
    cJSON_ArrayForEach(record, fake.pods)
    {
        int64_t bytes = INT64_C(1) << 20;
        const char *pod = json_text(record, "pod", NULL);
        (void)json_i64(json_member(fake.disk_bytes, pod), &bytes);
        cJSON *entry = json_push(list, json_object());
        json_set_text(entry, "sandbox", json_text(record, "sandbox", NULL));
        json_set_text(entry, "pod", pod);
        json_set_i64(entry, "bytes", bytes);
    }
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

int sandbox_usage(struct sandbox_client *client, cJSON **ret, struct error *error)
{
    (void)client;
    int r = fake_check(error);
    if (r < 0)
        return r;
    *ret = json_object();
    cJSON *list = json_set(*ret, "pods", json_array());
    const cJSON *record;
    pthread_mutex_lock(&fake.lock);
    cJSON_ArrayForEach(record, fake.pods)
    {
        int64_t started_ms = 0;
        (void)json_i64(json_member(record, "started_at"), &started_ms);
        cJSON *entry = json_push(list, json_object());
        json_set_text(entry, "sandbox", json_text(record, "sandbox", NULL));
        json_set_text(entry, "pod", json_text(record, "pod", NULL));
        json_set_i64(entry, "at_ms", clock_monotonic_ms());
        json_set_i64(entry, "cpu_ms", (clock_wall_ms() - started_ms) / 4);
        json_set_i64(entry, "memory_bytes", INT64_C(100) << 20);
        cJSON *containers = json_set(entry, "containers", json_array());
        const cJSON *container;
        cJSON_ArrayForEach(container, json_member(record, "containers"))
        {
            cJSON *part = json_push(containers, json_object());
            json_set_text(part, "name", json_text(container, "name", NULL));
            json_set_i64(part, "cpu_ms", (clock_wall_ms() - started_ms) / 4);
            json_set_i64(part, "memory_bytes", INT64_C(100) << 20);
        }
    }
    pthread_mutex_unlock(&fake.lock);
    nanosleep(&(struct timespec){.tv_nsec = (long)fake.late_ms * 1000000}, NULL);
    cJSON *machine = json_object_in(*ret, "machine");
    json_set_i64(machine, "cpu_ms", clock_monotonic_ms() / 2);
    json_set_i64(machine, "memory_bytes", INT64_C(1) << 30);
    return 0;
}

int sandbox_outbound(struct sandbox_client *client, const char *sandbox, const char *policy, struct error *error)
{
    (void)client;
    int r = fake_check(error);
    if (r < 0)
        return r;
    pthread_mutex_lock(&fake.lock);
    json_set_text(fake.outbound, sandbox, policy);
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

int sandbox_hosts(struct sandbox_client *client, const char *sandbox, const cJSON *entries, struct error *error)
{
    (void)client;
    int r = fake_check(error);
    if (r < 0)
        return r;
    pthread_mutex_lock(&fake.lock);
    json_set(fake.hosts, sandbox, json_copy(entries));
    fake.host_writes++;
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

static inline void *fake_answer(void *context)
{
    int fd = (int)(intptr_t)context;
    char request[2048];
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    if (read(fd, request, sizeof(request)) > 0)
        (void)!write(fd, answer, sizeof(answer) - 1);
    close(fd);
    return NULL;
}

int sandbox_dial_within(struct sandbox_client *client, const char *sandbox, const char *address, uint16_t port,
                        int *ret_fd, struct error *error)
{
    return sandbox_dial(client, sandbox, address, port, ret_fd, error);
}

int sandbox_dial(struct sandbox_client *client, const char *sandbox, const char *address, uint16_t port, int *ret_fd,
                 struct error *error)
{
    (void)client;
    (void)sandbox;
    (void)address;
    (void)port;
    int ends[2], r = fake_check(error);
    if (r < 0)
        return r;
    if (fake.silent)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "connection refused");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return error_set(error, ERROR_INTERNAL, NULL, "socketpair");
    pthread_t thread;
    pthread_create(&thread, NULL, fake_answer, (void *)(intptr_t)ends[1]);
    pthread_detach(thread);
    *ret_fd = ends[0];
    return 0;
}

int sandbox_listen(struct sandbox_client *client, const char *sandbox, uint16_t port, int *ret_fd, struct error *error)
{
    (void)client;
    (void)sandbox;
    (void)port;
    (void)ret_fd;
    return error_set(error, ERROR_UNAVAILABLE, NULL, "nothing listens in a fake");
}

int sandbox_log(struct sandbox_client *client, const char *sandbox, const char *pod, const char *container, int *ret_fd,
                struct error *error)
{
    (void)client;
    (void)container;
    pthread_mutex_lock(&fake.lock);
    bool known = fake_find(sandbox, pod) != NULL;
    pthread_mutex_unlock(&fake.lock);
    if (!known)
        return error_set(error, ERROR_NOT_FOUND, NULL, "no such pod");
    fake_log_write("");
    AUTO_FREE char *path = memory_format("/proc/self/fd/%d", fake.log);
    *ret_fd = open(path, O_RDONLY | O_CLOEXEC);
    return *ret_fd < 0 ? error_set(error, ERROR_INTERNAL, NULL, "the log") : 0;
}

int sandbox_subscribe(struct sandbox_client *client, sandbox_changed changed, void *context, struct error *error)
{
    (void)client;
    (void)error;
    fake.changed = changed;
    fake.context = context;
    changed(context, NULL, NULL);
    return 0;
}

int sandbox_hello(struct sandbox_client *client, cJSON **ret, struct error *error)
{
    (void)client;
    *ret = json_object();
    cJSON *gpus = json_set(*ret, "gpus", json_array());
    for (unsigned i = 0; i < fake.gpus; i++) {
        char name[24];
        snprintf(name, sizeof(name), "nvidia%u", i);
        json_push_text(gpus, name);
    }
    return fake_check(error);
}

/* Nothing runs here: a command is a conversation with nobody. */
int sandbox_exec(struct sandbox_client *client, const char *sandbox, const char *pod, const char *container,
                 const cJSON *wanted, int *ret_fd, struct error *error)
{
    (void)client, (void)container, (void)wanted, (void)ret_fd;
    return error_set(error, ERROR_UNAVAILABLE, NULL, "no command runs in %s/%s of this test", sandbox, pod);
}

#endif
