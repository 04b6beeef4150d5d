/* How are the readings of what workloads use kept, condensed and read? */
#include "controlplane/samples.h"

#include "base/clock.h"
#include "store/store.h"

static const char add_sql[] =
    "INSERT INTO usage_samples AS s(profile, kind, name, step_s, at_ms, readings, cpu, memory, cpu_limit,"
    " memory_limit, nodes)"
    " SELECT v.profile, v.kind, v.name, 60, $1::bigint, 1, v.cpu, v.memory, v.cpu_limit, v.memory_limit, v.nodes"
    " FROM jsonb_to_recordset($2::jsonb) AS v(profile text, kind text, name text, cpu real, memory bigint,"
    " cpu_limit real, memory_limit bigint, nodes integer) JOIN profiles_owners o USING (profile)"
    " ON CONFLICT (profile, kind, name, step_s, at_ms) DO UPDATE SET readings = s.readings + 1,"
    " cpu = s.cpu + (excluded.cpu - s.cpu) / (s.readings + 1),"
    " memory = s.memory + (excluded.memory - s.memory) / (s.readings + 1),"
    " cpu_limit = excluded.cpu_limit, memory_limit = excluded.memory_limit, nodes = excluded.nodes";

/* Twice summed up is the same: a quarter's minutes outlive it by far. */
static const char condense_sql[] =
    "INSERT INTO usage_samples(profile, kind, name, step_s, at_ms, readings, cpu, memory, cpu_limit, memory_limit,"
    " nodes)"
    " SELECT profile, kind, name, 900, at_ms / 900000 * 900000 AS quarter, sum(readings), avg(cpu), "
    "avg(memory)::bigint,"
    " max(cpu_limit), max(memory_limit), max(nodes)"
    " FROM usage_samples WHERE step_s = 60 AND at_ms >= $1::bigint AND at_ms < $2::bigint"
    " GROUP BY profile, kind, name, quarter"
    " ON CONFLICT (profile, kind, name, step_s, at_ms) DO NOTHING";

static const char expire_sql[] = "DELETE FROM usage_samples WHERE (step_s = 60 AND at_ms < $1::bigint)"
                                 " OR (step_s = 900 AND at_ms < $2::bigint)";

/* Minutes where they are kept, quarters before that. */
static const char read_sql[] =
    "SELECT kind, name, at_ms / $6::bigint * $6::bigint AS at, avg(cpu)::text AS cpu, avg(memory)::bigint AS memory,"
    " max(cpu_limit)::text AS cpu_limit, max(memory_limit) AS memory_limit, max(nodes) AS nodes"
    " FROM usage_samples WHERE profile = $1 AND ($2 = '' OR kind = $2) AND ($3 = '' OR name = $3)"
    " AND at_ms >= $4::bigint AND step_s = CASE WHEN at_ms >= $5::bigint THEN 60 ELSE 900 END"
    " GROUP BY kind, name, at ORDER BY at, kind, name LIMIT $7::bigint";

static int64_t begin_of(int64_t at_ms, int64_t step_s)
{
    return at_ms - at_ms % (step_s * 1000);
}

int samples_add(struct store *store, int64_t now_ms, const cJSON *readings, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_FREE char *text = json_print(readings);
    int failed = store_take(store, &c, error);
    if (!failed)
        failed = store_run_v(c, "samples_add", add_sql, NULL, error, STORE_I64(begin_of(now_ms, SAMPLE_MINUTE_S)),
                             STORE_TEXT(text));
    return failed;
}

int samples_condense(struct store *store, int64_t now_ms, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    int64_t quarter_ms = begin_of(now_ms, SAMPLE_QUARTER_S);
    int failed = store_take(store, &c, error);
    if (!failed)
        failed = store_run_v(c, "samples_condense", condense_sql, NULL, error,
                             STORE_I64(quarter_ms - SAMPLE_MINUTES_KEPT_S * 1000LL), STORE_I64(quarter_ms));
    if (!failed)
        failed = store_run_v(c, "samples_expire", expire_sql, NULL, error,
                             STORE_I64(quarter_ms - SAMPLE_MINUTES_KEPT_S * 1000LL),
                             STORE_I64(quarter_ms - SAMPLE_QUARTERS_KEPT_S * 1000LL));
    return failed;
}

static void put_cores(cJSON *item, const char *key, const PGresult *rows, int row, const char *column)
{
    double cores = strtod(store_text(rows, row, column), NULL);
    json_set(item, key, cJSON_CreateNumber((double)(int64_t)(cores * 1000 + 0.5) / 1000));
}

static cJSON *item_of(const PGresult *rows, int row)
{
    char at[CLOCK_TEXT_SIZE];
    cJSON *item = json_object();
    clock_format(store_number(rows, row, "at"), at);
    json_set_text(item, "at", at);
    json_set_text(item, "kind", store_text(rows, row, "kind"));
    json_set_text(item, "name", store_text(rows, row, "name"));
    put_cores(item, "cpu", rows, row, "cpu");
    json_set_i64(item, "memory", store_number(rows, row, "memory"));
    if (strcmp(store_text(rows, row, "cpu_limit"), "0") != 0)
        put_cores(item, "cpuLimit", rows, row, "cpu_limit");
    if (store_number(rows, row, "memory_limit") > 0)
        json_set_i64(item, "memoryLimit", store_number(rows, row, "memory_limit"));
    json_set_i64(item, "nodes", store_number(rows, row, "nodes"));
    return item;
}

int samples_read(struct store *store, const struct samples_query *query, cJSON **ret, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int64_t minutes_ms = begin_of(query->now_ms, SAMPLE_QUARTER_S) - SAMPLE_MINUTES_KEPT_S * 1000LL;
    int failed = store_take(store, &c, error);
    if (!failed)
        failed = store_run_v(c, "samples_read", read_sql, &rows, error, STORE_TEXT(query->profile),
                             STORE_TEXT(query->kind), STORE_TEXT(query->name), STORE_I64(query->since_ms),
                             STORE_I64(minutes_ms), STORE_I64(query->step_s * 1000), STORE_I64(query->limit + 1));
    if (failed)
        return failed;
    if (PQntuples(rows) > query->limit)
        return error_set(error, ERROR_BAD_REQUEST, "step",
                         "more than %lld samples: ask for a longer step, a later since, or one workload",
                         (long long)query->limit);
    *ret = json_array();
    for (int row = 0; row < PQntuples(rows); row++)
        json_push(*ret, item_of(rows, row));
    return 0;
}
