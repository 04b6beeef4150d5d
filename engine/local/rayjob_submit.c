/* What does Ray say about a RayJob's job, and how does Ray get it? */
#include "base/json_mend.h"
#include "engine/local/rayask.h"
#include "engine/local/rayjob.h"

enum { SUBMIT_MS = 60 * 1000, STOP_MS = 5 * 1000, LOG_MS = 30 * 1000 };

static char *job_path(const char *job_id, const char *tail)
{
    AUTO_BUFFER struct buffer path = {0};
    buffer_add_text(&path, "/api/jobs/");
    text_percent(slice_of(job_id), &path);
    buffer_add_text(&path, tail);
    return buffer_take(&path);
}

enum rayjob_answer rayjob_ask(struct rayjob_pass *pass, cJSON **ret_info, struct error *error)
{
    AUTO_FREE char *path = job_path(rayjob_text(pass, "jobId"), "");
    cJSON *info = NULL;
    long status = 0;
    const struct ray_question question = {.method = "GET", .path = path};
    if (ray_ask_json(pass->local, pass->cluster, &question, &status, &info, NULL, error) < 0)
        return RAYJOB_SILENT;
    if (status == 200 && info) {
        *ret_info = info;
        return RAYJOB_KNOWN;
    }
    cJSON_Delete(info);
    if (status == 404)
        return RAYJOB_ABSENT;
    (void)error_set(error, ERROR_UPSTREAM, NULL, "Ray answered %ld when asked for the job", status);
    return RAYJOB_SILENT;
}

static cJSON *submission(const struct rayjob_pass *pass)
{
    static const char *const amounts[][2] = {{"entrypointNumCpus", "entrypoint_num_cpus"},
                                             {"entrypointNumGpus", "entrypoint_num_gpus"}};
    cJSON *body = json_object();
    cJSON *value = NULL;
    const char *runtime_env = json_text_or("", pass->spec, "runtimeEnvYAML", NULL);
    const char *resources = json_text_or("", pass->spec, "entrypointResources", NULL);
    json_set_text(body, "entrypoint", json_text(pass->spec, "entrypoint", NULL));
    json_set_text(body, "submission_id", rayjob_text(pass, "jobId"));
    if (runtime_env[0] && yaml_parse(slice_of(runtime_env), &json_limits_default, &value, NULL) == 0)
        json_set(body, "runtime_env", TAKE_POINTER(value));
    if (resources[0] && json_parse(slice_of(resources), &json_limits_default, &value, NULL) == 0)
        json_set(body, "entrypoint_resources", TAKE_POINTER(value));
    if (json_member(pass->spec, "metadata"))
        json_set(body, "metadata", json_copy(json_member(pass->spec, "metadata")));
    for (size_t i = 0; i < COUNT_OF(amounts); i++)
        if (json_member(pass->spec, amounts[i][0]))
            json_set(body, amounts[i][1], json_copy(json_member(pass->spec, amounts[i][0])));
    return body;
}

enum rayjob_answer rayjob_submit(struct rayjob_pass *pass, struct error *error)
{
    AUTO_JSON cJSON *body = submission(pass);
    AUTO_JSON cJSON *answer = NULL;
    AUTO_FREE char *text = NULL;
    char shown[512];
    long status = 0;
    const struct ray_question question = {
        .method = "POST", .path = "/api/jobs/", .body = body, .deadline_ms = SUBMIT_MS};
    if (ray_ask_json(pass->local, pass->cluster, &question, &status, &answer, &text, error) < 0)
        return RAYJOB_SILENT;
    if (status == 200)
        return RAYJOB_KNOWN;
    /* "No available agent to submit job" and the like pass; what Ray calls the request's fault does not. */
    text_printable(slice_of(text ? text : json_text_or("", answer, "detail", NULL)), shown, sizeof(shown));
    (void)error_set(error, ERROR_UPSTREAM, NULL, "Ray did not take the job (%ld): %s", status, shown);
    return status >= 400 && status < 500 && status != 408 && status != 429 ? RAYJOB_REFUSED : RAYJOB_SILENT;
}

void rayjob_stop(struct rayjob_pass *pass)
{
    AUTO_FREE char *path = job_path(rayjob_text(pass, "jobId"), "/stop");
    AUTO_JSON cJSON *answer = NULL;
    long status;
    const struct ray_question question = {.method = "POST", .path = path, .deadline_ms = STOP_MS};
    if (pass->cluster)
        (void)ray_ask_json(pass->local, pass->cluster, &question, &status, &answer, NULL, NULL);
}

/* --- the log ------------------------------------------------------------------------------------------------------ */

/* The answer is {"logs": "…"}; of a long one only the end was kept, which becomes whole again at its first line. */
static char *log_of(const struct ray_answer *answer)
{
    static const struct json_limits limits = {.bytes = 3 * ENGINE_RUN_LOG_BYTES, .depth = 4, .values = 16, .keys = 8};
    AUTO_BUFFER struct buffer json = {0};
    AUTO_JSON cJSON *tree = NULL;
    const char *from = answer->body.p;
    if (answer->cut) {
        const char *at = from;
        while ((at = strstr(at + 1, "\\n")) && at[-1] == '\\')
            ;
        from = at ? at + 2 : answer->body.p + answer->body.n - strlen("\"}"); /* a line without end */
        buffer_add_text(&json, "{\"logs\":\"");
    }
    buffer_add_text(&json, from ? from : "");
    return json_parse(buffer_slice(&json), &limits, &tree, NULL) < 0
               ? NULL
               : memory_text(json_text_or("", tree, "logs", NULL));
}

int rayjob_log(struct local *local, const struct object *job, struct ray_log *ret, struct error *error)
{
    const char *job_id = json_text_or("", job->body, "status", "jobId", NULL);
    AUTO_OBJECT struct object *cluster = objects_find(local->objects, KIND_RAYCLUSTER, job->namespace,
                                                      json_text_or("", job->body, "status", "rayClusterName", NULL));
    AUTO_FREE char *path = job_path(job_id, "/logs");
    struct ray_answer answer;
    const struct ray_question question = {
        .method = "GET", .path = path, .deadline_ms = LOG_MS, .keep_bytes = ENGINE_RUN_LOG_BYTES};
    if (!cluster)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the RayCluster of the job is not there");
    int r = ray_ask(local, cluster, &question, &answer, error);
    if (r < 0)
        return r;
    json_mend_escapes(&answer.body);
    char *text = answer.status == 200 ? log_of(&answer) : NULL;
    bool cut = answer.cut;
    buffer_free(&answer.body);
    if (!text)
        return error_set(error, ERROR_UPSTREAM, NULL, "Ray has no log of the job");
    *ret = (struct ray_log){.text = text, .cut = cut};
    return 0;
}
