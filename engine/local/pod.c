/* Does sandboxd run what a Pod asks for? */
#include "base/clock.h"
#include "base/log.h"
#include "engine/local/disk.h"
#include "engine/local/podspec.h"
#include "engine/local/podstatus.h"
#include "engine/local/probe.h"
#include "engine/local/reconcile.h"
#include "engine/local/schedule.h"

/* A message from sandboxd tells of every change; these only bound how long a lost one can matter. */
enum { STOPPING_LOOK_MS = 1000, REPLACED_LOOK_MS = 50, WAITING_LOOK_MS = 5000 };
/* A pod that a liveness probe ends again and again is started at most this often. */
enum { START_AGAIN_MS = 10 * 1000 };
/* A namespace that goes takes its pods with it: nobody waits for their grace. */
enum { NAMESPACE_GRACE_S = 5 };

/* --- what sandboxd has -------------------------------------------------------------------------------------------- */

/* *ret is NULL if sandboxd has no such pod (or no such sandbox). */
static int find_record(struct local *local, const char *namespace, const char *name, cJSON **ret, struct error *error)
{
    AUTO_JSON cJSON *records = NULL;
    cJSON *record;
    *ret = NULL;
    int r = sandbox_pod_list(local->sandbox, namespace, &records, error);
    if (r == -ERROR_NOT_FOUND)
        return 0;
    if (r < 0)
        return r;
    cJSON_ArrayForEach(record, records)
    {
        if (strcmp(json_text_or("", record, "pod", NULL), name) == 0) {
            *ret = cJSON_DetachItemViaPointer(records, record);
            break;
        }
    }
    return 0;
}

static bool record_phase_is(const cJSON *record, const char *phase)
{
    return strcmp(json_text_or("", record, "phase", NULL), phase) == 0;
}

static int remove_record(struct local *local, const char *namespace, const char *name, struct error *error)
{
    int r = sandbox_pod_remove(local->sandbox, namespace, name, error);
    return r == -ERROR_NOT_FOUND ? 0 : r;
}

/* --- ending ------------------------------------------------------------------------------------------------------- */

static int64_t grace_of(struct local *local, const struct object *pod)
{
    int64_t grace_s = 30;
    (void)json_i64(json_at(pod->body, "metadata", "deletionGracePeriodSeconds", NULL), &grace_s);
    AUTO_OBJECT struct object *namespace = objects_find(local->objects, KIND_NAMESPACE, NULL, pod->namespace);
    bool going = !namespace || object_terminating(namespace);
    return going && grace_s > NAMESPACE_GRACE_S ? NAMESPACE_GRACE_S : grace_s;
}

static int64_t pod_end(struct local *local, const struct object *pod, const cJSON *record, struct error *error)
{
    bool active = record && !record_phase_is(record, "stopped");
    if (active && !record_phase_is(record, "stopping")) {
        engine_event(&local->base, pod->body, "Normal", "Killing", "the pod is being stopped");
        int r = sandbox_pod_stop(local->sandbox, pod->namespace, pod->name, grace_of(local, pod), error);
        if (r < 0 && r != -ERROR_NOT_FOUND)
            return r;
    }
    if (active)
        return STOPPING_LOOK_MS;
    int r = record ? remove_record(local, pod->namespace, pod->name, error) : 0;
    if (r == 0)
        r = objects_finish(local->objects, pod, error);
    if (r == 0)
        probe_forget(local, pod);
    return r;
}

/* --- starting ----------------------------------------------------------------------------------------------------- */

static int prepare_volumes(struct local *local, const char *namespace, const cJSON *claims, struct error *error)
{
    const cJSON *name;
    int r = sandbox_ensure(local->sandbox, namespace, NULL, error);
    cJSON_ArrayForEach(name, claims)
    {
        AUTO_OBJECT struct object *claim = objects_find(local->objects, KIND_CLAIM, namespace, name->valuestring);
        int64_t bytes = 0;
        const char *text = claim ? json_text(claim->body, "spec", "resources", "requests", "storage", NULL) : NULL;
        if (r == 0 && text && quantity_parse_bytes(slice_of(text), &bytes))
            r = sandbox_volume_ensure(local->sandbox, namespace, name->valuestring, bytes, NULL, error);
    }
    return r;
}

static int64_t cannot_start(struct local *local, const struct object *pod, const char *reason, int64_t result,
                            struct error *error)
{
    if (result == -ERROR_UNAVAILABLE || result == -ERROR_TIMEOUT)
        return result; /* sandboxd is away: it says nothing about the pod */
    const cJSON *first = cJSON_GetArrayItem(json_at(pod->body, "status", "containerStatuses", NULL), 0);
    if (strcmp(json_text_or("", first, "state", "waiting", "message", NULL), error->message) != 0)
        engine_event(&local->base, pod->body, "Warning", "FailedToStart", "%s", error->message);
    int r = objects_set_status(local->objects, pod, podstatus_waiting(pod, reason, error->message), NULL);
    /* What is missing wakes the pod when it comes; the slow look is for what nobody announces. */
    return r < 0 ? r : WAITING_LOOK_MS;
}

static int64_t show_record(struct local *local, const struct object *pod, const cJSON *record, struct error *error)
{
    cJSON *status = podstatus_from_record(local, pod, record);
    AUTO_JSON cJSON *copy = json_copy(status);
    int r = objects_set_status(local->objects, pod, status, error);
    if (r == 0)
        podstatus_tell(local, pod, copy);
    return r;
}

static int64_t pod_start(struct local *local, const struct object *pod, struct error *error)
{
    AUTO_JSON cJSON *spec = NULL;
    AUTO_JSON cJSON *claims = NULL;
    AUTO_JSON cJSON *record = NULL;
    bool again = json_at(pod->body, "status", "podIP", NULL) != NULL;
    int r = podspec_render(local, pod, &spec, &claims, error);
    if (r < 0)
        return cannot_start(local, pod, "CreateContainerConfigError", r, error);
    r = prepare_volumes(local, pod->namespace, claims, error);
    if (r == 0)
        r = sandbox_pod_start(local->sandbox, pod->namespace, pod->name, spec, &record, error);
    if (r < 0)
        return cannot_start(local, pod, "CreateContainerError", r, error);
    if (again)
        engine_event(&local->base, pod->body, "Warning", "Restarted",
                     "the pod's processes were gone; it has been started again");
    return show_record(local, pod, record, error);
}

/* All containers ended, although they are to run: something stopped them (a liveness probe, a crash of sandboxd). */
static bool ended_against_its_policy(const struct object *pod, const cJSON *record)
{
    return record_phase_is(record, "stopped") &&
           strcmp(json_text_or("Always", pod->body, "spec", "restartPolicy", NULL), "Always") == 0;
}

static int64_t pause_before_start(const cJSON *record)
{
    int64_t started_ms = 0;
    (void)json_i64(json_member(record, "started_at"), &started_ms);
    int64_t left = started_ms + START_AGAIN_MS - clock_wall_ms();
    return left > START_AGAIN_MS ? 0 : left; /* a clock that stepped back is no reason to wait for it */
}

static int64_t pod_run(struct local *local, const struct object *pod, const cJSON *record, struct error *error)
{
    if (pod_is_over(pod))
        return 0;
    bool foreign = record && strcmp(json_text_or("", record, "uid", NULL), pod->uid) != 0;
    bool ended = record && !foreign && ended_against_its_policy(pod, record);
    int64_t pause_ms = ended ? pause_before_start(record) : 0;
    if ((foreign || ended) && pause_ms <= 0) {
        int r = remove_record(local, pod->namespace, pod->name, error);
        return r < 0 ? r : REPLACED_LOOK_MS;
    }
    if (ended) {
        cJSON *status = podstatus_waiting(pod, "CrashLoopBackOff", "it was ended and is started again after a pause");
        int r = objects_set_status(local->objects, pod, status, error);
        return r < 0 ? r : pause_ms;
    }
    if (record)
        return show_record(local, pod, record, error);
    if (!pod_is_scheduled(pod)) {
        bool placed = false;
        int r = schedule_pod(local, pod, &placed, error);
        if (r < 0 || !placed)
            return r; /* room that becomes free wakes it */
    }
    int r =
        disk_check(local, error); /* also for one that had its place: it was ended for that, or the machine came up */
    if (r < 0)
        return cannot_start(local, pod, "DiskPressure", r, error);
    AUTO_OBJECT struct object *current = objects_find(local->objects, KIND_POD, pod->namespace, pod->name);
    return current && strcmp(current->uid, pod->uid) == 0 ? pod_start(local, current, error) : 0;
}

int64_t pod_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    AUTO_JSON cJSON *record = NULL;
    int r = find_record(local, namespace, name, &record, error);
    if (r < 0)
        return r;
    /* Read after the record: an object that is missing now was not there when the record was made. */
    AUTO_OBJECT struct object *pod = objects_find(local->objects, KIND_POD, namespace, name);
    if (!pod)
        return record ? remove_record(local, namespace, name, error) : 0;
    return object_terminating(pod) ? pod_end(local, pod, record, error) : pod_run(local, pod, record, error);
}

/* --- what nobody wants -------------------------------------------------------------------------------------------- */

int64_t orphans_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    AUTO_JSON cJSON *records = NULL;
    const cJSON *record;
    (void)namespace;
    (void)name;
    int r = sandbox_pod_list(local->sandbox, NULL, &records, error);
    if (r < 0)
        return r;
    cJSON_ArrayForEach(record, records)
    {
        const char *sandbox = json_text_or("", record, "sandbox", NULL), *pod = json_text_or("", record, "pod", NULL);
        AUTO_OBJECT struct object *object = objects_find(local->objects, KIND_POD, sandbox, pod);
        if (!object && sandbox[0] && pod[0]) {
            log_line(LOG_INFO, "removing a pod that nobody asks for", LOG_TEXT("namespace", sandbox),
                     LOG_TEXT("pod", pod));
            reconcile_now(local, CONTROL_POD, sandbox, pod);
        }
    }
    return 0;
}
