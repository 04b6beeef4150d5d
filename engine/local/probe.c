/* Does a container answer? */
#include "engine/local/probe.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/map.h"
#include "engine/local/reconcile.h"
#include "engine/local/schedule.h"

enum { EAGER_MS = 250, EAGER_FOR_MS = 10 * 60 * 1000, PROBE_TIMEOUT_MAX_MS = 5000 };

struct probe_state {
    int64_t started_at; /* which run of the container */
    int64_t first_ms;   /* monotonic: since when it is probed */
    bool ready, startup_done;
    int successes, failures, live_failures;
    int64_t live_due_ms;
};

struct prober {
    pthread_mutex_t lock; /* guards states */
    struct map *states;   /* "uid/container" to probe_state */
};

struct prober *prober_new(void)
{
    struct prober *prober = memory_get(sizeof(*prober));
    pthread_mutex_init(&prober->lock, NULL);
    prober->states = map_new();
    return prober;
}

void prober_free(struct prober *prober)
{
    if (!prober)
        return;
    size_t at = 0;
    struct slice key;
    void *value;
    while (map_next(prober->states, &at, &key, &value))
        free(value);
    map_free(prober->states);
    pthread_mutex_destroy(&prober->lock);
    free(prober);
}

static int64_t setting(const cJSON *probe, const char *key, int64_t fallback)
{
    int64_t value;
    return json_i64(json_member(probe, key), &value) && value > 0 ? value : fallback;
}

/* --- one probe ---------------------------------------------------------------------------------------------------- */

static bool wait_for(int fd, short events, int64_t until_ms)
{
    struct pollfd poller = {.fd = fd, .events = events};
    int64_t left = until_ms - clock_monotonic_ms();
    return left > 0 && poll(&poller, 1, (int)left) == 1;
}

static bool send_all(int fd, const char *text, size_t n, int64_t until_ms)
{
    while (n) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
        if (sent < 0 && (errno != EAGAIN || !wait_for(fd, POLLOUT, until_ms)))
            return false;
        if (sent > 0) {
            text += sent;
            n -= (size_t)sent;
        }
    }
    return true;
}

/* "HTTP/1.1 200" is all that matters of the answer. */
static int read_status(int fd, int64_t until_ms)
{
    char line[13] = {0};
    size_t n = 0;
    while (n < sizeof(line) - 1) {
        ssize_t got = recv(fd, line + n, sizeof(line) - 1 - n, 0);
        if (got == 0 || (got < 0 && (errno != EAGAIN || !wait_for(fd, POLLIN, until_ms))))
            return 0;
        n += got > 0 ? (size_t)got : 0;
    }
    int64_t code;
    if (strncmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ' ||
        !text_parse_i64((struct slice){line + 9, 3}, 100, 599, &code))
        return 0;
    return (int)code;
}

int probe_http(int fd, const char *host, const char *path, const char *headers, int64_t timeout_ms)
{
    int64_t until = clock_monotonic_ms() + timeout_ms;
    AUTO_FREE char *request = memory_format("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: kube-probe/atelier\r\n"
                                            "Accept: */*\r\nConnection: close\r\n%s\r\n",
                                            path, host, headers);
    return send_all(fd, request, strlen(request), until) ? read_status(fd, until) : 0;
}

/* Admission allows only what can stand in a request line; here it is only made sure. */
static bool path_is_clean(const char *path)
{
    if (path[0] != '/')
        return false;
    for (; *path; path++)
        if ((unsigned char)*path <= ' ' || (unsigned char)*path == 0x7f)
            return false;
    return true;
}

static bool header_is_clean(const char *text, bool name)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || (unsigned char)*text == 0x7f ||
            (name && !isalnum((unsigned char)*text) && *text != '-'))
            return false;
    return true;
}

static char *header_lines(const cJSON *get)
{
    struct buffer lines = {0};
    const cJSON *header;
    cJSON_ArrayForEach(header, json_member(get, "httpHeaders"))
    {
        const char *name = json_text_or("", header, "name", NULL), *value = json_text_or("", header, "value", NULL);
        if (name[0] && header_is_clean(name, true) && header_is_clean(value, false))
            buffer_add_format(&lines, "%s: %s\r\n", name, value);
    }
    return buffer_take(&lines);
}

static bool port_of(const cJSON *container, const cJSON *port, uint16_t *ret)
{
    int64_t value = 0;
    const cJSON *entry;
    if (!json_i64(port, &value) && cJSON_IsString(port)) {
        cJSON_ArrayForEach(entry, json_member(container, "ports"))
        {
            if (strcmp(json_text_or("", entry, "name", NULL), port->valuestring) == 0)
                (void)json_i64(json_member(entry, "containerPort"), &value);
        }
    }
    *ret = (uint16_t)value;
    return value >= 1 && value <= 65535;
}

static bool probe_once(struct local *local, const struct object *pod, const cJSON *container, const cJSON *probe)
{
    const char *address = json_text_or("", pod->body, "status", "podIP", NULL);
    const cJSON *get = json_member(probe, "httpGet");
    const cJSON *target = get ? get : json_member(probe, "tcpSocket");
    AUTO_CLOSE int fd = -1;
    uint16_t port;
    if (!address[0] || !port_of(container, json_member(target, "port"), &port))
        return false;
    if (sandbox_dial(local->sandbox, pod->namespace, address, port, &fd, NULL) < 0)
        return false;
    if (!get)
        return true;
    int64_t timeout_ms = setting(probe, "timeoutSeconds", 1) * 1000;
    AUTO_FREE char *headers = header_lines(get);
    const char *path = json_text_or("/", get, "path", NULL);
    if (!path_is_clean(path))
        return false;
    int code =
        probe_http(fd, address, path, headers, timeout_ms < PROBE_TIMEOUT_MAX_MS ? timeout_ms : PROBE_TIMEOUT_MAX_MS);
    return code >= 200 && code < 400;
}

/* --- the state of a container ------------------------------------------------------------------------------------- */

static bool has_probes(const cJSON *container)
{
    return json_member(container, "readinessProbe") || json_member(container, "livenessProbe") ||
           json_member(container, "startupProbe");
}

static char *state_key(const struct object *pod, const char *container)
{
    return memory_format("%s/%s", pod->uid, container);
}

/* The stored status says what the process before this one had found. */
static bool was_ready(const struct object *pod, const char *container, int64_t started_at)
{
    char text[CLOCK_TEXT_SIZE];
    const cJSON *status = json_named(json_at(pod->body, "status", "containerStatuses", NULL), container);
    clock_format(started_at, text);
    return json_true(status, "ready", NULL) &&
           strcmp(json_text_or("", status, "state", "running", "startedAt", NULL), text) == 0;
}

bool probe_ready(struct local *local, const struct object *pod, const cJSON *container, int64_t started_at)
{
    if (!has_probes(container))
        return true;
    const char *name = json_text_or("", container, "name", NULL);
    AUTO_FREE char *key = state_key(pod, name);
    struct prober *prober = local->prober;
    pthread_mutex_lock(&prober->lock);
    struct probe_state *state = map_get(prober->states, slice_of(key));
    bool begin = !state || state->started_at != started_at;
    if (begin) {
        if (!state) {
            state = memory_get(sizeof(*state));
            (void)map_put(prober->states, slice_of(key), state);
        }
        bool ready = was_ready(pod, name, started_at);
        *state = (struct probe_state){.started_at = started_at,
                                      .first_ms = clock_monotonic_ms(),
                                      .ready = ready || !json_member(container, "readinessProbe"),
                                      .startup_done = ready || !json_member(container, "startupProbe")};
    }
    bool ready = state->ready && state->startup_done;
    pthread_mutex_unlock(&prober->lock);
    if (begin) {
        AUTO_FREE char *probe_name = memory_format("%s/%s", pod->name, name);
        reconcile_now(local, CONTROL_PROBE, pod->namespace, probe_name);
    }
    return ready;
}

static void forget(struct prober *prober, const char *key)
{
    pthread_mutex_lock(&prober->lock);
    free(map_remove(prober->states, slice_of(key)));
    pthread_mutex_unlock(&prober->lock);
}

void probe_forget(struct local *local, const struct object *pod)
{
    const cJSON *container;
    cJSON_ArrayForEach(container, json_at(pod->body, "spec", "containers", NULL))
    {
        AUTO_FREE char *key = state_key(pod, json_text_or("", container, "name", NULL));
        forget(local->prober, key);
    }
}

/* --- a round of probes -------------------------------------------------------------------------------------------- */

static const cJSON *find_container(const struct object *pod, struct slice name)
{
    const cJSON *container;
    cJSON_ArrayForEach(container, json_at(pod->body, "spec", "containers", NULL))
    {
        if (slice_is(name, json_text_or("", container, "name", NULL)))
            return container;
    }
    return NULL;
}

static bool is_running(const struct object *pod, const char *container)
{
    const cJSON *status = json_named(json_at(pod->body, "status", "containerStatuses", NULL), container);
    return json_at(status, "state", "running", NULL) != NULL;
}

static void check_readiness(struct local *local, const struct object *pod, const cJSON *container,
                            struct probe_state *state)
{
    const cJSON *probe = json_member(container, "readinessProbe");
    if (!probe || !state->startup_done)
        return;
    if (clock_wall_ms() - state->started_at < setting(probe, "initialDelaySeconds", 0) * 1000)
        return;
    if (probe_once(local, pod, container, probe)) {
        state->failures = 0;
        state->ready = state->ready || ++state->successes >= setting(probe, "successThreshold", 1);
    } else {
        state->successes = 0;
        if (++state->failures >= setting(probe, "failureThreshold", 3))
            state->ready = false;
    }
}

/* The container's process goes on but does not answer: the whole pod is started again. */
static void kill_silent(struct local *local, const struct object *pod, const char *container, const char *which)
{
    engine_event(&local->base, pod->body, "Warning", "Unhealthy",
                 "container %s does not answer its %s probe; it is started again", container, which);
    int64_t grace_s = 30;
    (void)json_i64(json_at(pod->body, "spec", "terminationGracePeriodSeconds", NULL), &grace_s);
    (void)sandbox_pod_stop(local->sandbox, pod->namespace, pod->name, grace_s, NULL);
}

static void check_liveness(struct local *local, const struct object *pod, const cJSON *container,
                           struct probe_state *state)
{
    bool starting = !state->startup_done;
    const cJSON *probe = json_member(container, starting ? "startupProbe" : "livenessProbe");
    int64_t now = clock_monotonic_ms();
    bool due = now >= state->live_due_ms;
    if (!probe || (!due && !starting) ||
        clock_wall_ms() - state->started_at < setting(probe, "initialDelaySeconds", 0) * 1000)
        return;
    bool answers = probe_once(local, pod, container, probe);
    if (starting && answers)
        state->startup_done = true;
    /* Eager looks at a starting container do not count against its patience. */
    if (!due && !answers)
        return;
    state->live_failures = answers ? 0 : state->live_failures + 1;
    state->live_due_ms = now + setting(probe, "periodSeconds", 10) * 1000;
    if (state->live_failures >= setting(probe, "failureThreshold", 3)) {
        state->live_failures = 0;
        kill_silent(local, pod, json_text_or("", container, "name", NULL), starting ? "startup" : "liveness");
    }
}

static int64_t next_look(const cJSON *container, const struct probe_state *state)
{
    const cJSON *probe = json_member(container, "readinessProbe");
    bool waiting = !state->ready || !state->startup_done;
    int64_t period_ms = setting(probe ? probe : json_member(container, "livenessProbe"), "periodSeconds", 10) * 1000;
    if (waiting && clock_monotonic_ms() - state->first_ms < EAGER_FOR_MS && period_ms > EAGER_MS)
        return EAGER_MS;
    return period_ms;
}

/* <name> is "pod/container". */
int64_t probe_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    (void)error;
    struct slice rest, pod_name = slice_split(slice_of(name), '/', &rest);
    AUTO_FREE char *pod_text = memory_text_n(pod_name.p, pod_name.n);
    AUTO_OBJECT struct object *pod = objects_find(local->objects, KIND_POD, namespace, pod_text);
    const cJSON *container = pod ? find_container(pod, rest) : NULL;
    if (!container)
        return 0;
    AUTO_FREE char *key = state_key(pod, json_text_or("", container, "name", NULL));
    if (object_terminating(pod) || pod_is_over(pod)) {
        forget(local->prober, key);
        return 0;
    }
    struct prober *prober = local->prober;
    pthread_mutex_lock(&prober->lock);
    const struct probe_state *stored = map_get(prober->states, slice_of(key));
    struct probe_state state = stored ? *stored : (struct probe_state){0};
    pthread_mutex_unlock(&prober->lock);
    if (!stored)
        return 0;
    if (!is_running(pod, json_text_or("", container, "name", NULL)))
        return EAGER_MS; /* its status is not written yet, or it restarts */
    bool before = state.ready && state.startup_done;
    check_liveness(local, pod, container, &state);
    check_readiness(local, pod, container, &state);
    pthread_mutex_lock(&prober->lock);
    struct probe_state *now = map_get(prober->states, slice_of(key));
    if (now && now->started_at == state.started_at)
        *now = state;
    pthread_mutex_unlock(&prober->lock);
    if ((state.ready && state.startup_done) != before)
        reconcile_now(local, CONTROL_POD, namespace, pod_text);
    return next_look(container, &state);
}
