/* What is known of Ray jobs that have ended? */
#include "engine/local/rayhistory.h"

#include "base/clock.h"
#include "engine/local/rayjob.h"
#include "store/store.h"

/* A profile's history: so many runs, so many bytes, so long. */
enum { RUNS_MAX = 200, BYTES_MAX = 64 << 20, AGE_MAX_S = 30 * 24 * 3600, EVENTS_MAX = 100 };
/* Rows were bounded when they were written; this only bounds a damaged table. */
static const struct json_limits record_limits = {.bytes = 2 << 20, .depth = 64, .values = 100000, .keys = 10000};

/* --- keeping ------------------------------------------------------------------------------------------------------ */

static bool is_about(const struct object *event, const struct object *job, const char *cluster)
{
    const char *kind = json_text_or("", event->body, "involvedObject", "kind", NULL);
    const char *name = json_text_or("", event->body, "involvedObject", "name", NULL);
    if (strcmp(json_text_or("", event->body, "involvedObject", "uid", NULL), job->uid) == 0)
        return true;
    const char *of_pod = json_text_or("", event->body, "metadata", "labels", "ray.io/cluster", NULL);
    return cluster[0] &&
           ((strcmp(kind, "RayCluster") == 0 && strcmp(name, cluster) == 0) || strcmp(of_pod, cluster) == 0);
}

/* Those of the job and of the cluster it ran on. */
static cJSON *events_of(struct local *local, const struct object *job, const char *cluster)
{
    static const char *const kept[] = {"type", "reason", "message", "count", "firstTimestamp", "lastTimestamp"};
    AUTO_OBJECT_LIST struct object_list all = {0};
    cJSON *events = json_array();
    objects_select(local->objects, KIND_EVENT, job->namespace, NULL, &all);
    for (size_t i = 0; i < all.count && cJSON_GetArraySize(events) < EVENTS_MAX; i++) {
        if (!is_about(all.items[i], job, cluster))
            continue;
        cJSON *event = json_push(events, json_object());
        cJSON *object = json_object_in(event, "object");
        json_set_text(object, "kind", json_text(all.items[i]->body, "involvedObject", "kind", NULL));
        json_set_text(object, "name", json_text(all.items[i]->body, "involvedObject", "name", NULL));
        for (size_t k = 0; k < COUNT_OF(kept); k++)
            if (json_member(all.items[i]->body, kept[k]))
                json_set(event, kept[k], json_copy(json_member(all.items[i]->body, kept[k])));
    }
    return events;
}

/* The oldest go first, whichever bound they exceed. */
static int prune(struct store_connection *connection, const char *namespace, struct error *error)
{
    return store_run_v(connection, "ray_history_prune",
                       "DELETE FROM ray_job_history WHERE id IN (SELECT id FROM"
                       " (SELECT id, row_number() OVER newest AS place,"
                       " sum(octet_length(log) + octet_length(record::text)) OVER newest AS bytes"
                       " FROM ray_job_history WHERE namespace = $1 WINDOW newest AS (ORDER BY id DESC)) AS kept"
                       " WHERE place > $2 OR (bytes > $3 AND place > 1))",
                       NULL, error, STORE_TEXT(namespace), STORE_I64(RUNS_MAX), STORE_I64(BYTES_MAX));
}

int ray_history_keep(struct local *local, const struct object *job, const cJSON *status, const struct ray_log *log,
                     struct error *error)
{
    AUTO_CONNECTION struct store_connection *connection = NULL;
    AUTO_JSON cJSON *record = json_object();
    json_set_text(record, "entrypoint", json_text(job->body, "spec", "entrypoint", NULL));
    cJSON *kept = json_set(record, "status", json_copy(status));
    json_remove(kept, "rayClusterStatus"); /* of a cluster that is gone */
    json_set(record, "events", events_of(local, job, json_text_or("", status, "rayClusterName", NULL)));
    AUTO_FREE char *text = json_print(record);
    int r = store_take(local->store, &connection, error);
    if (r == 0)
        r = store_run_v(connection, "ray_history_keep",
                        "INSERT INTO ray_job_history (namespace, name, uid, job_id, record, log, log_cut)"
                        " VALUES ($1, $2, $3, $4, $5, $6, $7 = 1) ON CONFLICT (uid, job_id) DO UPDATE"
                        " SET finished_at = now(), record = EXCLUDED.record, log = EXCLUDED.log,"
                        " log_cut = EXCLUDED.log_cut",
                        NULL, error, STORE_TEXT(job->namespace), STORE_TEXT(job->name), STORE_TEXT(job->uid),
                        STORE_TEXT(json_text_or("", status, "jobId", NULL)), STORE_TEXT(text),
                        STORE_TEXT(log->text ? log->text : ""), STORE_I64(log->cut));
    return r < 0 ? r : prune(connection, job->namespace, error);
}

int ray_history_forget(struct local *local, const char *namespace, struct error *error)
{
    AUTO_CONNECTION struct store_connection *connection = NULL;
    int r = store_take(local->store, &connection, error);
    if (r == 0)
        r = store_run_v(connection, "ray_history_forget", "DELETE FROM ray_job_history WHERE namespace = $1", NULL,
                        error, STORE_TEXT(namespace));
    return r;
}

int64_t ray_history_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    AUTO_CONNECTION struct store_connection *connection = NULL;
    (void)namespace;
    (void)name;
    int r = store_take(local->store, &connection, error);
    if (r == 0)
        r = store_run_v(connection, "ray_history_age",
                        "DELETE FROM ray_job_history WHERE finished_at < now() - make_interval(secs => $1::float8)",
                        NULL, error, STORE_I64(AGE_MAX_S));
    return r;
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
    json_set_text(run, "jobId", store_text(rows, row, "job_id"));
    clock_format(store_number(rows, row, "finished_ms"), finished);
    json_set_text(run, "finishedAt", finished);
    json_set_i64(run, "logBytes", store_number(rows, row, "log_bytes"));
    json_set_bool(run, "logCut", store_flag(rows, row, "log_cut"));
    for (const cJSON *part = record->child; part; part = part->next)
        json_set(run, part->string, json_copy(part));
    return 0;
}

int ray_history_list(struct engine *engine, const char *namespace, const char *name, cJSON **ret, struct error *error)
{
    AUTO_CONNECTION struct store_connection *connection = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    AUTO_JSON cJSON *list = json_object();
    cJSON *items = json_set(list, "items", json_array());
    int r = store_take(local_of(engine)->store, &connection, error);
    if (r == 0)
        r = store_run_v(connection, "ray_history_list",
                        "SELECT name, job_id, (extract(epoch FROM finished_at) * 1000)::bigint AS finished_ms,"
                        " record::text AS record, octet_length(log) AS log_bytes, log_cut FROM ray_job_history"
                        " WHERE namespace = $1 AND ($2::text IS NULL OR name = $2)"
                        " AND finished_at > now() - make_interval(secs => $3::float8) ORDER BY id DESC",
                        &rows, error, STORE_TEXT(namespace), STORE_TEXT(name), STORE_I64(AGE_MAX_S));
    for (int i = 0; r == 0 && i < PQntuples(rows); i++)
        r = add_run(items, rows, i, error);
    if (r == 0)
        *ret = TAKE_POINTER(list);
    return r;
}

static int kept_log(struct local *local, const char *namespace, const char *name, const char *job_id, char **ret,
                    bool *ret_cut, struct error *error)
{
    AUTO_CONNECTION struct store_connection *connection = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int r = store_take(local->store, &connection, error);
    if (r == 0)
        r = store_run_v(connection, "ray_history_log",
                        "SELECT log, log_cut FROM ray_job_history WHERE namespace = $1 AND name = $2"
                        " AND ($3::text IS NULL OR job_id = $3)"
                        " AND finished_at > now() - make_interval(secs => $4::float8) ORDER BY id DESC LIMIT 1",
                        &rows, error, STORE_TEXT(namespace), STORE_TEXT(name), STORE_TEXT(job_id),
                        STORE_I64(AGE_MAX_S));
    if (r < 0)
        return r;
    if (PQntuples(rows) == 0)
        return error_set(error, ERROR_NOT_FOUND, NULL, "there is no log of a job \"%s\"", name);
    *ret = memory_text(store_text(rows, 0, "log"));
    *ret_cut = store_flag(rows, 0, "log_cut");
    return 0;
}

int ray_history_log(struct engine *engine, const char *namespace, const char *name, const char *job_id, char **ret,
                    bool *ret_cut, struct error *error)
{
    struct local *local = local_of(engine);
    AUTO_OBJECT struct object *job = objects_find(local->objects, KIND_RAYJOB, namespace, name);
    struct ray_log log = {0};
    const char *running = job ? json_text_or("", job->body, "status", "jobId", NULL) : "";
    if (!running[0] || (job_id && strcmp(running, job_id) != 0) || !rayjob_runs(job))
        return kept_log(local, namespace, name, job_id, ret, ret_cut, error);
    int r = rayjob_log(local, job, &log, error);
    if (r == 0) {
        *ret = log.text;
        *ret_cut = log.cut;
    }
    return r;
}
