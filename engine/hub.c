/* Which watchers must hear of which change, and from where can one resume? */
#include "engine/hub.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/metrics.h"

/* A watch costs the notifier a look at every change of its kind. */
enum { HUB_WATCHES_MAX = 4096, HUB_BATCH = 64, HUB_IDLE_S = 5 };

struct change {
    uint64_t version;
    int64_t at_ms;
    void *before, *now;
    const void *writer; /* the reconciler; NULL: anybody else */
};
/* Numbers of changes only grow; change <i> lies at changes[i % capacity]; first <= i < next are remembered. */
struct ring {
    struct change *changes;
    uint64_t first, next;
    size_t capacity, bytes;
    uint64_t floor;   /* the version of the newest forgotten change */
    uint64_t version; /* the newest known */
};

struct hub_watch {
    struct engine_watch base;
    struct hub_watch *previous, *next;
    enum engine_kind kind;
    char *namespace;
    struct selector *selector;
    engine_watcher watcher;
    void *context;
    bool (*concerns)(const cJSON *before, const cJSON *now);
    const void *others_than;
    void **initial; /* not yet delivered: from initial_at on */
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

struct hub {
    const struct hub_states *states;
    void *context;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed, idle;
    pthread_t thread;
    bool stop;
    struct ring rings[KIND_COUNT];
    uint64_t version; /* the newest of any kind */
    struct hub_watch *watches;
    size_t watch_count;
    struct hub_watch *current; /* the one whose callback runs without the lock */
};

static struct metric watches_open = METRIC_GAUGE("atelier_engine_watches", "Open watches.");
static struct metric watches_lost =
    METRIC_COUNTER("atelier_engine_watches_lost_total", "Watches that fell behind and were ended.");

/* --- the rings ---------------------------------------------------------------------------------------------------- */

static void *reference(const struct hub *hub, void *state)
{
    return state ? hub->states->reference(state) : NULL;
}

static void release(const struct hub *hub, void *state)
{
    if (state)
        hub->states->release(state);
}

static size_t change_bytes(const struct hub *hub, const struct change *change)
{
    return (change->now ? hub->states->bytes(change->now) : 0) +
           (change->before ? hub->states->bytes(change->before) : 0);
}

static void ring_forget(const struct hub *hub, struct ring *ring)
{
    struct change *oldest = &ring->changes[ring->first % ring->capacity];
    ring->floor = oldest->version;
    ring->bytes -= change_bytes(hub, oldest);
    release(hub, oldest->before);
    release(hub, oldest->now);
    ring->first++;
}

static void ring_clear(const struct hub *hub, struct ring *ring)
{
    while (ring->first < ring->next)
        ring_forget(hub, ring);
    free(ring->changes);
    ring->changes = NULL;
    ring->capacity = 0;
}

static bool ring_full(const struct hub *hub, const struct ring *ring, int64_t now_ms)
{
    const struct hub_limits *limits = &hub->states->limits;
    return ring->next - ring->first >= limits->changes || ring->bytes > limits->bytes ||
           ring->changes[ring->first % ring->capacity].at_ms < now_ms - limits->age_ms;
}

static void ring_trim(const struct hub *hub, struct ring *ring, int64_t now_ms)
{
    while (ring->first < ring->next && ring_full(hub, ring, now_ms))
        ring_forget(hub, ring);
    if (ring->first == ring->next)
        ring_clear(hub, ring);
}

/* The newest version of which a client of that kind may have heard. */
static uint64_t version_of(const struct hub *hub, enum engine_kind kind)
{
    return hub->states->one_history ? hub->version : hub->rings[kind].version;
}

static void ring_reach(struct hub *hub, struct ring *ring, uint64_t version)
{
    if (ring->version < version)
        ring->version = version;
    if (hub->version < version)
        hub->version = version;
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

static void watch_take(const struct hub *hub, struct hub_watch *watch, void *const *states, size_t count)
{
    if (watch->others_than)
        count = 0;
    watch->initial = memory_get((count + 1) * sizeof(*watch->initial));
    for (size_t i = 0; i < count; i++)
        watch->initial[i] = reference(hub, states[i]);
    watch->initial_count = count;
    watch->initial_at = 0;
}

static void watch_drop_initial(const struct hub *hub, struct hub_watch *watch)
{
    while (watch->initial_at < watch->initial_count)
        release(hub, watch->initial[watch->initial_at++]);
    free(watch->initial);
    watch->initial = NULL;
    watch->initial_count = watch->initial_at = 0;
}

void hub_begin(struct hub *hub, enum engine_kind kind, uint64_t version, void *const *states, size_t count)
{
    pthread_mutex_lock(&hub->lock);
    struct ring *ring = &hub->rings[kind];
    ring_clear(hub, ring);
    ring->floor = ring->version = version;
    ring_reach(hub, ring, version);
    for (struct hub_watch *watch = hub->watches; watch; watch = watch->next) {
        if (watch->kind != kind)
            continue;
        if (watch->waiting) {
            watch->waiting = false;
            watch->reported = version;
            watch->cursor = ring->next;
            watch_take(hub, watch, states, count);
        } else {
            watch->lost = true;
        }
    }
    pthread_cond_signal(&hub->changed);
    pthread_mutex_unlock(&hub->lock);
}

void hub_publish_by(struct hub *hub, enum engine_kind kind, uint64_t version, void *before, void *now,
                    const void *writer)
{
    pthread_mutex_lock(&hub->lock);
    struct ring *ring = &hub->rings[kind];
    int64_t now_ms = clock_monotonic_ms();
    ring_trim(hub, ring, now_ms);
    if (ring->next - ring->first == ring->capacity)
        ring_grow(ring);
    if (version < ring->version)
        version = ring->version;
    struct change *change = &ring->changes[ring->next++ % ring->capacity];
    *change = (struct change){.version = version, .at_ms = now_ms, .writer = writer};
    change->before = reference(hub, before);
    change->now = reference(hub, now);
    ring->bytes += change_bytes(hub, change);
    ring_reach(hub, ring, version);
    pthread_cond_signal(&hub->changed);
    pthread_mutex_unlock(&hub->lock);
}

void hub_publish(struct hub *hub, enum engine_kind kind, uint64_t version, void *before, void *now)
{
    hub_publish_by(hub, kind, version, before, now, NULL);
}

void hub_progress(struct hub *hub, enum engine_kind kind, uint64_t version)
{
    pthread_mutex_lock(&hub->lock);
    ring_reach(hub, &hub->rings[kind], version);
    pthread_mutex_unlock(&hub->lock);
}

/* --- delivery ----------------------------------------------------------------------------------------------------- */

/* What a watcher may have to be told, collected under the lock; selectors are asked without it. */
struct delivery {
    struct {
        void *before, *now;
    } items[HUB_BATCH];
    size_t count;
    bool bookmark, lost;
    uint64_t version;
};

static void delivery_add(const struct hub *hub, struct delivery *delivery, void *before, void *now)
{
    delivery->items[delivery->count].before = reference(hub, before);
    delivery->items[delivery->count++].now = reference(hub, now);
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
        void *state = watch->initial[watch->initial_at++];
        delivery_add(hub, ret, NULL, state);
        release(hub, state);
    }
    if (watch->initial_at < watch->initial_count)
        return;
    watch_drop_initial(hub, watch);
    if (!watch->greeted) {
        watch->greeted = ret->bookmark = true;
        ret->version = watch->reported;
        return;
    }
    while (watch->cursor < ring->next && ret->count < HUB_BATCH) {
        const struct change *change = &ring->changes[watch->cursor++ % ring->capacity];
        if (change->version <= watch->from || (change->writer && change->writer == watch->others_than))
            continue;
        delivery_add(hub, ret, change->before, change->now);
        if (watch->reported < change->version)
            watch->reported = change->version;
    }
    if (ret->count == 0 && clock_monotonic_ms() - watch->quiet_since_ms >= hub->states->limits.bookmark_ms) {
        ret->bookmark = true;
        if (watch->reported < version_of(hub, watch->kind))
            watch->reported = version_of(hub, watch->kind);
        ret->version = watch->reported;
    }
}

static const cJSON *object_of(const struct hub *hub, const struct hub_watch *watch, void *state)
{
    return hub->states->object(hub->context, watch->kind, state);
}

static bool selects(const struct hub *hub, const struct hub_watch *watch, void *state)
{
    if (!state || (watch->namespace && strcmp(watch->namespace, hub->states->namespace(hub->context, state)) != 0))
        return false;
    if (!watch->selector)
        return true;
    const cJSON *object = object_of(hub, watch, state);
    return object && selector_matches(watch->selector, object);
}

static void tell(const struct hub *hub, const struct hub_watch *watch, enum engine_event event, void *state)
{
    const cJSON *object = object_of(hub, watch, state);
    if (object)
        watch->watcher(watch->context, event, object);
}

/* Of a change within the selection: must it be told? */
static bool concerns(const struct hub *hub, const struct hub_watch *watch, void *before, void *now)
{
    if (!watch->concerns)
        return true;
    const cJSON *was = object_of(hub, watch, before);
    AUTO_JSON cJSON *copy = was && hub->states->rest ? json_copy(was) : NULL;
    const cJSON *is = object_of(hub, watch, now);
    return !was || !is || watch->concerns(copy ? copy : was, is);
}

/* An object that enters the selection is ADDED, one that leaves it is DELETED, whatever happened to it. */
static bool deliver_change(const struct hub *hub, const struct hub_watch *watch, void *before, void *now)
{
    bool was = selects(hub, watch, before), is = selects(hub, watch, now);
    if (was && is && !concerns(hub, watch, before, now))
        return false;
    if (is)
        tell(hub, watch, was ? ENGINE_MODIFIED : ENGINE_ADDED, now);
    else if (was)
        tell(hub, watch, ENGINE_DELETED, now ? now : before);
    return is || was;
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

/* True if the watcher was told anything: others' changes do not keep a bookmark from it, or it would fall behind. */
static bool deliver(const struct hub *hub, struct hub_watch *watch, struct delivery *delivery)
{
    bool told = delivery->bookmark || delivery->lost;
    for (size_t i = 0; i < delivery->count; i++) {
        told |= deliver_change(hub, watch, delivery->items[i].before, delivery->items[i].now);
        release(hub, delivery->items[i].before);
        release(hub, delivery->items[i].now);
    }
    if (delivery->bookmark)
        tell_bookmark(watch, delivery->version);
    if (delivery->lost) {
        metric_add(&watches_lost, 1);
        watch->watcher(watch->context, ENGINE_LOST, NULL);
    }
    return told;
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
            bool told = deliver(hub, watch, &delivery);
            pthread_mutex_lock(&hub->lock);
            hub->current = NULL;
            if (told)
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
            ring_trim(hub, &hub->rings[i], clock_monotonic_ms());
        if (hub->states->rest)
            hub->states->rest(hub->context);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += HUB_IDLE_S;
        pthread_cond_timedwait(&hub->changed, &hub->lock, &until);
    }
    pthread_mutex_unlock(&hub->lock);
    return NULL;
}

/* --- opening and closing ------------------------------------------------------------------------------------------ */

struct hub *hub_new(const struct hub_states *states, void *context)
{
    struct hub *hub = memory_get(sizeof(*hub));
    hub->states = states;
    hub->context = context;
    pthread_mutex_init(&hub->lock, NULL);
    clock_condition(&hub->changed);
    pthread_cond_init(&hub->idle, NULL);
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
    if (hub->states->rest)
        hub->states->rest(hub->context);
    for (size_t i = 0; i < KIND_COUNT; i++)
        ring_clear(hub, &hub->rings[i]);
    pthread_mutex_destroy(&hub->lock);
    pthread_cond_destroy(&hub->changed);
    pthread_cond_destroy(&hub->idle);
    free(hub);
}

static void hub_watch_free(const struct hub *hub, struct hub_watch *watch)
{
    watch_drop_initial(hub, watch);
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

/* Where the watch stands among the changes of its kind. */
static void watch_begin(const struct hub *hub, struct hub_watch *watch, const struct hub_request *request)
{
    const struct ring *ring = &hub->rings[request->kind];
    bool now = !request->known || request->from == HUB_NOW;
    watch->waiting = !request->known;
    watch->greeted = request->resume;
    watch->from = request->resume ? request->from : 0;
    watch->reported = now ? version_of(hub, request->kind) : request->from;
    watch->cursor = now ? ring->next : ring_after(ring, request->from);
    if (request->known && !request->resume)
        watch_take(hub, watch, request->states, request->count);
    watch->quiet_since_ms = clock_monotonic_ms();
}

static int place(struct hub *hub, struct hub_watch *watch, const struct hub_request *request, struct error *error)
{
    if (hub->stop)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the engine is stopping");
    if (hub->watch_count == HUB_WATCHES_MAX)
        return error_set(error, ERROR_LIMITED, NULL, "at most %d watches may be open", HUB_WATCHES_MAX);
    bool future = hub->states->one_history && request->from > hub->version;
    if (request->resume && (!request->known || request->from < hub->rings[request->kind].floor || future))
        return error_set(error, ERROR_GONE, "resourceVersion", "too old resource version: %llu (%llu)",
                         (unsigned long long)request->from, (unsigned long long)version_of(hub, request->kind));
    watch_begin(hub, watch, request);
    watch->next = hub->watches;
    if (hub->watches)
        hub->watches->previous = watch;
    hub->watches = watch;
    metric_set(&watches_open, (int64_t)++hub->watch_count);
    pthread_cond_signal(&hub->changed);
    return 0;
}

struct hub_request hub_asked(struct engine *engine, enum engine_kind kind, const char *namespace,
                             const struct engine_list_options *options, engine_watcher watcher, void *context)
{
    return (struct hub_request){.engine = engine,
                                .kind = kind,
                                .namespace = engine_kinds[kind].namespaced ? namespace : NULL,
                                .labels = options ? options->label_selector : NULL,
                                .fields = options ? options->field_selector : NULL,
                                .watcher = watcher,
                                .context = context,
                                .concerns = options ? options->concerns : NULL,
                                .others_than = options ? options->others_than : NULL};
}

int hub_open(struct hub *hub, const struct hub_request *request, struct engine_watch **ret, struct error *error)
{
    struct hub_watch *watch = memory_get(sizeof(*watch));
    *watch = (struct hub_watch){.base.engine = request->engine,
                                .kind = request->kind,
                                .namespace = memory_text(request->namespace),
                                .watcher = request->watcher,
                                .context = request->context,
                                .concerns = request->concerns,
                                .others_than = request->others_than};
    int r = selector_new(request->labels, request->fields, &watch->selector, error);
    if (r == 0) {
        pthread_mutex_lock(&hub->lock);
        r = place(hub, watch, request, error);
        pthread_mutex_unlock(&hub->lock);
    }
    if (r < 0) {
        hub_watch_free(hub, watch);
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
    hub_watch_free(hub, watch);
}
