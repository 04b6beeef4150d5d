/* How does a named statement run, and how are its rows read? */
#include "store/internal.h"

#include <assert.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/map.h"

#define NAME_MAX_LENGTH 63 /* NAMEDATALEN - 1: PostgreSQL cuts longer names off, silently */
#define VALUES_MAX 64u     /* parameters of one statement; ours have at most about twenty */

struct store_value store_i64(int64_t number)
{
    struct store_value value = {.text = NULL};
    snprintf(value.number, sizeof(value.number), "%" PRId64, number);
    return value;
}

/* The connection is of no more use; the pool makes another one when it is taken next. */
static int drop(struct store_connection *c, int failed, const struct error *error)
{
    pool_disconnect(c);
    if (failed == -ERROR_UNAVAILABLE)
        pool_note(c->store, false, error);
    return failed;
}

static int lose(struct store_connection *c, int failed, const struct error *detail, struct error *error)
{
    drop(c, failed, detail);
    return error_set(error, detail->code, NULL, "the database is not available; try again shortly");
}

/* What the server answered: 0, or its error. */
static int judge(struct store_connection *c, const char *name, const PGresult *result, struct error *error)
{
    int failed = connection_result_error(name, result, error);
    if (failed) {
        const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        /* The server has forgotten, or refuses, a prepared statement (a migration changed its columns): prepare anew.
         */
        if (state && (strcmp(state, "26000") == 0 || strcmp(state, "0A000") == 0))
            pool_disconnect(c);
        return failed;
    }
    if (!atomic_load_explicit(&c->store->ready, memory_order_relaxed))
        pool_note(c->store, true, NULL);
    return 0;
}

static int collect(struct store_connection *c, const char *name, PGresult **ret, struct error *error)
{
    struct error detail = {0};
    AUTO_RESULT PGresult *result = NULL;
    int failed = connection_collect(c->pg, clock_monotonic_ms() + STORE_STATEMENT_MS, &result, &detail);
    if (failed)
        return lose(c, failed, &detail, error);
    failed = judge(c, name, result, error);
    if (failed)
        return failed;
    if (ret)
        *ret = TAKE_POINTER(result);
    return 0;
}

static int send_failed(struct store_connection *c, struct error *error)
{
    int failed = error_set(error, ERROR_UNAVAILABLE, NULL, "the database is not available; try again shortly");
    struct error detail = {.code = ERROR_UNAVAILABLE, .message = "the connection was lost"};
    return drop(c, failed, &detail);
}

static int prepare(struct store_connection *c, const char *name, const char *sql, size_t count, struct error *error)
{
    const char *known = map_get(c->prepared, slice_of(name));
    if (known && strcmp(known, sql) != 0)
        return error_set(error, ERROR_INTERNAL, NULL, "statement %s stands for two different texts", name);
    if (known)
        return 0;
    if (strlen(name) > NAME_MAX_LENGTH)
        return error_set(error, ERROR_INTERNAL, NULL, "the name of a statement has more than %d characters",
                         NAME_MAX_LENGTH);
    if (!PQsendPrepare(c->pg, name, sql, (int)count, NULL))
        return send_failed(c, error);
    int failed = collect(c, name, NULL, error);
    if (!failed)
        map_put(c->prepared, slice_of(name), memory_text(sql));
    return failed;
}

static int check_values(const struct store_value *values, size_t count, const char **ret_texts, struct error *error)
{
    if (count > VALUES_MAX)
        return error_set(error, ERROR_INTERNAL, NULL, "a statement has more than %u parameters", VALUES_MAX);
    for (size_t i = 0; i < count; i++) {
        ret_texts[i] = values[i].text ? values[i].text : values[i].number[0] ? values[i].number : NULL;
        if (values[i].text && !text_is_utf8(slice_of(values[i].text)))
            return error_set(error, ERROR_BAD_REQUEST, NULL, "a text is not valid UTF-8");
    }
    return 0;
}

int store_run(struct store_connection *c, const char *name, const char *sql, const struct store_value *values,
              size_t count, PGresult **ret, struct error *error)
{
    const char *texts[VALUES_MAX];
    int failed = check_values(values, count, texts, error);
    if (failed)
        return failed;
    if (!c->pg) /* lost since it was taken: whatever the transaction had done is gone */
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the database is not available; try again shortly");
    failed = prepare(c, name, sql, count, error);
    if (failed)
        return failed;
    if (!PQsendQueryPrepared(c->pg, name, (int)count, texts, NULL, NULL, 0))
        return send_failed(c, error);
    return collect(c, name, ret, error);
}

/* --- several in one transaction ----------------------------------------------------------------------------------- */

static bool send_each(struct store_connection *c, const char *name, const char *const *texts, size_t count,
                      size_t times)
{
    bool sent = PQenterPipelineMode(c->pg) == 1;
    for (size_t i = 0; sent && i < times; i++)
        sent = PQsendQueryPrepared(c->pg, name, (int)count, texts + i * count, NULL, NULL, 0) == 1;
    return sent && PQpipelineSync(c->pg) == 1; /* commits: what lies between two of them is one transaction */
}

static int collect_each(struct store_connection *c, const char *name, size_t times, PGresult **rets,
                        struct error *error)
{
    struct error detail = {0};
    AUTO_RESULT PGresult *refused = NULL;
    int failed =
        connection_collect_each(c->pg, clock_monotonic_ms() + STORE_STATEMENT_MS, rets, times, &refused, &detail);
    if (failed)
        return lose(c, failed, &detail, error);
    if (!PQexitPipelineMode(c->pg)) /* it has answered all the same: only the connection is of no more use */
        pool_disconnect(c);
    if (refused)
        return judge(c, name, refused, error);
    for (size_t i = 0; i < times; i++)
        if (!rets[i])
            return error_set(error, ERROR_INTERNAL, NULL, "statement %s: no answer to some of its runs", name);
    return 0;
}

int store_run_each(struct store_connection *c, const char *name, const char *sql, const struct store_value *values,
                   size_t count, size_t times, PGresult **rets, struct error *error)
{
    AUTO_FREE const char **texts = memory_get((count * times + 1) * sizeof(*texts));
    int failed = 0;
    assert(!c->in_transaction);
    for (size_t i = 0; !failed && i < times; i++) {
        rets[i] = NULL;
        failed = check_values(values + i * count, count, texts + i * count, error);
    }
    if (failed)
        return failed;
    if (!c->pg)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the database is not available; try again shortly");
    failed = prepare(c, name, sql, count, error);
    if (failed)
        return failed;
    failed =
        send_each(c, name, texts, count, times) ? collect_each(c, name, times, rets, error) : send_failed(c, error);
    for (size_t i = 0; failed && i < times; i++) {
        PQclear(rets[i]);
        rets[i] = NULL;
    }
    return failed;
}

int store_begin(struct store_connection *c, struct error *error)
{
    assert(!c->in_transaction);
    int failed = store_run(c, "store_begin", "BEGIN", NULL, 0, NULL, error);
    if (failed == -ERROR_UNAVAILABLE && !c->pg) { /* nothing has happened yet, so trying anew is safe */
        failed = pool_connect(c, error);
        if (!failed)
            failed = store_run(c, "store_begin", "BEGIN", NULL, 0, NULL, error);
    }
    c->in_transaction = !failed;
    return failed;
}

int store_commit(struct store_connection *c, struct error *error)
{
    AUTO_RESULT PGresult *result = NULL;
    c->in_transaction = false;
    int failed = store_run(c, "store_commit", "COMMIT", NULL, 0, &result, error);
    if (!failed && strcmp(PQcmdStatus(result), "COMMIT") != 0) /* a failed transaction answers ROLLBACK, successfully */
        return error_set(error, ERROR_INTERNAL, NULL, "the transaction had failed before it was committed");
    return failed;
}

void store_rollback(struct store_connection *c)
{
    c->in_transaction = false;
    if (c->pg && store_run(c, "store_rollback", "ROLLBACK", NULL, 0, NULL, NULL) != 0)
        pool_disconnect(c);
}

const char *store_text(const PGresult *result, int row, const char *column)
{
    int at = PQfnumber(result, column);
    assert(at >= 0);
    return at < 0 || PQgetisnull(result, row, at) ? NULL : PQgetvalue(result, row, at);
}

int64_t store_number(const PGresult *result, int row, const char *column)
{
    const char *text = store_text(result, row, column);
    return text ? strtoll(text, NULL, 10) : 0;
}

bool store_flag(const PGresult *result, int row, const char *column)
{
    const char *text = store_text(result, row, column);
    return text && text[0] == 't';
}
