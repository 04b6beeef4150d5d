/* When was a workload last used? */
#include "controlplane/use.h"

#include "store/store.h"

#define KEPT_MS (30LL * 86400000)

static const char add_sql[] =
    "INSERT INTO workload_use AS u(profile, kind, name, last_ms)"
    " SELECT v.profile, v.kind, v.name, v.last_ms"
    " FROM jsonb_to_recordset($1::jsonb) AS v(profile text, kind text, name text, last_ms bigint)"
    " JOIN profiles_owners o USING (profile) ORDER BY v.profile, v.kind, v.name"
    " ON CONFLICT (profile, kind, name) DO UPDATE SET last_ms = excluded.last_ms WHERE excluded.last_ms > u.last_ms";

int use_add(struct store *store, const cJSON *rows, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_FREE char *text = json_print(rows);
    int failed = store_take(store, &c, error);
    return failed ? failed : store_run_v(c, "use_add", add_sql, NULL, error, STORE_TEXT(text));
}

int use_last(struct store *store, const char *profile, const char *kind, const char *name, int64_t *ret_ms,
             struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_take(store, &c, error);
    if (!failed)
        failed = store_run_v(c, "use_last",
                             "SELECT last_ms FROM workload_use WHERE profile = $1 AND kind = $2 AND name = $3", &rows,
                             error, STORE_TEXT(profile), STORE_TEXT(kind), STORE_TEXT(name));
    if (!failed)
        *ret_ms = PQntuples(rows) ? store_number(rows, 0, "last_ms") : 0;
    return failed;
}

int use_expire(struct store *store, int64_t now_ms, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    int failed = store_take(store, &c, error);
    return failed ? failed
                  : store_run_v(c, "use_expire", "DELETE FROM workload_use WHERE last_ms < $1::bigint", NULL, error,
                                STORE_I64(now_ms - KEPT_MS));
}
