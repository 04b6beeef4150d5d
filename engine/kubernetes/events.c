/* How does an Event about an object reach the cluster without holding anybody up? */
#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "engine/kubernetes/internal.h"
#include "engine/kubernetes/paths.h"

#define WAITING_MAX 1000           /* told faster than written: the rest is dropped */
#define REPEAT_MS (10 * 60 * 1000) /* within that a repeat raises `count` */
#define KNOWN_MAX 4096

struct waiting {
    struct waiting *next;
    cJSON *event; /* whole */
    char *key;    /* object, type, reason and message */
};

/* An event that was written: its name, to raise its count. */
struct known {
    char name[80];
    char namespace[64];
    int64_t count, at_ms;
};

struct events {
    struct kubernetes *kubernetes;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct waiting *first, **last;
    size_t count;
    bool stop;
    struct map *known; /* the thread's: key -> struct known */
};

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void forget_old(struct events *events)
{
    struct map *kept = map_new();
    struct slice key;
    void *value;
    int64_t now_ms = clock_monotonic_ms();
    for (size_t at = 0; map_next(events->known, &at, &key, &value);) {
        if (now_ms - ((struct known *)value)->at_ms < REPEAT_MS && map_count(kept) < KNOWN_MAX / 2)
            map_put(kept, key, value);
        else
            free(value);
    }
    map_free(events->known);
    events->known = kept;
}

static int raise_count(struct events *events, struct known *known, struct error *error)
{
    char now[CLOCK_TEXT_SIZE];
    AUTO_BUFFER struct buffer target = {0};
    clock_format(clock_wall_ms(), now);
    AUTO_FREE char *body = memory_format("{\"count\":%lld,\"lastTimestamp\":\"%s\"}", (long long)known->count + 1, now);
    path_add(&target, KIND_EVENT, known->namespace, known->name, NULL);
    int r = kube_call(events->kubernetes->client,
                      &(struct kube_request){.method = "PATCH",
                                             .target = target.p,
                                             .content_type = "application/merge-patch+json",
                                             .body = slice_of(body)},
                      NULL, error);
    known->count++;
    return r;
}

static void write_event(struct events *events, struct waiting *waiting)
{
    struct error error = {0};
    struct known *known = map_get(events->known, slice_of(waiting->key));
    if (known && clock_monotonic_ms() - known->at_ms < REPEAT_MS && raise_count(events, known, &error) == 0)
        return;
    AUTO_BUFFER struct buffer target = {0};
    AUTO_FREE char *text = json_print(waiting->event);
    const char *namespace = json_text_or("default", waiting->event, "metadata", "namespace", NULL);
    path_add(&target, KIND_EVENT, namespace, NULL, NULL);
    int r =
        kube_call(events->kubernetes->client,
                  &(struct kube_request){
                      .method = "POST", .target = target.p, .content_type = "application/json", .body = slice_of(text)},
                  NULL, &error);
    if (r < 0) { /* a namespace that ends takes none, and nobody would read them */
        if (r != -ERROR_NOT_FOUND && r != -ERROR_FORBIDDEN)
            log_line(LOG_WARN, "an event was not written", LOG_FAULT(&error));
        return;
    }
    if (map_count(events->known) >= KNOWN_MAX)
        forget_old(events);
    struct known *fresh = memory_get(sizeof(*fresh));
    snprintf(fresh->name, sizeof(fresh->name), "%s", json_text_or("", waiting->event, "metadata", "name", NULL));
    snprintf(fresh->namespace, sizeof(fresh->namespace), "%s", namespace);
    fresh->count = 1;
    fresh->at_ms = clock_monotonic_ms();
    free(map_put(events->known, slice_of(waiting->key), fresh));
}

static void waiting_free(struct waiting *waiting)
{
    cJSON_Delete(waiting->event);
    free(waiting->key);
    free(waiting);
}

static void *run(void *context)
{
    struct events *events = context;
    pthread_mutex_lock(&events->lock);
    while (!events->stop) {
        struct waiting *waiting = events->first;
        if (!waiting) {
            pthread_cond_wait(&events->changed, &events->lock);
            continue;
        }
        events->first = waiting->next;
        if (!events->first)
            events->last = &events->first;
        events->count--;
        pthread_mutex_unlock(&events->lock);
        write_event(events, waiting);
        waiting_free(waiting);
        pthread_mutex_lock(&events->lock);
    }
    pthread_mutex_unlock(&events->lock);
    return NULL;
}

/* --- telling ------------------------------------------------------------------------------------------------------ */

static cJSON *event_of(const cJSON *object, const char *type, const char *reason, const char *message)
{
    static const char *const referred[] = {"name", "namespace", "uid", "resourceVersion"};
    char now[CLOCK_TEXT_SIZE], suffix[6];
    cJSON *event = json_object();
    const char *name = json_text_or("", object, "metadata", "name", NULL);
    const char *namespace = json_text_or("default", object, "metadata", "namespace", NULL);
    random_suffix(suffix);
    clock_format(clock_wall_ms(), now);
    AUTO_FREE char *own = memory_format("%.50s.%llx%s", name, (unsigned long long)clock_wall_ms(), suffix);
    json_set_text(event, "apiVersion", "v1");
    json_set_text(event, "kind", "Event");
    json_set_text(json_object_in(event, "metadata"), "name", own);
    json_set_text(json_object_in(event, "metadata"), "namespace", namespace);
    cJSON *about = json_object_in(event, "involvedObject");
    json_set_text(about, "apiVersion", json_text(object, "apiVersion", NULL));
    json_set_text(about, "kind", json_text(object, "kind", NULL));
    for (size_t i = 0; i < COUNT_OF(referred); i++)
        json_set_text(about, referred[i], json_text(object, "metadata", referred[i], NULL));
    json_set_text(event, "type", type);
    json_set_text(event, "reason", reason);
    json_set_text(event, "message", message);
    json_set_text(json_object_in(event, "source"), "component", "atelier");
    json_set_text(event, "reportingComponent", "atelier");
    json_set_text(event, "firstTimestamp", now);
    json_set_text(event, "lastTimestamp", now);
    json_set_i64(event, "count", 1);
    return event;
}

void events_add(struct engine *engine, const cJSON *object, const char *type, const char *reason, const char *message)
{
    struct events *events = kubernetes_of(engine)->events;
    if (!events)
        return;
    struct waiting *waiting = memory_get(sizeof(*waiting));
    waiting->event = event_of(object, type, reason, message);
    waiting->key =
        memory_format("%s %s %s %s", json_text_or("", object, "metadata", "uid", NULL), type, reason, message);
    pthread_mutex_lock(&events->lock);
    bool room = events->started && !events->stop && events->count < WAITING_MAX;
    if (room) {
        *events->last = waiting;
        events->last = &waiting->next;
        events->count++;
        pthread_cond_signal(&events->changed);
    }
    pthread_mutex_unlock(&events->lock);
    if (!room)
        waiting_free(waiting);
}

struct events *events_new(struct kubernetes *kubernetes)
{
    struct events *events = memory_get(sizeof(*events));
    events->kubernetes = kubernetes;
    events->last = &events->first;
    events->known = map_new();
    pthread_mutex_init(&events->lock, NULL);
    pthread_cond_init(&events->changed, NULL);
    events->started = pthread_create(&events->thread, NULL, run, events) == 0;
    return events;
}

void events_free(struct events *events)
{
    if (!events)
        return;
    pthread_mutex_lock(&events->lock);
    events->stop = true;
    pthread_cond_signal(&events->changed);
    pthread_mutex_unlock(&events->lock);
    if (events->started)
        pthread_join(events->thread, NULL);
    while (events->first) {
        struct waiting *waiting = events->first;
        events->first = waiting->next;
        waiting_free(waiting);
    }
    void *known;
    for (size_t at = 0; map_next(events->known, &at, NULL, &known);)
        free(known);
    map_free(events->known);
    pthread_mutex_destroy(&events->lock);
    pthread_cond_destroy(&events->changed);
    free(events);
}
