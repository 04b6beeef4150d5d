/* Which watchers must hear of which change, and from where can one resume? */
#include "engine/kubernetes/hub.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/metrics.h"

/* A watch costs the notifier a look at every change of its kind. Trees of one round are shared by all watches. */
enum { HUB_WATCHES_MAX = 4096, HUB_BATCH = 64, HUB_BOOKMARK_MS = 60 * 1000, HUB_IDLE_S = 5 };

struct change {
    uint64_t version;
    int64_t at_ms;
    struct record *before, *now;
};
/* Numbers of changes only grow; change <i> lies at changes[i % capacity]; first <= i < next are remembered. */
struct ring {
    struct change *changes;
    uint64_t first, next;
    size_t capacity, bytes;
    uint64_t floor;   /* the version of the newest forgotten change */
    uint64_t version; /* the newest known */
    const struct dictionary *dictionary;
};

struct hub_watch {
    struct engine_watch base;
    struct hub_watch *previous, *next;
    enum engine_kind kind;
    char *namespace;
    struct selector *selector;
    engine_watcher watcher;
    void *context;
    struct record **initial; /* not yet delivered: from initial_at on */
    size_t initial_count, initial_at;
    uint64_t cursor;   /* number of the next change to look at */
    uint64_t from;     /* what it resumed after: nothing up to there is told */
    uint64_t reported; /* version known to the client */
    int64_t quiet_since_ms;
    bool waiting; /* for hub_begin */
    bool greeted; /* the bookmark after the initial objects was sent (or none is due) */
    bool lost;    /* to be told so */
    bool over;    /* LOST was told, or it is being closed */
};

/* The tree of a record, kept for the watch that is told next. */
struct tree {
    struct record *record;
    cJSON *object;
};

struct hub {
    struct names *names;
    pthread_mutex_t lock; /* guards everything below but trees, which are the notifier's */
    pthread_cond_t changed, idle;
    pthread_t thread;
    bool stop;
    struct ring rings[KIND_COUNT];
    struct hub_watch *watches;
    size_t watch_count;
    struct hub_watch *current; /* the one whose callback runs without the lock */
    struct tree trees[HUB_BATCH];
};

static struct metric watches_open = METRIC_GAUGE("atelier_kubernetes_watches", "Open watches of this process's rooms.");
static struct metric watches_lost =
    METRIC_COUNTER("atelier_kubernetes_watches_lost_total", "Watches of rooms that fell behind and were ended.");

/* --- the rings ---------------------------------------------------------------------------------------------------- */

static size_t change_bytes(const struct change *change)
{
    return (change->now ? record_size(change->now) : 0) + (change->before ? record_size(change->before) : 0);
}

static void ring_forget(struct ring *ring)
{
    struct change *oldest = &ring->changes[ring->first % ring->capacity];
    ring->floor = oldest->version;
    ring->bytes -= change_bytes(oldest);
    record_unref(oldest->before);
    record_unref(oldest->now);
    ring->first++;
}

static void ring_trim(struct ring *ring, int64_t now_ms)
{
    while (ring->first < ring->next && (ring->next - ring->first >= HUB_CHANGES_MAX || ring->bytes > HUB_BYTES_MAX ||
                                        ring->changes[ring->first % ring->capacity].at_ms < now_ms - HUB_AGE_MS))
        ring_forget(ring);
    if (ring->first == ring->next && ring->capacity) {
        free(ring->changes);
        ring->changes = NULL;
        ring->capacity = 0;
    }
}

static void ring_grow(struct ring *ring)
{
    size_t capacity = ring->capacity ? 2 * ring->capacity : 16;
    struct change *changes = memory_get(capacity * sizeof(*changes));
    for (uint64_t i = ring->first; i < ring->next; i++)
        changes[i % capacity] = ring->changes[i % ring->capacity];
    free(ring->changes);
    ring->changes = changes;
    ring->capacity = capacity;
}

void hub_kind(struct hub *hub, enum engine_kind kind, const struct dictionary *dictionary)
{
    hub->rings[kind].dictionary = dictionary;
}

static void watch_take(struct hub_watch *watch, struct record *const *records, size_t count)
{
    watch->initial = memory_get((count + 1) * sizeof(struct record *));
    for (size_t i = 0; i < count; i++)
        watch->initial[i] = record_ref(records[i]);
    watch->initial_count = count;
    watch->initial_at = 0;
}

static void watch_drop_initial(struct hub_watch *watch)
{
    while (watch->initial_at < watch->initial_count)
        record_unref(watch->initial[watch->initial_at++]);
    free(watch->initial);
    watch->initial = NULL;
    watch->initial_count = watch->initial_at = 0;
}

void hub_begin(struct hub *hub, enum engine_kind kind, uint64_t version, struct record *const *records, size_t count)
{
    pthread_mutex_lock(&hub->lock);
    struct ring *ring = &hub->rings[kind];
    while (ring->first < ring->next)
        ring_forget(ring);
    ring->floor = ring->version = version;
    for (struct hub_watch *watch = hub->watches; watch; watch = watch->next) {
        if (watch->kind != kind)
            continue;
        if (watch->waiting) {
            watch->waiting = false;
            watch->reported = version;
            watch->cursor = ring->next;
            watch_take(watch, records, count);
        } else {
            watch->lost = true;
        }
    }
    pthread_cond_signal(&hub->changed);
    pthread_mutex_unlock(&hub->lock);
}

void hub_publish(struct hub *hub, enum engine_kind kind, uint64_t version, struct record *before, struct record *now)
{
    pthread_mutex_lock(&hub->lock);
    struct ring *ring = &hub->rings[kind];
    int64_t now_ms = clock_monotonic_ms();
    ring_trim(ring, now_ms);
    if (ring->next - ring->first == ring->capacity)
        ring_grow(ring);
    if (version < ring->version)
        version = ring->version;
    struct change *change = &ring->changes[ring->next++ % ring->capacity];
    *change = (struct change){.version = version, .at_ms = now_ms};
    change->before = before ? record_ref(before) : NULL;
    change->now = now ? record_ref(now) : NULL;
    ring->bytes += change_bytes(change);
    ring->version = version;
    pthread_cond_signal(&hub->changed);
    pthread_mutex_unlock(&hub->lock);
}

void hub_progress(struct hub *hub, enum engine_kind kind, uint64_t version)
{
    pthread_mutex_lock(&hub->lock);
    if (hub->rings[kind].version < version)
        hub->rings[kind].version = version;
    pthread_mutex_unlock(&hub->lock);
}

/* --- delivery ----------------------------------------------------------------------------------------------------- */

/* What a watcher may have to be told, collected under the lock; selectors are asked without it. */
struct delivery {
    struct {
        struct record *before, *now;
    } items[HUB_BATCH];
    size_t count;
    bool bookmark, lost;
    uint64_t version;
};

static void delivery_add(struct delivery *delivery, struct record *before, struct record *now)
{
    delivery->items[delivery->count].before = before ? record_ref(before) : NULL;
    delivery->items[delivery->count++].now = now ? record_ref(now) : NULL;
}

static void collect(struct hub *hub, struct hub_watch *watch, struct delivery *ret)
{
    struct ring *ring = &hub->rings[watch->kind];
    if (hub->stop || watch->lost || (!watch->waiting && watch->cursor < ring->first)) {
        watch->over = ret->lost = true;
        return;
    }
    if (watch->waiting)
        return;
    while (watch->initial_at < watch->initial_count && ret->count < HUB_BATCH) {
        struct record *record = watch->initial[watch->initial_at++];
        delivery_add(ret, NULL, record);
        record_unref(record);
    }
    if (watch->initial_at < watch->initial_count)
        return;
    watch_drop_initial(watch);
    if (!watch->greeted) {
        watch->greeted = ret->bookmark = true;
        ret->version = watch->reported;
        return;
    }
    while (watch->cursor < ring->next && ret->count < HUB_BATCH) {
        const struct change *change = &ring->changes[watch->cursor++ % ring->capacity];
        if (change->version <= watch->from)
            continue;
        delivery_add(ret, change->before, change->now);
        if (watch->reported < change->version)
            watch->reported = change->version;
    }
    if (ret->count == 0 && clock_monotonic_ms() - watch->quiet_since_ms >= HUB_BOOKMARK_MS) {
        ret->bookmark = true;
        if (watch->reported < ring->version)
            watch->reported = ring->version;
        ret->version = watch->reported;
    }
}

/* The tree stays the hub's until a round of another record takes its place. */
static const cJSON *tree_of(struct hub *hub, enum engine_kind kind, struct record *record)
{
    struct tree *tree = &hub->trees[((uintptr_t)record / 64) % HUB_BATCH];
    if (tree->record != record) {
        cJSON_Delete(tree->object);
        record_unref(tree->record);
        tree->record = record_ref(record);
        tree->object = record_object(record, hub->names, hub->rings[kind].dictionary, kind);
    }
    return tree->object;
}

static void forget_trees(struct hub *hub)
{
    for (size_t i = 0; i < HUB_BATCH; i++) {
        cJSON_Delete(hub->trees[i].object);
        record_unref(hub->trees[i].record);
        hub->trees[i] = (struct tree){0};
    }
}

static bool selects(struct hub *hub, const struct hub_watch *watch, struct record *record)
{
    if (!record || (watch->namespace && strcmp(watch->namespace, names_text(hub->names, record->namespace)) != 0))
        return false;
    if (!watch->selector)
        return true;
    const cJSON *object = tree_of(hub, watch->kind, record);
    return object && selector_matches(watch->selector, object);
}

static void tell(struct hub *hub, struct hub_watch *watch, enum engine_event event, struct record *record)
{
    const cJSON *object = tree_of(hub, watch->kind, record);
    if (object)
        watch->watcher(watch->context, event, object);
}

/* An object that enters the selection is ADDED, one that leaves it is DELETED, whatever happened to it. */
static void deliver_change(struct hub *hub, struct hub_watch *watch, struct record *before, struct record *now)
{
    bool was = selects(hub, watch, before), is = selects(hub, watch, now);
    if (is)
        tell(hub, watch, was ? ENGINE_MODIFIED : ENGINE_ADDED, now);
    else if (was)
        tell(hub, watch, ENGINE_DELETED, now ? now : before);
}

static void tell_bookmark(struct hub_watch *watch, uint64_t version)
{
    AUTO_JSON cJSON *bookmark = json_object();
    char text[24];
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)version);
    json_set_text(bookmark, "kind", engine_kinds[watch->kind].kind);
    json_set_text(bookmark, "apiVersion", engine_api_version(watch->kind));
    json_set_text(json_object_in(bookmark, "metadata"), "resourceVersion", text);
    watch->watcher(watch->context, ENGINE_BOOKMARK, bookmark);
}

static void deliver(struct hub *hub, struct hub_watch *watch, struct delivery *delivery)
{
    for (size_t i = 0; i < delivery->count; i++) {
        deliver_change(hub, watch, delivery->items[i].before, delivery->items[i].now);
        record_unref(delivery->items[i].before);
        record_unref(delivery->items[i].now);
    }
    if (delivery->bookmark)
        tell_bookmark(watch, delivery->version);
    if (delivery->lost) {
        metric_add(&watches_lost, 1);
        watch->watcher(watch->context, ENGINE_LOST, NULL);
    }
}

/* One round over all watches. True if any had something. */
static bool notify_round(struct hub *hub)
{
    bool busy = false;
    for (struct hub_watch *watch = hub->watches; watch;) {
        struct delivery delivery = {0};
        if (!watch->over)
            collect(hub, watch, &delivery);
        if (delivery.count || delivery.bookmark || delivery.lost) {
            busy = true;
            hub->current = watch;
            pthread_mutex_unlock(&hub->lock);
            deliver(hub, watch, &delivery);
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
    struct hub *hub = context;
    pthread_mutex_lock(&hub->lock);
    for (;;) {
        bool busy = notify_round(hub);
        if (hub->stop && !busy)
            break;
        if (busy)
            continue;
        for (size_t i = 0; i < KIND_COUNT; i++)
            ring_trim(&hub->rings[i], clock_monotonic_ms());
        forget_trees(hub);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += HUB_IDLE_S;
        pthread_cond_timedwait(&hub->changed, &hub->lock, &until);
    }
    pthread_mutex_unlock(&hub->lock);
    return NULL;
}

/* --- opening and closing ------------------------------------------------------------------------------------------ */

struct hub *hub_new(struct names *names)
{
    struct hub *hub = memory_get(sizeof(*hub));
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    hub->names = names;
    pthread_mutex_init(&hub->lock, NULL);
    pthread_cond_init(&hub->changed, &attributes);
    pthread_cond_init(&hub->idle, NULL);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&hub->thread, NULL, notifier, hub) != 0)
        memory_oom(sizeof(*hub));
    return hub;
}

void hub_free(struct hub *hub)
{
    if (!hub)
        return;
    pthread_mutex_lock(&hub->lock);
    hub->stop = true;
    pthread_cond_signal(&hub->changed);
    pthread_mutex_unlock(&hub->lock);
    pthread_join(hub->thread, NULL);
    forget_trees(hub);
    for (size_t i = 0; i < KIND_COUNT; i++) {
        while (hub->rings[i].first < hub->rings[i].next)
            ring_forget(&hub->rings[i]);
        free(hub->rings[i].changes);
    }
    pthread_mutex_destroy(&hub->lock);
    pthread_cond_destroy(&hub->changed);
    pthread_cond_destroy(&hub->idle);
    free(hub);
}

static void hub_watch_free(struct hub_watch *watch)
{
    watch_drop_initial(watch);
    selector_free(watch->selector);
    free(watch->namespace);
    free(watch);
}

/* The number of the first change after <version>. */
static uint64_t ring_after(const struct ring *ring, uint64_t version)
{
    uint64_t low = ring->first, high = ring->next;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (ring->changes[middle % ring->capacity].version <= version)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int place(struct hub *hub, struct hub_watch *watch, const struct hub_request *request, struct error *error)
{
    const struct ring *ring = &hub->rings[request->kind];
    if (hub->stop)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the engine is stopping");
    if (hub->watch_count == HUB_WATCHES_MAX)
        return error_set(error, ERROR_LIMITED, NULL, "at most %d watches may be open", HUB_WATCHES_MAX);
    if (request->resume && (!request->known || request->from < ring->floor))
        return error_set(error, ERROR_GONE, "resourceVersion", "too old resource version: %llu (%llu)",
                         (unsigned long long)request->from, (unsigned long long)ring->version);
    watch->waiting = !request->known;
    watch->greeted = request->resume;
    watch->from = request->resume ? request->from : 0;
    watch->reported = request->resume ? request->from : ring->version;
    watch->cursor = request->resume ? ring_after(ring, request->from) : ring->next;
    if (request->known && !request->resume)
        watch_take(watch, request->records, request->count);
    watch->quiet_since_ms = clock_monotonic_ms();
    watch->next = hub->watches;
    if (hub->watches)
        hub->watches->previous = watch;
    hub->watches = watch;
    metric_set(&watches_open, (int64_t)++hub->watch_count);
    pthread_cond_signal(&hub->changed);
    return 0;
}

int hub_open(struct hub *hub, const struct hub_request *request, struct engine_watch **ret, struct error *error)
{
    struct hub_watch *watch = memory_get(sizeof(*watch));
    *watch = (struct hub_watch){.base.engine = request->engine,
                                .kind = request->kind,
                                .namespace = memory_text(request->namespace),
                                .watcher = request->watcher,
                                .context = request->context};
    int r = selector_new(request->labels, request->fields, &watch->selector, error);
    if (r == 0) {
        pthread_mutex_lock(&hub->lock);
        r = place(hub, watch, request, error);
        pthread_mutex_unlock(&hub->lock);
    }
    if (r < 0) {
        hub_watch_free(watch);
        return r;
    }
    *ret = &watch->base;
    return 0;
}

void hub_close(struct hub *hub, struct engine_watch *base)
{
    struct hub_watch *watch = (struct hub_watch *)base;
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
    hub_watch_free(watch);
}
