/* What does a RayCluster's status say? */
#include "engine/local/raystatus.h"

#include "base/clock.h"
#include "engine/local/demand.h"
#include "engine/local/raypods.h"
#include "engine/local/status.h"

/* --- what is asked for -------------------------------------------------------------------------------------------- */

/* Requests, and limits only where there are none, as KubeRay counts: it is what the profile's quota is charged. */
static void set_desired(cJSON *status, const struct ray_seen *seen)
{
    struct demand sum, one;
    const cJSON *group, *spec = json_member(seen->cluster->body, "spec");
    char text[32];
    pod_demand(json_at(spec, "headGroupSpec", "template", "spec", NULL), &sum);
    cJSON_ArrayForEach(group, json_member(spec, "workerGroupSpecs"))
    {
        int64_t replicas = ray_group_replicas(group);
        pod_demand(json_at(group, "template", "spec", NULL), &one);
        sum.request_cpu_milli += replicas * one.request_cpu_milli;
        sum.request_memory_bytes += replicas * one.request_memory_bytes;
        sum.gpus += replicas * one.gpus;
    }
    quantity_format_cpu(sum.request_cpu_milli, text, sizeof(text));
    json_set_text(status, "desiredCPU", text);
    quantity_format_bytes(sum.request_memory_bytes, text, sizeof(text));
    json_set_text(status, "desiredMemory", text);
    (void)snprintf(text, sizeof(text), "%lld", (long long)sum.gpus);
    json_set_text(status, "desiredGPU", text);
    json_set_text(status, "desiredTPU", "0");
    json_set_i64(status, "desiredWorkerReplicas", seen->desired);
    json_set_i64(status, "minWorkerReplicas", seen->minimum);
    json_set_i64(status, "maxWorkerReplicas", seen->maximum);
    json_set_i64(status, "availableWorkerReplicas", seen->available);
    json_set_i64(status, "readyWorkerReplicas", seen->ready);
}

static void set_head(cJSON *status, const struct ray_seen *seen)
{
    const char *address = seen->head ? json_text_or("", seen->head->body, "status", "podIP", NULL) : "";
    cJSON *head = json_object_in(status, "head");
    if (address[0]) {
        json_set_text(head, "podIP", address);
        json_set_text(head, "serviceIP", address); /* a headless service has no other */
    }
    if (seen->head)
        json_set_text(head, "podName", seen->head->name);
    if (!seen->service)
        return;
    json_set_text(head, "serviceName", seen->service->name);
    cJSON *endpoints = json_object_in(status, "endpoints");
    const cJSON *port;
    cJSON_ArrayForEach(port, json_at(seen->service->body, "spec", "ports", NULL))
    {
        int64_t number = 0;
        char text[24];
        (void)json_i64(json_member(port, "port"), &number);
        (void)json_i64(json_member(port, "targetPort"), &number);
        (void)snprintf(text, sizeof(text), "%lld", (long long)number);
        json_set_text(endpoints, json_text_or("port", port, "name", NULL), text);
    }
}

/* --- conditions --------------------------------------------------------------------------------------------------- */

/* Why a head is not ready: what its first container waits for or ended with, or what Ray has not done yet. */
static const char *head_reason(const struct ray_seen *seen, const char **ret_message)
{
    const cJSON *first = cJSON_GetArrayItem(json_at(seen->head->body, "status", "containerStatuses", NULL), 0);
    const cJSON *unplaced = json_condition(seen->head->body, "PodScheduled");
    static const char *const states[] = {"waiting", "terminated"};
    if (unplaced && strcmp(json_text_or("", unplaced, "status", NULL), "False") == 0) {
        *ret_message = json_text_or("", unplaced, "message", NULL);
        return json_text_or("Unschedulable", unplaced, "reason", NULL);
    }
    for (size_t i = 0; i < COUNT_OF(states); i++) {
        const char *reason = json_text(first, "state", states[i], "reason", NULL);
        if (reason) {
            *ret_message = json_text_or("", first, "state", states[i], "message", NULL);
            return reason;
        }
    }
    *ret_message = seen->health.gcs ? "Ray runs; its Jobs API does not answer yet" : "Ray is starting";
    return "ContainersNotReady";
}

static void set_head_condition(cJSON *status, const struct ray_seen *seen)
{
    if (!seen->head) {
        status_set_condition(status, "HeadPodReady", false, "HeadPodNotFound", "there is no head pod");
        return;
    }
    if (seen->health.usable && json_condition_true(seen->head->body, "Ready")) {
        status_set_condition(status, "HeadPodReady", true, "HeadPodRunningAndReady", "the Jobs API answers");
        return;
    }
    const char *message = "";
    const char *reason = head_reason(seen, &message);
    status_set_condition(status, "HeadPodReady", false, reason, message);
}

static bool all_ready(const struct ray_seen *seen)
{
    return seen->head && seen->health.usable && json_condition_true(seen->head->body, "Ready") &&
           seen->pods == seen->desired && seen->ready == seen->desired;
}

/* Latches, as in KubeRay: once provisioned a cluster stays so until it is suspended. */
static void set_provisioned(cJSON *status, const struct ray_seen *seen)
{
    bool was = json_condition_true(seen->cluster->body, "RayClusterProvisioned");
    if (seen->suspended) {
        status_drop_condition(status, "RayClusterProvisioned");
        return;
    }
    if (was || all_ready(seen))
        status_set_condition(status, "RayClusterProvisioned", true, "AllPodRunningAndReadyFirstTime",
                             "all pods have been ready");
    else
        status_set_condition(status, "RayClusterProvisioned", false, "RayClusterPodsProvisioning",
                             seen->waiting ? seen->waiting : "the pods are being started");
}

static void set_suspension(cJSON *status, const struct ray_seen *seen)
{
    bool gone = !seen->head && seen->pods == 0;
    const char *type = gone ? "RayClusterSuspended" : "RayClusterSuspending";
    if (!seen->suspended || gone)
        status_drop_condition(status, "RayClusterSuspending");
    if (!seen->suspended || !gone)
        status_drop_condition(status, "RayClusterSuspended");
    if (seen->suspended)
        status_set_condition(status, type, true, type, gone ? "all pods are gone" : "the pods are being stopped");
}

static void set_failure(cJSON *status, const struct ray_seen *seen)
{
    if (seen->failure)
        status_set_condition(status, "ReplicaFailure", true, seen->failure_reason, seen->failure);
    else
        status_drop_condition(status, "ReplicaFailure");
}

/* --- state -------------------------------------------------------------------------------------------------------- */

/* A warning is for what runs, or else for what is suspended. */
void ray_status_keep_use(cJSON *status, const cJSON *cluster)
{
    const cJSON *before = json_member(cluster, "status");
    bool suspended = json_true(cluster, "spec", "suspend", NULL);
    json_set_text(status, "lastActivity", json_text(before, "lastActivity", NULL));
    json_set_text(status, "idleDeleteAt", suspended ? json_text(before, "idleDeleteAt", NULL) : NULL);
    json_set_text(status, "idleStopAt", suspended ? NULL : json_text(before, "idleStopAt", NULL));
}

static void set_state(cJSON *status, const struct ray_seen *seen)
{
    const char *before = json_text_or("", seen->cluster->body, "status", "state", NULL);
    const char *state = before;
    if (seen->suspended)
        state = !seen->head && seen->pods == 0 ? "suspended" : before;
    else if (all_ready(seen))
        state = "ready";
    else if (strcmp(before, "suspended") == 0)
        state = "";
    const cJSON *times = json_at(seen->cluster->body, "status", "stateTransitionTimes", NULL);
    cJSON *kept = json_set(status, "stateTransitionTimes", cJSON_IsObject(times) ? json_copy(times) : json_object());
    json_set_text(status, "state", state);
    if (strcmp(state, before) != 0 && state[0])
        status_set_time(kept, state, clock_wall_ms());
    if (engine_suspended_idle(seen->cluster->body))
        json_set_text(status, "reason", "it was suspended because nobody used it");
    else if (seen->failure)
        json_set_text(status, "reason", seen->failure);
    else if (seen->waiting)
        json_set_text(status, "reason", seen->waiting);
}

/* The time of the last change is that of this one only if anything else changed. */
static void set_update_time(cJSON *status, const struct object *cluster)
{
    const cJSON *before = json_member(cluster->body, "status");
    const char *time = json_text(before, "lastUpdateTime", NULL);
    json_set_text(status, "lastUpdateTime", time);
    if (time && json_equal(status, before))
        return;
    status_set_time(status, "lastUpdateTime", clock_wall_ms());
}

cJSON *ray_status(const struct ray_seen *seen)
{
    cJSON *status = json_object();
    int64_t generation = 0;
    status_keep_conditions(status, seen->cluster->body);
    (void)json_i64(json_at(seen->cluster->body, "metadata", "generation", NULL), &generation);
    json_set_i64(status, "observedGeneration", generation);
    set_state(status, seen);
    set_desired(status, seen);
    set_head(status, seen);
    set_head_condition(status, seen);
    set_provisioned(status, seen);
    set_suspension(status, seen);
    set_failure(status, seen);
    ray_status_keep_use(status, seen->cluster->body);
    set_update_time(status, seen->cluster);
    return status;
}
