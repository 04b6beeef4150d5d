/* What does a pod do, in a word? As Kubernetes' printPod says it (pkg/printers/internalversion/printers.go). */
#include "base/clock.h"
#include "controlplane/table.h"

/* The reason, or by which signal or exit code it ended. */
static void name_end(char *ret, size_t size, const char *prefix, const cJSON *ended)
{
    const char *reason = json_text_or("", ended, "reason", NULL);
    if (*reason)
        snprintf(ret, size, "%s%s", prefix, reason);
    else if (json_i64_or(0, ended, "signal", NULL))
        snprintf(ret, size, "%sSignal:%lld", prefix, (long long)json_i64_or(0, ended, "signal", NULL));
    else
        snprintf(ret, size, "%sExitCode:%lld", prefix, (long long)json_i64_or(0, ended, "exitCode", NULL));
}

/* True while an init container has yet to succeed: then that is what the pod does. */
static bool name_init(char *ret, size_t size, const cJSON *pod)
{
    const cJSON *status;
    int done = 0, all = cJSON_GetArraySize(json_at(pod, "spec", "initContainers", NULL));
    cJSON_ArrayForEach(status, json_at(pod, "status", "initContainerStatuses", NULL))
    {
        const cJSON *ended = json_at(status, "state", "terminated", NULL);
        const char *waiting = json_text_or("", status, "state", "waiting", "reason", NULL);
        if (ended && json_i64_or(0, ended, "exitCode", NULL) == 0) {
            done++;
            continue;
        }
        if (ended)
            name_end(ret, size, "Init:", ended);
        else if (*waiting && strcmp(waiting, "PodInitializing") != 0)
            snprintf(ret, size, "Init:%s", waiting);
        else
            snprintf(ret, size, "Init:%d/%d", done, all);
        return true;
    }
    return false;
}

/* The first container that waits or has ended says it. */
static void name_containers(char *ret, size_t size, const cJSON *pod)
{
    bool running = false, named = false;
    const cJSON *status;
    cJSON_ArrayForEach(status, json_at(pod, "status", "containerStatuses", NULL))
    {
        const cJSON *ended = json_at(status, "state", "terminated", NULL);
        const char *waiting = json_text_or("", status, "state", "waiting", "reason", NULL);
        running = running || (json_true(status, "ready", NULL) && json_at(status, "state", "running", NULL));
        if (!named && *waiting)
            snprintf(ret, size, "%s", waiting);
        else if (!named && ended)
            name_end(ret, size, "", ended);
        named = named || *waiting || ended;
    }
    if (strcmp(ret, "Completed") == 0 && running)
        snprintf(ret, size, "%s", json_condition_true(pod, "Ready") ? "Running" : "NotReady");
}

cJSON *cell_pod_status(const cJSON *object, const char *path, int64_t now_ms)
{
    char text[96];
    (void)path, (void)now_ms;
    snprintf(text, sizeof(text), "%s", json_text_or("Unknown", object, "status", "phase", NULL));
    const char *reason = json_text_or("", object, "status", "reason", NULL);
    if (*reason)
        snprintf(text, sizeof(text), "%s", reason);
    if (!name_init(text, sizeof(text), object))
        name_containers(text, sizeof(text), object);
    if (json_at(object, "metadata", "deletionTimestamp", NULL))
        snprintf(text, sizeof(text), "Terminating");
    return cJSON_CreateString(text);
}

cJSON *cell_pod_ready(const cJSON *object, const char *path, int64_t now_ms)
{
    int ready = 0;
    char text[32];
    const cJSON *status;
    (void)path, (void)now_ms;
    cJSON_ArrayForEach(status, json_at(object, "status", "containerStatuses", NULL))
    {
        ready += json_true(status, "ready", NULL) && json_at(status, "state", "running", NULL);
    }
    snprintf(text, sizeof(text), "%d/%d", ready, cJSON_GetArraySize(json_at(object, "spec", "containers", NULL)));
    return cJSON_CreateString(text);
}

cJSON *cell_pod_restarts(const cJSON *object, const char *path, int64_t now_ms)
{
    int64_t restarts = 0, last = 0, at;
    char text[64], age[AGE_SIZE];
    const cJSON *status;
    (void)path;
    cJSON_ArrayForEach(status, json_at(object, "status", "containerStatuses", NULL))
    {
        restarts += json_i64_or(0, status, "restartCount", NULL);
        const char *ended = json_text_or("", status, "lastState", "terminated", "finishedAt", NULL);
        if (clock_parse(slice_of(ended), &at) && at > last)
            last = at;
    }
    age_format(now_ms - last, age);
    if (restarts && last)
        snprintf(text, sizeof(text), "%lld (%s ago)", (long long)restarts, age);
    else
        snprintf(text, sizeof(text), "%lld", (long long)restarts);
    return cJSON_CreateString(text);
}
