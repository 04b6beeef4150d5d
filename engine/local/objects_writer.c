/* How does a write reach the table and memory, and what if its answer is lost? */
#include "engine/local/objects_writer.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "engine/local/objects_sql.h"

/* After a write found PostgreSQL away, the next ones fail at once for this long instead of each waiting for its own
 * connection behind the writer lock. */
enum { AWAY_MS = 250 };

/* A row whose last write got no answer. It is looked up before the next write, and again for a while: a server that
 * stood still may run the statement only once it goes on. */
struct doubt {
    struct doubt *next;
    enum engine_kind kind;
    char *namespace, *name;
    int64_t due_ms, until_ms;
};
enum { DOUBT_AGAIN_MS = 1000, DOUBT_FOR_MS = 30 * 1000 };

static struct metric writes_total = METRIC_COUNTER("atelier_engine_writes_total", "Objects written to PostgreSQL.");
static struct metric writes_failed =
    METRIC_COUNTER("atelier_engine_writes_failed_total", "Object writes that PostgreSQL did not confirm.");

/* --- showing ------------------------------------------------------------------------------------------------------ */

/* Publishes with the index locked, and tells after. Takes over the reference to <before>. */
static void tell(struct objects *objects, struct object *before, struct object *now)
{
    metric_add(&writes_total, 1);
    if (objects->options.listener)
        objects->options.listener(objects->options.context, before, now);
    object_unref(before);
}

/* Makes a committed object visible. */
static void show(struct objects *objects, struct object *now)
{
    pthread_rwlock_wrlock(&objects->shown);
    struct object *before = index_put(&objects->indexes[now->kind], object_ref(now));
    objects->version = now->version;
    hub_publish(objects->options.hub, now->kind, (uint64_t)now->version, before, now);
    pthread_rwlock_unlock(&objects->shown);
    tell(objects, before, now);
}

/* Makes a committed removal visible; watchers see the object with the version of its removal. */
static void show_removal(struct objects *objects, const struct object *current, int64_t version)
{
    AUTO_OBJECT struct object *gone = object_new(current->kind, json_copy(current->body), version, current->bytes);
    pthread_rwlock_wrlock(&objects->shown);
    struct object *before = index_remove(&objects->indexes[gone->kind], gone->namespace, gone->name);
    objects->version = version;
    hub_publish(objects->options.hub, gone->kind, (uint64_t)version, gone, NULL);
    pthread_rwlock_unlock(&objects->shown);
    tell(objects, before, NULL);
}

/* --- doubt -------------------------------------------------------------------------------------------------------- */

static void doubt_free(struct doubt *doubt)
{
    free(doubt->namespace);
    free(doubt->name);
    free(doubt);
}

static void doubt_add(struct objects *objects, enum engine_kind kind, const char *namespace, const char *name)
{
    int64_t now = clock_monotonic_ms();
    for (struct doubt *known = objects->doubts; known; known = known->next)
        if (known->kind == kind && strcmp(known->namespace, namespace) == 0 && strcmp(known->name, name) == 0) {
            known->due_ms = now;
            known->until_ms = now + DOUBT_FOR_MS;
            return;
        }
    struct doubt *doubt = memory_get(sizeof(*doubt));
    *doubt = (struct doubt){.next = objects->doubts,
                            .kind = kind,
                            .namespace = memory_text(namespace),
                            .name = memory_text(name),
                            .due_ms = now,
                            .until_ms = now + DOUBT_FOR_MS};
    objects->doubts = doubt;
    atomic_store(&objects->in_doubt, true);
}

/* Shows a row that was written behind memory's back. Versions are shown in order: one that came late gets a new one. */
static int show_found(struct objects *objects, struct object *found, struct error *error)
{
    if (found->version > objects->version) {
        show(objects, found);
        return 0;
    }
    cJSON *body = json_copy(found->body);
    json_remove(json_member(body, "metadata"), "resourceVersion");
    AUTO_FREE char *text = json_print(body);
    int64_t version = 0;
    bool unsure = false;
    int r = objects_sql_update(objects->options.store, found, text, &version, &unsure, error);
    if (r < 0) {
        cJSON_Delete(body);
        return r;
    }
    AUTO_OBJECT struct object *now = object_new(found->kind, body, version, found->bytes);
    show(objects, now);
    return 0;
}

/* Looks one doubtful row up, and shows what memory had missed. */
static int settle(struct objects *objects, const struct doubt *doubt, struct error *error)
{
    cJSON *body = NULL;
    size_t bytes = 0;
    int64_t version = 0;
    int r = objects_sql_read(objects->options.store, doubt->kind, doubt->namespace, doubt->name, &body, &bytes,
                             &version, error);
    if (r < 0)
        return r;
    AUTO_OBJECT struct object *current = objects_find(objects, doubt->kind, doubt->namespace, doubt->name);
    if (!body) {
        if (current)
            show_removal(objects, current, version);
        return 0;
    }
    AUTO_OBJECT struct object *found = object_new(doubt->kind, body, version, bytes);
    return current && current->version == version ? 0 : show_found(objects, found, error);
}

/* Settles what is due. On failure the rest stays in doubt. */
static int settle_due(struct objects *objects, struct error *error)
{
    int64_t now = clock_monotonic_ms();
    for (struct doubt **at = &objects->doubts; *at;) {
        struct doubt *doubt = *at;
        if (doubt->due_ms <= now) {
            int r = settle(objects, doubt, error);
            if (r < 0)
                return r;
            doubt->due_ms = now + DOUBT_AGAIN_MS;
        }
        if (doubt->until_ms <= now) {
            *at = doubt->next;
            doubt_free(doubt);
        } else {
            at = &doubt->next;
        }
    }
    atomic_store(&objects->in_doubt, objects->doubts != NULL);
    return 0;
}

/* --- beginning ---------------------------------------------------------------------------------------------------- */

static void note_away(struct objects *objects, int r)
{
    if (r == -ERROR_UNAVAILABLE || r == -ERROR_TIMEOUT) {
        metric_add(&writes_failed, 1);
        objects->away_until_ms = clock_monotonic_ms() + AWAY_MS;
        atomic_store(&objects->away, true);
    }
}

/* Before a write, with the writers' lock: nothing is in doubt after it. */
static int write_begin(struct objects *objects, struct error *error)
{
    int r = 0;
    if (clock_monotonic_ms() < objects->away_until_ms)
        r = error_set(error, ERROR_UNAVAILABLE, NULL, "the database is away; try again in a moment");
    if (r == 0 && objects->doubts) {
        r = settle_due(objects, error);
        note_away(objects, r);
    }
    return r;
}

int objects_writer_begin(struct objects *objects, struct error *error)
{
    group_enter_alone(objects->writers);
    int r = write_begin(objects, error);
    if (r < 0)
        group_leave(objects->writers);
    return r;
}

void objects_writer_end(struct objects *objects)
{
    group_leave(objects->writers);
}

/* Settles what is in doubt also while nobody writes; where nothing is, nobody is held up. */
static void settle_quietly(struct objects *objects)
{
    if (atomic_load(&objects->in_doubt) && objects_writer_begin(objects, NULL) == 0)
        objects_writer_end(objects);
}

bool objects_recovered(struct objects *objects)
{
    if (!atomic_load(&objects->away)) {
        settle_quietly(objects);
        return false;
    }
    /* Any statement will do to hear whether it is back. */
    cJSON *body = NULL;
    size_t bytes;
    int64_t version;
    if (objects_sql_read(objects->options.store, KIND_NAMESPACE, "", "", &body, &bytes, &version, NULL) < 0 ||
        objects_writer_begin(objects, NULL) < 0)
        return false;
    objects_writer_end(objects);
    atomic_store(&objects->away, false);
    return true;
}

/* --- committing --------------------------------------------------------------------------------------------------- */

static int too_large(size_t bytes, struct error *error)
{
    return error_set(error, ERROR_TOO_LARGE, NULL, "the object has %zu bytes as JSON; at most %d are kept", bytes,
                     OBJECT_BYTES_MAX);
}

/* An object on its way to the table. */
struct written {
    cJSON *body;        /* ends up in <now> if it is kept */
    struct object *now; /* once it is committed and shown */
    char *text;
    size_t bytes;
};

static void written_clear(struct written *written)
{
    cJSON_Delete(written->body);
    object_unref(written->now);
    free(written->text);
}
#define AUTO_WRITTEN __attribute__((cleanup(written_clear)))

/* Consumes <body>. */
static int written_begin(struct written *written, cJSON *body, struct error *error)
{
    json_remove(json_member(body, "metadata"), "resourceVersion");
    *written = (struct written){.body = body, .text = json_print(body)};
    written->bytes = strlen(written->text);
    return written->bytes > OBJECT_BYTES_MAX ? too_large(written->bytes, error) : 0;
}

/* It was committed as <version>. */
static void written_show(struct objects *objects, struct written *written, enum engine_kind kind, int64_t version)
{
    written->now = object_new(kind, TAKE_POINTER(written->body), version, written->bytes);
    show(objects, written->now);
}

int objects_commit(struct objects *objects, enum engine_kind kind, const struct object *current, cJSON *body,
                   struct object **ret, struct error *error)
{
    AUTO_WRITTEN struct written written;
    int64_t version = 0;
    bool unsure = false;
    int r = written_begin(&written, body, error);
    const char *namespace = json_text_or("", body, "metadata", "namespace", NULL);
    const char *name = json_text(body, "metadata", "name", NULL);
    if (r == 0 && current)
        r = objects_sql_update(objects->options.store, current, written.text, &version, &unsure, error);
    else if (r == 0)
        r = objects_sql_insert(objects->options.store, kind, namespace, name, json_text(body, "metadata", "uid", NULL),
                               written.text, &version, &unsure, error);
    note_away(objects, r);
    if (unsure || r == -ERROR_EXISTS) /* the latter: memory knows of no such row */
        doubt_add(objects, kind, namespace, name);
    if (r < 0)
        return r;
    written_show(objects, &written, kind, version);
    if (ret)
        *ret = TAKE_POINTER(written.now);
    return 0;
}

int objects_commit_together(struct objects *objects, const struct object *current, cJSON *body, struct object **ret,
                            struct error *error)
{
    AUTO_WRITTEN struct written written;
    int r = written_begin(&written, body, error);
    if (r < 0)
        return r;
    struct group_write write = {.current = current, .text = written.text, .context = &written};
    group_commit(objects->writers, &write);
    if (write.result < 0 && error)
        *error = write.error;
    if (write.result == 0 && ret)
        *ret = TAKE_POINTER(written.now);
    return write.result;
}

static int group_begin(void *context, struct error *error)
{
    return write_begin(context, error);
}

static void group_run(void *context, struct group_write *writes)
{
    struct objects *objects = context;
    objects_sql_update_all(objects->options.store, writes);
}

static void group_finish(void *context, struct group_write *write)
{
    struct objects *objects = context;
    note_away(objects, write->result);
    if (write->unsure)
        doubt_add(objects, write->current->kind, write->current->namespace, write->current->name);
    if (write->result == 0)
        written_show(objects, write->context, write->current->kind, write->version);
}

int objects_commit_removal(struct objects *objects, const struct object *current, struct error *error)
{
    int64_t version = 0;
    bool unsure = false;
    int r = objects_sql_delete(objects->options.store, current, &version, &unsure, error);
    note_away(objects, r);
    if (unsure)
        doubt_add(objects, current->kind, current->namespace, current->name);
    if (r == 0)
        show_removal(objects, current, version);
    return r;
}

/* --- making ------------------------------------------------------------------------------------------------------- */

void objects_writer_new(struct objects *objects)
{
    const struct group_options writers = {
        .begin = group_begin, .run = group_run, .finish = group_finish, .context = objects};
    objects->writers = group_new(&writers);
}

void objects_writer_free(struct objects *objects)
{
    while (objects->doubts) {
        struct doubt *doubt = objects->doubts;
        objects->doubts = doubt->next;
        doubt_free(doubt);
    }
    group_free(objects->writers);
}
