/* What is known of runs of Ray jobs that have ended? */
#include "engine/rayruns.h"

#include "base/clock.h"

/* A profile's: so many runs, so many bytes, so long. */
enum { RUNS_MAX = 200, BYTES_MAX = 64 << 20, AGE_MAX_S = 30 * 24 * 3600 };
/* Rows were bounded when they were written; this only bounds a damaged table. */
static const struct json_limits record_limits = {.bytes = 2 << 20, .depth = 64, .values = 100000, .keys = 10000};

/* --- keeping ------------------------------------------------------------------------------------------------------ */

/* The oldest go first, whichever bound they exceed. */
static int prune(struct store_connection *connection, const char *namespace, struct error *error)
{
    return store_run_v(connection, "rayruns_prune",
                       "DELETE FROM ray_job_history WHERE id IN (SELECT id FROM"
                       " (SELECT id, row_number() OVER newest AS place,"
                       " sum(octet_length(log) + octet_length(record::text)) OVER newest AS bytes"
                       " FROM ray_job_history WHERE namespace = $1 WINDOW newest AS (ORDER BY id DESC)) AS kept"
                       " WHERE place > $2 OR (bytes > $3 AND place > 1))",
                       NULL, error, STORE_TEXT(namespace), STORE_I64(RUNS_MAX), STORE_I64(BYTES_MAX));
}

int rayruns_keep(struct store *store, const struct engine_run *run, struct error *error)
{
    AUTO_CONNECTION struct store_connection *connection = NULL;
    AUTO_JSON cJSON *record = json_object();
    const cJSON *metadata = json_member(run->job, "metadata");
    const char *namespace = json_text_or("", metadata, "namespace", NULL);
    json_set_text(record, "entrypoint", json_text(run->job, "spec", "entrypoint", NULL));
    cJSON *kept = json_set(record, "status", json_copy(run->status));
    json_remove(kept, "rayClusterStatus"); /* of a cluster that is gone */
    json_set(record, "events", run->events ? json_copy(run->events) : json_array());
    AUTO_FREE char *text = json_print(record);
    int r = store_take(store, &connection, error);
    if (r == 0)
        r = store_run_v(connection, "rayruns_keep",
                        "INSERT INTO ray_job_history AS kept (namespace, name, uid, job_id, record, log, log_cut)"
                        " VALUES ($1, $2, $3, $4, $5, $6, $7 = 1) ON CONFLICT (uid, job_id) DO UPDATE"
                        " SET record = EXCLUDED.record,"
                        " log_cut = CASE WHEN octet_length(EXCLUDED.log) < octet_length(kept.log)"
                        " THEN kept.log_cut ELSE EXCLUDED.log_cut END,"
                        " log = CASE WHEN octet_length(EXCLUDED.log) < octet_length(kept.log)"
                        " THEN kept.log ELSE EXCLUDED.log END",
                        NULL, error, STORE_TEXT(namespace), STORE_TEXT(json_text_or("", metadata, "name", NULL)),
                        STORE_TEXT(json_text_or("", metadata, "uid", NULL)),
                        STORE_TEXT(json_text_or("", run->status, "jobId", NULL)), STORE_TEXT(text),
                        STORE_TEXT(run->log ? run->log : ""), STORE_I64(run->log_cut));
    return r < 0 ? r : prune(connection, namespace, error);
}

int rayruns_forget(struct store *store, const char *namespace, struct error *error)
{
    AUTO_CONNECTION struct store_connection *connection = NULL;
    int r = store_take(store, &connection, error);
    return r < 0 ? r
                 : store_run_v(connection, "rayruns_forget", "DELETE FROM ray_job_history WHERE namespace = $1", NULL,
                               error, STORE_TEXT(namespace));
}

int rayruns_age(struct store *store, struct error *error)
{
    AUTO_CONNECTION struct store_connection *connection = NULL;
    int r = store_take(store, &connection, error);
    return r < 0 ? r
                 : store_run_v(
                       connection, "rayruns_age",
                       "DELETE FROM ray_job_history WHERE finished_at < now() - make_interval(secs => $1::float8)",
                       NULL, error, STORE_I64(AGE_MAX_S));
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int add_run(cJSON *items, const PGresult *rows, int row, struct error *error)
{
    AUTO_JSON cJSON *record = NULL;
    char finished[CLOCK_TEXT_SIZE];
    int r = json_parse(slice_of(store_text(rows, row, "record")), &record_limits, &record, error);
    if (r < 0)
        return r;
    cJSON *run = json_push(items, json_object());
    json_set_text(run, "name", store_text(rows, row, "name"));
    json_set_text(run, "uid", store_text(rows, row, "uid"));
    json_set_text(run, "jobId", store_text(rows, row, "job_id"));
    clock_format(store_number(rows, row, "finished_ms"), finished);
    json_set_text(run, "finishedAt", finished);
    json_set_i64(run, "logBytes", store_number(rows, row, "log_bytes"));
    json_set_bool(run, "logCut", store_flag(rows, row, "log_cut"));
    for (const cJSON *part = record->child; part; part = part->next)
        json_set(run, part->string, json_copy(part));
    return 0;
}

#define OF_JOB                                                                                                         \
    " WHERE namespace = $1 AND ($2::text IS NULL OR name = $2)"                                                        \
    " AND finished_at > greatest(now() - make_interval(secs => $3::float8), to_timestamp($4::float8 / 1000))"

int rayruns_list(struct store *store, const char *namespace, const char *name, int64_t since_ms, cJSON **ret,
                 struct error *error)
{
    AUTO_CONNECTION struct store_connection *connection = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    AUTO_JSON cJSON *list = json_object();
    cJSON *items = json_set(list, "items", json_array());
    int r = store_take(store, &connection, error);
    if (r == 0)
        r = store_run_v(connection, "rayruns_list",
                        "SELECT name, uid, job_id, (extract(epoch FROM finished_at) * 1000)::bigint AS finished_ms,"
                        " record::text AS record, octet_length(log) AS log_bytes, log_cut FROM ray_job_history" OF_JOB
                        " ORDER BY id DESC",
                        &rows, error, STORE_TEXT(namespace), STORE_TEXT(name), STORE_I64(AGE_MAX_S),
                        STORE_I64(since_ms));
    for (int i = 0; r == 0 && i < PQntuples(rows); i++)
        r = add_run(items, rows, i, error);
    if (r == 0)
        *ret = TAKE_POINTER(list);
    return r;
}

int rayruns_log(struct store *store, const char *namespace, const char *name, const char *job_id, int64_t since_ms,
                char **ret, bool *ret_cut, struct error *error)
{
    AUTO_CONNECTION struct store_connection *connection = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int r = store_take(store, &connection, error);
    if (r == 0)
        r = store_run_v(connection, "rayruns_log",
                        "SELECT log, log_cut FROM ray_job_history" OF_JOB
                        " AND ($5::text IS NULL OR job_id = $5) ORDER BY id DESC LIMIT 1",
                        &rows, error, STORE_TEXT(namespace), STORE_TEXT(name), STORE_I64(AGE_MAX_S),
                        STORE_I64(since_ms), STORE_TEXT(job_id));
    if (r < 0)
        return r;
    if (PQntuples(rows) == 0)
        return error_set(error, ERROR_NOT_FOUND, NULL, "there is no log of a job \"%s\"", name);
    *ret = memory_text(store_text(rows, 0, "log"));
    *ret_cut = store_flag(rows, 0, "log_cut");
    return 0;
}

int rayruns_namespaces(struct store *store, cJSON **ret, struct error *error)
{
    AUTO_CONNECTION struct store_connection *connection = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int r = store_take(store, &connection, error);
    if (r == 0)
        r = store_run(connection, "rayruns_namespaces", "SELECT DISTINCT namespace FROM ray_job_history", NULL, 0,
                      &rows, error);
    if (r < 0)
        return r;
    *ret = json_array();
    for (int i = 0; i < PQntuples(rows); i++)
        json_push_text(*ret, store_text(rows, i, "namespace"));
    return 0;
}
