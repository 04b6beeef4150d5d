/* How do lists of people reach those who look on? */
#include "controlplane/list_watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"

#define PAUSE_MS 200      /* between two looks: changes in a burst share one */
#define RETRY_MS 1000     /* after one that failed */
#define AT_LEAST_MS 60000 /* when somebody was last seen is no change that is told; it is kept by the minute */

static struct metric watches_open = METRIC_GAUGE("atelier_api_list_watches", "Watched lists of the people API.");

/* On the list of watches from before its stream begins, so that many that begin at once are no more than the limit. */
struct list_watch {
    struct list_watches *watches;
    struct list_watch *next;
    const struct people_list *list;
    struct stream *stream;
    struct identity identity;
    char namespace[64];
    int64_t limit, deadline_ms;
    uint64_t digest;          /* of what was written last */
    _Atomic bool begun, gone; /* begun: it is the thread's */
};
struct list_watches {
    struct server *server;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows; only the thread takes watches out of the list */
    pthread_cond_t changed;
    struct list_watch *first;
    bool policy, audit; /* have changed since the last look */
    bool stopping, dirty;
};

static void wake(struct list_watches *watches, bool policy, bool audit)
{
    pthread_mutex_lock(&watches->mutex);
    watches->policy = watches->policy || policy;
    watches->audit = watches->audit || audit;
    watches->dirty = true;
    pthread_cond_signal(&watches->changed);
    pthread_mutex_unlock(&watches->mutex);
}

void list_watches_review(struct list_watches *watches)
{
    wake(watches, true, false);
}

static void on_audit(void *context, const char *channel, const char *payload)
{
    (void)channel;
    (void)payload;
    wake(context, false, true);
}

static void on_gone(void *context)
{
    struct list_watch *watch = context;
    atomic_store(&watch->gone, true);
    wake(watch->watches, false, false);
}

/* --- looking ------------------------------------------------------------------------------------------------------ */
static struct access access_of(const struct list_watch *watch)
{
    if (watch->list->whose == LIST_OF_ADMINS) /* others may list a part: that is less than this list */
        return (struct access){.kind = "User", .verb = VERB_LIST};
    return (struct access){.namespace = watch->namespace, .verb = watch->list->verb};
}

/* The stream is ended for whoever may not; this is about what would be written until then. */
static bool may_read(const struct list_watch *watch)
{
    const struct policy *policy = policy_take(watch->watches->server->auth);
    bool may = policy_still_valid(policy, &watch->identity);
    if (may && watch->list->whose != LIST_OWN) {
        struct access access = access_of(watch);
        struct decision decision = policy_decide(policy, &watch->identity, &access);
        may = decision.allowed && !decision.partial;
    }
    policy_release(policy);
    return may;
}

static int read_line(struct list_watch *watch, char **ret_line, uint64_t *ret_digest, struct error *error)
{
    AUTO_JSON cJSON *answer = json_object();
    cJSON *items = NULL;
    uint8_t digest[DIGEST_SIZE];
    int status =
        watch->list->read(watch->watches->server, &watch->identity, watch->namespace, watch->limit, &items, error);
    if (status < 0)
        return status;
    json_set(answer, "items", items);
    AUTO_FREE char *text = json_print(answer);
    *ret_line = memory_format("%s\n", text);
    digest_sha256(slice_of(text), digest);
    memcpy(ret_digest, digest, sizeof(*ret_digest));
    return 0;
}

/* False if it could not be read: what was shown stays, and it is looked at again. */
static bool look(struct list_watch *watch)
{
    AUTO_FREE char *line = NULL;
    struct error error = {0};
    uint64_t digest;
    if (!may_read(watch))
        return true;
    if (read_line(watch, &line, &digest, &error) < 0)
        return error.code != ERROR_UNAVAILABLE && error.code != ERROR_TIMEOUT;
    if (digest == watch->digest)
        return true;
    watch->digest = digest;
    if (!stream_write(watch->stream, slice_of(line)))
        atomic_store(&watch->gone, true);
    return true;
}

static bool look_at_all(struct list_watch *first, bool policy, bool audit)
{
    bool works = true;
    for (struct list_watch *watch = first; watch && works; watch = watch->next) {
        bool meant = watch->list->of_audit ? audit : policy;
        if (meant && atomic_load(&watch->begun) && !atomic_load(&watch->gone))
            works = look(watch);
    }
    return works;
}

/* --- the thread --------------------------------------------------------------------------------------------------- */
static void end_watch(struct list_watch *watch)
{
    if (watch->stream)
        stream_close(watch->stream);
    free(watch);
}

/* Takes what has ended out of the list: all that has begun when <all> is. The caller holds the mutex. */
static struct list_watch *take_ended(struct list_watches *watches, int64_t now_ms, bool all)
{
    struct list_watch *ended = NULL;
    int64_t left = 0;
    for (struct list_watch **at = &watches->first; *at;) {
        struct list_watch *watch = *at;
        bool over = all || now_ms >= watch->deadline_ms || atomic_load(&watch->gone);
        if (!over || !atomic_load(&watch->begun)) {
            at = &watch->next;
            left++;
            continue;
        }
        *at = watch->next;
        watch->next = ended;
        ended = watch;
    }
    metric_set(&watches_open, left);
    return ended;
}

/* Until something is to be ended, or has changed and <not_before_ms> is past, or <until_ms>. Holds the
 * mutex. */
static void wait_for_work(struct list_watches *watches, int64_t not_before_ms, int64_t until_ms)
{
    if (until_ms < not_before_ms || watches->policy || watches->audit)
        until_ms = not_before_ms;
    for (const struct list_watch *watch = watches->first; watch; watch = watch->next)
        until_ms = watch->deadline_ms < until_ms && atomic_load(&watch->begun) ? watch->deadline_ms : until_ms;
    struct timespec at = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    int late = 0;
    while (!watches->dirty && late != ETIMEDOUT)
        late = watches->first ? pthread_cond_timedwait(&watches->changed, &watches->mutex, &at)
                              : pthread_cond_wait(&watches->changed, &watches->mutex);
    watches->dirty = false;
}

static void end_all(struct list_watch *ended)
{
    while (ended) {
        struct list_watch *next = ended->next;
        end_watch(ended);
        ended = next;
    }
}

static void *run(void *context)
{
    struct list_watches *watches = context;
    int64_t next_ms = 0, full_ms = clock_monotonic_ms() + AT_LEAST_MS;
    pthread_mutex_lock(&watches->mutex);
    while (!watches->stopping || watches->first) {
        wait_for_work(watches, next_ms, full_ms);
        int64_t now_ms = clock_monotonic_ms();
        bool due = now_ms >= next_ms && !watches->stopping, full = due && now_ms >= full_ms;
        bool policy = due && (watches->policy || full), audit = due && (watches->audit || full);
        struct list_watch *ended = take_ended(watches, now_ms, watches->stopping), *first = watches->first;
        watches->policy = watches->policy && !policy;
        watches->audit = watches->audit && !audit;
        pthread_mutex_unlock(&watches->mutex);
        end_all(ended);
        if (full)
            full_ms = now_ms + AT_LEAST_MS;
        bool works = !(policy || audit) || look_at_all(first, policy, audit);
        if (policy || audit)
            next_ms = clock_monotonic_ms() + (works ? PAUSE_MS : RETRY_MS);
        pthread_mutex_lock(&watches->mutex);
        watches->policy = watches->policy || (policy && !works);
        watches->audit = watches->audit || (audit && !works);
    }
    pthread_mutex_unlock(&watches->mutex);
    return NULL;
}

int list_watches_new(struct server *server, struct list_watches **ret, struct error *error)
{
    struct list_watches *watches = memory_get(sizeof(*watches));
    watches->server = server;
    pthread_mutex_init(&watches->mutex, NULL);
    clock_condition(&watches->changed);
    if (pthread_create(&watches->thread, NULL, run, watches) != 0)
        memory_oom(0);
    *ret = watches;
    return audit_on_written(server->auth, on_audit, watches, error);
}

void list_watches_stop(struct list_watches *watches)
{
    if (!watches)
        return;
    audit_off_written(watches->server->auth, watches);
    pthread_mutex_lock(&watches->mutex);
    watches->stopping = watches->dirty = true;
    pthread_cond_signal(&watches->changed);
    pthread_mutex_unlock(&watches->mutex);
    pthread_join(watches->thread, NULL);
}

void list_watches_free(struct list_watches *watches)
{
    if (!watches)
        return;
    pthread_cond_destroy(&watches->changed);
    pthread_mutex_destroy(&watches->mutex);
    free(watches);
}

/* --- beginning ---------------------------------------------------------------------------------------------------- */
/* The watch's place: then the thread frees it, once it has begun and ended. */
static int add(struct list_watches *watches, struct list_watch *watch, struct error *error)
{
    size_t all = 0, own = 0;
    pthread_mutex_lock(&watches->mutex);
    for (const struct list_watch *other = watches->first; other; other = other->next) {
        all++;
        own += other->identity.user_id == watch->identity.user_id;
    }
    bool stopping = watches->stopping, room = !stopping && all < LIMIT_WATCHES && own < LIMIT_WATCHES_USER;
    if (room) {
        watch->next = watches->first;
        watches->first = watch;
        metric_set(&watches_open, (int64_t)all + 1);
    }
    pthread_mutex_unlock(&watches->mutex);
    if (room)
        return 0;
    if (stopping)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "atelierd is stopping");
    error_set(error, ERROR_LIMITED, NULL, "too many lists are watched (at most %d by one person)", LIMIT_WATCHES_USER);
    error->retry_after_s = 5;
    return -ERROR_LIMITED;
}

/* The watch is not the caller's any more. */
static void leave_to_thread(struct list_watch *watch, bool policy, bool audit)
{
    struct list_watches *watches = watch->watches;
    atomic_store(&watch->begun, true);
    wake(watches, policy, audit);
}

/* The first line comes from here, so that what cannot be read is refused with a status of its own. */
static int begin(struct call *call, struct list_watch *watch, struct error *error)
{
    bool of_audit = watch->list->of_audit;
    AUTO_FREE char *line = NULL;
    struct access access = access_of(watch);
    int status = read_line(watch, &line, &watch->digest, error);
    if (status < 0) {
        atomic_store(&watch->gone, true);
        leave_to_thread(watch, false, false);
        return status;
    }
    response_header(call->response, "Cache-Control", "no-store");
    watch->stream =
        response_stream(call->response, "application/json", watch->list->whose == LIST_OWN ? NULL : &access, false);
    stream_on_gone(watch->stream, on_gone, watch);
    stream_write(watch->stream, slice_of(line));
    leave_to_thread(watch, !of_audit, of_audit); /* which looks for what has changed since it was read */
    return 0;
}

static int watch_list(struct call *call, const struct people_list *list, int64_t limit, struct error *error)
{
    struct list_watches *watches = call->server->list_watches;
    int64_t timeout_s = LIMIT_WATCH_S;
    int status = call_query_i64(call, "timeoutSeconds", 1, LIMIT_WATCH_S, &timeout_s, error);
    if (status < 0)
        return status;
    struct list_watch *watch = memory_get(sizeof(*watch));
    *watch = (struct list_watch){.watches = watches,
                                 .list = list,
                                 .identity = *call->request->identity,
                                 .limit = limit,
                                 .deadline_ms = clock_monotonic_ms() + 1000 * timeout_s};
    snprintf(watch->namespace, sizeof(watch->namespace), "%s", call->namespace ? call->namespace : "");
    status = add(watches, watch, error);
    if (status == 0)
        return begin(call, watch, error);
    free(watch);
    return status;
}

int list_answer(struct call *call, const struct people_list *list, int64_t limit, struct error *error)
{
    cJSON *items = NULL;
    if (call_query_true(call, "watch"))
        return watch_list(call, list, limit, error);
    int status =
        list->read(call->server, call->request->identity, call->namespace ? call->namespace : "", limit, &items, error);
    if (status == 0)
        call_items(call, items);
    return status;
}
