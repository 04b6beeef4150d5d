/* How does a Ray cluster stand, and what can its owner do about it? */
#include "ray/ray.h"

static const cJSON *condition(const cJSON *cluster, const char *type)
{
    const cJSON *conditions = json_at(cluster, "status", "conditions", NULL);
    for (const cJSON *c = conditions ? conditions->child : NULL; c; c = c->next) {
        if (strcmp(json_text_or("", c, "type", NULL), type) == 0)
            return c;
    }
    return NULL;
}

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
    const char *reason = json_text_or("ReplicaFailure", failure, "reason", NULL);
    if (strstr(message, "exceeded quota"))
        state_is(state, phase, "QuotaExceeded",
                 "the profile's quota is used up: %.350s; stop something, or ask for fewer workers", message);
    else if (strstr(message, "violates PodSecurity"))
        state_is(state, phase, "PodSecurity", "its pods ask for more than the profile may: %.380s", message);
    else if (strstr(message, "admission webhook"))
        state_is(state, phase, "Refused", "a rule of the cluster refuses its pods: %.400s", message);
    else
        state_is(state, phase, reason, "%.480s", message);
}

static bool is_image_reason(const char *reason)
{
    return strstr(reason, "Image") != NULL;
}

static void state_head(const cJSON *head, struct ray_state *state)
{
    const char *reason = json_text_or("", head, "reason", NULL);
    const char *message = json_text_or("", head, "message", NULL);
    if (!head || strcmp(reason, "HeadPodNotFound") == 0)
        state_is(state, "Pending", "HeadPodNotFound", "its head is about to be made");
    else if (is_image_reason(reason))
        state_is(state, "Pending", reason, "the head's image cannot be used: %.380s; choose another image",
                 *message ? message : reason);
    else if (strcmp(reason, "CrashLoopBackOff") == 0)
        state_is(state, "Pending", reason, "its head ends again and again; its log says why%s%.380s",
                 *message ? ": " : "", message);
    else if (strcmp(reason, "Unschedulable") == 0)
        state_is(state, "Pending", reason, "there is no room for its head now: %.400s", message);
    else
        state_is(state, "Pending", *reason && strcmp(reason, "Unknown") != 0 ? reason : "HeadStarting",
                 "its head is starting%s%.430s", *message ? ": " : "", message);
}

/* The head answers; what about its workers? */
static void state_workers(const cJSON *cluster, struct ray_state *state)
{
    const cJSON *failure = condition(cluster, "ReplicaFailure");
    if (is_true(failure)) {
        state_failure(failure, "Running", state);
        return;
    }
    if (state->ready >= state->desired) {
        state_is(state, "Running", "Running", "it is running%s", state->desired ? " with all of its workers" : "");
        return;
    }
    bool was_complete = is_true(condition(cluster, "RayClusterProvisioned"));
    state_is(state, "Running", was_complete ? "WorkersMissing" : "Provisioning", "%s: %lld of %lld workers are ready",
             was_complete ? "it is running, and workers are coming back"
                          : "its head is running and workers are joining",
             (long long)state->ready, (long long)state->desired);
}

void ray_cluster_state(const cJSON *cluster, struct ray_state *ret)
{
    struct ray_state state = {.ready = number(cluster, "readyWorkerReplicas"),
                              .desired = number(cluster, "desiredWorkerReplicas")};
    const cJSON *head = condition(cluster, "HeadPodReady");
    const cJSON *failure = condition(cluster, "ReplicaFailure");
    bool suspend = json_true(cluster, "spec", "suspend", NULL);
    if (json_text(cluster, "metadata", "deletionTimestamp", NULL))
        state_is(&state, "Deleting", "Deleting", "it is being deleted");
    else if (is_true(condition(cluster, "RayClusterSuspended")) && suspend)
        state_is(&state, "Suspended", "Suspended", "it is suspended; nothing of it runs");
    else if (suspend || is_true(condition(cluster, "RayClusterSuspending")))
        state_is(&state, "Suspending", "Suspending", "its pods are being stopped");
    else if (!json_at(cluster, "status", "conditions", NULL))
        state_is(&state, "Pending", "NotSeenYet", "nothing has begun to make its pods yet");
    else if (is_true(head))
        state_workers(cluster, &state);
    else if (is_true(failure))
        state_failure(failure, "Pending", &state);
    else
        state_head(head, &state);
    *ret = state;
}
