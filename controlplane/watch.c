/* How do changes of objects reach those who watch? */
#include "controlplane/watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "controlplane/objects.h"
#include "controlplane/reply.h"
#include "controlplane/visible.h"
#include "controlplane/wire.h"

static struct metric watches_open = METRIC_GAUGE("atelier_api_watches", "Open watches of the object API.");
static struct metric events_sent = METRIC_COUNTER("atelier_api_watch_events_total", "Watch events written to clients.");

/* Why a watch ends; the first reason counts. */
enum ending { ENDING_NOT, ENDING_GONE, ENDING_LOST, ENDING_REVIEW, ENDING_TIME };

struct watch {
    struct watches *watches;
    struct watch *next;
    struct stream *stream;
    struct engine_watch *source;
    enum engine_kind kind;
    bool partial, bookmarks;
    bool initial; /* the bookmark that ends what there was is yet to come */
    bool as_table;
    enum table_include include;
    struct identity identity;
    uint64_t digest; /* what the caller could see when it began */
    int64_t deadline_ms;
    _Atomic int ending;
};
/* The place of a watch that is about to begin; on the stack of whoever begins it. */
struct seat {
    struct seat *next;
    int64_t user_id;
};
struct watches {
    struct server *server;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards everything below */
    pthread_cond_t changed;
    struct watch *first;
    struct seat *seats;
    size_t count;
    bool review, stopping, dirty; /* dirty: some watch has been marked */
};

static void mark(struct watch *watch, enum ending ending)
{
    int expected = ENDING_NOT;
    if (!atomic_compare_exchange_strong(&watch->ending, &expected, (int)ending))
        return;
    pthread_mutex_lock(&watch->watches->mutex);
    watch->watches->dirty = true;
    pthread_cond_signal(&watch->watches->changed);
    pthread_mutex_unlock(&watch->watches->mutex);
}

static void mark_gone(void *context)
{
    mark(context, ENDING_GONE);
}

/* --- events ------------------------------------------------------------------------------------------------------- */
static void send_event(struct watch *watch, const char *type, const cJSON *object)
{
    AUTO_FREE char *text = json_print(object);
    AUTO_FREE char *line = memory_format("{\"type\":\"%s\",\"object\":%s}\n", type, text);
    if (!stream_write(watch->stream, slice_of(line)))
        mark(watch, ENDING_GONE);
    metric_add(&events_sent, 1);
}

static bool may_see(const struct watch *watch, const cJSON *object)
{
    if (!watch->partial)
        return true;
    const struct policy *policy = policy_take(watch->watches->server->auth);
    bool allowed = visible_decide(policy, &watch->identity, watch->kind, object, VERB_GET).allowed;
    policy_release(policy);
    return allowed;
}

/* A watch that began with what there was says so in the first bookmark; clients hold what they got until then. */
static cJSON *end_of_initial(const cJSON *bookmark)
{
    cJSON *marked = json_copy(bookmark);
    json_set_text(json_object_in(json_object_in(marked, "metadata"), "annotations"), "k8s.io/initial-events-end",
                  "true");
    return marked;
}

static void on_event(void *context, enum engine_event event, const cJSON *object)
{
    static const char *const types[] = {[ENGINE_ADDED] = "ADDED",
                                        [ENGINE_MODIFIED] = "MODIFIED",
                                        [ENGINE_DELETED] = "DELETED",
                                        [ENGINE_BOOKMARK] = "BOOKMARK"};
    struct watch *watch = context;
    if (atomic_load(&watch->ending) != ENDING_NOT)
        return;
    if (event == ENGINE_LOST) {
        mark(watch, ENDING_LOST);
    } else if (event == ENGINE_BOOKMARK ? watch->bookmarks : may_see(watch, object)) {
        AUTO_JSON cJSON *marked = NULL, *table = NULL;
        if (event == ENGINE_BOOKMARK && watch->initial)
            object = marked = end_of_initial(object);
        watch->initial = watch->initial && !marked;
        if (watch->as_table)
            table = event == ENGINE_BOOKMARK /* a version, and no row */
                        ? table_of_list(watch->kind, object, watch->include, clock_wall_ms())
                        : table_of_object(watch->kind, object, watch->include, clock_wall_ms());
        send_event(watch, types[event], table ? table : object);
    }
}

/* --- ending ------------------------------------------------------------------------------------------------------- */
/* "Expired": the client lists again, which shows what has become visible and hides what no longer is. */
static void send_expired(struct watch *watch)
{
    static const char text[] =
        "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":"
        "\"Failure\","
        "\"message\":\"the watch cannot go on from here; list again\",\"reason\":\"Expired\",\"code\":410}}\n";
    stream_write(watch->stream, slice_of(text));
}

static void end_watch(struct watch *watch)
{
    int ending = atomic_load(&watch->ending);
    engine_unwatch(watch->source);
    if (ending == ENDING_LOST || ending == ENDING_REVIEW)
        send_expired(watch);
    stream_close(watch->stream);
    free(watch);
}

/* Takes what has ended out of the list. The caller holds the mutex. */
static struct watch *take_ended(struct watches *watches, int64_t now_ms, bool all)
{
    struct watch *ended = NULL;
    for (struct watch **at = &watches->first; *at;) {
        struct watch *watch = *at;
        int expected = ENDING_NOT;
        if (all || now_ms >= watch->deadline_ms)
            atomic_compare_exchange_strong(&watch->ending, &expected, ENDING_TIME);
        if (atomic_load(&watch->ending) == ENDING_NOT) {
            at = &watch->next;
            continue;
        }
        *at = watch->next;
        watch->next = ended;
        ended = watch;
        watches->count--;
    }
    metric_set(&watches_open, (int64_t)watches->count);
    return ended;
}

/* Deciding anew is cheap, but prints what the caller can see: so only for those who see a part. Holds the mutex. */
static void review_partial(struct watches *watches)
{
    const struct policy *policy = policy_take(watches->server->auth);
    for (struct watch *watch = watches->first; watch; watch = watch->next) {
        int expected = ENDING_NOT;
        if (watch->partial && visible_digest(policy, &watch->identity) != watch->digest)
            atomic_compare_exchange_strong(&watch->ending, &expected, ENDING_REVIEW);
    }
    policy_release(policy);
}

static int64_t next_deadline(const struct watches *watches, int64_t now_ms)
{
    int64_t next = now_ms + 60000;
    for (const struct watch *watch = watches->first; watch; watch = watch->next) {
        if (watch->deadline_ms < next)
            next = watch->deadline_ms;
    }
    return next;
}

static void wait_for_work(struct watches *watches)
{
    int64_t until = next_deadline(watches, clock_monotonic_ms());
    struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    while (!watches->dirty && !watches->review && !watches->stopping) {
        if (pthread_cond_timedwait(&watches->changed, &watches->mutex, &at) == ETIMEDOUT)
            break;
    }
}

static void *run(void *context)
{
    struct watches *watches = context;
    bool stopping = false;
    pthread_mutex_lock(&watches->mutex);
    while (!stopping) {
        wait_for_work(watches);
        stopping = watches->stopping;
        watches->dirty = false;
        if (watches->review)
            review_partial(watches);
        watches->review = false;
        struct watch *ended = take_ended(watches, clock_monotonic_ms(), stopping);
        pthread_mutex_unlock(&watches->mutex);
        while (ended) {
            struct watch *next = ended->next;
            end_watch(ended);
            ended = next;
        }
        pthread_mutex_lock(&watches->mutex);
    }
    pthread_mutex_unlock(&watches->mutex);
    return NULL;
}

struct watches *watches_new(struct server *server)
{
    struct watches *watches = memory_get(sizeof(*watches));
    pthread_mutex_init(&watches->mutex, NULL);
    clock_condition(&watches->changed);
    watches->server = server;
    if (pthread_create(&watches->thread, NULL, run, watches) != 0)
        memory_oom(sizeof(*watches));
    return watches;
}

void watches_stop(struct watches *watches)
{
    if (!watches)
        return;
    pthread_mutex_lock(&watches->mutex);
    watches->stopping = true;
    pthread_cond_signal(&watches->changed);
    pthread_mutex_unlock(&watches->mutex);
    pthread_join(watches->thread, NULL);
}

void watches_free(struct watches *watches)
{
    if (!watches)
        return;
    pthread_cond_destroy(&watches->changed);
    pthread_mutex_destroy(&watches->mutex);
    free(watches);
}

void watches_review(struct watches *watches)
{
    pthread_mutex_lock(&watches->mutex);
    watches->review = true;
    pthread_cond_signal(&watches->changed);
    pthread_mutex_unlock(&watches->mutex);
}

/* --- beginning ---------------------------------------------------------------------------------------------------- */
/* Many that begin at once are no more than the limit, either: each has its seat before the next one looks. */
static int take_seat(struct watches *watches, struct seat *seat, struct error *error)
{
    size_t own = 0, all;
    pthread_mutex_lock(&watches->mutex);
    bool stopping = watches->stopping;
    all = watches->count;
    for (const struct watch *watch = watches->first; watch; watch = watch->next)
        own += watch->identity.user_id == seat->user_id;
    for (const struct seat *other = watches->seats; other; other = other->next) {
        own += other->user_id == seat->user_id;
        all++;
    }
    bool room = !stopping && all < LIMIT_WATCHES && own < LIMIT_WATCHES_USER;
    if (room) {
        seat->next = watches->seats;
        watches->seats = seat;
    }
    pthread_mutex_unlock(&watches->mutex);
    if (stopping)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "atelierd is stopping");
    if (room)
        return 0;
    error_set(error, ERROR_LIMITED, NULL, "too many watches are open (at most %d of one person)", LIMIT_WATCHES_USER);
    error->retry_after_s = 5;
    return -ERROR_LIMITED;
}

/* The caller holds the mutex. */
static void leave_seat(struct watches *watches, const struct seat *seat)
{
    struct seat **at = &watches->seats;
    while (*at != seat)
        at = &(*at)->next;
    *at = seat->next;
}

static void give_seat_back(struct watches *watches, const struct seat *seat)
{
    pthread_mutex_lock(&watches->mutex);
    leave_seat(watches, seat);
    pthread_mutex_unlock(&watches->mutex);
}

/* In the place that was kept for it. False once the thread that would end it is stopping. */
static bool add(struct watches *watches, struct watch *watch, const struct seat *seat)
{
    pthread_mutex_lock(&watches->mutex);
    leave_seat(watches, seat);
    if (watches->stopping) {
        pthread_mutex_unlock(&watches->mutex);
        return false;
    }
    watch->next = watches->first;
    watches->first = watch;
    metric_set(&watches_open, (int64_t)++watches->count);
    watches->dirty = true; /* it may have ended already; and its deadline may be the next */
    watches->review = watches->review || watch->partial; /* the policy may have changed since the request's snapshot */
    pthread_cond_signal(&watches->changed);
    pthread_mutex_unlock(&watches->mutex);
    return true;
}

/* The rules of kube-apiserver for beginning a watch with what there is. */
static int check_initial(struct call *call, bool initial, struct error *error)
{
    const char *match = request_query(call->request, "resourceVersionMatch");
    bool asked = request_query(call->request, "sendInitialEvents") != NULL;
    if (match && *match && !asked)
        return error_set(error, ERROR_INVALID, "resourceVersionMatch",
                         "resourceVersionMatch is for watches with sendInitialEvents");
    if (initial && (!match || strcmp(match, "NotOlderThan") != 0))
        return error_set(error, ERROR_INVALID, "resourceVersionMatch",
                         "sendInitialEvents requires resourceVersionMatch=NotOlderThan");
    return 0;
}

int watch_answer(struct call *call, const struct place *place, const struct engine_list_options *options, bool partial,
                 struct error *error)
{
    struct watches *watches = call->server->watches;
    const struct request *request = call->request;
    int64_t timeout_s = LIMIT_WATCH_S;
    bool initial = call_query_true(call, "sendInitialEvents");
    int status = call_query_i64(call, "timeoutSeconds", 1, INT64_MAX / 2000, &timeout_s, error);
    if (status == 0)
        status = check_initial(call, initial, error);
    bool as_table = false;
    enum table_include include = TABLE_METADATA;
    if (status == 0)
        status = wire_table(request, &as_table, &include, error);
    if (status == 0 && initial && as_table)
        status = error_set(error, ERROR_INVALID, "sendInitialEvents", "a Table does not begin with what there is");
    if (status == 0 && !engine_watches(call->server->engine, place->kind))
        status =
            error_set(error, ERROR_METHOD, NULL, "%s are watched in one namespace, not in all", place->info->plural);
    struct seat seat = {.user_id = request->identity->user_id};
    if (status == 0)
        status = take_seat(watches, &seat, error);
    if (status < 0)
        return status;
    const char *version = request_query(request, "resourceVersion");
    if (version && (initial || strcmp(version, "0") == 0))
        version = NULL; /* what there is now is not older than any version that was given out */
    struct watch *watch = memory_get(sizeof(*watch));
    *watch = (struct watch){.watches = watches,
                            .kind = place->kind,
                            .partial = partial,
                            .as_table = as_table,
                            .include = include,
                            .bookmarks = call_query_true(call, "allowWatchBookmarks"),
                            .initial = initial,
                            .identity = *request->identity,
                            .deadline_ms =
                                clock_monotonic_ms() + 1000 * (timeout_s < LIMIT_WATCH_S ? timeout_s : LIMIT_WATCH_S)};
    if (partial)
        watch->digest = visible_digest(request->policy, request->identity);
    struct access access = {.namespace = place->namespace, .kind = place->info->kind, .verb = VERB_WATCH};
    response_header(call->response, "Cache-Control", "no-store");
    watch->stream = response_stream(call->response, "application/json", &access, partial);
    stream_on_gone(watch->stream, mark_gone, watch);
    status = engine_watch(call->server->engine, place->kind, place->namespace, options, version, on_event, watch,
                          &watch->source, error);
    if (status < 0) { /* the answer has begun: the error is its only event */
        AUTO_JSON cJSON *object = reply_status(call, error);
        send_event(watch, "ERROR", object);
        stream_close(watch->stream);
        free(watch);
        give_seat_back(watches, &seat);
        return 0;
    }
    if (!add(watches, watch, &seat))
        end_watch(watch);
    return 0;
}
