/* How is a Pod? */
#include "engine/local/podstatus.h"

#include "base/clock.h"
#include "engine/local/probe.h"
#include "engine/local/raypods.h"
#include "engine/local/raystore.h"
#include "engine/local/status.h"

static bool state_is(const cJSON *record, const char *state)
{
    return strcmp(json_text_or("", record, "state", NULL), state) == 0;
}

/* --- one container ------------------------------------------------------------------------------------------------ */

/* A container that waits for its next start says "REASON (exit code N)…" of the end before. */
static char *end_reason(const cJSON *record)
{
    const char *message = json_text_or("", record, "message", NULL), *end = strstr(message, " (exit code ");
    if (!state_is(record, "exited") && end)
        return memory_text_n(message, (size_t)(end - message));
    return memory_text(json_text_or("Completed", record, "reason", NULL));
}

static cJSON *terminated_state(const cJSON *record)
{
    cJSON *state = json_object();
    cJSON *terminated = json_object_in(state, "terminated");
    AUTO_FREE char *reason = end_reason(record);
    json_set_i64(terminated, "exitCode", json_i64_or(0, record, "exit_code", NULL));
    json_set_text(terminated, "reason", reason);
    const char *message = json_text_or("", record, "message", NULL);
    json_set_text(terminated, "message", message[0] && state_is(record, "exited") ? message : NULL);
    status_set_time(terminated, "startedAt", json_i64_or(0, record, "started_at", NULL));
    status_set_time(terminated, "finishedAt", json_i64_or(0, record, "finished_at", NULL));
    return state;
}

static cJSON *container_state(const cJSON *record)
{
    if (state_is(record, "exited"))
        return terminated_state(record);
    cJSON *state = json_object();
    if (state_is(record, "running")) {
        status_set_time(json_object_in(state, "running"), "startedAt", json_i64_or(0, record, "started_at", NULL));
        return state;
    }
    cJSON *waiting = json_object_in(state, "waiting");
    const char *reason = json_text_or("", record, "reason", NULL);
    json_set_text(waiting, "reason", reason[0] ? reason : "ContainerCreating");
    const char *message = json_text_or("", record, "message", NULL);
    json_set_text(waiting, "message", message[0] ? message : NULL);
    return state;
}

/* What ended before what is now: kept across restarts as Kubernetes does. */
static cJSON *last_state(const cJSON *record, const cJSON *before)
{
    if (!state_is(record, "exited") && json_i64_or(0, record, "finished_at", NULL) > 0)
        return terminated_state(record);
    if (!state_is(record, "exited") && json_at(before, "state", "terminated", NULL))
        return json_copy(json_member(before, "state"));
    const cJSON *last = json_member(before, "lastState");
    return last ? json_copy(last) : json_object();
}

static cJSON *container_status(struct local *local, const struct object *pod, const cJSON *container,
                               const cJSON *record, const cJSON *before, bool init, bool anew)
{
    cJSON *status = json_object();
    const char *name = json_text_or("", container, "name", NULL);
    bool running = state_is(record, "running");
    bool ready = init ? state_is(record, "exited") && json_i64_or(0, record, "exit_code", NULL) == 0
                      : running && probe_ready(local, pod, container, json_i64_or(0, record, "started_at", NULL));
    json_set_text(status, "name", name);
    json_set_text(status, "image", json_text_or("", container, "image", NULL));
    json_set_text(status, "imageID", "");
    json_set_bool(status, "ready", ready);
    json_set_bool(status, "started", running);
    int64_t restarts = json_i64_or(0, record, "restarts", NULL),
            known = json_i64_or(0, before, "restartCount", NULL) + (anew && before ? 1 : 0);
    json_set_i64(status, "restartCount", restarts > known ? restarts : known);
    json_set(status, "state", container_state(record));
    json_set(status, "lastState", last_state(record, before));
    return status;
}

/* The whole pod was started again (a reboot, a liveness probe): sandboxd counts from nothing, the status does not. */
static bool started_anew(const struct object *pod, const cJSON *record)
{
    char text[CLOCK_TEXT_SIZE];
    const char *before = json_text(pod->body, "status", "startTime", NULL);
    clock_format(json_i64_or(0, record, "started_at", NULL), text);
    return before && strcmp(before, text) != 0;
}

static cJSON *container_statuses(struct local *local, const struct object *pod, const cJSON *record, bool init)
{
    cJSON *list = json_array();
    bool anew = started_anew(pod, record);
    const cJSON *before = json_at(pod->body, "status", init ? "initContainerStatuses" : "containerStatuses", NULL);
    const cJSON *container;
    cJSON_ArrayForEach(container, json_at(pod->body, "spec", init ? "initContainers" : "containers", NULL))
    {
        const char *name = json_text_or("", container, "name", NULL);
        const cJSON *one = json_named(json_member(record, "containers"), name);
        json_push(list, container_status(local, pod, container, one, json_named(before, name), init, anew));
    }
    return list;
}

/* --- the pod ------------------------------------------------------------------------------------------------------ */

struct summary {
    bool any_started, all_over, any_failed, all_ready, init_done;
};

static struct summary summarise(const cJSON *init, const cJSON *containers)
{
    struct summary ret = {.all_over = true, .all_ready = true, .init_done = true};
    const cJSON *status;
    cJSON_ArrayForEach(status, init)
    {
        ret.init_done = ret.init_done && json_true(status, "ready", NULL);
        const cJSON *ended = json_at(status, "state", "terminated", NULL);
        ret.any_failed = ret.any_failed || (ended && json_i64_or(0, ended, "exitCode", NULL) != 0);
    }
    cJSON_ArrayForEach(status, containers)
    {
        const cJSON *ended = json_at(status, "state", "terminated", NULL);
        ret.any_started = ret.any_started || ended || json_at(status, "state", "running", NULL) ||
                          json_at(status, "lastState", "terminated", NULL);
        ret.all_over = ret.all_over && ended;
        ret.any_failed = ret.any_failed || (ended && json_i64_or(0, ended, "exitCode", NULL) != 0);
        ret.all_ready = ret.all_ready && json_true(status, "ready", NULL);
    }
    return ret;
}

static const char *phase_of(const cJSON *record, const struct summary *summary)
{
    bool stopped = strcmp(json_text_or("", record, "phase", NULL), "stopped") == 0;
    if (stopped && !summary->any_failed && summary->all_over)
        return "Succeeded";
    if (stopped)
        return "Failed";
    return summary->any_started ? "Running" : "Pending";
}

cJSON *podstatus_from_record(struct local *local, const struct object *pod, const cJSON *record)
{
    cJSON *status = json_object();
    status_keep_conditions(status, pod->body);
    const char *address = json_text_or("", record, "address", NULL);
    cJSON *init = container_statuses(local, pod, record, true);
    cJSON *containers = json_set(status, "containerStatuses", container_statuses(local, pod, record, false));
    struct summary summary = summarise(init, containers);
    const char *phase = phase_of(record, &summary);
    bool ready = summary.all_ready && strcmp(phase, "Running") == 0;
    if (init->child)
        json_set(status, "initContainerStatuses", init);
    else
        cJSON_Delete(init);
    json_set_text(status, "phase", phase);
    if (address[0]) {
        json_set_text(status, "podIP", address);
        json_set_text(json_push(json_set(status, "podIPs", json_array()), json_object()), "ip", address);
        json_set_text(status, "hostIP", SANDBOX_BRIDGE_ADDRESS);
        json_set_text(json_push(json_set(status, "hostIPs", json_array()), json_object()), "ip",
                      SANDBOX_BRIDGE_ADDRESS);
    }
    status_set_time(status, "startTime", json_i64_or(0, record, "started_at", NULL));
    status_set_condition(status, "PodScheduled", true, NULL, NULL);
    status_set_condition(status, "Initialized", summary.init_done,
                         summary.init_done ? NULL : "ContainersNotInitialized", NULL);
    status_set_condition(status, "ContainersReady", ready, ready ? NULL : "ContainersNotReady", NULL);
    status_set_condition(status, "Ready", ready, ready ? NULL : "ContainersNotReady", NULL);
    return status;
}

cJSON *podstatus_waiting(const struct object *pod, const char *reason, const char *message)
{
    cJSON *status = json_object();
    status_keep_conditions(status, pod->body);
    json_set_text(status, "phase", "Pending");
    json_set_text(status, "startTime", json_text(pod->body, "status", "startTime", NULL));
    status_set_condition(status, "ContainersReady", false, "ContainersNotReady", NULL);
    status_set_condition(status, "Ready", false, "ContainersNotReady", NULL);
    cJSON *list = json_set(status, "containerStatuses", json_array());
    const cJSON *container, *before = json_at(pod->body, "status", "containerStatuses", NULL);
    cJSON_ArrayForEach(container, json_at(pod->body, "spec", "containers", NULL))
    {
        const char *name = json_text_or("", container, "name", NULL);
        cJSON *one = json_push(list, json_object());
        json_set_text(one, "name", name);
        json_set_text(one, "image", json_text_or("", container, "image", NULL));
        json_set_text(one, "imageID", "");
        json_set_bool(one, "ready", false);
        json_set_bool(one, "started", false);
        json_set_i64(one, "restartCount", json_i64_or(0, json_named(before, name), "restartCount", NULL));
        cJSON *waiting = json_object_in(json_object_in(one, "state"), "waiting");
        json_set_text(waiting, "reason", reason);
        json_set_text(waiting, "message", message);
        const cJSON *last = json_member(json_named(before, name), "lastState");
        json_set(one, "lastState", last ? json_copy(last) : json_object());
    }
    return status;
}

/* --- events ------------------------------------------------------------------------------------------------------- */

/* Whoever looks at a cluster, and not at its pods, must see that what its drivers and actors held went with its head.
 */
static void tell_head_end(struct local *local, const struct object *pod, const cJSON *ended)
{
    const cJSON *labels = json_at(pod->body, "metadata", "labels", NULL);
    if (strcmp(json_text_or("", labels, RAY_LABEL_TYPE, NULL), "head") != 0 || object_terminating(pod))
        return;
    AUTO_OBJECT struct object *cluster = objects_find(local->objects, KIND_RAYCLUSTER, pod->namespace,
                                                      json_text_or("", labels, RAY_LABEL_CLUSTER, NULL));
    if (!cluster || !object_controlled_by(pod, cluster->uid) || json_true(cluster->body, "spec", "suspend", NULL))
        return;
    engine_event(&local->base, cluster->body, "Warning", "HeadEnded",
                 "its head ended (%.64s, exit code %lld) and starts again: %s",
                 json_text_or("Error", ended, "reason", NULL), (long long)json_i64_or(0, ended, "exitCode", NULL),
                 ray_is_fault_tolerant(cluster) ? "what it knew is in its store, but drivers on it are gone"
                                                : "its jobs, actors and objects are gone, and its workers begin anew");
}

static void tell_end(struct local *local, const struct object *pod, const char *name, const cJSON *ended)
{
    const char *reason = json_text_or("", ended, "reason", NULL);
    if (strcmp(reason, "OOMKilled") == 0)
        engine_event(&local->base, pod->body, "Warning", "OOMKilled",
                     "container %s used more memory than its limit and was killed", name);
    else if (json_i64_or(0, ended, "exitCode", NULL) != 0)
        engine_event(&local->base, pod->body, "Warning", "Failed", "container %s exited with code %lld (%s)", name,
                     (long long)json_i64_or(0, ended, "exitCode", NULL), reason);
}

void podstatus_tell(struct local *local, const struct object *pod, const cJSON *status)
{
    const cJSON *now;
    cJSON_ArrayForEach(now, json_member(status, "containerStatuses"))
    {
        const char *name = json_text_or("", now, "name", NULL);
        const cJSON *before = json_named(json_at(pod->body, "status", "containerStatuses", NULL), name);
        const char *started = json_text_or("", now, "state", "running", "startedAt", NULL);
        if (started[0] && strcmp(started, json_text_or("", before, "state", "running", "startedAt", NULL)) != 0)
            engine_event(&local->base, pod->body, "Normal", "Started", "started container %s", name);
        const cJSON *ended = json_at(now, "state", "terminated", NULL);
        const cJSON *known = json_at(before, "state", "terminated", NULL);
        if (!ended) {
            ended = json_at(now, "lastState", "terminated", NULL);
            known = known ? known : json_at(before, "lastState", "terminated", NULL);
        }
        if (ended && !json_equal(ended, known)) {
            tell_end(local, pod, name, ended);
            if (now == json_member(status, "containerStatuses")->child) /* the others are beside Ray */
                tell_head_end(local, pod, ended);
        }
        if (strcmp(json_text_or("", now, "state", "waiting", "reason", NULL), "CrashLoopBackOff") == 0 &&
            strcmp(json_text_or("", before, "state", "waiting", "reason", NULL), "CrashLoopBackOff") != 0)
            engine_event(&local->base, pod->body, "Warning", "BackOff",
                         "container %s keeps ending; it is started again after a pause", name);
    }
}
