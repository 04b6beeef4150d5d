/* In which state is a notebook, and what can its owner do about it? */
#include "notebooks/state.h"

#include "base/clock.h"
#include "notebooks/render.h"
#include "tenancy/complaint.h"
#include "tenancy/status.h"

#define RESTARTS_FAILED 2

struct state {
    const char *phase;
    char reason[64];
    char message[512];
    int64_t progress;
    int64_t again_ms;
};

__attribute__((format(printf, 5, 6))) static void state_is(struct state *state, const char *phase, int64_t progress,
                                                           const char *reason, const char *format, ...)
{
    state->phase = phase;
    state->progress = progress;
    snprintf(state->reason, sizeof(state->reason), "%s", reason);
    va_list args;
    va_start(args, format);
    vsnprintf(state->message, sizeof(state->message), format, args);
    va_end(args);
}

static const cJSON *server_container(const cJSON *notebook)
{
    const cJSON *containers = json_at(notebook, "spec", "template", "spec", "containers", NULL);
    return containers ? containers->child : NULL;
}

/* The status of the notebook's own container. */
static const cJSON *server_status(const struct notebook_view *view)
{
    const char *name = json_text_or("", server_container(view->notebook), "name", NULL);
    return json_named(json_at(view->pod, "status", "containerStatuses", NULL), name);
}

static const cJSON *last_end(const cJSON *status)
{
    const cJSON *ended = json_at(status, "state", "terminated", NULL);
    return ended ? ended : json_at(status, "lastState", "terminated", NULL);
}

/* The last line that a server wrote, if it tells no secret: Jupyter's own lines show how to sign in. */
static void last_line(const char *message, char *ret, size_t size)
{
    struct slice text = slice_of(message);
    while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r' || text.p[text.n - 1] == ' '))
        text.n--;
    size_t at = text.n;
    while (at && text.p[at - 1] != '\n')
        at--;
    text_printable(slice_skip(text, at), ret, size);
    if (strstr(ret, "token") || strstr(ret, "password"))
        *ret = '\0';
}

/* --- the server has ended, perhaps again and again ---------------------------------------------------------------- */

/* What a container without one asks for is its limit. */
static const char *memory_limit(const cJSON *container)
{
    const char *asked = json_text_or("its container", container, "resources", "requests", "memory", NULL);
    return json_text_or(asked, container, "resources", "limits", "memory", NULL);
}

static void state_ended(const struct notebook_view *view, const cJSON *status, struct state *state)
{
    const cJSON *end = last_end(status);
    const char *why = json_text_or("Error", end, "reason", NULL);
    int64_t restarts = json_i64_or(0, status, "restartCount", NULL);
    const char *looping = json_text(status, "state", "waiting", "reason", NULL);
    /* A server that was told to quit is back in a second: only what ends again and again has failed. */
    bool backing_off = looping && strcmp(looping, "CrashLoopBackOff") == 0 && restarts >= RESTARTS_FAILED;
    const char *phase = backing_off ? "Failed" : "Starting";
    if (strcmp(why, "OOMKilled") == 0) {
        state_is(state, phase, PROGRESS_SCHEDULED, "OOMKilled",
                 "the server used more memory than its limit of %s and was ended (%lld restarts so far); give it more "
                 "memory",
                 memory_limit(server_container(view->notebook)), (long long)restarts);
        return;
    }
    char line[200] = "";
    last_line(json_text_or("", end, "message", NULL), line, sizeof(line));
    state_is(state, phase, PROGRESS_SCHEDULED, backing_off ? "CrashLoopBackOff" : "Restarting",
             "the server ended with exit code %lld (%lld restarts so far); its log %s%s",
             (long long)json_i64_or(0, end, "exitCode", NULL), (long long)restarts, *line ? "ends with: " : "says why",
             line);
}

static void state_says(struct state *state, const char *phase, int64_t progress, const struct complaint *complaint)
{
    state_is(state, phase, progress, complaint->reason, "%s", complaint->message);
}

/* It is being made, which takes as long as its image and volumes take; why so long, an event may tell. */
static void state_creating(const struct notebook_view *view, const char *reason, const char *message,
                           struct state *state)
{
    if (!view->pod_message) {
        state_is(state, "Starting", PROGRESS_SCHEDULED, reason, "%.400s", *message ? message : "it is being started");
        return;
    }
    struct complaint complaint;
    complaint_pod(view->pod_reason ? view->pod_reason : reason, view->pod_message, &complaint);
    state_says(state, "Starting", PROGRESS_SCHEDULED, &complaint);
}

static void state_waiting(const struct notebook_view *view, const cJSON *waiting, struct state *state)
{
    const char *reason = json_text_or("ContainerCreating", waiting, "reason", NULL);
    const char *message = json_text_or("", waiting, "message", NULL);
    if (strcmp(reason, "ContainerCreating") == 0 || strcmp(reason, "PodInitializing") == 0) {
        state_creating(view, reason, message, state);
    } else if (complaint_is_image(reason)) {
        struct complaint complaint;
        complaint_image(reason, message, json_text_or("", server_container(view->notebook), "image", NULL), &complaint);
        state_says(state, "Failed", PROGRESS_SCHEDULED, &complaint);
    } else {
        state_is(state, "Failed", PROGRESS_SCHEDULED, reason, "it cannot be started: %.400s",
                 *message ? message : reason);
    }
}

static void state_running(const struct notebook_view *view, const cJSON *status, struct state *state)
{
    if (json_condition_true(view->pod, "Ready")) {
        int64_t restarts = json_i64_or(0, status, "restartCount", NULL);
        const char *why = json_text_or("", status, "lastState", "terminated", "reason", NULL);
        if (restarts > 0 && strcmp(why, "OOMKilled") == 0)
            state_is(state, "Running", PROGRESS_READY, "Running",
                     "it is running; it was restarted because it used more memory than its limit");
        else
            state_is(state, "Running", PROGRESS_READY, "Running", "it is running");
        return;
    }
    int64_t started = 0;
    const char *at = json_text(status, "state", "running", "startedAt", NULL);
    int64_t since = at && clock_parse(slice_of(at), &started) ? view->now_ms - started : 0;
    if (since >= NOTEBOOK_STARTUP_MS) {
        state_is(state, "Starting", PROGRESS_ANSWERING_SOON, "WaitingForServer",
                 "the server is running and does not answer yet");
        return;
    }
    state_is(state, "Starting", PROGRESS_STARTED, "ServerStarting", "the server is starting");
    state->again_ms = NOTEBOOK_STARTUP_MS - (since > 0 ? since : 0) + 50;
}

/* --- there is a pod ----------------------------------------------------------------------------------------------- */

static void state_pod(const struct notebook_view *view, struct state *state)
{
    const cJSON *scheduled = json_condition(view->pod, "PodScheduled");
    if (strcmp(json_text_or("", scheduled, "status", NULL), "False") == 0) {
        bool bound = strcmp(json_text_or("", view->home, "status", "phase", NULL), "Bound") == 0;
        struct complaint complaint;
        complaint_place(json_text(scheduled, "reason", NULL), json_text_or("", scheduled, "message", NULL), &complaint);
        state_says(state, "Pending", bound ? PROGRESS_VOLUME : PROGRESS_PENDING, &complaint);
        return;
    }
    if (json_text(view->pod, "metadata", "deletionTimestamp", NULL)) {
        state_is(state, "Starting", PROGRESS_VOLUME, "Restarting", "it is being restarted");
        return;
    }
    const cJSON *status = server_status(view);
    const cJSON *waiting = json_at(status, "state", "waiting", NULL);
    if (json_at(status, "state", "running", NULL)) {
        state_running(view, status, state);
    } else if (last_end(status)) {
        state_ended(view, status, state);
    } else if (waiting) {
        state_waiting(view, waiting, state);
    } else if (strcmp(json_text_or("", view->pod, "status", "phase", NULL), "Failed") == 0) {
        state_is(state, "Failed", PROGRESS_SCHEDULED, json_text_or("PodFailed", view->pod, "status", "reason", NULL),
                 "%.450s", json_text_or("its pod failed", view->pod, "status", "message", NULL));
    } else if (scheduled) {
        state_is(state, "Starting", PROGRESS_SCHEDULED, "Scheduled", "it is about to start");
    } else {
        state_is(state, "Pending", PROGRESS_VOLUME, "Scheduling", "it is waiting for its place");
    }
}

/* The engine could not even make the pod; a quota is the usual cause. */
static void state_no_pod(const struct notebook_view *view, struct state *state)
{
    if (view->create_error) {
        struct complaint complaint;
        complaint_create(view->create_error, &complaint);
        state_says(state, "Pending", PROGRESS_VOLUME, &complaint);
        return;
    }
    if (strcmp(json_text_or("", view->home, "status", "phase", NULL), "Bound") == 0)
        state_is(state, "Pending", PROGRESS_VOLUME, "Scheduling", "it is waiting for its place");
    else
        state_is(state, "Pending", PROGRESS_PENDING, "HomeVolumePending", "the profile's home volume is being made");
}

/* Who stops or starts it anew writes another value, and this is no longer about idleness. */
static void state_stopped(const cJSON *notebook, struct state *state)
{
    const cJSON *annotations = json_at(notebook, "metadata", "annotations", NULL);
    const char *idle = json_text(annotations, NOTEBOOK_STOPPED_IDLE, NULL);
    if (idle && strcmp(idle, json_text_or("", annotations, NOTEBOOK_STOPPED, NULL)) == 0)
        state_is(state, "Stopped", PROGRESS_PENDING, "Idle",
                 "it was stopped because nobody had used it since %.32s; its files are kept",
                 json_text_or(idle, notebook, "status", "lastActivity", NULL));
    else
        state_is(state, "Stopped", PROGRESS_PENDING, "Stopped", "it is stopped; its files are kept");
}

static void state_decide(const struct notebook_view *view, struct state *state)
{
    bool wanted = !notebook_is_stopped(view->notebook);
    if (json_text(view->notebook, "metadata", "deletionTimestamp", NULL))
        state_is(state, "Stopping", PROGRESS_PENDING, "Deleting", "it is being deleted");
    else if (!wanted && view->pod)
        state_is(state, "Stopping", PROGRESS_PENDING, "Stopping", "it is being stopped");
    else if (!wanted)
        state_stopped(view->notebook, state);
    else if (view->blocked_reason && !json_condition_true(view->pod, "Ready"))
        state_is(state, view->blocked_phase, PROGRESS_PENDING, view->blocked_reason, "%.450s", view->blocked_message);
    else if (view->pod)
        state_pod(view, state);
    else
        state_no_pod(view, state);
}

/* --- of which generation it tells --------------------------------------------------------------------------------- */

/* What a revision's name and its label have in common: a long name is left out of the label. */
static const char *revision_hash(const char *revision)
{
    const char *dash = strrchr(revision, '-');
    return dash ? dash + 1 : revision;
}

/* Whether the set has made this pod of what is wanted now. One that goes because of a change is there, and ready, for a
 * while after the change was taken down; and the set may be known to be further than the pod. */
static bool pod_is_of_now(const struct notebook_view *view)
{
    int64_t generation = 0, observed = 0;
    if (!view->pod)
        return true;
    (void)json_i64(json_at(view->statefulset, "metadata", "generation", NULL), &generation);
    (void)json_i64(json_at(view->statefulset, "status", "observedGeneration", NULL), &observed);
    if (view->set_written || (observed && observed < generation))
        return false;
    const char *wanted = json_text_or("", view->statefulset, "status", "updateRevision", NULL);
    const char *is = json_text_or("", view->pod, "metadata", "labels", "controller-revision-hash", NULL);
    return !*wanted || !*is || strcmp(revision_hash(is), revision_hash(wanted)) == 0;
}

static void observe(const struct notebook_view *view, const cJSON *old, cJSON *status)
{
    const cJSON *from = pod_is_of_now(view) ? json_member(view->notebook, "metadata") : old;
    int64_t generation = 0;
    if (json_i64(json_member(from, from == old ? "observedGeneration" : "generation"), &generation))
        json_set_i64(status, "observedGeneration", generation);
}

/* --- as JSON ------------------------------------------------------------------------------------------------------ */

/* As Kubeflow's notebooks: the pod's conditions appear on the notebook. lastProbeTime is left out, because a time that
 * changes with every look would make every look a write. */
static void mirror_conditions(const cJSON *pod, cJSON *status)
{
    const cJSON *conditions = json_at(pod, "status", "conditions", NULL);
    cJSON *to = json_member(status, "conditions");
    for (const cJSON *c = conditions ? conditions->child : NULL; c; c = c->next) {
        const char *type = json_text_or("", c, "type", NULL);
        if (!*type || strcmp(type, "Ready") == 0)
            continue;
        cJSON *copy = json_copy(c);
        json_remove(copy, "lastProbeTime");
        json_push(to, copy);
    }
}

cJSON *notebook_state(const struct notebook_view *view, int64_t *ret_again_ms)
{
    struct state state = {0};
    state_decide(view, &state);
    *ret_again_ms = state.again_ms;

    const cJSON *old = json_member(view->notebook, "status");
    bool ready = strcmp(state.phase, "Running") == 0;
    cJSON *status = json_object();
    json_set_text(status, "phase", state.phase);
    json_set_text(status, "reason", state.reason);
    json_set_text(status, "message", state.message);
    json_set_i64(status, "progress", state.progress);
    json_set_i64(status, "readyReplicas", ready ? 1 : 0);
    observe(view, old, status);
    /* Known to who looks after idle ones (idle.c): kept here. */
    json_set_text(status, "lastActivity", json_text(old, "lastActivity", NULL));
    json_set_text(status, "idleStopAt", ready ? json_text(old, "idleStopAt", NULL) : NULL);
    const cJSON *container = json_at(server_status(view), "state", NULL);
    json_set(status, "containerState", container ? json_copy(container) : json_object());
    status_condition(status, old, "Ready", ready, state.reason, state.message, view->now_ms);
    mirror_conditions(view->pod, status);
    return status;
}
