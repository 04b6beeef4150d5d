/* How does one kind's cache stay equal to the cluster, whatever happens on the way? */
#include "engine/kubernetes/reflector.h"

#include <inttypes.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/random.h"
#include "engine/kubernetes/feed.h"
#include "engine/kubernetes/metadata_split.h"
#include "engine/kubernetes/paths.h"
#include "engine/kubernetes/split.h"
#include "engine/kubernetes/status.h"

/* A page: few enough bytes to wait in memory, few enough requests. A page that takes longer than this was cut off. */
enum { REFLECTOR_PAGE = 500, LIST_DEADLINE_MS = 60 * 1000, LIST_SILENCE_MS = 30 * 1000 };
/* A watch that ended sooner than this did not work: the next one waits. */
enum { WATCH_GOOD_MS = 1000, WATCH_GRACE_S = 30 };

const struct reflector_times reflector_times_default = {.watch_min_s = 300,
                                                        .watch_max_s = 600,
                                                        .silence_ms = 90 * 1000,
                                                        .backoff_min_ms = 800,
                                                        .backoff_max_ms = 30 * 1000,
                                                        .absent_ms = 10 * 1000};

struct reflector {
    struct reflector_options options;
    pthread_t thread;
    pthread_mutex_t lock; /* guards feed and stop */
    pthread_cond_t changed;
    struct feed *feed; /* the one being read */
    bool stop;
    bool begun; /* a list was tried */
    int64_t backoff_ms;
    _Atomic int64_t failing_since_ms;
    _Atomic uint64_t lists, watches, events, failures, compact;
};

static struct metric relists = METRIC_COUNTER("atelier_kubernetes_lists_total", "Lists that caches were filled from.");
static struct metric failures_total =
    METRIC_COUNTER("atelier_kubernetes_watch_failures_total", "Lists and watches that ended before their time.");

/* --- requests ----------------------------------------------------------------------------------------------------- */

static int open_feed(struct reflector *reflector, const struct kube_request *request, struct error *error)
{
    struct feed *feed = NULL;
    int r = feed_open(reflector->options.client, request, &feed, error);
    if (r < 0)
        return r;
    pthread_mutex_lock(&reflector->lock);
    reflector->feed = feed;
    if (reflector->stop)
        feed_interrupt(feed);
    pthread_mutex_unlock(&reflector->lock);
    return 0;
}

static void close_feed(struct reflector *reflector)
{
    pthread_mutex_lock(&reflector->lock);
    struct feed *feed = TAKE_POINTER(reflector->feed);
    pthread_mutex_unlock(&reflector->lock);
    feed_close(feed);
}

static const char *accept_of(const struct reflector *reflector, bool list)
{
    if (!reflector->options.metadata_only)
        return NULL;
    return list ? METADATA_LIST_TYPE ", application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
                : "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
}

static void add_target(const struct reflector *reflector, struct buffer *ret)
{
    path_add(ret, reflector->options.kind, NULL, NULL, NULL);
    path_query(ret, "labelSelector", reflector->options.label_selector);
}

static uint64_t random_below(uint64_t limit)
{
    uint64_t value;
    random_bytes(&value, sizeof(value));
    return limit ? value % limit : 0;
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

/* One page, as JSON or, where only metadata is asked for and the server can, as protobuf. */
struct listing {
    struct reflector *reflector;
    bool broken;
    bool begun, compact; /* something has come, and it is protobuf */
    struct list_split json;
    struct metadata_split metadata;
};

static void take_item(void *context, struct slice text)
{
    struct listing *listing = context;
    if (!cache_list_item(listing->reflector->options.cache, text))
        listing->broken = true;
}

static void take_metadata(void *context, const struct skimmed *item)
{
    struct listing *listing = context;
    if (!cache_list_metadata(listing->reflector->options.cache, item))
        listing->broken = true;
}

/* *ret_next: the token of the next page, "" after the last one. */
static int read_metadata(const struct listing *listing, uint64_t *ret_version, struct buffer *ret_next,
                         struct error *error)
{
    struct slice text = buffer_slice(listing->compact ? &listing->metadata.version : &listing->json.metadata);
    struct slice next = buffer_slice(&listing->metadata.next), value;
    int64_t version;
    buffer_clear(ret_next);
    if (!listing->compact) {
        next = skim_member(text, "continue", &value) ? skim_text(value) : (struct slice){0};
        text = skim_member(text, "resourceVersion", &value) ? skim_text(value) : (struct slice){0};
    }
    if (!text_parse_i64(text, 0, INT64_MAX, &version))
        return error_set(error, ERROR_UPSTREAM, NULL, "a list came without a version");
    *ret_version = (uint64_t)version;
    buffer_add_slice(ret_next, next);
    return 0;
}

static void take_bytes(struct listing *listing, struct slice bytes)
{
    if (!listing->begun) {
        listing->compact = metadata_split_takes(bytes);
        atomic_fetch_add(&listing->reflector->compact, listing->compact);
    }
    listing->begun = true;
    if (listing->compact)
        metadata_split_feed(&listing->metadata, bytes);
    else
        list_split_feed(&listing->json, bytes);
}

static int read_page(struct listing *listing, struct error *error)
{
    AUTO_BUFFER struct buffer bytes = {0};
    int r;
    while ((r = feed_read(listing->reflector->feed, &bytes, error)) > 0) {
        take_bytes(listing, buffer_slice(&bytes));
        buffer_clear(&bytes);
    }
    bool whole = listing->compact ? listing->metadata.complete && !listing->metadata.broken
                                  : listing->json.complete && !listing->json.broken;
    if (r == 0 && !whole)
        return error_set(error, ERROR_UPSTREAM, NULL, "a list was cut off");
    return r;
}

/*
 * <any>: from the API server's memory and perhaps a little old (resourceVersion=0), so that etcd is not read and the
 * answer is the whole list, whatever the limit. Its watch then tells what has happened since.
 */
static int list_page(struct reflector *reflector, bool any, struct buffer *token, uint64_t *ret_version,
                     struct error *error)
{
    AUTO_BUFFER struct buffer target = {0};
    struct listing listing = {.reflector = reflector};
    listing.json = (struct list_split){.item = take_item, .context = &listing};
    listing.metadata = (struct metadata_split){.item = take_metadata, .context = &listing};
    char limit[16];
    (void)snprintf(limit, sizeof(limit), "%u", reflector->options.page ? reflector->options.page : REFLECTOR_PAGE);
    add_target(reflector, &target);
    path_query(&target, "limit", limit);
    path_query(&target, "continue", token->n ? token->p : NULL);
    path_query(&target, "resourceVersion", any && !token->n ? "0" : NULL);
    const struct kube_request request = {.method = "GET",
                                         .target = target.p,
                                         .accept = accept_of(reflector, true),
                                         .deadline_ms = LIST_DEADLINE_MS,
                                         .silence_ms = LIST_SILENCE_MS};
    int r = open_feed(reflector, &request, error);
    if (r < 0)
        return r;
    r = read_page(&listing, error);
    close_feed(reflector);
    if (r == 0 && listing.broken)
        r = error_set(error, ERROR_UPSTREAM, NULL, "a list has items that are no objects");
    if (r == 0)
        r = read_metadata(&listing, ret_version, token, error);
    list_split_free(&listing.json);
    metadata_split_free(&listing.metadata);
    return r;
}

/*
 * The whole list, or nothing is taken away. A process that starts knows nothing yet, and takes what the API server has
 * in memory; later, or if that fails, only the newest does: what was seen must not be undone by an API server that
 * lags.
 */
static int list_all(struct reflector *reflector, struct error *error)
{
    AUTO_BUFFER struct buffer token = {0};
    uint64_t version = 0;
    bool any = !reflector->begun;
    int r;
    reflector->begun = true;
    atomic_fetch_add(&reflector->lists, 1);
    metric_add(&relists, 1);
    cache_list_begin(reflector->options.cache);
    do {
        r = list_page(reflector, any, &token, &version, error);
    } while (r == 0 && token.n);
    if (r == 0)
        cache_list_end(reflector->options.cache, version);
    return r;
}

/* --- watches ------------------------------------------------------------------------------------------------------ */

struct watching {
    struct reflector *reflector;
    int result;
    struct error *error;
};

static void take_error(struct watching *watching, struct slice object)
{
    AUTO_JSON cJSON *status = NULL;
    AUTO_FREE char *text = memory_text_n(object.p, object.n);
    if (kube_json_parse(text, object.n, &status, NULL) < 0)
        watching->result = error_set(watching->error, ERROR_UPSTREAM, NULL, "a watch failed");
    else
        watching->result = kube_status_object_error(status, watching->error);
}

static void take_bookmark(struct watching *watching, struct slice object)
{
    struct slice metadata, value;
    int64_t version;
    if (skim_member(object, "metadata", &metadata) && skim_member(metadata, "resourceVersion", &value) &&
        text_parse_i64(skim_text(value), 0, INT64_MAX, &version))
        cache_bookmark(watching->reflector->options.cache, (uint64_t)version);
}

static void take_line(void *context, struct slice line)
{
    struct watching *watching = context;
    struct cache *cache = watching->reflector->options.cache;
    struct slice type, object;
    if (watching->result < 0)
        return;
    if (!skim_member(line, "type", &type) || !skim_member(line, "object", &object)) {
        watching->result = error_set(watching->error, ERROR_UPSTREAM, NULL, "a watch sent what is no event");
        return;
    }
    type = skim_text(type);
    bool good = true;
    atomic_fetch_add(&watching->reflector->events, 1);
    if (slice_is(type, "ADDED") || slice_is(type, "MODIFIED"))
        good = cache_event(cache, CACHE_PUT, object);
    else if (slice_is(type, "DELETED"))
        good = cache_event(cache, CACHE_DELETE, object);
    else if (slice_is(type, "BOOKMARK"))
        take_bookmark(watching, object);
    else if (slice_is(type, "ERROR"))
        take_error(watching, object);
    if (!good)
        watching->result = error_set(watching->error, ERROR_UPSTREAM, NULL, "a watch sent what is no object");
}

static int read_watch(struct reflector *reflector, struct error *error)
{
    struct watching watching = {.reflector = reflector, .error = error};
    struct line_split split = {.line = take_line, .context = &watching};
    AUTO_BUFFER struct buffer bytes = {0};
    int r = 0;
    while (watching.result == 0 && !split.broken && (r = feed_read(reflector->feed, &bytes, error)) > 0) {
        atomic_store(&reflector->failing_since_ms, 0);
        line_split_feed(&split, buffer_slice(&bytes));
        buffer_clear(&bytes);
        if (bytes.capacity > SPLIT_ITEM_MAX)
            buffer_free(&bytes);
    }
    if (split.broken)
        watching.result = error_set(error, ERROR_UPSTREAM, NULL, "a watch sent an event that is too large");
    line_split_free(&split);
    return watching.result < 0 ? watching.result : r;
}

/* 0: it ended as it should, after its time. */
static int watch_once(struct reflector *reflector, struct error *error)
{
    const struct reflector_times *times = reflector->options.times;
    int64_t life_s =
        times->watch_min_s + (int64_t)random_below((uint64_t)(times->watch_max_s - times->watch_min_s + 1));
    AUTO_BUFFER struct buffer target = {0};
    add_target(reflector, &target);
    path_query(&target, "watch", "1");
    path_query(&target, "allowWatchBookmarks", "true");
    buffer_add_format(&target, "&resourceVersion=%" PRIu64 "&timeoutSeconds=%" PRId64,
                      cache_version(reflector->options.cache), life_s);
    const struct kube_request request = {.method = "GET",
                                         .target = target.p,
                                         .accept = accept_of(reflector, false),
                                         .deadline_ms = (life_s + WATCH_GRACE_S) * 1000,
                                         .silence_ms = times->silence_ms};
    atomic_fetch_add(&reflector->watches, 1);
    int r = open_feed(reflector, &request, error);
    if (r < 0)
        return r;
    r = read_watch(reflector, error);
    close_feed(reflector);
    return r;
}

/* --- for ever ----------------------------------------------------------------------------------------------------- */

static bool stopping(struct reflector *reflector)
{
    pthread_mutex_lock(&reflector->lock);
    bool stop = reflector->stop;
    pthread_mutex_unlock(&reflector->lock);
    return stop;
}

static void pause_ms(struct reflector *reflector, int64_t ms)
{
    struct timespec until;
    clock_after(ms, &until);
    pthread_mutex_lock(&reflector->lock);
    int r = 0;
    while (!reflector->stop && r == 0)
        r = pthread_cond_timedwait(&reflector->changed, &reflector->lock, &until);
    pthread_mutex_unlock(&reflector->lock);
}

/* Half of the pause is random: many replicas and kinds lost the same API server at the same time. */
static void back_off(struct reflector *reflector, const struct error *error)
{
    const struct reflector_times *times = reflector->options.times;
    int64_t least = error->retry_after_s > 0 ? (int64_t)error->retry_after_s * 1000 : 0;
    if (least > times->backoff_max_ms)
        least = times->backoff_max_ms;
    int64_t pause = reflector->backoff_ms / 2 + (int64_t)random_below((uint64_t)reflector->backoff_ms / 2 + 1);
    reflector->backoff_ms =
        2 * reflector->backoff_ms < times->backoff_max_ms ? 2 * reflector->backoff_ms : times->backoff_max_ms;
    pause_ms(reflector, pause > least ? pause : least);
}

static void note_failure(struct reflector *reflector, const char *what, const struct error *error)
{
    int64_t none = 0;
    atomic_fetch_add(&reflector->failures, 1);
    metric_add(&failures_total, 1);
    bool first = atomic_compare_exchange_strong(&reflector->failing_since_ms, &none, clock_monotonic_ms());
    if (first && !stopping(reflector))
        log_line(LOG_WARN, "a kind cannot be followed for now", LOG_TEXT("what", what),
                 LOG_TEXT("kind", engine_kinds[reflector->options.kind].kind), LOG_FAULT(error));
}

static void note_success(struct reflector *reflector)
{
    reflector->backoff_ms = reflector->options.times->backoff_min_ms;
    atomic_store(&reflector->failing_since_ms, 0);
}

/* Watches until the version is forgotten. A watch that ends early or falls silent is replaced by the next one. */
static void follow(struct reflector *reflector)
{
    while (!stopping(reflector)) {
        struct error error = {0};
        int64_t began = clock_monotonic_ms();
        int r = watch_once(reflector, &error);
        bool lived = clock_monotonic_ms() - began >= WATCH_GOOD_MS;
        if (r == -ERROR_GONE || r == -ERROR_NOT_FOUND)
            return;
        if (r == 0 || (r == -ERROR_TIMEOUT && lived))
            note_success(reflector);
        else
            note_failure(reflector, "watch", &error);
        if (!lived || (r < 0 && r != -ERROR_TIMEOUT))
            back_off(reflector, &error);
    }
}

static bool has_kind(const struct reflector *reflector)
{
    return !reflector->options.has || reflector->options.has(reflector->options.context, reflector->options.kind);
}

static void *run(void *context)
{
    struct reflector *reflector = context;
    bool again = false;
    while (!stopping(reflector)) {
        struct error error = {0};
        if (!has_kind(reflector)) {
            pause_ms(reflector, reflector->options.times->absent_ms);
            continue;
        }
        if (again) /* after a 410: not all kinds and replicas at once */
            pause_ms(reflector, (int64_t)random_below((uint64_t)reflector->options.times->backoff_min_ms));
        int r = list_all(reflector, &error);
        if (r == 0) {
            note_success(reflector);
            follow(reflector);
            again = true;
        } else if (!stopping(reflector)) {
            note_failure(reflector, "list", &error);
            back_off(reflector, &error);
        }
    }
    return NULL;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

struct reflector *reflector_new(const struct reflector_options *options)
{
    struct reflector *reflector = memory_get(sizeof(*reflector));
    pthread_attr_t attributes;
    reflector->options = *options;
    if (!reflector->options.times)
        reflector->options.times = &reflector_times_default;
    reflector->backoff_ms = reflector->options.times->backoff_min_ms;
    pthread_mutex_init(&reflector->lock, NULL);
    clock_condition(&reflector->changed);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 << 10); /* one a kind: small, as what it does is flat */
    if (pthread_create(&reflector->thread, &attributes, run, reflector) != 0)
        memory_oom(sizeof(*reflector));
    pthread_attr_destroy(&attributes);
    return reflector;
}

void reflector_free(struct reflector *reflector)
{
    if (!reflector)
        return;
    pthread_mutex_lock(&reflector->lock);
    reflector->stop = true;
    if (reflector->feed)
        feed_interrupt(reflector->feed);
    pthread_cond_signal(&reflector->changed);
    pthread_mutex_unlock(&reflector->lock);
    pthread_join(reflector->thread, NULL);
    pthread_mutex_destroy(&reflector->lock);
    pthread_cond_destroy(&reflector->changed);
    free(reflector);
}

int64_t reflector_failing_since(const struct reflector *reflector)
{
    return atomic_load(&reflector->failing_since_ms);
}

void reflector_counts(const struct reflector *reflector, struct reflector_counts *ret)
{
    *ret = (struct reflector_counts){.lists = atomic_load(&reflector->lists),
                                     .watches = atomic_load(&reflector->watches),
                                     .events = atomic_load(&reflector->events),
                                     .failures = atomic_load(&reflector->failures),
                                     .compact = atomic_load(&reflector->compact)};
}
