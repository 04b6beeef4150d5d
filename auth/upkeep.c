/* What is written down, and what thrown away, without anybody asking? */
#include "auth/internal.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"

#define BATCH 1000u               /* rows of one UPDATE */
#define LINK_KEPT_MS 2592000000LL /* a spent link says so for another 30 days */
#define IDLE_MARGIN_MS 86400000LL /* other replicas may know of activity that is not written yet */

static const char seen_sql[] = "UPDATE sessions s SET last_seen_ms = greatest(s.last_seen_ms, v.seen)"
                               " FROM unnest($1::bigint[], $2::bigint[]) AS v(id, seen) WHERE s.id = v.id";
static const char used_sql[] = "UPDATE tokens t SET last_used_ms = greatest(t.last_used_ms, v.seen)"
                               " FROM unnest($1::bigint[], $2::bigint[]) AS v(id, seen) WHERE t.id = v.id";

struct batch {
    struct buffer ids, times;
    unsigned count;
};

static void batch_add(struct batch *batch, int64_t id, int64_t at_ms)
{
    buffer_add_format(&batch->ids, "%c%" PRId64, batch->count ? ',' : '{', id);
    buffer_add_format(&batch->times, "%c%" PRId64, batch->count ? ',' : '{', at_ms);
    batch->count++;
}

static bool batch_write(struct auth *auth, struct batch *batch, const char *name, const char *sql)
{
    struct error error = {0};
    AUTO_CONNECTION struct store_connection *c = NULL;
    int failed = 0;
    if (batch->count) {
        buffer_add_text(&batch->ids, "}");
        buffer_add_text(&batch->times, "}");
        failed = store_take(auth->options.store, &c, &error);
        if (!failed)
            failed = store_run_v(c, name, sql, NULL, &error, STORE_TEXT(batch->ids.p), STORE_TEXT(batch->times.p));
    }
    buffer_clear(&batch->ids);
    buffer_clear(&batch->times);
    batch->count = 0;
    return !failed;
}

/* Runs on the refresher, which alone reads and writes loaded_..._ms. What fails is tried again a minute later. */
void upkeep_seen(struct auth *auth, const struct policy *policy)
{
    struct batch batch = {0};
    size_t at = 0;
    void *value;
    bool works = policy->filled;
    while (works && map_next(policy->sessions_by_id, &at, NULL, &value)) {
        struct policy_session *session = value;
        int64_t seen_ms = atomic_load(&session->seen_ms);
        if (seen_ms > session->loaded_seen_ms) {
            batch_add(&batch, session->id, seen_ms);
            session->loaded_seen_ms = seen_ms;
        }
        if (batch.count == BATCH)
            works = batch_write(auth, &batch, "session_seen", seen_sql);
    }
    works = works && batch_write(auth, &batch, "session_seen", seen_sql);
    at = 0;
    while (works && map_next(policy->tokens_by_id, &at, NULL, &value)) {
        struct policy_token *token = value;
        int64_t used_ms = atomic_load(&token->used_ms);
        if (used_ms > token->loaded_used_ms) {
            batch_add(&batch, token->id, used_ms);
            token->loaded_used_ms = used_ms;
        }
        if (batch.count == BATCH)
            works = batch_write(auth, &batch, "token_used", used_sql);
    }
    if (works)
        batch_write(auth, &batch, "token_used", used_sql);
    buffer_free(&batch.ids);
    buffer_free(&batch.times);
}

/* Deleting nothing would still count as a change of policy, so there is a look first. */
static int something_expired(struct store_connection *c, int64_t now_ms, bool *ret, struct error *error)
{
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_run_v(c, "purge_look",
                             "SELECT EXISTS (SELECT FROM sessions WHERE expires_ms <= $1::bigint"
                             "   OR (parent_id IS NULL AND last_seen_ms < $2::bigint))"
                             " OR EXISTS (SELECT FROM grants WHERE expires_ms <= $1::bigint) AS expired",
                             &rows, error, STORE_I64(now_ms), STORE_I64(now_ms - SESSION_IDLE_MS - IDLE_MARGIN_MS));
    if (!failed)
        *ret = store_flag(rows, 0, "expired");
    return failed;
}

static int purge(struct store_connection *c, int64_t now_ms, struct error *error)
{
    bool some = false;
    int failed = store_run_v(c, "purge_handoffs", "DELETE FROM handoffs WHERE expires_ms <= $1::bigint", NULL, error,
                             STORE_I64(now_ms));
    if (!failed)
        failed = store_run_v(c, "purge_approvals", "DELETE FROM approvals WHERE expires_ms <= $1::bigint", NULL, error,
                             STORE_I64(now_ms));
    if (!failed)
        failed = store_run_v(c, "purge_links", "DELETE FROM links WHERE expires_ms <= $1::bigint", NULL, error,
                             STORE_I64(now_ms - LINK_KEPT_MS));
    if (!failed)
        failed = something_expired(c, now_ms, &some, error);
    if (failed || !some)
        return failed;
    failed = store_run_v(c, "purge_sessions",
                         "DELETE FROM sessions WHERE expires_ms <= $1::bigint"
                         " OR (parent_id IS NULL AND last_seen_ms < $2::bigint)",
                         NULL, error, STORE_I64(now_ms), STORE_I64(now_ms - SESSION_IDLE_MS - IDLE_MARGIN_MS));
    if (!failed)
        failed = store_run_v(c, "purge_grants", "DELETE FROM grants WHERE expires_ms <= $1::bigint", NULL, error,
                             STORE_I64(now_ms));
    return failed;
}

/* Revocations wait for the refresher, so it does not wait for its turn: whoever has it is done in ten minutes, too. */
static int begin_now(struct auth *auth, struct store_connection **ret, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    int failed = store_take(auth->options.store, &c, error);
    if (!failed)
        failed = store_begin(c, error);
    if (!failed)
        failed =
            store_run(c, "purge_turn", "SELECT version FROM policy_version FOR UPDATE NOWAIT", NULL, 0, NULL, error);
    if (!failed)
        *ret = TAKE_POINTER(c);
    return failed;
}

void upkeep_purge(struct auth *auth)
{
    struct error error = {0};
    AUTO_CONNECTION struct store_connection *c = NULL;
    int failed = begin_now(auth, &c, &error);
    if (!failed)
        failed = purge(c, clock_wall_ms(), &error);
    if (!failed)
        failed = store_commit(c, &error); /* its NOTIFY brings the next snapshot */
    if (failed && failed != -ERROR_UNAVAILABLE)
        log_line(LOG_WARN, "expired rows could not be deleted", LOG_FAULT(&error));
}
