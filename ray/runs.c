/* Which runs of RayJobs have ended where KubeRay reconciles them, and what have their drivers printed? */
#include <unistd.h>

#include "base/log.h"
#include "ray/internal.h"
#include "tenancy/ask.h"
#include "tenancy/follow.h"

#define DASHBOARD "8265"
#define KEY_TIDY "~tidy"
#define TIDY_MS (3600 * 1000)
#define EVENTS_MAX 100          /* of a run */
#define ANSWER_BYTES (16 << 20) /* a log as JSON; of a longer one what its submitter has repeated is taken */
#define POD_LOG_BYTES (4 << 20) /* the engine gives less */

struct ray_runs {
    struct engine *engine;
    struct queue *queue; /* one thread: who leads keeps one run after the other */
    struct follow *follow;
};

static const char *status_text(const cJSON *job, const char *key)
{
    return json_text_or("", job, "status", key, NULL);
}

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(*words, text) != 0)
        words++;
    return *words != NULL;
}

/* Ray's word comes first, KubeRay's a little later; without the former the run never began. */
bool ray_run_is_over(const cJSON *job)
{
    static const char *const ended[] = {"SUCCEEDED", "FAILED", "STOPPED", NULL};
    static const char *const done[] = {"Complete", "Failed", NULL};
    return status_text(job, "jobId")[0] && (is_one_of(status_text(job, "jobStatus"), ended) ||
                                            is_one_of(status_text(job, "jobDeploymentStatus"), done));
}

/* --- what its driver printed -------------------------------------------------------------------------------------- */

/* The last bytes of <text>, from the beginning of a line. */
static char *end_of(const char *text, bool *ret_cut)
{
    size_t length = strlen(text);
    if (length <= ENGINE_RUN_LOG_BYTES)
        return memory_text(text);
    const char *from = text + length - ENGINE_RUN_LOG_BYTES;
    const char *line = strchr(from, '\n');
    *ret_cut = true;
    for (from = line ? line + 1 : from; (*from & 0xC0) == 0x80;)
        from++;
    return memory_text(from);
}

static int log_of_head(struct engine *engine, const cJSON *job, char **ret, bool *ret_cut, struct error *error)
{
    AUTO_JSON cJSON *cluster = NULL;
    AUTO_JSON cJSON *answer = NULL;
    AUTO_BUFFER struct buffer path = {0};
    char secret[RAY_TOKEN_SECRET_SIZE];
    int status = 0;
    const char *namespace = json_text_or("", job, "metadata", "namespace", NULL);
    int r = engine_get(engine, KIND_RAYCLUSTER, namespace, status_text(job, "rayClusterName"), &cluster, error);
    if (r < 0)
        return r;
    const struct ask ask = {.engine = engine,
                            .namespace = namespace,
                            .service = json_text_or("", cluster, "status", "head", "serviceName", NULL),
                            .port = DASHBOARD,
                            .secret = ray_token_secret(cluster, secret, NULL),
                            .key = "auth_token",
                            .header = "Authorization: Bearer ",
                            .bytes_max = ANSWER_BYTES};
    buffer_add_text(&path, "/api/jobs/");
    text_percent(slice_of(status_text(job, "jobId")), &path);
    buffer_add_text(&path, "/logs");
    r = ask_json(&ask, path.p, &status, &answer, error);
    const char *text = json_text(answer, "logs", NULL);
    if (r == 0 && !text)
        r = error_set(error, ERROR_UPSTREAM, NULL, "the cluster has no log of the job");
    if (r == 0)
        *ret = end_of(text, ret_cut);
    return r;
}

/* What a line of the engine says: "TIME stdout F text". */
static struct slice line_text(struct slice line)
{
    for (int i = 0; i < 3; i++)
        (void)slice_split(line, ' ', &line);
    return line;
}

static int read_all(int fd, struct buffer *ret, struct error *error)
{
    char bytes[16384];
    ssize_t n;
    while ((n = read(fd, bytes, sizeof(bytes))) > 0 && ret->n < POD_LOG_BYTES)
        buffer_add(ret, bytes, (size_t)n);
    return n < 0 ? error_set(error, ERROR_INTERNAL, NULL, "a pod's log cannot be read") : 0;
}

static int read_pod_log(struct engine *engine, const cJSON *pod, char **ret, bool *ret_cut, struct error *error)
{
    AUTO_CLOSE int fd = -1;
    AUTO_BUFFER struct buffer raw = {0};
    AUTO_BUFFER struct buffer text = {0};
    struct slice rest;
    bool live = false;
    int lines = 0;
    int r = engine_log_open(engine, json_text(pod, "metadata", "namespace", NULL),
                            json_text_or("", pod, "metadata", "name", NULL), NULL, &fd, &live, error);
    if (r == 0)
        r = read_all(fd, &raw, error);
    if (r < 0)
        return r;
    for (rest = buffer_slice(&raw); rest.n; lines++) {
        struct slice line = line_text(slice_split(rest, '\n', &rest));
        if (!text_is_utf8(line) || (line.n && memchr(line.p, '\0', line.n)))
            continue; /* nothing that could be kept */
        buffer_add_slice(&text, line);
        buffer_add_text(&text, "\n");
    }
    *ret_cut = lines >= ENGINE_LOG_LINES || raw.n >= ENGINE_RUN_LOG_BYTES;
    *ret = end_of(text.p ? text.p : "", ret_cut);
    return 0;
}

/* In K8sJobMode a pod submits the job and repeats what its driver prints; it stays when the cluster goes. */
static int log_of_submitter(struct engine *engine, const cJSON *job, char **ret, bool *ret_cut, struct error *error)
{
    AUTO_JSON cJSON *pods = NULL;
    const cJSON *pod;
    const cJSON *latest = NULL;
    AUTO_FREE char *selector = memory_format("job-name=%s", json_text_or("", job, "metadata", "name", NULL));
    int r = engine_list(engine, KIND_POD, json_text(job, "metadata", "namespace", NULL),
                        &(struct engine_list_options){.label_selector = selector}, &pods, error);
    if (r < 0)
        return r;
    cJSON_ArrayForEach(pod, json_member(pods, "items"))
    {
        const char *made = json_text_or("", pod, "metadata", "creationTimestamp", NULL);
        if (!latest || strcmp(made, json_text_or("", latest, "metadata", "creationTimestamp", NULL)) > 0)
            latest = pod;
    }
    return latest ? read_pod_log(engine, latest, ret, ret_cut, error)
                  : error_set(error, ERROR_UNAVAILABLE, NULL, "nothing is left that knows what the job has printed");
}

static int log_now(struct engine *engine, const cJSON *job, char **ret, bool *ret_cut, struct error *error)
{
    struct error of_head = {0};
    *ret_cut = false;
    if (log_of_head(engine, job, ret, ret_cut, &of_head) == 0)
        return 0;
    return log_of_submitter(engine, job, ret, ret_cut, error);
}

int ray_job_log(struct engine *engine, const char *namespace, const char *name, const char *job_id, char **ret,
                bool *ret_cut, struct error *error)
{
    AUTO_JSON cJSON *job = NULL;
    if (engine_traits(engine)->ray_by_kuberay && engine_get(engine, KIND_RAYJOB, namespace, name, &job, NULL) == 0 &&
        status_text(job, "jobId")[0] && !ray_run_is_over(job) &&
        (!job_id || strcmp(job_id, status_text(job, "jobId")) == 0))
        return log_now(engine, job, ret, ret_cut, error);
    return engine_job_log(engine, namespace, name, job_id, ret, ret_cut, error);
}

/* --- keeping ------------------------------------------------------------------------------------------------------ */

static void add_events(struct engine *engine, const cJSON *job, const char *kind, const char *name, cJSON *events)
{
    static const char *const kept[] = {"type", "reason", "message", "count", "firstTimestamp", "lastTimestamp"};
    AUTO_JSON cJSON *list = NULL;
    const cJSON *event;
    AUTO_FREE char *selector = memory_format("involvedObject.kind=%s,involvedObject.name=%s", kind, name);
    if (!*name ||
        engine_list(engine, KIND_EVENT, json_text(job, "metadata", "namespace", NULL),
                    &(struct engine_list_options){.field_selector = selector, .limit = EVENTS_MAX}, &list, NULL) < 0)
        return;
    cJSON_ArrayForEach(event, json_member(list, "items"))
    {
        if (cJSON_GetArraySize(events) >= EVENTS_MAX)
            return;
        cJSON *copy = json_push(events, json_object());
        json_set_text(json_object_in(copy, "object"), "kind", kind);
        json_set_text(json_object_in(copy, "object"), "name", name);
        for (size_t i = 0; i < COUNT_OF(kept); i++)
            if (json_member(event, kept[i]))
                json_set(copy, kept[i], json_copy(json_member(event, kept[i])));
    }
}

/* The run as it is kept, or NULL. */
static const cJSON *find_run(const cJSON *history, const cJSON *job)
{
    const cJSON *run;
    cJSON_ArrayForEach(run, json_member(history, "items"))
    {
        if (strcmp(json_text_or("", run, "uid", NULL), json_text_or("", job, "metadata", "uid", NULL)) == 0 &&
            strcmp(json_text_or("", run, "jobId", NULL), status_text(job, "jobId")) == 0)
            return run;
    }
    return NULL;
}

static bool says_the_same(const cJSON *run, const cJSON *job)
{
    return strcmp(status_text(run, "jobStatus"), status_text(job, "jobStatus")) == 0 &&
           strcmp(status_text(run, "jobDeploymentStatus"), status_text(job, "jobDeploymentStatus")) == 0;
}

/* A log that cannot be read holds nothing up: its cluster may be gone in a moment, and the status with it. */
static int keep(struct ray_runs *runs, const cJSON *job, struct error *error)
{
    AUTO_JSON cJSON *history = NULL;
    AUTO_JSON cJSON *events = json_array();
    AUTO_FREE char *log = NULL;
    struct error fault = {0};
    int64_t bytes = 0;
    bool cut = false;
    const char *name = json_text_or("", job, "metadata", "name", NULL);
    int r = engine_job_history(runs->engine, json_text(job, "metadata", "namespace", NULL), name, &history, error);
    const cJSON *run = find_run(history, job);
    if (r < 0 || (run && says_the_same(run, job)))
        return r;
    (void)json_i64(json_member(run, "logBytes"), &bytes);
    if (bytes == 0 && log_now(runs->engine, job, &log, &cut, &fault) < 0)
        log_line(LOG_INFO, "the log of a Ray job cannot be kept", LOG_TEXT("job", name), LOG_FAULT(&fault));
    add_events(runs->engine, job, "RayJob", name, events);
    add_events(runs->engine, job, "RayCluster", status_text(job, "rayClusterName"), events);
    return engine_job_keep(
        runs->engine,
        &(struct engine_run){
            .job = job, .status = json_member(job, "status"), .events = events, .log = log, .log_cut = cut},
        error);
}

static void on_seen(void *context, enum engine_kind kind, const cJSON *job)
{
    struct ray_runs *runs = context;
    const char *namespace = json_text_or("", job, "metadata", "namespace", NULL);
    (void)kind;
    if (!ray_run_is_over(job))
        return;
    AUTO_FREE char *key = memory_format("%s/%s", namespace, json_text_or("", job, "metadata", "name", NULL));
    queue_add(runs->queue, namespace, key);
}

static int64_t handle(void *context, const char *key)
{
    struct ray_runs *runs = context;
    struct error error = {0};
    AUTO_JSON cJSON *job = NULL;
    int64_t result;
    if (follow_handle(runs->follow, key, &result))
        return result;
    if (strcmp(key, KEY_TIDY) == 0) {
        int tidied = engine_job_tidy(runs->engine, &error);
        return tidied < 0 ? tidied : TIDY_MS;
    }
    struct slice name, namespace = slice_split(slice_of(key), '/', &name);
    AUTO_FREE char *namespace_text = memory_text_n(namespace.p, namespace.n);
    AUTO_FREE char *name_text = memory_text_n(name.p ? name.p : "", name.n);
    int r = engine_get(runs->engine, KIND_RAYJOB, namespace_text, name_text, &job, &error);
    if (r == 0 && ray_run_is_over(job))
        r = keep(runs, job, &error);
    return r == -ERROR_NOT_FOUND || r == -ERROR_METHOD ? 0 : r;
}

struct ray_runs *ray_runs_new(struct engine *engine)
{
    static const enum engine_kind kinds[] = {KIND_RAYJOB};
    struct ray_runs *runs = memory_get(sizeof(*runs));
    runs->engine = engine;
    runs->queue = queue_new("ray-runs", 1, handle, runs);
    runs->follow = follow_new(engine, runs->queue, kinds, COUNT_OF(kinds), on_seen, runs);
    follow_standing(runs->follow, KEY_TIDY);
    follow_start(runs->follow);
    return runs;
}

void ray_runs_free(struct ray_runs *runs)
{
    if (!runs)
        return;
    queue_stop(runs->queue);
    follow_free(runs->follow);
    queue_free(runs->queue);
    free(runs);
}
