/* Which key is reconciled next, by which worker, and when again? */
#include "base/queue.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metrics.h"

#define BACKOFF_FIRST_MS 200
#define BACKOFF_MAX_MS 60000
#define DELAY_MAX_MS INT64_C(31536000000) /* a year; keeps sums of times far from overflow */
#define WORKERS_MAX 64
#define NEVER INT64_MAX

/* An item exists from the first add until it ran successfully and nothing is left to do; it is in exactly one state. */
enum item_state { ITEM_DELAYED, ITEM_READY, ITEM_RUNNING };

struct tenant;

struct item {
    enum item_state state;
    char *key;
    struct tenant *tenant;
    unsigned failures;     /* in a row */
    int64_t due_ms;        /* DELAYED: when it becomes ready. RUNNING: when it was asked to run again, or NEVER */
    int64_t not_before_ms; /* a failing item runs at most every BACKOFF_FIRST_MS, however often it is added */
    size_t heap_at;        /* DELAYED: its place in the heap */
    struct item *next;     /* READY: in the tenant's line */
};

struct tenant {
    char *name;
    size_t items;     /* in any state; at 0 the tenant is forgotten */
    unsigned running; /* bounded by queue.per_tenant */
    struct item *first, *last;
    bool in_turn; /* has ready items: stands in queue.turn */
    struct tenant *next;
};

struct queue {
    char *name;
    queue_handler handler;
    void *context;
    pthread_t threads[WORKERS_MAX];
    unsigned workers, per_tenant;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    bool stopping;
    struct map *items;   /* key to struct item */
    struct map *tenants; /* name to struct tenant */
    struct tenant *turn_first, *turn_last;
    struct item **heap; /* DELAYED items, soonest first */
    size_t heap_count, heap_capacity;

    char *labels;
    struct metric depth, runs, failures;
};

/* -- the heap of delayed items -- */

static void heap_set(struct queue *queue, size_t at, struct item *item)
{
    queue->heap[at] = item;
    item->heap_at = at;
}

static void heap_up(struct queue *queue, size_t at)
{
    struct item *item = queue->heap[at];
    while (at > 0 && queue->heap[(at - 1) / 2]->due_ms > item->due_ms) {
        heap_set(queue, at, queue->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(queue, at, item);
}

static void heap_down(struct queue *queue, size_t at)
{
    struct item *item = queue->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < queue->heap_count && queue->heap[child + 1]->due_ms < queue->heap[child]->due_ms)
            child++;
        if (child >= queue->heap_count || queue->heap[child]->due_ms >= item->due_ms)
            break;
        heap_set(queue, at, queue->heap[child]);
        at = child;
    }
    heap_set(queue, at, item);
}

static void heap_remove(struct queue *queue, struct item *item)
{
    size_t at = item->heap_at;
    struct item *last = queue->heap[--queue->heap_count];
    if (last == item)
        return;
    heap_set(queue, at, last);
    heap_down(queue, at);
    heap_up(queue, last->heap_at);
}

/* -- state changes; each leaves the item in exactly one place -- */

static void become_delayed(struct queue *queue, struct item *item, int64_t due_ms)
{
    if (queue->heap_count == queue->heap_capacity) {
        queue->heap_capacity = queue->heap_capacity ? 2 * queue->heap_capacity : 64;
        queue->heap = memory_resize(queue->heap, queue->heap_capacity * sizeof(struct item *));
    }
    item->state = ITEM_DELAYED;
    item->due_ms = due_ms;
    heap_set(queue, queue->heap_count++, item);
    heap_up(queue, item->heap_at);
    if (item->heap_at == 0) /* every idle worker sleeps until the soonest; that has just become sooner */
        pthread_cond_broadcast(&queue->changed);
}

static void become_ready(struct queue *queue, struct item *item)
{
    struct tenant *tenant = item->tenant;
    item->state = ITEM_READY;
    item->next = NULL;
    if (tenant->last)
        tenant->last->next = item;
    else
        tenant->first = item;
    tenant->last = item;
    if (!tenant->in_turn) {
        tenant->in_turn = true;
        tenant->next = NULL;
        if (queue->turn_last)
            queue->turn_last->next = tenant;
        else
            queue->turn_first = tenant;
        queue->turn_last = tenant;
    }
    pthread_cond_signal(&queue->changed);
}

static void schedule(struct queue *queue, struct item *item, int64_t due_ms, int64_t now_ms)
{
    if (due_ms < item->not_before_ms)
        due_ms = item->not_before_ms;
    if (due_ms <= now_ms)
        become_ready(queue, item);
    else
        become_delayed(queue, item, due_ms);
}

/* Takes the first tenant in turn that may run one more; it goes to the end of the line if it has more. */
static struct tenant *take_turn(struct queue *queue)
{
    struct tenant *before = NULL, *tenant = queue->turn_first;
    while (tenant && tenant->running >= queue->per_tenant) {
        before = tenant;
        tenant = tenant->next;
    }
    if (!tenant)
        return NULL;
    if (before)
        before->next = tenant->next;
    else
        queue->turn_first = tenant->next;
    if (queue->turn_last == tenant)
        queue->turn_last = before;
    tenant->next = NULL;
    tenant->in_turn = false;
    return tenant;
}

static struct item *take_item(struct queue *queue)
{
    struct tenant *tenant = take_turn(queue);
    if (!tenant)
        return NULL;
    struct item *item = tenant->first, *rest = item->next;
    tenant->first = rest;
    if (!rest)
        tenant->last = NULL;
    else {
        tenant->in_turn = true;
        if (queue->turn_last)
            queue->turn_last->next = tenant;
        else
            queue->turn_first = tenant;
        queue->turn_last = tenant;
    }
    tenant->running++;
    item->state = ITEM_RUNNING;
    item->due_ms = NEVER;
    item->next = NULL;
    if (queue->turn_first) /* redundant wake-ups are cheap; a lost one would strand a key */
        pthread_cond_signal(&queue->changed);
    return item;
}

static void forget(struct queue *queue, struct item *item)
{
    struct tenant *tenant = item->tenant;
    map_remove(queue->items, slice_of(item->key));
    if (--tenant->items == 0) {
        map_remove(queue->tenants, slice_of(tenant->name));
        free(tenant->name);
        free(tenant);
    }
    free(item->key);
    free(item);
    metric_set(&queue->depth, (int64_t)map_count(queue->items));
}

static int64_t backoff_ms(unsigned failures)
{
    return failures > 9                                                   ? BACKOFF_MAX_MS
           : (int64_t)BACKOFF_FIRST_MS << (failures - 1) > BACKOFF_MAX_MS ? BACKOFF_MAX_MS
                                                                          : (int64_t)BACKOFF_FIRST_MS << (failures - 1);
}

static void finish(struct queue *queue, struct item *item, int64_t result)
{
    int64_t now_ms = clock_monotonic_ms(), due_ms = item->due_ms;
    item->tenant->running--;
    metric_add(&queue->runs, 1);
    if (result < 0) {
        metric_add(&queue->failures, 1);
        item->failures++;
        item->not_before_ms = now_ms + BACKOFF_FIRST_MS;
        int64_t retry_ms = now_ms + backoff_ms(item->failures);
        due_ms = retry_ms < due_ms ? retry_ms : due_ms;
    } else {
        item->failures = 0;
        item->not_before_ms = 0;
        int64_t again_ms = result > 0 ? now_ms + (result < DELAY_MAX_MS ? result : DELAY_MAX_MS) : NEVER;
        due_ms = again_ms < due_ms ? again_ms : due_ms;
    }
    if (due_ms == NEVER)
        forget(queue, item);
    else
        schedule(queue, item, due_ms, now_ms);
}

/* -- workers -- */

static void wait_for_change(struct queue *queue)
{
    if (!queue->heap_count) {
        pthread_cond_wait(&queue->changed, &queue->lock);
        return;
    }
    int64_t due_ms = queue->heap[0]->due_ms;
    struct timespec until = {.tv_sec = (time_t)(due_ms / 1000), .tv_nsec = (long)(due_ms % 1000) * 1000000};
    pthread_cond_timedwait(&queue->changed, &queue->lock, &until);
}

static void wake_due(struct queue *queue)
{
    int64_t now_ms = clock_monotonic_ms();
    while (queue->heap_count && queue->heap[0]->due_ms <= now_ms) {
        struct item *item = queue->heap[0];
        heap_remove(queue, item);
        become_ready(queue, item);
    }
}

static void *work(void *argument)
{
    struct queue *queue = argument;
    pthread_mutex_lock(&queue->lock);
    while (!queue->stopping) {
        wake_due(queue);
        struct item *item = take_item(queue);
        if (!item) {
            wait_for_change(queue);
            continue;
        }
        pthread_mutex_unlock(&queue->lock);
        int64_t result = queue->handler(queue->context, item->key);
        pthread_mutex_lock(&queue->lock);
        finish(queue, item, result);
    }
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

/* Signals are the main thread's: workers start with all of them blocked. */
static void start_workers(struct queue *queue)
{
    sigset_t all, before;
    char thread_name[16];
    snprintf(thread_name, sizeof(thread_name), "queue %s", queue->name);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < queue->workers; i++) {
        if (pthread_create(&queue->threads[i], NULL, work, queue) != 0)
            memory_oom(0);
        pthread_setname_np(queue->threads[i], thread_name);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void start_metrics(struct queue *queue)
{
    queue->labels = memory_format("queue=\"%s\"", queue->name);
    queue->depth = (struct metric)METRIC_GAUGE("atelier_queue_keys", "Keys that are queued, delayed or being handled.");
    queue->runs = (struct metric)METRIC_COUNTER("atelier_queue_runs_total", "Handler calls that have ended.");
    queue->failures = (struct metric)METRIC_COUNTER("atelier_queue_failures_total", "Handler calls that failed.");
    queue->depth.labels = queue->runs.labels = queue->failures.labels = queue->labels;
    metric_set(&queue->depth, 0);
    metric_add(&queue->runs, 0);
    metric_add(&queue->failures, 0);
}

struct queue *queue_new(const char *name, unsigned workers, queue_handler handler, void *context)
{
    struct queue *queue = memory_get(sizeof(*queue));
    queue->name = memory_text(name);
    queue->handler = handler;
    queue->context = context;
    queue->workers = workers < 1 ? 1 : workers > WORKERS_MAX ? WORKERS_MAX : workers;
    queue->per_tenant = queue->workers > 1 ? queue->workers - 1 : 1; /* one is always left for the others */
    queue->items = map_new();
    queue->tenants = map_new();
    pthread_mutex_init(&queue->lock, NULL);
    clock_condition(&queue->changed);
    start_metrics(queue);
    start_workers(queue);
    return queue;
}

/* -- adding -- */

static struct tenant *tenant_of(struct queue *queue, const char *name)
{
    struct tenant *tenant = map_get(queue->tenants, slice_of(name));
    if (!tenant) {
        tenant = memory_get(sizeof(*tenant));
        tenant->name = memory_text(name);
        map_put(queue->tenants, slice_of(name), tenant);
    }
    return tenant;
}

static void add_new(struct queue *queue, const char *tenant_name, const char *key, int64_t due_ms, int64_t now_ms)
{
    struct item *item = memory_get(sizeof(*item));
    item->key = memory_text(key);
    item->tenant = tenant_of(queue, tenant_name ? tenant_name : "");
    item->tenant->items++;
    map_put(queue->items, slice_of(key), item);
    metric_set(&queue->depth, (int64_t)map_count(queue->items));
    schedule(queue, item, due_ms, now_ms);
}

static void add_again(struct queue *queue, struct item *item, int64_t due_ms, int64_t now_ms)
{
    switch (item->state) {
    case ITEM_READY:
        return;
    case ITEM_RUNNING:
        item->due_ms = due_ms < item->due_ms ? due_ms : item->due_ms;
        return;
    case ITEM_DELAYED:
        if (due_ms < item->due_ms) {
            heap_remove(queue, item);
            schedule(queue, item, due_ms, now_ms);
        }
        return;
    }
}

void queue_add_after(struct queue *queue, const char *tenant, const char *key, int64_t delay_ms)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t due_ms = now_ms + (delay_ms < 0 ? 0 : delay_ms > DELAY_MAX_MS ? DELAY_MAX_MS : delay_ms);
    pthread_mutex_lock(&queue->lock);
    if (!queue->stopping) {
        struct item *item = map_get(queue->items, slice_of(key));
        if (item)
            add_again(queue, item, due_ms, now_ms);
        else
            add_new(queue, tenant, key, due_ms, now_ms);
    }
    pthread_mutex_unlock(&queue->lock);
}

void queue_add(struct queue *queue, const char *tenant, const char *key)
{
    queue_add_after(queue, tenant, key, 0);
}

/* -- the end -- */

void queue_stop(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool first = !queue->stopping;
    queue->stopping = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    for (unsigned i = 0; first && i < queue->workers; i++)
        pthread_join(queue->threads[i], NULL);
}

static void free_items(struct queue *queue)
{
    size_t at = 0;
    void *value;
    while (map_next(queue->items, &at, NULL, &value)) {
        struct item *item = value;
        free(item->key);
        free(item);
    }
    at = 0;
    while (map_next(queue->tenants, &at, NULL, &value)) {
        struct tenant *tenant = value;
        free(tenant->name);
        free(tenant);
    }
}

void queue_free(struct queue *queue)
{
    if (!queue)
        return;
    free_items(queue);
    map_free(queue->items);
    map_free(queue->tenants);
    metric_drop(&queue->depth);
    metric_drop(&queue->runs);
    metric_drop(&queue->failures);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    free(queue->heap);
    free(queue->labels);
    free(queue->name);
    free(queue);
}
