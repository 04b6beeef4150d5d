/* Who did what? (a queue, and a thread that writes it; what is accepted is written once, also across an outage) */
#include "auth/internal.h"

#include <inttypes.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define CHANNEL "atelier_audit" /* notified with every batch */
#define FIELDS 9
#define RETRY_AFTER_MS 500
#define GATHER_MS 20  /* an entry waits so long for company: a commit costs far more than a row */
#define FLUSH_MS 2000 /* at the end; what is still waiting then is counted as dropped */

static struct metric written = METRIC_COUNTER("atelier_auth_audit_entries_total", "Audit entries written");
static struct metric dropped =
    METRIC_COUNTER("atelier_auth_audit_dropped_total", "Audit entries that could not be kept");

struct waiting {
    struct waiting *next;
    int64_t at_ms;
    char uid[RANDOM_UUID_SIZE];
    char *texts[FIELDS]; /* NULL: none */
};

struct audit_log {
    struct store *store;
    pthread_t writer;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t work;
    struct waiting *first, **last;
    unsigned count;
    int64_t stop_by_ms; /* 0: go on */
};

/* Bounded, printable, UTF-8: entries hold what clients sent. */
static char *keep(const char *text)
{
    char printable[AUDIT_TEXT_MAX];
    if (!text)
        return NULL;
    text_printable((struct slice){text, strnlen(text, AUDIT_TEXT_MAX)}, printable, sizeof(printable));
    return memory_text(printable);
}

static void waiting_free(struct waiting *entry)
{
    for (size_t i = 0; i < FIELDS; i++)
        free(entry->texts[i]);
    free(entry);
}

void audit_add(struct auth *auth, const struct audit_entry *entry)
{
    struct audit_log *log = auth->audit;
    const char *const texts[FIELDS] = {entry->actor,   entry->action, entry->namespace, entry->kind,      entry->name,
                                       entry->outcome, entry->detail, entry->peer,      entry->request_id};
    struct waiting *made = memory_get(sizeof(*made));
    made->at_ms = clock_wall_ms();
    random_uuid(made->uid);
    for (size_t i = 0; i < FIELDS; i++)
        made->texts[i] = keep(texts[i]);
    pthread_mutex_lock(&log->lock);
    bool room = log->count < AUDIT_WAITING_MAX;
    if (room) {
        *log->last = made;
        log->last = &made->next;
        log->count++;
        if (log->count == 1 || log->count == AUDIT_BATCH) /* in between, the writer waits for more or writes */
            pthread_cond_signal(&log->work);
    }
    pthread_mutex_unlock(&log->lock);
    if (!room) {
        metric_add(&dropped, 1);
        waiting_free(made);
    }
}

static void add_member(struct buffer *text, const char *name, const char *value)
{
    buffer_add_format(text, "\"%s\":", name);
    if (value)
        buffer_add_json_string(text, slice_of(value));
    else
        buffer_add_text(text, "null");
}

/* [{"uid":…,"at_ms":…,"actor":…}, …] */
static void print_batch(const struct waiting *first, unsigned count, struct buffer *ret)
{
    static const char *const names[FIELDS] = {"actor",   "action", "namespace", "kind",      "name",
                                              "outcome", "detail", "peer",      "request_id"};
    for (const struct waiting *e = first;; e = e->next) {
        buffer_add_text(ret, e == first ? "[{" : ",{");
        add_member(ret, "uid", e->uid);
        buffer_add_format(ret, ",\"at_ms\":%" PRId64, e->at_ms);
        for (size_t i = 0; i < FIELDS; i++) {
            buffer_add_text(ret, ",");
            add_member(ret, names[i], e->texts[i]);
        }
        buffer_add_text(ret, "}");
        if (--count == 0) /* what follows the last one may be changing */
            break;
    }
    buffer_add_text(ret, "]");
}

/* One statement, however many there are: entries are most of what a busy service writes. The uid makes writing again
 * harmless when nobody knows whether the first time worked. */
static int write_batch(struct audit_log *log, const struct waiting *first, unsigned count, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_BUFFER struct buffer entries = {0};
    print_batch(first, count, &entries);
    int failed = store_take(log->store, &c, error);
    return failed ? failed
                  : store_run_v(c, "audit_insert",
                                "WITH entry AS (INSERT INTO audit(uid, at_ms, actor, action, namespace, kind, name,"
                                " outcome, detail, peer, request_id) SELECT uid, at_ms, actor, action, namespace, "
                                "kind, name, outcome,"
                                " detail, peer, request_id FROM json_to_recordset($1) AS entry(uid text, at_ms bigint,"
                                " actor text, action text, namespace text, kind text, name text, outcome text,"
                                " detail text, peer text, request_id text) ON CONFLICT (uid) DO NOTHING)"
                                " SELECT pg_notify('" CHANNEL "', '')",
                                NULL, error, STORE_TEXT(entries.p));
}

/* Only the writer takes entries off the front, so the first <count> stay as they are while the lock is released. */
static void drop_front(struct audit_log *log, unsigned count)
{
    for (; count > 0; count--) {
        struct waiting *entry = log->first;
        log->first = entry->next;
        if (!log->first)
            log->last = &log->first;
        log->count--;
        waiting_free(entry);
    }
}

static bool passing(int failed)
{
    return failed == -ERROR_UNAVAILABLE || failed == -ERROR_TIMEOUT || failed == -ERROR_CONFLICT;
}

/* Writes what is at the front; true if it left the queue. An entry that cannot be written by itself is given up. */
static bool write_front(struct audit_log *log, const struct waiting *first, unsigned count, unsigned *ret_done)
{
    struct error error = {0};
    int failed = write_batch(log, first, count, &error);
    *ret_done = count;
    if (failed && !passing(failed)) {
        *ret_done = 1;
        failed = write_batch(log, first, 1, &error);
        if (failed && !passing(failed)) {
            log_line(LOG_ERROR, "an audit entry cannot be written", LOG_FAULT(&error));
            metric_add(&dropped, 1);
            return true;
        }
    }
    if (!failed)
        metric_add(&written, *ret_done);
    return !failed;
}

static void wait_ms(struct audit_log *log, int64_t ms)
{
    int64_t until_ms = clock_monotonic_ms() + ms;
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_cond_timedwait(&log->work, &log->lock, &until);
}

static void gather(struct audit_log *log)
{
    int64_t until_ms = clock_monotonic_ms() + GATHER_MS;
    for (int64_t left_ms = GATHER_MS; left_ms > 0 && log->count < AUDIT_BATCH && !log->stop_by_ms;
         left_ms = until_ms - clock_monotonic_ms())
        wait_ms(log, left_ms);
}

static void *writer_run(void *argument)
{
    struct audit_log *log = argument;
    pthread_mutex_lock(&log->lock);
    for (;;) {
        while (!log->first && !log->stop_by_ms)
            pthread_cond_wait(&log->work, &log->lock);
        if (log->stop_by_ms && (!log->first || clock_monotonic_ms() >= log->stop_by_ms))
            break;
        gather(log);
        const struct waiting *first = log->first;
        unsigned count = log->count < AUDIT_BATCH ? log->count : AUDIT_BATCH, done = 0;
        pthread_mutex_unlock(&log->lock);
        bool left = write_front(log, first, count, &done);
        pthread_mutex_lock(&log->lock);
        if (left)
            drop_front(log, done);
        else
            wait_ms(log, log->stop_by_ms ? 50 : RETRY_AFTER_MS);
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

struct audit_log *audit_new(struct store *store)
{
    struct audit_log *log = memory_get(sizeof(*log));
    log->store = store;
    log->last = &log->first;
    pthread_mutex_init(&log->lock, NULL);
    clock_condition(&log->work);
    if (pthread_create(&log->writer, NULL, writer_run, log) != 0)
        memory_oom(0);
    return log;
}

void audit_free(struct audit_log *log)
{
    if (!log)
        return;
    pthread_mutex_lock(&log->lock);
    log->stop_by_ms = clock_monotonic_ms() + FLUSH_MS;
    pthread_cond_signal(&log->work);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->writer, NULL);
    if (log->count)
        log_line(LOG_ERROR, "audit entries are lost: the database is away", LOG_NUMBER("count", log->count));
    metric_add(&dropped, log->count);
    drop_front(log, log->count);
    pthread_cond_destroy(&log->work);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

int audit_list(struct auth *auth, const char *namespace, int64_t before_id, int64_t limit, cJSON **ret_array,
               struct error *error)
{
    static const char *const columns[][2] = {{"actor", "actor"},   {"action", "action"}, {"namespace", "namespace"},
                                             {"kind", "kind"},     {"name", "name"},     {"outcome", "outcome"},
                                             {"detail", "detail"}, {"peer", "peer"},     {"request_id", "requestId"}};
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    limit = limit < 1 ? 1 : limit > AUDIT_LIST_MAX ? AUDIT_LIST_MAX : limit;
    int failed = store_take(auth->options.store, &c, error);
    if (!failed)
        failed = store_run_v(c, "audit_list",
                             "SELECT id, at_ms, actor, action, namespace, kind, name, outcome, detail, peer, request_id"
                             " FROM audit WHERE ($1::text IS NULL OR namespace = $1)"
                             " AND ($2::bigint = 0 OR id < $2::bigint) ORDER BY id DESC LIMIT $3::bigint",
                             &rows, error, STORE_TEXT(namespace), STORE_I64(before_id > 0 ? before_id : 0),
                             STORE_I64(limit));
    if (failed)
        return failed;
    *ret_array = json_array();
    for (int i = 0; i < PQntuples(rows); i++) {
        cJSON *entry = json_push(*ret_array, json_object());
        json_set_i64(entry, "id", store_number(rows, i, "id"));
        json_set_time(entry, "at", store_number(rows, i, "at_ms"));
        for (size_t k = 0; k < COUNT_OF(columns); k++)
            if (store_text(rows, i, columns[k][0]))
                json_set_text(entry, columns[k][1], store_text(rows, i, columns[k][0]));
    }
    return 0;
}

int audit_on_written(struct auth *auth, void (*told)(void *context, const char *channel, const char *payload),
                     void *context, struct error *error)
{
    return store_listen(auth->options.store, CHANNEL, told, context, error);
}

void audit_off_written(struct auth *auth, void *context)
{
    store_unlisten(auth->options.store, context);
}

int audit_expire(struct auth *auth, int64_t kept_s, int64_t limit, int64_t *ret_count, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int failed = store_take(auth->options.store, &c, error);
    if (!failed) /* in the order of ids, which is that of time but for what waited: no index on at_ms is needed */
        failed = store_run_v(c, "audit_expire",
                             "WITH old AS (SELECT id, at_ms FROM audit ORDER BY id LIMIT $2::bigint), gone AS"
                             " (DELETE FROM audit USING old WHERE audit.id = old.id AND old.at_ms < $1::bigint"
                             " RETURNING audit.id) SELECT count(*) AS n FROM gone",
                             &rows, error, STORE_I64(clock_wall_ms() - kept_s * 1000), STORE_I64(limit));
    if (!failed)
        *ret_count = store_number(rows, 0, "n");
    return failed;
}
