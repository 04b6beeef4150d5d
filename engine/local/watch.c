/* Which watchers must hear of which change, and from where can one resume? */
#include "engine/local/watch.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/metrics.h"

/* Remembered changes of one kind. Age and size keep the memory of a busy kind small; the figures follow etcd's
 * five-minute compaction. */
enum { WATCH_EVENTS_MAX = 4096, WATCH_BYTES_MAX = 4 << 20, WATCH_AGE_MS = 5 * 60 * 1000 };
/* A watch costs the notifier a look at every change of its kind. */
enum { WATCHES_MAX = 4096, WATCH_BATCH = 64, BOOKMARK_MS = 60 * 1000 };

struct change {
    int64_t version, at_ms;
    struct object *before, *now;
};
/* Numbers of changes only grow; change <i> lies at events[i % capacity]; first <= i < next are remembered. */
struct ring {
    struct change *events;
    uint64_t first, next;
    size_t capacity, bytes;
    int64_t floor; /* the version of the newest forgotten change */
};

struct local_watch {
    struct engine_watch base;
    struct local_watch *previous, *next;
    enum engine_kind kind;
    char *namespace;
    struct selector *selector;
    engine_watcher watcher;
    void *context;
    struct object_list initial; /* not yet delivered: from initial_at on */
    size_t initial_at;
    uint64_t cursor;  /* number of the next change to look at */
    int64_t reported; /* version known to the client */
    int64_t quiet_since_ms;
    bool greeted; /* the bookmark after the initial objects was sent (or none is due) */
    bool over;    /* LOST was told, or it is being closed */
};

struct watch_hub {
    pthread_mutex_t lock; /* guards everything below, and the lists of watches */
    pthread_cond_t changed, idle;
    pthread_t thread;
    bool stop;
    int64_t version;
    struct ring rings[KIND_COUNT];
    struct local_watch *watches;
    size_t watch_count;
    struct local_watch *current; /* the one whose callback runs without the lock */
};

static struct metric watches_open = METRIC_GAUGE("atelier_engine_watches", "Open watches.");
static struct metric watches_lost =
    METRIC_COUNTER("atelier_engine_watches_lost_total", "Watches that fell behind and were ended.");

/* --- the rings ---------------------------------------------------------------------------------------------------- */

static size_t change_bytes(const struct change *change)
{
    return change->now ? change->now->bytes : change->before->bytes;
}

static void ring_forget(struct ring *ring)
{
    struct change *oldest = &ring->events[ring->first % ring->capacity];
    ring->floor = oldest->version;
    ring->bytes -= change_bytes(oldest);
    object_unref(oldest->before);
    object_unref(oldest->now);
    ring->first++;
}

static void ring_trim(struct ring *ring, int64_t now_ms)
{
    while (ring->first < ring->next && (ring->next - ring->first >= WATCH_EVENTS_MAX || ring->bytes > WATCH_BYTES_MAX ||
                                        ring->events[ring->first % ring->capacity].at_ms < now_ms - WATCH_AGE_MS))
        ring_forget(ring);
}

static void ring_grow(struct ring *ring)
{
    size_t capacity = ring->capacity ? 2 * ring->capacity : 16;
    struct change *events = memory_get(capacity * sizeof(*events));
    for (uint64_t i = ring->first; i < ring->next; i++)
        events[i % capacity] = ring->events[i % ring->capacity];
    free(ring->events);
    ring->events = events;
    ring->capacity = capacity;
}

void watch_hub_begin(struct watch_hub *hub, int64_t version)
{
    pthread_mutex_lock(&hub->lock);
    hub->version = version;
    for (size_t i = 0; i < KIND_COUNT; i++)
        hub->rings[i].floor = version;
    pthread_mutex_unlock(&hub->lock);
}

void watch_hub_publish(struct watch_hub *hub, int64_t version, struct object *before, struct object *now)
{
    pthread_mutex_lock(&hub->lock);
    struct ring *ring = &hub->rings[now ? now->kind : before->kind];
    int64_t now_ms = clock_monotonic_ms();
    ring_trim(ring, now_ms);
    if (ring->next - ring->first == ring->capacity)
        ring_grow(ring);
    struct change *change = &ring->events[ring->next++ % ring->capacity];
    *change = (struct change){.version = version, .at_ms = now_ms};
    change->before = before ? object_ref(before) : NULL;
    change->now = now ? object_ref(now) : NULL;
    ring->bytes += change_bytes(change);
    hub->version = version;
    pthread_cond_signal(&hub->changed);
    pthread_mutex_unlock(&hub->lock);
}

/* --- delivery ----------------------------------------------------------------------------------------------------- */

/* What a watcher is to be told, collected under the lock and told without it. */
struct delivery {
    struct {
        enum engine_event event;
        struct object *object;
    } items[WATCH_BATCH];
    size_t count;
    bool bookmark, lost;
    int64_t version;
};

static bool selects(const struct local_watch *watch, const struct object *object)
{
    return object && (!watch->namespace || strcmp(watch->namespace, object->namespace) == 0) &&
           selector_matches(watch->selector, object->body);
}

static void delivery_add(struct delivery *delivery, enum engine_event event, struct object *object)
{
    delivery->items[delivery->count].event = event;
    delivery->items[delivery->count++].object = object_ref(object);
}

/* An object that enters the selection is ADDED, one that leaves it is DELETED, whatever happened to it. */
static void collect_change(const struct local_watch *watch, const struct change *change, struct delivery *ret)
{
    bool was = selects(watch, change->before), is = selects(watch, change->now);
    if (is)
        delivery_add(ret, was ? ENGINE_MODIFIED : ENGINE_ADDED, change->now);
    else if (was)
        delivery_add(ret, ENGINE_DELETED, change->now ? change->now : change->before);
}

static void collect(struct watch_hub *hub, struct local_watch *watch, struct delivery *ret)
{
    struct ring *ring = &hub->rings[watch->kind];
    *ret = (struct delivery){0};
    while (watch->initial_at < watch->initial.count && ret->count < WATCH_BATCH)
        delivery_add(ret, ENGINE_ADDED, watch->initial.items[watch->initial_at++]);
    if (watch->initial_at < watch->initial.count)
        return;
    object_list_free(&watch->initial);
    watch->initial_at = 0;
    if (!watch->greeted) {
        watch->greeted = ret->bookmark = true;
        ret->version = watch->reported;
        return;
    }
    if (hub->stop || watch->cursor < ring->first) {
        watch->over = ret->lost = true;
        return;
    }
    while (watch->cursor < ring->next && ret->count < WATCH_BATCH) {
        const struct change *change = &ring->events[watch->cursor++ % ring->capacity];
        watch->reported = change->version;
        collect_change(watch, change, ret);
    }
    if (ret->count == 0 && clock_monotonic_ms() - watch->quiet_since_ms >= BOOKMARK_MS) {
        ret->bookmark = true;
        ret->version = watch->reported = hub->version;
    }
}

static bool delivery_empty(const struct delivery *delivery)
{
    return delivery->count == 0 && !delivery->bookmark && !delivery->lost;
}

static void tell_bookmark(struct local_watch *watch, int64_t version)
{
    AUTO_JSON cJSON *bookmark = json_object();
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)version);
    json_set_text(bookmark, "kind", engine_kinds[watch->kind].kind);
    json_set_text(bookmark, "apiVersion", engine_api_version(watch->kind));
    json_set_text(json_object_in(bookmark, "metadata"), "resourceVersion", text);
    watch->watcher(watch->context, ENGINE_BOOKMARK, bookmark);
}

static void deliver(struct local_watch *watch, struct delivery *delivery)
{
    for (size_t i = 0; i < delivery->count; i++) {
        struct object *object = delivery->items[i].object;
        watch->watcher(watch->context, delivery->items[i].event, object->body);
        object_unref(object);
    }
    if (delivery->bookmark)
        tell_bookmark(watch, delivery->version);
    if (delivery->lost) {
        metric_add(&watches_lost, 1);
        watch->watcher(watch->context, ENGINE_LOST, NULL);
    }
}

/* One round over all watches. True if any had something. */
static bool notify_round(struct watch_hub *hub)
{
    bool busy = false;
    for (struct local_watch *watch = hub->watches; watch;) {
        struct delivery delivery = {0};
        if (!watch->over)
            collect(hub, watch, &delivery);
        if (!delivery_empty(&delivery)) {
            busy = true;
            hub->current = watch;
            pthread_mutex_unlock(&hub->lock);
            deliver(watch, &delivery);
            pthread_mutex_lock(&hub->lock);
            hub->current = NULL;
            watch->quiet_since_ms = clock_monotonic_ms();
            pthread_cond_broadcast(&hub->idle);
        }
        watch = watch->next;
    }
    return busy;
}

static void *notifier(void *context)
{
    struct watch_hub *hub = context;
    pthread_mutex_lock(&hub->lock);
    for (;;) {
        bool busy = notify_round(hub);
        if (hub->stop && !busy)
            break;
        if (busy)
            continue;
        for (size_t i = 0; i < KIND_COUNT; i++)
            ring_trim(&hub->rings[i], clock_monotonic_ms());
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += 5;
        pthread_cond_timedwait(&hub->changed, &hub->lock, &until);
    }
    pthread_mutex_unlock(&hub->lock);
    return NULL;
}

/* --- opening and closing ------------------------------------------------------------------------------------------ */

struct watch_hub *watch_hub_new(void)
{
    struct watch_hub *hub = memory_get(sizeof(*hub));
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&hub->lock, NULL);
    pthread_cond_init(&hub->changed, &attributes);
    pthread_cond_init(&hub->idle, NULL);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&hub->thread, NULL, notifier, hub) != 0)
        memory_oom(sizeof(*hub));
    return hub;
}

void watch_hub_free(struct watch_hub *hub)
{
    if (!hub)
        return;
    pthread_mutex_lock(&hub->lock);
    hub->stop = true;
    pthread_cond_signal(&hub->changed);
    pthread_mutex_unlock(&hub->lock);
    pthread_join(hub->thread, NULL);
    for (size_t i = 0; i < KIND_COUNT; i++) {
        while (hub->rings[i].first < hub->rings[i].next)
            ring_forget(&hub->rings[i]);
        free(hub->rings[i].events);
    }
    pthread_mutex_destroy(&hub->lock);
    pthread_cond_destroy(&hub->changed);
    pthread_cond_destroy(&hub->idle);
    free(hub);
}

static void local_watch_free(struct local_watch *watch)
{
    object_list_free(&watch->initial);
    selector_free(watch->selector);
    free(watch->namespace);
    free(watch);
}

/* The number of the first change after <version>. */
static uint64_t ring_after(const struct ring *ring, int64_t version)
{
    uint64_t low = ring->first, high = ring->next;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (ring->events[middle % ring->capacity].version <= version)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int place(struct watch_hub *hub, struct local_watch *watch, const struct watch_request *request,
                 struct error *error)
{
    const struct ring *ring = &hub->rings[request->kind];
    if (hub->stop)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the engine is stopping");
    if (hub->watch_count == WATCHES_MAX)
        return error_set(error, ERROR_LIMITED, NULL, "at most %d watches may be open", WATCHES_MAX);
    if (request->from >= 0 && (request->from < ring->floor || request->from > hub->version))
        return error_set(error, ERROR_GONE, "resourceVersion", "too old resource version: %lld (%lld)",
                         (long long)request->from, (long long)hub->version);
    watch->reported = request->from >= 0 ? request->from : request->current;
    watch->greeted = request->from >= 0;
    watch->cursor = ring_after(ring, watch->reported);
    watch->quiet_since_ms = clock_monotonic_ms();
    watch->next = hub->watches;
    if (hub->watches)
        hub->watches->previous = watch;
    hub->watches = watch;
    metric_set(&watches_open, (int64_t)++hub->watch_count);
    pthread_cond_signal(&hub->changed);
    return 0;
}

int watch_open(struct watch_hub *hub, const struct watch_request *request, struct engine_watch **ret,
               struct error *error)
{
    struct local_watch *watch = memory_get(sizeof(*watch));
    *watch = (struct local_watch){.base.engine = request->engine,
                                  .kind = request->kind,
                                  .namespace = memory_text(request->namespace),
                                  .watcher = request->watcher,
                                  .context = request->context};
    int r = selector_new(request->labels, request->fields, &watch->selector, error);
    for (size_t i = 0; r == 0 && request->from < 0 && i < request->existing->count; i++)
        object_list_add(&watch->initial, request->existing->items[i]);
    if (r == 0) {
        pthread_mutex_lock(&hub->lock);
        r = place(hub, watch, request, error);
        pthread_mutex_unlock(&hub->lock);
    }
    if (r < 0) {
        local_watch_free(watch);
        return r;
    }
    *ret = &watch->base;
    return 0;
}

void watch_close(struct watch_hub *hub, struct engine_watch *base)
{
    struct local_watch *watch = (struct local_watch *)base;
    pthread_mutex_lock(&hub->lock);
    watch->over = true;
    while (hub->current == watch)
        pthread_cond_wait(&hub->idle, &hub->lock);
    if (watch->previous)
        watch->previous->next = watch->next;
    else
        hub->watches = watch->next;
    if (watch->next)
        watch->next->previous = watch->previous;
    metric_set(&watches_open, (int64_t)--hub->watch_count);
    pthread_mutex_unlock(&hub->lock);
    local_watch_free(watch);
}
