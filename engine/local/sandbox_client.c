/* How does the control plane ask atelier-sandboxd for something, from any thread? */
#include "engine/local/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "engine/local/sandboxd/wire.h"

#define POOL_SIZE 8               /* idle connections kept; more are made when more threads ask at once */
#define DEADLINE_MS 30000         /* of one call */
#define REMOVE_DEADLINE_MS 120000 /* a sandbox with many pods and large volumes */
#define PRUNE_DEADLINE_MS 600000  /* images of some gigabytes in tens of thousands of files */
#define RECONNECT_MS 200

struct sandbox_client {
    struct sockaddr_un address;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t stopped;
    int idle[POOL_SIZE];
    size_t idle_count;
    bool subscribed, ending;
    int events; /* the subscription's connection, or -1 */
    pthread_t thread;
    sandbox_changed changed;
    void *context;
};

struct sandbox_client *sandbox_client_new(const char *socket_path)
{
    struct sandbox_client *client = memory_get(sizeof(*client));
    client->address.sun_family = AF_UNIX;
    snprintf(client->address.sun_path, sizeof(client->address.sun_path), "%s", socket_path);
    client->events = -1;
    pthread_mutex_init(&client->lock, NULL);
    clock_condition(&client->stopped);
    return client;
}

void sandbox_client_free(struct sandbox_client *client)
{
    if (!client)
        return;
    pthread_mutex_lock(&client->lock);
    bool subscribed = client->subscribed;
    client->ending = true;
    if (client->events >= 0)
        shutdown(client->events, SHUT_RDWR);
    pthread_cond_broadcast(&client->stopped);
    pthread_mutex_unlock(&client->lock);
    if (subscribed)
        pthread_join(client->thread, NULL);
    for (size_t i = 0; i < client->idle_count; i++)
        close(client->idle[i]);
    pthread_mutex_destroy(&client->lock);
    pthread_cond_destroy(&client->stopped);
    free(client);
}

/* --- connections ---------------------------------------------------------------------------------------------------
 */

static int away(struct error *error)
{
    return error_set(error, ERROR_UNAVAILABLE, NULL, "the sandbox service (atelier-sandboxd) is away; try again");
}

static int dial_service(const struct sandbox_client *client, int *ret_fd)
{
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)(const void *)&client->address, sizeof(client->address)) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int take_idle(struct sandbox_client *client)
{
    pthread_mutex_lock(&client->lock);
    int fd = client->idle_count ? client->idle[--client->idle_count] : -1;
    pthread_mutex_unlock(&client->lock);
    return fd;
}

static void keep(struct sandbox_client *client, int fd)
{
    pthread_mutex_lock(&client->lock);
    if (client->idle_count < POOL_SIZE) {
        client->idle[client->idle_count++] = fd;
        fd = -1;
    }
    pthread_mutex_unlock(&client->lock);
    if (fd >= 0)
        close(fd);
}

static int wait_readable(int fd, int64_t deadline_ms)
{
    int64_t end = clock_monotonic_ms() + deadline_ms;
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    for (;;) {
        int64_t left = end - clock_monotonic_ms();
        int ready = left > 0 ? poll(&waiting, 1, (int)left) : 0;
        if (ready > 0)
            return 0;
        if (ready == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

/* One exchange on one connection. A negative errno when nothing can be said about the answer. */
static int exchange(int fd, const cJSON *request, int64_t deadline_ms, cJSON **ret, int *ret_fd, struct error *error)
{
    int failed = box_wire_send(fd, request, -1, 0);
    if (!failed)
        failed = wait_readable(fd, deadline_ms);
    return failed ? failed : box_wire_receive(fd, ret, ret_fd, error);
}

/* A kept connection may be one to a service that has ended since. Every operation may be repeated, so it is. */
static int transact(struct sandbox_client *client, const cJSON *request, int64_t deadline_ms, cJSON **ret, int *ret_fd,
                    struct error *error)
{
    for (;;) {
        int fd = take_idle(client);
        bool kept = fd >= 0;
        if (!kept && dial_service(client, &fd))
            return away(error);
        int failed = exchange(fd, request, deadline_ms, ret, ret_fd, error);
        if (!failed) {
            keep(client, fd);
            return 0;
        }
        close(fd);
        if (failed == -ETIMEDOUT)
            return error_set(error, ERROR_TIMEOUT, NULL, "the sandbox service did not answer within %lld s",
                             (long long)deadline_ms / 1000);
        if (failed == -EBADMSG)
            return error_wrap(error, "the sandbox service's answer");
        if (failed == -EMSGSIZE)
            return error_set(error, ERROR_TOO_LARGE, NULL, "the request is too large for the sandbox service");
        if (!kept)
            return away(error);
    }
}

static int read_refusal(const cJSON *answer, struct error *error)
{
    enum error_code code = box_error_code(json_text(answer, "code", NULL));
    const char *field = json_text_or("", answer, "field", NULL);
    return error_set(error, code, *field ? field : NULL, "%s", json_text_or("", answer, "message", NULL));
}

/* <request> is consumed. *ret_answer (may be NULL) and *ret_fd (may be NULL) only on success. */
static int call_within(struct sandbox_client *client, cJSON *request, int64_t deadline_ms, cJSON **ret_answer,
                       int *ret_fd, struct error *error)
{
    AUTO_JSON cJSON *consumed = request;
    AUTO_JSON cJSON *answer = NULL;
    AUTO_CLOSE int fd = -1;
    int failed = transact(client, consumed, deadline_ms, &answer, &fd, error);
    if (failed)
        return failed;
    if (!json_true(answer, "ok", NULL))
        return read_refusal(answer, error);
    if (ret_fd && fd < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "the sandbox service sent no descriptor");
    if (ret_fd)
        *ret_fd = TAKE_FD(fd);
    if (ret_answer) {
        json_remove(answer, "ok");
        *ret_answer = TAKE_POINTER(answer);
    }
    return 0;
}

static int call(struct sandbox_client *client, cJSON *request, cJSON **ret_answer, int *ret_fd, struct error *error)
{
    return call_within(client, request, DEADLINE_MS, ret_answer, ret_fd, error);
}

static cJSON *request_for(const char *operation, const char *sandbox, const char *pod)
{
    cJSON *request = json_object();
    json_set_text(request, "op", operation);
    if (sandbox)
        json_set_text(request, "sandbox", sandbox);
    if (pod)
        json_set_text(request, "pod", pod);
    return request;
}

/* --- the calls -----------------------------------------------------------------------------------------------------
 */

int sandbox_ensure(struct sandbox_client *client, const char *sandbox, cJSON **ret, struct error *error)
{
    return call(client, request_for("sandbox_ensure", sandbox, NULL), ret, NULL, error);
}

int sandbox_remove(struct sandbox_client *client, const char *sandbox, bool volumes, struct error *error)
{
    cJSON *request = request_for("sandbox_remove", sandbox, NULL);
    json_set_bool(request, "volumes", volumes);
    return call_within(client, request, REMOVE_DEADLINE_MS, NULL, NULL, error);
}

int sandbox_volume_ensure(struct sandbox_client *client, const char *sandbox, const char *volume, int64_t bytes,
                          cJSON **ret, struct error *error)
{
    cJSON *request = request_for("volume_ensure", sandbox, NULL);
    json_set_text(request, "volume", volume);
    json_set_i64(request, "bytes", bytes);
    return call_within(client, request, REMOVE_DEADLINE_MS, ret, NULL, error);
}

int sandbox_volume_remove(struct sandbox_client *client, const char *sandbox, const char *volume, struct error *error)
{
    cJSON *request = request_for("volume_remove", sandbox, NULL);
    json_set_text(request, "volume", volume);
    return call(client, request, NULL, NULL, error);
}

int sandbox_pod_start(struct sandbox_client *client, const char *sandbox, const char *pod, const cJSON *spec,
                      cJSON **ret, struct error *error)
{
    cJSON *request = request_for("pod_start", sandbox, pod), *answer = NULL;
    json_set(request, "spec", json_copy(spec));
    int failed = call_within(client, request, REMOVE_DEADLINE_MS, &answer, NULL, error);
    if (failed)
        return failed;
    if (ret)
        *ret = json_copy(json_member(answer, "pod"));
    cJSON_Delete(answer);
    return 0;
}

int sandbox_pod_stop(struct sandbox_client *client, const char *sandbox, const char *pod, int64_t grace_s,
                     struct error *error)
{
    cJSON *request = request_for("pod_stop", sandbox, pod);
    json_set_i64(request, "grace_s", grace_s);
    return call(client, request, NULL, NULL, error);
}

int sandbox_pod_remove(struct sandbox_client *client, const char *sandbox, const char *pod, struct error *error)
{
    return call(client, request_for("pod_remove", sandbox, pod), NULL, NULL, error);
}

int sandbox_pod_list(struct sandbox_client *client, const char *sandbox, cJSON **ret, struct error *error)
{
    cJSON *answer = NULL;
    int failed = call(client, request_for("pod_list", sandbox, NULL), &answer, NULL, error);
    if (failed)
        return failed;
    cJSON *pods = cJSON_DetachItemFromObjectCaseSensitive(answer, "pods");
    cJSON_Delete(answer);
    *ret = pods ? pods : json_array();
    return 0;
}

int sandbox_usage(struct sandbox_client *client, cJSON **ret, struct error *error)
{
    return call(client, request_for("usage", NULL, NULL), ret, NULL, error);
}

int sandbox_disk(struct sandbox_client *client, cJSON **ret, struct error *error)
{
    return call(client, request_for("disk", NULL, NULL), ret, NULL, error);
}

int sandbox_images_prune(struct sandbox_client *client, const cJSON *keep, int64_t unused_s, cJSON **ret,
                         struct error *error)
{
    cJSON *request = request_for("images_prune", NULL, NULL);
    AUTO_JSON cJSON *answer = NULL;
    json_set(request, "keep", json_copy(keep));
    json_set_i64(request, "unused_s", unused_s);
    int failed = call_within(client, request, PRUNE_DEADLINE_MS, &answer, NULL, error);
    if (!failed)
        *ret = json_copy(json_member(answer, "removed"));
    return failed;
}

int sandbox_hosts(struct sandbox_client *client, const char *sandbox, const cJSON *entries, struct error *error)
{
    cJSON *request = request_for("hosts", sandbox, NULL);
    json_set(request, "entries", json_copy(entries));
    return call(client, request, NULL, NULL, error);
}

int sandbox_outbound(struct sandbox_client *client, const char *sandbox, const char *policy, struct error *error)
{
    cJSON *request = request_for("outbound", sandbox, NULL);
    json_set_text(request, "policy", policy);
    return call(client, request, NULL, NULL, error);
}

int sandbox_dial(struct sandbox_client *client, const char *sandbox, const char *address, uint16_t port, int *ret_fd,
                 struct error *error)
{
    cJSON *request = request_for("dial", sandbox, NULL);
    json_set_text(request, "address", address);
    json_set_i64(request, "port", port);
    return call(client, request, NULL, ret_fd, error);
}

int sandbox_dial_within(struct sandbox_client *client, const char *sandbox, const char *address, uint16_t port,
                        int *ret_fd, struct error *error)
{
    cJSON *request = request_for("dial", sandbox, NULL);
    json_set_text(request, "address", address);
    json_set_i64(request, "port", port);
    json_set_bool(request, "within", true);
    return call(client, request, NULL, ret_fd, error);
}

int sandbox_listen(struct sandbox_client *client, const char *sandbox, uint16_t port, int *ret_fd, struct error *error)
{
    cJSON *request = request_for("listen", sandbox, NULL);
    json_set_i64(request, "port", port);
    return call(client, request, NULL, ret_fd, error);
}

int sandbox_log(struct sandbox_client *client, const char *sandbox, const char *pod, const char *container, int *ret_fd,
                struct error *error)
{
    cJSON *request = request_for("log", sandbox, pod);
    json_set_text(request, "container", container);
    return call(client, request, NULL, ret_fd, error);
}

int sandbox_exec(struct sandbox_client *client, const char *sandbox, const char *pod, const char *container,
                 const cJSON *wanted, int *ret_fd, struct error *error)
{
    cJSON *request = json_copy(wanted);
    json_set_text(request, "op", json_member(wanted, "command") ? "exec" : "attach");
    json_set_text(request, "sandbox", sandbox);
    json_set_text(request, "pod", pod);
    json_set_text(request, "container", container);
    return call(client, request, NULL, ret_fd, error);
}

int sandbox_hello(struct sandbox_client *client, cJSON **ret, struct error *error)
{
    return call(client, request_for("hello", NULL, NULL), ret, NULL, error);
}

/* --- events --------------------------------------------------------------------------------------------------------
 */

/* Connects and subscribes; the connection can be shut down by sandbox_client_free from then on. */
static int open_events(struct sandbox_client *client)
{
    AUTO_JSON cJSON *request = request_for("subscribe", NULL, NULL);
    AUTO_JSON cJSON *answer = NULL;
    int fd = -1, stray = -1;
    if (dial_service(client, &fd))
        return -1;
    pthread_mutex_lock(&client->lock);
    bool ending = client->ending;
    client->events = ending ? -1 : fd;
    pthread_mutex_unlock(&client->lock);
    if (ending) {
        close(fd);
        return -1;
    }
    int failed = exchange(fd, request, DEADLINE_MS, &answer, &stray, NULL);
    if (stray >= 0)
        close(stray);
    return failed || !json_true(answer, "ok", NULL) ? -1 : fd;
}

static void close_events(struct sandbox_client *client)
{
    pthread_mutex_lock(&client->lock);
    if (client->events >= 0)
        close(client->events);
    client->events = -1;
    pthread_mutex_unlock(&client->lock);
}

static void read_events(struct sandbox_client *client, int fd)
{
    for (;;) {
        AUTO_JSON cJSON *event = NULL;
        AUTO_CLOSE int stray = -1;
        if (box_wire_receive(fd, &event, &stray, NULL))
            return;
        const char *sandbox = json_text(event, "sandbox", NULL), *pod = json_text(event, "pod", NULL);
        if (sandbox && pod)
            client->changed(client->context, sandbox, pod);
    }
}

/* False when the client is being freed. */
static bool pause_before_retry(struct sandbox_client *client)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += RECONNECT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&client->lock);
    while (!client->ending && pthread_cond_timedwait(&client->stopped, &client->lock, &until) == 0)
        ;
    bool ending = client->ending;
    pthread_mutex_unlock(&client->lock);
    return !ending;
}

static void *follow(void *context)
{
    struct sandbox_client *client = context;
    do {
        int fd = open_events(client);
        if (fd >= 0) {
            client->changed(client->context, NULL, NULL);
            read_events(client, fd);
        }
        close_events(client);
    } while (pause_before_retry(client));
    return NULL;
}

int sandbox_subscribe(struct sandbox_client *client, sandbox_changed changed, void *context, struct error *error)
{
    pthread_mutex_lock(&client->lock);
    int failed = client->subscribed ? error_set(error, ERROR_EXISTS, NULL, "this client has subscribed already") : 0;
    if (!failed) {
        client->changed = changed;
        client->context = context;
        client->subscribed = pthread_create(&client->thread, NULL, follow, client) == 0;
        if (!client->subscribed)
            failed = error_set(error, ERROR_UNAVAILABLE, NULL, "no thread can be started");
    }
    pthread_mutex_unlock(&client->lock);
    return failed;
}
