/* Which runs of RayJobs have there been, and what did they print? Also when their clusters are gone. */
#include "base/clock.h"
#include "cli/client.h"
#include "cli/object.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

static int runs_path(struct call *call, const char *name, const char *tail, char **ret, struct error *error)
{
    const char *namespace = NULL;
    int failed = call_namespace(call, &namespace, error);
    if (failed)
        return failed;
    if (name && !name_is_label(slice_of(name)))
        return call_usage(error, "\"%.60s\" cannot be the name of a job", name);
    *ret = client_path("/api/atelier/v1/profiles", namespace, "jobs", name, name ? tail : NULL, NULL);
    return 0;
}

static void add_time(const char *time, struct table *table)
{
    char age[32] = "";
    int64_t then;
    if (time && clock_parse(slice_of(time), &then))
        table_age((clock_wall_ms() - then) / 1000, age, sizeof(age));
    table_add(table, age);
}

static void run_row(const cJSON *run, struct table *table)
{
    char size[32];
    int64_t bytes = 0;
    const char *state = json_text_or("", run, "status", "jobStatus", NULL);
    const char *reason = json_text_or("", run, "status", "reason", NULL);
    (void)json_i64(json_member(run, "logBytes"), &bytes);
    table_bytes(bytes, size, sizeof(size));
    table_add(table, json_text_or("", run, "name", NULL));
    table_add(table, json_text_or("", run, "jobId", NULL));
    table_add(table, state[0] ? state : json_text_or("", run, "status", "jobDeploymentStatus", NULL));
    add_time(json_text(run, "finishedAt", NULL), table);
    table_add(table, size);
    table_add(table, json_text_or("", run, "entrypoint", NULL));
    table_add(table, reason);
}

int verb_job_list(struct call *call, struct error *error)
{
    static const char *const headers[] = {"JOB", "RUN", "STATUS", "ENDED", "LOG", "COMMAND", "REASON", NULL};
    static const struct listing listing = {headers, run_row, "jobId", false};
    char *path = NULL;
    int failed = runs_path(call, call->argument_count ? call->arguments[0] : NULL, NULL, &path, error);
    if (!failed)
        failed = list_items(call, path, &listing, error);
    free(path);
    return failed;
}

int verb_job_logs(struct call *call, struct error *error)
{
    const char *run = call_option(call, "run");
    AUTO_BUFFER struct buffer log = {0};
    AUTO_BUFFER struct buffer target = {0};
    char *path = NULL;
    int failed = runs_path(call, call->arguments[0], "log", &path, error);
    if (failed)
        return failed;
    buffer_add_text(&target, path);
    free(path);
    if (run) {
        buffer_add_text(&target, "?jobId=");
        text_percent(slice_of(run), &target);
    }
    failed = client_get(call, target.p, &log, error);
    return failed ? failed : terminal_print(buffer_slice(&log), error);
}
