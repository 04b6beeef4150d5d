/* How does a Ray cluster stand, and what can its owner do about it? */
#include "ray/state.h"

#include <stdarg.h>

#include "ray/internal.h"
#include "tenancy/complaint.h"

static bool is_true(const cJSON *of)
{
    return strcmp(json_text_or("", of, "status", NULL), "True") == 0;
}

static int64_t number(const cJSON *cluster, const char *key)
{
    int64_t value = 0;
    return json_i64(json_at(cluster, "status", key, NULL), &value) && value >= 0 ? value : 0;
}

__attribute__((format(printf, 4, 5))) static void state_is(struct ray_state *state, const char *phase,
                                                           const char *reason, const char *format, ...)
{
    state->phase = phase;
    snprintf(state->reason, sizeof(state->reason), "%s", reason);
    va_list args;
    va_start(args, format);
    vsnprintf(state->message, sizeof(state->message), format, args);
    va_end(args);
}

/* A pod could not be made: the message is the API server's, which names the quota or the rule. */
static void state_failure(const cJSON *failure, const char *phase, struct ray_state *state)
{
    const char *message = json_text_or("a pod could not be made", failure, "message", NULL);
    struct complaint complaint;
    complaint_create(message, &complaint);
    if (strcmp(complaint.reason, "FailedCreate") == 0) /* not a known refusal: KubeRay's word tells which pod */
        state_is(state, phase, json_text_or("ReplicaFailure", failure, "reason", NULL), "%.480s", message);
    else
        state_is(state, phase, complaint.reason, "%s", complaint.message);
}

/* The image of the head's first container, as its pod names it. */
static const char *head_image(const cJSON *cluster)
{
    const cJSON *containers = json_at(cluster, "spec", "headGroupSpec", "template", "spec", "containers", NULL);
    return json_text_or("", containers ? containers->child : NULL, "image", NULL);
}

/* KubeRay's "containers with unready status: [ray-head]; ray-head: back-off …" without what everybody knows. */
static const char *said_of_head(const cJSON *head)
{
    static const char known[] = "containers with unready status: ";
    const char *message = json_text_or("", head, "message", NULL);
    if (strncmp(message, known, strlen(known)) != 0)
        return message;
    const char *rest = strstr(message, "]; ");
    rest = rest ? strstr(rest, ": ") : NULL;
    return rest ? rest + 2 : "";
}

static void state_head(const cJSON *cluster, const cJSON *head, struct ray_state *state)
{
    struct complaint complaint;
    const char *reason = json_text_or("", head, "reason", NULL);
    const char *message = said_of_head(head);
    if (!head || strcmp(reason, "HeadPodNotFound") == 0) {
        state_is(state, "Pending", "HeadPodNotFound", "its head is about to be made");
    } else if (complaint_is_image(reason)) {
        complaint_image(reason, message, head_image(cluster), &complaint);
        state_is(state, "Pending", complaint.reason, "the head: %.490s", complaint.message);
    } else if (strcmp(reason, "CrashLoopBackOff") == 0) {
        state_is(state, "Pending", reason, "its head ends again and again; its log says why%s%.380s",
                 *message ? ": " : "", message);
    } else if (strcmp(reason, "Unschedulable") == 0) {
        complaint_place(reason, message, &complaint);
        state_is(state, "Pending", complaint.reason, "the head: %.490s", complaint.message);
    } else {
        state_is(state, "Pending", *reason && strcmp(reason, "Unknown") != 0 ? reason : "HeadStarting",
                 "its head is starting%s%.430s", *message ? ": " : "", message);
    }
}

/* The head answers; what about its workers? */
static void state_workers(const cJSON *cluster, struct ray_state *state)
{
    const cJSON *failure = json_condition(cluster, "ReplicaFailure");
    if (is_true(failure)) {
        state_failure(failure, "Running", state);
        return;
    }
    if (state->ready >= state->desired) {
        state_is(state, "Running", "Running", "it is running%s", state->desired ? " with all of its workers" : "");
        return;
    }
    bool was_complete = json_condition_true(cluster, "RayClusterProvisioned");
    state_is(state, "Running", was_complete ? "WorkersMissing" : "Provisioning", "%s: %lld of %lld workers are ready",
             was_complete ? "it is running, and workers are coming back"
                          : "its head is running and workers are joining",
             (long long)state->ready, (long long)state->desired);
}

void ray_cluster_state(const cJSON *cluster, struct ray_state *ret)
{
    struct ray_state state = {.ready = number(cluster, "readyWorkerReplicas"),
                              .desired = number(cluster, "desiredWorkerReplicas")};
    const cJSON *head = json_condition(cluster, "HeadPodReady");
    const cJSON *failure = json_condition(cluster, "ReplicaFailure");
    bool suspend = json_true(cluster, "spec", "suspend", NULL);
    if (json_text(cluster, "metadata", "deletionTimestamp", NULL))
        state_is(&state, "Deleting", "Deleting", "it is being deleted");
    else if (json_condition_true(cluster, "RayClusterSuspended") && suspend)
        state_is(&state, "Suspended", "Suspended", "it is suspended; nothing of it runs");
    else if (suspend || json_condition_true(cluster, "RayClusterSuspending"))
        state_is(&state, "Suspending", "Suspending", "its pods are being stopped");
    else if (!json_at(cluster, "status", "conditions", NULL))
        state_is(&state, "Pending", "NotSeenYet", "nothing has begun to make its pods yet");
    else if (is_true(head))
        state_workers(cluster, &state);
    else if (is_true(failure))
        state_failure(failure, "Pending", &state);
    else
        state_head(cluster, head, &state);
    *ret = state;
}

/* --- what KubeRay leaves unsaid ----------------------------------------------------------------------------------- */

const char *ray_cluster_unsaid(const cJSON *cluster)
{
    const cJSON *head = json_condition(cluster, "HeadPodReady");
    const char *pod = json_text_or("", cluster, "status", "head", "podName", NULL);
    return head && !is_true(head) && strcmp(json_text_or("", head, "reason", NULL), "Unknown") == 0 && *pod ? pod
                                                                                                            : NULL;
}

void ray_cluster_complete(cJSON *cluster, const cJSON *pod)
{
    cJSON *head = json_condition(cluster, "HeadPodReady");
    const cJSON *placed = json_condition(pod, "PodScheduled");
    if (!head || !placed || is_true(placed) || !json_text(placed, "reason", NULL))
        return;
    json_set_text(head, "reason", json_text(placed, "reason", NULL));
    json_set_text(head, "message", json_text_or("", placed, "message", NULL));
}
