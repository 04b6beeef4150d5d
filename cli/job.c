/* How is a job submitted to a Ray cluster, followed and looked at? Through Ray's Jobs API, as its own client does. */
#include "base/clock.h"
#include "base/json_mend.h"
#include "cli/client.h"
#include "cli/object.h"
#include "cli/package.h"
#include "cli/progress.h"
#include "cli/ray.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

#define LOG_POLL_MS 500
#define LOG_POLL_MAX_MS 10000
#define LOG_BYTES_PER_MS 2000 /* a pause of half a second more for each MiB */
#define SUBMIT_TRIES 20       /* "No available agent to submit job" until the head's agent has registered */
#define SUBMIT_RETRY_MS 1000
#define ABSENT_MS 60000 /* how long the cluster may be out of reach while a job is followed */
#define UPLOAD_TIMEOUT_MS 600000
#define WHY_LINES_MAX 60 /* Ray itself keeps 50 of what pip printed */
#define LOG_JSON_BYTES ((size_t)64 * 1024 * 1024)
static const struct json_limits job_limits = {LOG_JSON_BYTES, 64, 400000, 65536};

/* "/ray/alice/example-cluster/api/<tail>" */
static int api_path(struct call *call, const char *cluster, const char *tail, char **ret, struct error *error)
{
    const char *namespace = NULL;
    if (!name_is_label(slice_of(cluster)))
        return call_usage(error, "\"%.60s\" cannot be the name of a cluster", cluster);
    int failed = call_namespace(call, &namespace, error);
    if (!failed)
        *ret = memory_format("/ray/%s/%s/api/%s", namespace, cluster, tail);
    return failed;
}

static int job_path(struct call *call, const char *job, const char *tail, char **ret, struct error *error)
{
    AUTO_BUFFER struct buffer path = {0};
    buffer_add_text(&path, "jobs/");
    text_percent(slice_of(job), &path);
    buffer_add_text(&path, tail);
    return api_path(call, call->arguments[0], path.p, ret, error);
}

static int get_job(struct call *call, const char *job, const char *tail, cJSON **ret, struct error *error)
{
    char *path = NULL;
    AUTO_BUFFER struct buffer raw = {0};
    int failed = job_path(call, job, tail, &path, error);
    if (!failed)
        failed = client_get(call, path, &raw, error);
    free(path);
    if (failed)
        return failed;
    json_mend_escapes(&raw);
    return json_parse(buffer_slice(&raw), &job_limits, ret, error);
}

/* What does not answer may be suspended: then that is said, and what starts it. */
static int explained(struct call *call, int result, struct error *error)
{
    const struct resource *resource = resource_by_word("rayclusters");
    AUTO_JSON cJSON *cluster = NULL;
    struct error why = {0};
    if (result != -ERROR_UNAVAILABLE || object_get(call, resource, call->arguments[0], &cluster, NULL) != 0 ||
        object_check_runs(resource, cluster, &why) == 0)
        return result;
    *error = why;
    return result;
}

/* --- submitting --------------------------------------------------------------------------------------------------- */

static int upload(struct call *call, const char *cluster, const char *directory, char ret_uri[64], struct error *error)
{
    AUTO_BUFFER struct buffer zip = {0};
    char name[PACKAGE_NAME_SIZE];
    char *path = NULL;
    int failed = package_make(directory, &zip, name, error);
    AUTO_FREE char *tail = memory_format("packages/gcs/%s", failed ? "" : name);
    if (!failed)
        failed = api_path(call, cluster, tail, &path, error);
    AUTO_FREE char *owned = path;
    if (failed)
        return failed;
    snprintf(ret_uri, 64, "gcs://%s", name);
    failed = client_get(call, owned, NULL, error);
    if (failed != -ERROR_NOT_FOUND)
        return failed; /* 0: the cluster has it already */
    *error = (struct error){0};
    say("uploading %s: %zu KiB", directory, (zip.n + 1023) / 1024);
    struct progress progress;
    AUTO_FREE char *what = memory_format("uploading %s", directory);
    progress_begin(&progress, what, (int64_t)zip.n);
    failed = client_send(call,
                         &(struct client_request){.method = "PUT",
                                                  .path = owned,
                                                  .body = buffer_slice(&zip),
                                                  .timeout_ms = UPLOAD_TIMEOUT_MS,
                                                  .progress = &progress},
                         NULL, error);
    progress_end(&progress);
    return failed;
}

/* One shell line, as the Jobs API wants it: every word quoted, so that what was typed is what runs. */
char *ray_entrypoint(const struct call *call)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
    AUTO_BUFFER struct buffer line = {0};
    for (unsigned i = 0; i < call->rest_count; i++) {
        const char *word = call->rest[i];
        if (i)
            buffer_add_text(&line, " ");
        if (word[0] && strspn(word, plain) == strlen(word)) {
            buffer_add_text(&line, word);
            continue;
        }
        buffer_add_text(&line, "'");
        for (const char *p = word; *p; p++)
            buffer_add_text(&line, *p == '\'' ? "'\"'\"'" : (const char[]){*p, '\0'});
        buffer_add_text(&line, "'");
    }
    return buffer_take(&line);
}

static int add_variables(const struct call *call, cJSON *runtime_env, struct error *error)
{
    const char *text;
    for (unsigned i = 0; (text = call_option_at(call, "env", i)); i++) {
        const char *equals = strchr(text, '=');
        if (!equals || equals == text)
            return call_usage(error, "--env: expected NAME=VALUE");
        AUTO_FREE char *name = memory_text_n(text, (size_t)(equals - text));
        json_set_text(json_object_in(runtime_env, "env_vars"), name, equals + 1);
    }
    return 0;
}

/* A directory of this machine becomes a package that the cluster has; a URI is fetched by the cluster itself. */
static int add_directory(struct call *call, const char *cluster, cJSON *runtime_env, struct error *error)
{
    const char *given = call_option(call, "working-dir"), *said = json_text(runtime_env, "working_dir", NULL);
    char uri[64];
    if (given && said)
        return call_usage(error, "--working-dir and the working_dir of --runtime-env exclude each other");
    AUTO_FREE char *directory = given || said ? memory_text(given ? given : said) : NULL;
    if (!directory || strstr(directory, "://")) {
        json_set_text(runtime_env, "working_dir", directory);
        return 0;
    }
    if (!cluster)
        return call_usage(error, "a directory goes to a cluster that is there: --cluster names it; or put it on a "
                                 "volume, and --volume mounts that");
    int failed = upload(call, cluster, directory, uri, error);
    if (!failed)
        json_set_text(runtime_env, "working_dir", uri);
    return failed;
}

int ray_fill_runtime(struct call *call, const char *cluster, bool variables, cJSON *runtime_env, struct error *error)
{
    AUTO_BUFFER struct buffer text = {0};
    AUTO_JSON cJSON *said = NULL;
    cJSON *part;
    int failed = ray_read_runtime(call, &text, error);
    if (!failed && text.n)
        failed = yaml_parse(buffer_slice(&text), &json_limits_default, &said, error);
    if (!failed && text.n && !cJSON_IsObject(said))
        failed = call_usage(error, "--runtime-env: expected keys and values, such as \"{pip: [emoji]}\"");
    if (failed)
        return failed;
    cJSON_ArrayForEach(part, said) json_set(runtime_env, part->string, json_copy(part));
    if (variables)
        failed = add_variables(call, runtime_env, error);
    return failed ? failed : add_directory(call, cluster, runtime_env, error);
}

static int post_job(struct call *call, const cJSON *body, cJSON **ret, struct error *error)
{
    char *path = NULL;
    int failed = api_path(call, call->arguments[0], "jobs/", &path, error);
    AUTO_FREE char *owned = path;
    for (int i = 0; !failed; i++) {
        failed = client_json(call, "POST", owned, body, ret, error);
        if (failed != -ERROR_INTERNAL || i >= SUBMIT_TRIES || !strstr(error->message, "No available agent"))
            return failed;
        *error = (struct error){0};
        failed = 0;
        clock_sleep_ms(SUBMIT_RETRY_MS);
    }
    return failed;
}

/* --- following ---------------------------------------------------------------------------------------------------- */

static bool is_final(const char *status)
{
    return strcmp(status, "SUCCEEDED") == 0 || strcmp(status, "FAILED") == 0 || strcmp(status, "STOPPED") == 0;
}

/* Prints what the log has gained. Should it be shorter than before (the head was replaced), it is printed again. */
static int print_new(struct call *call, const char *job, size_t *printed, struct error *error)
{
    AUTO_JSON cJSON *answer = NULL;
    int failed = get_job(call, job, "/logs", &answer, error);
    if (failed)
        return failed;
    const char *logs = json_text_or("", answer, "logs", NULL);
    size_t length = strlen(logs);
    failed = length > *printed ? terminal_print(slice_of(logs + *printed), error) : 0;
    *printed = length;
    return failed;
}

static bool is_passing(int failed)
{
    return failed == -ERROR_UNAVAILABLE || failed == -ERROR_UPSTREAM || failed == -ERROR_TIMEOUT ||
           failed == -ERROR_INTERNAL || failed == -ERROR_LIMITED;
}

/* Line by line. What it repeats of the log's end has been printed, and the way through Ray's own code tells a person
 * nothing: of a traceback its last line. */
static void say_why(const char *message)
{
    static const char traceback[] = "Traceback (most recent call last)";
    const char *end = strstr(message, ", last available logs");
    struct slice rest = {message, end ? (size_t)(end - message) : strlen(message)};
    bool inside = false;
    for (int lines = 0; rest.n && lines < WHY_LINES_MAX;) {
        struct slice line = slice_split(rest, '\n', &rest);
        inside = memmem(line.p, line.n, traceback, strlen(traceback)) || (inside && line.n && line.p[0] == ' ');
        if (inside || !line.n)
            continue;
        say("%.*s", (int)(line.n < 500 ? line.n : 500), line.p);
        lines++;
    }
}

/* The state first and the log after it, so that a final state means that the whole log has been printed. */
static int follow(struct call *call, const char *job, bool *ret_succeeded, struct error *error)
{
    size_t printed = 0;
    bool too_large = false;
    char status[32] = "", last[32] = "";
    int64_t seen_ms = clock_monotonic_ms();
    for (;;) {
        AUTO_JSON cJSON *answer = NULL;
        int failed = get_job(call, job, "", &answer, error);
        if (!failed) {
            snprintf(status, sizeof(status), "%s", json_text_or("", answer, "status", NULL));
            failed = too_large ? 0 : print_new(call, job, &printed, error);
            if (failed == -ERROR_TOO_LARGE) {
                say("the log is too large to follow further; waiting for the job's end");
                too_large = true;
                failed = 0;
            }
        }
        if (failed && (!is_passing(failed) || clock_monotonic_ms() - seen_ms > ABSENT_MS))
            return failed;
        if (!failed) {
            *error = (struct error){0};
            seen_ms = clock_monotonic_ms();
            if (strcmp(last, status) != 0)
                say("job %s: %s", job, status);
            memcpy(last, status, sizeof(last));
            if (is_final(status)) {
                *ret_succeeded = strcmp(status, "SUCCEEDED") == 0;
                if (!*ret_succeeded)
                    say_why(json_text_or("", answer, "message", NULL));
                return 0;
            }
        }
        /* Each look takes the whole log: the longer it is, the rarer. */
        int64_t pause_ms = LOG_POLL_MS + (int64_t)(printed / LOG_BYTES_PER_MS);
        clock_sleep_ms(pause_ms < LOG_POLL_MAX_MS ? pause_ms : LOG_POLL_MAX_MS);
    }
}

static int follow_to_exit(struct call *call, const char *job, struct error *error)
{
    bool succeeded = false;
    int failed = follow(call, job, &succeeded, error);
    return failed ? failed : succeeded ? EXIT_OK : EXIT_FAILED;
}

static int submit(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *body = json_object();
    AUTO_JSON cJSON *answer = NULL;
    AUTO_FREE char *entrypoint = ray_entrypoint(call);
    json_set_text(body, "entrypoint", entrypoint);
    json_set_text(body, "submission_id", call_option(call, "submission-id"));
    int failed = ray_fill_runtime(call, call->arguments[0], true, json_object_in(body, "runtime_env"), error);
    if (!failed)
        failed = post_job(call, body, &answer, error);
    if (failed)
        return failed;
    const char *job = json_text_or("", answer, "submission_id", NULL);
    if (!call_flag(call, "no-wait")) {
        say("job %s submitted", job);
        return follow_to_exit(call, job, error);
    }
    AUTO_FREE char *json = json_print(answer);
    struct buffer raw = {.p = json, .n = strlen(json)};
    return print_answer(call, &raw, job, error);
}

/* --- looking at them ---------------------------------------------------------------------------------------------- */

static void add_span(const cJSON *job, struct table *table)
{
    int64_t start, end;
    char text[32] = "";
    if (!json_i64(json_member(job, "end_time"), &end))
        end = clock_wall_ms();
    if (json_i64(json_member(job, "start_time"), &start))
        table_age((end - start) / 1000, text, sizeof(text));
    table_add(table, text);
}

static void job_row(const cJSON *job, struct table *table)
{
    const char *id = json_text(job, "submission_id", NULL);
    int64_t start;
    char when[32] = "";
    if (json_i64(json_member(job, "start_time"), &start))
        table_age((clock_wall_ms() - start) / 1000, when, sizeof(when));
    table_add(table, id ? id : json_text_or("", job, "job_id", NULL));
    table_add(table, json_text_or("", job, "status", NULL));
    table_add(table, when);
    add_span(job, table);
    table_add(table, json_text_or("", job, "entrypoint", NULL));
}

static int jobs(struct call *call, struct error *error)
{
    static const char *const headers[] = {"JOB", "STATUS", "AGE", "TOOK", "COMMAND", NULL};
    static const struct listing listing = {headers, job_row, "submission_id", true};
    char *path = NULL;
    int failed = api_path(call, call->arguments[0], "jobs/", &path, error);
    if (!failed)
        failed = list_items(call, path, &listing, error);
    free(path);
    return failed;
}

static int logs(struct call *call, struct error *error)
{
    size_t printed = 0;
    bool succeeded;
    if (!call_flag(call, "follow"))
        return print_new(call, call->arguments[1], &printed, error);
    return follow(call, call->arguments[1], &succeeded, error);
}

static int stop(struct call *call, struct error *error)
{
    char *path = NULL;
    int failed = job_path(call, call->arguments[1], "/stop", &path, error);
    if (!failed)
        failed = client_json(call, "POST", path, NULL, NULL, error);
    free(path);
    AUTO_FREE char *line = memory_format("job %s stopping", call->arguments[1]);
    return failed ? failed : print_done(call, NULL, line, error);
}

/* --- verbs -------------------------------------------------------------------------------------------------------- */

int verb_ray_submit(struct call *call, struct error *error)
{
    return explained(call, submit(call, error), error);
}

int verb_ray_jobs(struct call *call, struct error *error)
{
    return explained(call, jobs(call, error), error);
}

int verb_ray_logs(struct call *call, struct error *error)
{
    return explained(call, logs(call, error), error);
}

int verb_ray_stop(struct call *call, struct error *error)
{
    return explained(call, stop(call, error), error);
}
