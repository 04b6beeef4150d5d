/* How is one conversation with PostgreSQL held, so that it never waits past its deadline? */
#include "store/internal.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"

static void ignore_notice(void *context, const PGresult *result)
{
    (void)context;
    (void)result; /* libpq would print it to stderr, among the structured log lines */
}

bool connection_poll(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms - clock_monotonic_ms();
        struct pollfd wanted = {.fd = fd, .events = events};
        int count = poll(&wanted, 1, left > 0 ? (int)(left < 60000 ? left : 60000) : 0);
        if (count > 0 || (count < 0 && errno != EINTR))
            return true; /* libpq finds out what is the matter with a broken descriptor */
        if (clock_monotonic_ms() >= deadline_ms)
            return false;
    }
}

/* libpq's message without its line ends and without the password, should a mistyped URL have put it there. */
static int lost(const struct store *store, PGconn *pg, const char *what, struct error *error)
{
    char text[400];
    const char *from = pg ? PQerrorMessage(pg) : "";
    size_t hidden = store && store->password ? strlen(store->password) : 0;
    size_t n = 0;
    while (*from && n + 4 < sizeof(text)) {
        if (hidden && strncmp(from, store->password, hidden) == 0) {
            memcpy(text + n, "***", 3);
            n += 3;
            from += hidden;
            continue;
        }
        text[n++] = *from == '\n' || *from == '\t' ? ' ' : *from;
        from++;
    }
    while (n && text[n - 1] == ' ')
        n--;
    text[n] = '\0';
    return error_set(error, ERROR_UNAVAILABLE, NULL, "the database %s%s%s", what, n ? ": " : "", text);
}

static int establish(const struct store *store, PGconn *pg, int64_t deadline_ms, struct error *error)
{
    PostgresPollingStatusType state = PGRES_POLLING_WRITING; /* libpq: behave as if it had said so first */
    while (state != PGRES_POLLING_OK) {
        if (state == PGRES_POLLING_FAILED || PQstatus(pg) == CONNECTION_BAD)
            return lost(store, pg, "cannot be reached", error);
        if (!connection_poll(PQsocket(pg), state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms))
            return lost(store, NULL, "does not answer", error);
        state = PQconnectPoll(pg);
    }
    return 0;
}

int store_connection_open(const struct store *store, int64_t timeout_ms, PGconn **ret, struct error *error)
{
    /* tcp_user_timeout: a server that vanished from the network is noticed by the kernel, not by our patience. */
    const char *const keys[] = {"dbname", "client_encoding", "fallback_application_name", "tcp_user_timeout", NULL};
    const char *const values[] = {store->url, "UTF8", "atelier", "5000", NULL};
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    PGconn *pg = PQconnectStartParams(keys, values, 1);
    if (!pg)
        memory_oom(0);
    int failed = establish(store, pg, deadline_ms, error);
    if (!failed) {
        char settings[200];
        PQsetNoticeReceiver(pg, ignore_notice, NULL);
        snprintf(settings, sizeof(settings),
                 "SET timezone = 'UTC'; SET statement_timeout = %d; SET lock_timeout = %d;"
                 "SET idle_in_transaction_session_timeout = 60000",
                 STORE_SERVER_LIMIT_MS, STORE_LOCK_LIMIT_MS);
        failed = connection_query(pg, settings, deadline_ms - clock_monotonic_ms(), NULL, error);
    }
    if (!failed && PQsetnonblocking(pg, 1) != 0)
        failed = lost(store, pg, "connection failed", error);
    if (failed) {
        PQfinish(pg);
        return failed;
    }
    *ret = pg;
    return 0;
}

static int flush(PGconn *pg, int64_t deadline_ms, struct error *error)
{
    int left;
    while ((left = PQflush(pg)) > 0) {
        if (!connection_poll(PQsocket(pg), POLLIN | POLLOUT, deadline_ms))
            return error_set(error, ERROR_UNAVAILABLE, NULL, "the database does not answer");
        if (!PQconsumeInput(pg))
            break;
    }
    return left < 0 || PQstatus(pg) == CONNECTION_BAD ? lost(NULL, pg, "connection was lost", error) : 0;
}

static int next_result(PGconn *pg, int64_t deadline_ms, PGresult **ret, struct error *error)
{
    while (PQisBusy(pg)) {
        if (!connection_poll(PQsocket(pg), POLLIN, deadline_ms))
            return error_set(error, ERROR_UNAVAILABLE, NULL, "the database does not answer");
        if (!PQconsumeInput(pg))
            return lost(NULL, pg, "connection was lost", error);
    }
    *ret = PQgetResult(pg);
    return 0;
}

static bool succeeded(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

int connection_collect(PGconn *pg, int64_t deadline_ms, PGresult **ret, struct error *error)
{
    AUTO_RESULT PGresult *kept = NULL;
    int failed = flush(pg, deadline_ms, error);
    while (!failed) {
        PGresult *result = NULL;
        failed = next_result(pg, deadline_ms, &result, error);
        if (failed || !result)
            break;
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
            failed = error_set(error, ERROR_INTERNAL, NULL, "COPY is not a statement this room runs");
        if (kept && !succeeded(kept)) {
            PQclear(result);
            continue;
        }
        PQclear(kept);
        kept = result;
    }
    if (!failed && PQstatus(pg) == CONNECTION_BAD)
        failed = lost(NULL, pg, "connection was lost", error);
    if (failed)
        return failed;
    *ret = TAKE_POINTER(kept);
    return 0;
}

/* In a pipeline a NULL ends the results of one statement; two in a row, or one on a broken connection, end them all. */
static int next_of_pipeline(PGconn *pg, int64_t deadline_ms, size_t *at, PGresult **ret, struct error *error)
{
    int failed = next_result(pg, deadline_ms, ret, error);
    if (!failed && !*ret) {
        (*at)++;
        failed = next_result(pg, deadline_ms, ret, error);
    }
    if (!failed && (!*ret || PQstatus(pg) == CONNECTION_BAD)) {
        PQclear(*ret);
        return lost(NULL, pg, "connection was lost", error);
    }
    return failed;
}

int connection_collect_each(PGconn *pg, int64_t deadline_ms, PGresult **rets, size_t times, PGresult **ret_refused,
                            struct error *error)
{
    AUTO_RESULT PGresult *refused = NULL;
    size_t at = 0;
    int failed = flush(pg, deadline_ms, error);
    while (!failed) {
        PGresult *result = NULL;
        failed = next_of_pipeline(pg, deadline_ms, &at, &result, error);
        if (failed)
            break;
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_PIPELINE_SYNC) { /* the transaction is over, one way or the other */
            PQclear(result);
            *ret_refused = TAKE_POINTER(refused);
            return 0;
        }
        if (succeeded(result) && at < times && !rets[at]) {
            rets[at] = result;
        } else if (!refused) { /* also what a commit answers that fails: it comes after all statements */
            refused = result;
        } else {
            PQclear(result); /* not run, after the one that was refused */
        }
    }
    return failed;
}

int connection_query(PGconn *pg, const char *sql, int64_t timeout_ms, PGresult **ret, struct error *error)
{
    AUTO_RESULT PGresult *result = NULL;
    if (!PQsendQuery(pg, sql))
        return lost(NULL, pg, "connection was lost", error);
    int failed = connection_collect(pg, clock_monotonic_ms() + timeout_ms, &result, error);
    if (!failed)
        failed = connection_result_error("query", result, error);
    if (!failed && ret)
        *ret = TAKE_POINTER(result);
    return failed;
}

static enum error_code code_of(const char *state)
{
    static const struct {
        const char *prefix;
        enum error_code code;
    } table[] = {
        /* https://www.postgresql.org/docs/15/errcodes-appendix.html; the first match counts */
        {"23505", ERROR_EXISTS},      {"23", ERROR_INVALID},        {"22", ERROR_INVALID},
        {"40", ERROR_CONFLICT},       {"08", ERROR_UNAVAILABLE},    {"53", ERROR_UNAVAILABLE},
        {"57014", ERROR_TIMEOUT},     {"57P", ERROR_UNAVAILABLE},   {"55P03", ERROR_UNAVAILABLE},
        {"25006", ERROR_UNAVAILABLE}, {"25P03", ERROR_UNAVAILABLE},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (strncmp(state, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].code;
    return ERROR_INTERNAL;
}

int connection_result_error(const char *name, const PGresult *result, struct error *error)
{
    if (result && succeeded(result))
        return 0;
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    if (!state)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the database connection was lost");
    enum error_code code = code_of(state);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    switch (code) { /* the server's own text may quote values, so it goes out only with errors that are ours */
    case ERROR_EXISTS:
    case ERROR_INVALID:
        return error_set(error, code, NULL, "%s%s%s%s", error_text(code), constraint ? " (" : "",
                         constraint ? constraint : "", constraint ? ")" : "");
    case ERROR_INTERNAL:
        return error_set(error, code, NULL, "statement %s: SQLSTATE %s: %s", name, state, text ? text : "");
    default:
        if (strcmp(state, "53100") == 0)
            return error_set(error, code, NULL,
                             "the database's disk is full: nothing can be stored until there is room");
        return error_set(error, code, NULL, "%s", error_text(code));
    }
}
