/* Which workloads are in use, and what happens to those that are not? */
#include "tenancy/idle_watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/queue.h"
#include "tenancy/follow.h"
#include "tenancy/status.h"

#define WORKERS 4 /* each may wait some seconds for one that does not answer */
#define CONFLICT_MS 200

struct idle_watch {
    struct engine *engine;
    struct queue *queue;
    struct follow *follow;
    struct idle_options options;
    struct idle_keeper keeper;
};

/* Keys: "<namespace>/<name>", or "<namespace>/" for all of a namespace. */
static void add(struct idle_watch *watch, const char *namespace, const char *name)
{
    AUTO_FREE char *key = memory_format("%s/%s", namespace, name);
    queue_add(watch->queue, namespace, key);
}

struct look {
    struct idle_watch *watch;
    const cJSON *object;
    cJSON *known;
    int64_t now_ms;
};

static const char *name_of(const cJSON *object)
{
    return json_text_or("", object, "metadata", "name", NULL);
}

static const char *namespace_of(const cJSON *object)
{
    return json_text_or("", object, "metadata", "namespace", NULL);
}

/* Of what never was: -1. */
static int64_t ago_s(const struct look *look, int64_t at_ms)
{
    return at_ms ? (look->now_ms - at_ms) / 1000 : -1;
}

/* The latest of what is known, what others have seen, and what it says itself. */
static int last_use(const struct look *look, int64_t since_ms, int64_t *last_ms, struct error *error)
{
    struct idle_watch *watch = look->watch;
    const char *kind = engine_kinds[watch->keeper.kind].kind;
    int64_t seen_ms = 0, own_ms = 0;
    int r = 0;
    if (watch->options.seen)
        r = watch->options.seen(watch->options.context, namespace_of(look->object), kind, name_of(look->object),
                                &seen_ms, error);
    if (r == 0)
        r = watch->keeper.ask(watch->engine, look->object, look->now_ms, &own_ms, error);
    if (r < 0)
        return r;
    const int64_t all_ms[] = {since_ms, seen_ms, own_ms};
    for (size_t i = 0; i < COUNT_OF(all_ms); i++)
        *last_ms = all_ms[i] > *last_ms ? all_ms[i] : *last_ms;
    *last_ms = *last_ms > look->now_ms ? look->now_ms : *last_ms; /* its own clock may say anything */
    log_line(LOG_DEBUG, "when a workload was used last", LOG_TEXT("kind", kind),
             LOG_TEXT("namespace", namespace_of(look->object)), LOG_TEXT("name", name_of(look->object)),
             LOG_NUMBER("ready_s_ago", ago_s(look, since_ms)), LOG_NUMBER("seen_s_ago", ago_s(look, seen_ms)),
             LOG_NUMBER("own_s_ago", ago_s(look, own_ms)));
    return 0;
}

static int stop(const struct look *look, const struct idle_case *idle, struct error *error)
{
    struct idle_watch *watch = look->watch;
    const char *kind = engine_kinds[watch->keeper.kind].kind;
    char now[CLOCK_TEXT_SIZE], last[CLOCK_TEXT_SIZE];
    clock_format(look->now_ms, now);
    clock_format(idle->last_ms, last);
    int r = watch->keeper.stop(watch->engine, look->object, now, error);
    if (r < 0)
        return r;
    const struct idle_terms *terms = idle->terms;
    AUTO_FREE char *why = memory_format("%s since %s", terms->since, last);
    engine_event(watch->engine, look->object, "Normal", terms->ended, "%s: %s", terms->done, why);
    watch->options.stopped(watch->options.context, namespace_of(look->object), kind, name_of(look->object), why);
    log_line(LOG_INFO, "ended, because nobody used it", LOG_TEXT("how", terms->done), LOG_TEXT("kind", kind),
             LOG_TEXT("namespace", namespace_of(look->object)), LOG_TEXT("name", name_of(look->object)));
    return 0;
}

/* Puts what is known where it is told, unless the workload has changed meanwhile. */
static int write_known(const struct look *look, struct error *error)
{
    const struct idle_watch *watch = look->watch;
    if (watch->options.in_annotations) {
        AUTO_JSON cJSON *patch = idle_known_patch(&watch->options, look->object, look->known);
        return engine_patch(watch->engine, watch->keeper.kind, namespace_of(look->object), name_of(look->object),
                            ENGINE_SPEC, ENGINE_PATCH_MERGE, patch, NULL, error);
    }
    cJSON *status = json_copy(json_member(look->object, "status"));
    idle_keep(idle_terms_of(&watch->options), look->known, status);
    int r = status_write(watch->engine, watch->keeper.kind, look->object, status, error);
    return r < 0 ? r : 0;
}

static int tell(const struct look *look, const struct idle_case *idle, const struct idle_verdict *verdict,
                struct error *error)
{
    struct idle_watch *watch = look->watch;
    char last[CLOCK_TEXT_SIZE];
    if (!idle_note(idle, verdict, look->known))
        return 0;
    int r = write_known(look, error);
    if (r == 0 && verdict->step == IDLE_WARN && !idle->warned_ms) {
        clock_format(idle->last_ms, last);
        engine_event(watch->engine, look->object, "Warning", idle->terms->warned,
                     "%s since %s: it is %s at %s unless %s, or sets " IDLE_KEEP_UNTIL, idle->terms->since, last,
                     idle->terms->done, json_text_or("", look->known, idle->terms->end, NULL), idle->terms->rescue);
    }
    return r;
}

/* Nothing is announced any more. */
static int forget(const struct look *look, struct error *error)
{
    const char *end = idle_terms_of(&look->watch->options)->end;
    if (!json_member(look->known, end))
        return 0;
    json_remove(look->known, end);
    return write_known(look, error);
}

static int64_t look_at(struct look *look, struct error *error)
{
    struct idle_watch *watch = look->watch;
    struct idle_case idle;
    struct idle_verdict verdict;
    int64_t since_ms = 0, after_s = 0;
    look->known = idle_known(&watch->options, look->object);
    if (!watch->keeper.runs(look->object, &since_ms)) /* a status that is ours forgets by itself */
        return watch->options.in_annotations ? forget(look, error) : 0;
    int r = idle_after(watch->engine, &watch->options, look->object, &after_s, error);
    if (r < 0)
        return r;
    if (after_s == 0)
        return forget(look, error);
    idle_case_of(&watch->options, after_s, look->object, look->known, look->now_ms, &idle);
    r = last_use(look, since_ms, &idle.last_ms, error);
    if (r < 0) { /* it cannot be told: then it is not idle */
        log_line(LOG_DEBUG, "whether a workload is used cannot be told",
                 LOG_TEXT("namespace", namespace_of(look->object)), LOG_TEXT("name", name_of(look->object)),
                 LOG_FAULT(error));
        return idle.check_ms;
    }
    idle_decide(&idle, &verdict);
    r = verdict.step == IDLE_STOP ? stop(look, &idle, error) : tell(look, &idle, &verdict, error);
    return r < 0 ? r : verdict.step == IDLE_STOP ? 0 : verdict.again_ms;
}

static int64_t add_all(struct idle_watch *watch, const char *namespace, struct error *error)
{
    AUTO_JSON cJSON *list = NULL;
    const cJSON *item;
    int r = engine_list(watch->engine, watch->keeper.kind, namespace, NULL, &list, error);
    cJSON_ArrayForEach(item, json_member(list, "items"))
    {
        add(watch, namespace, name_of(item));
    }
    return r;
}

static int64_t handle(void *context, const char *key)
{
    struct idle_watch *watch = context;
    struct error error = {0};
    AUTO_JSON cJSON *object = NULL;
    int64_t result;
    if (follow_handle(watch->follow, key, &result))
        return result;
    struct slice name, namespace = slice_split(slice_of(key), '/', &name);
    AUTO_FREE char *namespace_text = memory_text_n(namespace.p, namespace.n);
    AUTO_FREE char *name_text = memory_text_n(name.p ? name.p : "", name.n);
    if (!*name_text)
        return add_all(watch, namespace_text, &error);
    int r = engine_get(watch->engine, watch->keeper.kind, namespace_text, name_text, &object, &error);
    if (r < 0)
        return r == -ERROR_NOT_FOUND ? 0 : r;
    struct look look = {.watch = watch, .object = object, .now_ms = clock_wall_ms()};
    result = look_at(&look, &error);
    cJSON_Delete(look.known);
    if (result == -ERROR_CONFLICT)
        return CONFLICT_MS;
    return result == -ERROR_NOT_FOUND ? 0 : result;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void on_seen(void *context, enum engine_kind kind, const cJSON *object)
{
    struct idle_watch *watch = context;
    int64_t since_ms;
    if (kind == KIND_PROFILE) /* it may have changed its idea of how long */
        add(watch, name_of(object), "");
    else if (watch->options.in_annotations || watch->keeper.runs(object, &since_ms)) /* else there is nothing to do */
        add(watch, namespace_of(object), name_of(object));
}

struct idle_watch *idle_watch_new(struct engine *engine, const char *name, const struct idle_options *options,
                                  const struct idle_keeper *keeper)
{
    const enum engine_kind kinds[] = {keeper->kind, KIND_PROFILE};
    struct idle_watch *watch = memory_get(sizeof(*watch));
    *watch = (struct idle_watch){.engine = engine, .options = *options, .keeper = *keeper};
    watch->queue = queue_new(name, WORKERS, handle, watch);
    watch->follow = follow_new(engine, watch->queue, kinds, COUNT_OF(kinds), on_seen, watch);
    follow_start(watch->follow);
    return watch;
}

void idle_watch_free(struct idle_watch *watch)
{
    if (!watch)
        return;
    queue_stop(watch->queue);
    follow_free(watch->follow);
    queue_free(watch->queue);
    free(watch);
}
