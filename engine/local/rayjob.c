/* What is the next step of a RayJob? */
#include "engine/local/rayjob.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/local/rayowned.h"
#include "engine/local/reconcile.h"
#include "engine/local/status.h"

/* A job's cluster is looked at this often while it is waited for, the job itself while it runs. After so long without
 * an answer about it the job counts as lost (KubeRay's RAYJOB_STATUS_CHECK_TIMEOUT_SECONDS). */
enum { CLUSTER_MS = 1000, POLL_MS = 2000, SILENCE_MAX_MS = 300 * 1000, MESSAGE_MAX = 4096 };

#define FINALIZER "ray.io/rayjob-finalizer"
#define SILENT_SINCE "jobStatusCheckFailureStartTime"

const char *rayjob_text(const struct rayjob_pass *pass, const char *key)
{
    return json_text_or("", pass->status, key, NULL);
}

void rayjob_again(struct rayjob_pass *pass, int64_t ms)
{
    if (pass->again_ms == 0 || ms < pass->again_ms)
        pass->again_ms = ms;
}

bool rayjob_runs(const struct object *job)
{
    return strcmp(json_text_or("", job->body, "status", "jobDeploymentStatus", NULL), "Running") == 0;
}

static void set_text(struct rayjob_pass *pass, const char *key, const char *value)
{
    json_set_text(pass->status, key, value && value[0] ? value : NULL);
}

static void set_state(struct rayjob_pass *pass, const char *state)
{
    set_text(pass, "jobDeploymentStatus", state);
}

static void say(struct rayjob_pass *pass, const char *message)
{
    AUTO_FREE char *text = memory_text_n(message, strnlen(message, MESSAGE_MAX));
    while (text[0] && !text_is_utf8(slice_of(text)))
        text[strlen(text) - 1] = '\0'; /* a character that was cut */
    set_text(pass, "message", text);
}

static int64_t count_of(const cJSON *object, const char *key)
{
    int64_t count = 0;
    (void)json_i64(json_member(object, key), &count);
    return count;
}

static bool is_suspended(const struct rayjob_pass *pass)
{
    return json_true(pass->spec, "suspend", NULL);
}

/* --- the end of a run --------------------------------------------------------------------------------------------- */

/* Kept before anything goes: once the status says that the run is over, its cluster may be deleted. A log that cannot
 * be read holds nothing up. */
static int keep_run(struct rayjob_pass *pass, struct error *error)
{
    struct ray_log log = {0};
    struct error fault = {0};
    if (pass->cluster && rayjob_log(pass->local, pass->job, &log, &fault) < 0)
        log_line(LOG_DEBUG, "the log of a Ray job cannot be kept", LOG_TEXT("namespace", pass->job->namespace),
                 LOG_TEXT("job", pass->job->name), LOG_FAULT(&fault));
    int r = ray_history_keep(pass->local, pass->job, pass->status, &log, error);
    free(log.text);
    if (r < 0 && r != -ERROR_UNAVAILABLE && r != -ERROR_TIMEOUT && r != -ERROR_CONFLICT) {
        log_line(LOG_WARN, "a Ray job cannot be kept", LOG_TEXT("namespace", pass->job->namespace),
                 LOG_TEXT("job", pass->job->name), LOG_FAULT(error));
        return 0;
    }
    return r;
}

/* <reason> NULL: it succeeded, or was stopped. */
static int end_run(struct rayjob_pass *pass, const char *job_status, const char *reason, struct error *error)
{
    bool failed = reason != NULL;
    int64_t failures = count_of(pass->status, "failed") + failed;
    status_set_time(pass->status, "endTime", clock_wall_ms());
    set_text(pass, "jobStatus", job_status);
    set_text(pass, "reason", reason);
    set_state(pass, failed ? "Failed" : "Complete");
    json_set_i64(pass->status, "failed", failures);
    json_set_i64(pass->status, "succeeded",
                 count_of(pass->status, "succeeded") + (strcmp(job_status, "SUCCEEDED") == 0));
    json_remove(pass->status, SILENT_SINCE);
    int r = keep_run(pass, error);
    if (r < 0)
        return r;
    bool again = failed && strcmp(reason, "DeadlineExceeded") != 0 && failures <= count_of(pass->spec, "backoffLimit");
    if (again)
        set_state(pass, "Retrying");
    engine_event(&pass->local->base, pass->job->body, failed ? "Warning" : "Normal",
                 again    ? "Retrying"
                 : failed ? "Failed"
                          : "Complete",
                 "job %s: %s%s%.300s", rayjob_text(pass, "jobId"), job_status[0] ? job_status : reason,
                 rayjob_text(pass, "message")[0] ? ": " : "", rayjob_text(pass, "message"));
    rayjob_again(pass, 1);
    return 0;
}

static int fail(struct rayjob_pass *pass, const char *reason, const char *message, struct error *error)
{
    say(pass, message);
    return end_run(pass, rayjob_text(pass, "jobId")[0] && rayjob_runs(pass->job) ? "FAILED" : "", reason, error);
}

/* activeDeadlineSeconds counts from the begin of a run, its cluster's start included; preRunningDeadlineSeconds is for
 * that start alone. */
static bool is_late(struct rayjob_pass *pass, const char *key)
{
    int64_t limit_s = count_of(pass->spec, key), started;
    if (limit_s <= 0 || !clock_parse(slice_of(rayjob_text(pass, "startTime")), &started))
        return false;
    int64_t left = started + limit_s * 1000 - clock_wall_ms();
    if (left > 0)
        rayjob_again(pass, left);
    return left <= 0;
}

/* --- states: before it runs --------------------------------------------------------------------------------------- */

static void forget_run(struct rayjob_pass *pass)
{
    static const char *const of_a_run[] = {"jobId",      "rayClusterName", "dashboardURL",    "jobStatus",
                                           "reason",     "message",        "startTime",       "endTime",
                                           "rayJobInfo", SILENT_SINCE,     "rayClusterStatus"};
    for (size_t i = 0; i < COUNT_OF(of_a_run); i++)
        json_remove(pass->status, of_a_run[i]);
}

/* The names are written down before anything of that name is made. */
static int begin(struct rayjob_pass *pass, struct error *error)
{
    (void)error;
    forget_run(pass);
    if (is_suspended(pass)) {
        set_state(pass, "Suspended");
        return 0;
    }
    AUTO_FREE char *made = ray_owned_name(pass->job);
    AUTO_FREE char *id = ray_owned_name(pass->job);
    const char *chosen = json_text(pass->spec, "clusterSelector", "ray.io/cluster", NULL);
    const char *given = json_text_or("", pass->spec, "jobId", NULL);
    bool interactive = strcmp(json_text_or("", pass->spec, "submissionMode", NULL), "InteractiveMode") == 0;
    set_text(pass, "rayClusterName", chosen ? chosen : made);
    set_text(pass, "jobId", given[0] || interactive ? given : id);
    status_set_time(pass->status, "startTime", clock_wall_ms());
    set_state(pass, "Initializing");
    rayjob_again(pass, 1);
    return 0;
}

static int submit(struct rayjob_pass *pass, struct error *error)
{
    AUTO_JSON cJSON *info = NULL;
    struct error fault = {0};
    enum rayjob_answer answer = rayjob_ask(pass, &info, &fault);
    if (answer == RAYJOB_ABSENT)
        answer = rayjob_submit(pass, &fault);
    if (answer == RAYJOB_REFUSED)
        return fail(pass, "SubmissionFailed", fault.message, error);
    if (answer == RAYJOB_SILENT) {
        say(pass, fault.message);
        rayjob_again(pass, CLUSTER_MS);
        return 0;
    }
    set_text(pass, "message", NULL);
    set_text(pass, "jobStatus", "PENDING");
    set_state(pass, "Running");
    engine_event(&pass->local->base, pass->job->body, "Normal", "Submitted", "submitted job %s to RayCluster %s",
                 rayjob_text(pass, "jobId"), pass->cluster->name);
    rayjob_again(pass, 1);
    return 0;
}

static int ensure_cluster(struct rayjob_pass *pass, struct error *error)
{
    const char *name = rayjob_text(pass, "rayClusterName");
    if (pass->cluster)
        return 0;
    rayjob_again(pass, CLUSTER_MS);
    if (json_member(pass->spec, "clusterSelector")) {
        AUTO_FREE char *message = memory_format("there is no RayCluster %s", name);
        say(pass, message);
        return 0;
    }
    return ray_owned_make(pass->local, pass->job, name, json_member(pass->spec, "rayClusterSpec"), error);
}

/* Whether its cluster can take the job; if not, why is in the status. */
static bool cluster_is_ready(struct rayjob_pass *pass)
{
    if (!pass->cluster)
        return false;
    if (!ray_cluster_usable(pass->cluster)) {
        say(pass, ray_cluster_trouble(pass->cluster));
        rayjob_again(pass, CLUSTER_MS);
        return false;
    }
    AUTO_FREE char *url = ray_dashboard_url(pass->cluster);
    set_text(pass, "dashboardURL", url);
    return true;
}

/* True if a job that does not run yet is not to: it is suspended, or late. *ret_failed then is what came of saying so;
 * <late> says what did not happen in time. */
static bool may_not_run(struct rayjob_pass *pass, const char *late, int *ret_failed, struct error *error)
{
    *ret_failed = 0;
    if (is_suspended(pass))
        set_state(pass, "Suspending");
    else if (is_late(pass, "activeDeadlineSeconds"))
        *ret_failed = fail(pass, "DeadlineExceeded", "the job did not end within spec.activeDeadlineSeconds", error);
    else if (is_late(pass, "preRunningDeadlineSeconds"))
        *ret_failed = fail(pass, "PreRunningDeadlineExceeded", late, error);
    else
        return false;
    return true;
}

static int initialize(struct rayjob_pass *pass, struct error *error)
{
    int r;
    if (may_not_run(pass, "the job did not run within spec.preRunningDeadlineSeconds", &r, error))
        return r;
    r = ensure_cluster(pass, error);
    if (r < 0 && r != -ERROR_UNAVAILABLE && r != -ERROR_CONFLICT) {
        say(pass, error->message);
        rayjob_again(pass, CLUSTER_MS);
        return 0; /* shown; a name that is taken or a limit that is reached may pass */
    }
    if (r < 0 || !cluster_is_ready(pass))
        return r;
    if (rayjob_text(pass, "jobId")[0])
        return submit(pass, error);
    set_text(pass, "message", "submit the job to this cluster, then put its submission id into spec.jobId");
    set_state(pass, "Waiting");
    rayjob_again(pass, 1);
    return 0;
}

/* InteractiveMode: a person submits, and says under which id. */
static int wait_for_id(struct rayjob_pass *pass, struct error *error)
{
    const char *id = json_text_or("", pass->spec, "jobId", NULL);
    int r;
    if (may_not_run(pass, "no job was submitted within spec.preRunningDeadlineSeconds", &r, error))
        return r;
    if (!id[0])
        return 0;
    set_text(pass, "jobId", id);
    set_text(pass, "message", NULL);
    set_state(pass, "Running");
    rayjob_again(pass, 1);
    return 0;
}

/* --- states: running ---------------------------------------------------------------------------------------------- */

static void set_info(struct rayjob_pass *pass, const cJSON *info)
{
    static const char *const times[][2] = {{"start_time", "startTime"}, {"end_time", "endTime"}};
    cJSON *shown = json_object();
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        int64_t ms = 0;
        (void)json_i64(json_member(info, times[i][0]), &ms);
        status_set_time(shown, times[i][1], ms);
    }
    json_set(pass->status, "rayJobInfo", shown);
    say(pass, json_text_or("", info, "message", NULL));
}

static int take_over(struct rayjob_pass *pass, const cJSON *info, struct error *error)
{
    const char *status = json_text_or("", info, "status", NULL);
    json_remove(pass->status, SILENT_SINCE);
    set_info(pass, info);
    if (strcmp(status, "SUCCEEDED") == 0 || strcmp(status, "STOPPED") == 0)
        return end_run(pass, status, NULL, error);
    if (strcmp(status, "FAILED") == 0)
        return end_run(pass, status, "AppFailed", error);
    if (strcmp(status, "PENDING") == 0 || strcmp(status, "RUNNING") == 0)
        set_text(pass, "jobStatus", status);
    rayjob_again(pass, POLL_MS);
    return 0;
}

static int bear_silence(struct rayjob_pass *pass, const char *why, struct error *error)
{
    int64_t since;
    if (!clock_parse(slice_of(rayjob_text(pass, SILENT_SINCE)), &since)) {
        status_set_time(pass->status, SILENT_SINCE, clock_wall_ms());
        since = clock_wall_ms();
    }
    if (clock_wall_ms() - since > SILENCE_MAX_MS)
        return fail(pass, "JobStatusCheckTimeoutExceeded", why, error);
    say(pass, why);
    rayjob_again(pass, POLL_MS);
    return 0;
}

static int run(struct rayjob_pass *pass, struct error *error)
{
    AUTO_JSON cJSON *info = NULL;
    struct error fault = {0};
    if (!pass->cluster)
        return fail(pass, "AppFailed", "the RayCluster of the job is gone", error);
    enum rayjob_answer answer = rayjob_ask(pass, &info, &fault);
    if (answer == RAYJOB_KNOWN) {
        const char *status = json_text_or("", info, "status", NULL);
        bool ended = strcmp(status, "PENDING") != 0 && strcmp(status, "RUNNING") != 0;
        if (ended)
            return take_over(pass, info, error);
    }
    if (is_suspended(pass) || is_late(pass, "activeDeadlineSeconds")) {
        bool suspended = is_suspended(pass);
        rayjob_stop(pass);
        if (!suspended)
            return fail(pass, "DeadlineExceeded", "the job did not end within spec.activeDeadlineSeconds", error);
        set_text(pass, "jobStatus", "STOPPED");
        set_state(pass, "Suspending");
        return keep_run(pass, error);
    }
    if (answer == RAYJOB_KNOWN)
        return take_over(pass, info, error);
    /* A head that came back without its memory does not know its jobs. */
    if (answer == RAYJOB_ABSENT)
        return fail(pass, "AppFailed", "Ray does not know the job any more: the head of its cluster was replaced",
                    error);
    return bear_silence(pass, fault.message, error);
}

/* --- states: leaving ---------------------------------------------------------------------------------------------- */

/* Suspending and Retrying: a job's own cluster goes first, whole. */
static int leave(struct rayjob_pass *pass, struct error *error)
{
    bool suspending = strcmp(rayjob_text(pass, "jobDeploymentStatus"), "Suspending") == 0;
    bool gone = true;
    int r = 0;
    if (!json_member(pass->spec, "clusterSelector"))
        r = ray_owned_remove(pass->local, pass->job, rayjob_text(pass, "rayClusterName"),
                             suspending ? "the job is suspended" : "the job is tried again", &gone, error);
    if (r < 0)
        return r;
    if (!gone) {
        rayjob_again(pass, CLUSTER_MS);
        return 0;
    }
    forget_run(pass);
    set_state(pass, suspending ? "Suspended" : NULL);
    rayjob_again(pass, 1);
    return 0;
}

static int stay_suspended(struct rayjob_pass *pass, struct error *error)
{
    return is_suspended(pass) ? 0 : begin(pass, error);
}

static const struct {
    const char *state;
    int (*step)(struct rayjob_pass *pass, struct error *error);
} steps[] = {{"", begin},
             {"Initializing", initialize},
             {"Waiting", wait_for_id},
             {"Running", run},
             {"Suspending", leave},
             {"Retrying", leave},
             {"Suspended", stay_suspended},
             {"Complete", rayjob_clean},
             {"Failed", rayjob_clean}};

/* --- deletion ----------------------------------------------------------------------------------------------------- */

static int put_finalizer(void *context, const cJSON *current, cJSON **ret, struct error *error)
{
    const bool *wanted = context;
    cJSON *changed = json_copy(current);
    cJSON *metadata = json_object_in(changed, "metadata");
    cJSON *finalizers = json_member(metadata, "finalizers");
    (void)error;
    if (!cJSON_IsArray(finalizers))
        finalizers = json_set(metadata, "finalizers", json_array());
    for (int i = cJSON_GetArraySize(finalizers); i > 0; i--) {
        const cJSON *entry = cJSON_GetArrayItem(finalizers, i - 1);
        if (cJSON_IsString(entry) && strcmp(entry->valuestring, FINALIZER) == 0)
            cJSON_DeleteItemFromArray(finalizers, i - 1);
    }
    if (*wanted)
        json_push_text(finalizers, FINALIZER);
    *ret = changed;
    return 0;
}

static bool has_finalizer(const struct object *job)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, json_at(job->body, "metadata", "finalizers", NULL))
    {
        if (cJSON_IsString(entry) && strcmp(entry->valuestring, FINALIZER) == 0)
            return true;
    }
    return false;
}

static int set_finalizer(struct rayjob_pass *pass, bool wanted, struct error *error)
{
    int r = objects_change_seen(pass->local->objects, pass->job, ENGINE_SPEC, put_finalizer, &wanted, NULL, error);
    return r == -ERROR_NOT_FOUND ? 0 : r;
}

/* A job that runs is stopped, and what it has printed so far is kept; a cluster that is not its own goes on. */
static int delete (struct rayjob_pass *pass, struct error *error)
{
    int r = 0;
    if (!has_finalizer(pass->job))
        return 0;
    if (rayjob_runs(pass->job)) {
        rayjob_stop(pass);
        set_text(pass, "jobStatus", "STOPPED");
        say(pass, "the RayJob was deleted");
        r = keep_run(pass, error);
    }
    return r < 0 ? r : set_finalizer(pass, false, error);
}

/* --- the pass ----------------------------------------------------------------------------------------------------- */

static int advance(struct rayjob_pass *pass, struct error *error)
{
    const char *state = rayjob_text(pass, "jobDeploymentStatus");
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        if (strcmp(steps[i].state, state) == 0)
            return steps[i].step(pass, error);
    return 0; /* a state of a later release */
}

static int reconcile_job(struct rayjob_pass *pass, struct error *error)
{
    int64_t generation = 0;
    if (object_terminating(pass->job))
        return delete (pass, error);
    if (!has_finalizer(pass->job))
        return set_finalizer(pass, true, error); /* which comes back here */
    const cJSON *cluster_status = pass->cluster ? json_member(pass->cluster->body, "status") : NULL;
    json_set(pass->status, "rayClusterStatus", cluster_status ? json_copy(cluster_status) : NULL);
    int r = advance(pass, error);
    if (r < 0)
        return r;
    (void)json_i64(json_at(pass->job->body, "metadata", "generation", NULL), &generation);
    json_set_i64(pass->status, "observedGeneration", generation);
    return objects_set_status(pass->local->objects, pass->job, TAKE_POINTER(pass->status), error);
}

int64_t rayjob_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    AUTO_OBJECT struct object *job = objects_find(local->objects, KIND_RAYJOB, namespace, name);
    if (!job)
        return 0;
    const cJSON *status = json_member(job->body, "status");
    struct rayjob_pass pass = {.local = local,
                               .job = job,
                               .spec = json_member(job->body, "spec"),
                               .status = cJSON_IsObject(status) ? json_copy(status) : json_object()};
    const char *cluster = rayjob_text(&pass, "rayClusterName");
    if (cluster[0])
        pass.cluster = objects_find(local->objects, KIND_RAYCLUSTER, namespace, cluster);
    int r = reconcile_job(&pass, error);
    object_unref(pass.cluster);
    cJSON_Delete(pass.status);
    return r < 0 ? r : pass.again_ms;
}
