/* What happened to an object that a person should know? */
#include "engine/local/events.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"

enum { QUEUE_MAX = 512, REPEAT_MS = 10 * 60 * 1000, LIFE_MS = 60 * 60 * 1000, SWEEP_MS = 60 * 1000 };
enum { EVENTS_KEPT = 800 }; /* below the cap of objects.c, so that there is always room for a new one */

struct told {
    struct told *next;
    cJSON *involved; /* the involvedObject */
    cJSON *labels;   /* which workload that belongs to; NULL if none */
    char *type, *reason, *message;
    int64_t at_ms;
};

struct event_sink {
    struct local *local;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct told *first, *last;
    size_t count;
    bool stop;
};

static void told_free(struct told *told)
{
    cJSON_Delete(told->involved);
    cJSON_Delete(told->labels);
    free(told->type);
    free(told->reason);
    free(told->message);
    free(told);
}

static cJSON *involved_of(const cJSON *object)
{
    cJSON *involved = json_object();
    json_set_text(involved, "kind", json_text(object, "kind", NULL));
    json_set_text(involved, "apiVersion", json_text(object, "apiVersion", NULL));
    static const char *const fields[] = {"namespace", "name", "uid", "resourceVersion"};
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        json_set_text(involved, fields[i], json_text(object, "metadata", fields[i], NULL));
    return involved;
}

/* Who may see a workload may see what happened to its pods. The controller says to which one they belong: a pod's own
 * labels may be a tenant's. */
static cJSON *workload_labels(const cJSON *object)
{
    static const char *const labels[][2] = {
        {"StatefulSet", "notebook-name"}, {"Notebook", "notebook-name"}, {"RayCluster", "ray.io/cluster"}};
    const cJSON *owner;
    cJSON_ArrayForEach(owner, json_at(object, "metadata", "ownerReferences", NULL))
    {
        const char *kind = json_text_or("", owner, "kind", NULL), *name = json_text(owner, "name", NULL);
        for (size_t i = 0; i < COUNT_OF(labels); i++) {
            if (!name || !json_true(owner, "controller", NULL) || strcmp(kind, labels[i][0]) != 0)
                continue;
            cJSON *ret = json_object();
            json_set_text(ret, labels[i][1], name);
            return ret;
        }
    }
    return NULL;
}

void event_add(struct engine *engine, const cJSON *object, const char *type, const char *reason, const char *message)
{
    struct event_sink *sink = local_of(engine)->events;
    struct told *told = memory_get(sizeof(*told));
    char clean[1025];
    text_printable(slice_of(message), clean, sizeof(clean));
    *told = (struct told){.involved = involved_of(object),
                          .labels = workload_labels(object),
                          .type = memory_text(type),
                          .reason = memory_text(reason),
                          .message = memory_text(clean),
                          .at_ms = clock_wall_ms()};
    pthread_mutex_lock(&sink->lock);
    if (sink->stop || sink->count == QUEUE_MAX) {
        pthread_mutex_unlock(&sink->lock);
        told_free(told);
        return;
    }
    if (sink->last)
        sink->last->next = told;
    else
        sink->first = told;
    sink->last = told;
    sink->count++;
    pthread_cond_signal(&sink->changed);
    pthread_mutex_unlock(&sink->lock);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* The same thing said again about the same object has the same name. */
static char *event_name(const struct told *told)
{
    AUTO_FREE char *key =
        memory_format("%s\n%s\n%s\n%s\n%s", json_text_or("", told->involved, "kind", NULL),
                      json_text_or("", told->involved, "uid", NULL), told->type, told->reason, told->message);
    char hash[2 * DIGEST_SIZE + 1];
    digest_sha256_hex(slice_of(key), hash);
    return memory_format("%.200s.%.16s", json_text_or("event", told->involved, "name", NULL), hash);
}

static int repeat(void *context, const cJSON *current, cJSON **ret, struct error *error)
{
    const struct told *told = context;
    int64_t last_ms = 0, count = 0;
    (void)error;
    cJSON *wanted = json_copy(current);
    (void)clock_parse(slice_of(json_text(current, "lastTimestamp", NULL)), &last_ms);
    (void)json_i64(json_member(current, "count"), &count);
    char now[CLOCK_TEXT_SIZE];
    clock_format(told->at_ms, now);
    if (told->at_ms - last_ms > REPEAT_MS) {
        json_set_text(wanted, "firstTimestamp", now);
        count = 0;
    }
    json_set_text(wanted, "lastTimestamp", now);
    json_set_i64(wanted, "count", count + 1);
    *ret = wanted;
    return 0;
}

static cJSON *event_body(const struct told *told, const char *name, const char *namespace)
{
    cJSON *body = json_object();
    char now[CLOCK_TEXT_SIZE];
    clock_format(told->at_ms, now);
    json_set_text(json_object_in(body, "metadata"), "name", name);
    json_set_text(json_object_in(body, "metadata"), "namespace", namespace);
    if (told->labels)
        json_set(json_object_in(body, "metadata"), "labels", json_copy(told->labels));
    json_set(body, "involvedObject", json_copy(told->involved));
    json_set_text(body, "type", told->type);
    json_set_text(body, "reason", told->reason);
    json_set_text(body, "message", told->message);
    json_set_text(json_object_in(body, "source"), "component", "atelier");
    json_set_text(body, "firstTimestamp", now);
    json_set_text(body, "lastTimestamp", now);
    json_set_i64(body, "count", 1);
    return body;
}

static int64_t last_seen_ms(const struct object *event)
{
    int64_t ms = 0;
    (void)clock_parse(slice_of(json_text(event->body, "lastTimestamp", NULL)), &ms);
    return ms;
}

static void drop_oldest(struct local *local, const char *namespace)
{
    AUTO_OBJECT_LIST struct object_list events = {0};
    objects_select(local->objects, KIND_EVENT, namespace, NULL, &events);
    const struct object *oldest = NULL;
    for (size_t i = 0; i < events.count; i++)
        if (!oldest || last_seen_ms(events.items[i]) < last_seen_ms(oldest))
            oldest = events.items[i];
    if (oldest && events.count >= EVENTS_KEPT)
        (void)objects_delete(local->objects, KIND_EVENT, namespace, oldest->name, oldest->uid, NULL, NULL);
}

static void write_event(struct local *local, struct told *told)
{
    const char *namespace = json_text(told->involved, "namespace", NULL);
    /* About a cluster-scoped object: beside what belongs to it, if there is such a namespace. */
    if (!namespace)
    namespace = json_text_or("default", told->involved, "name", NULL);
    AUTO_FREE char *name = event_name(told);
    struct error error = {0};
    int r = objects_change(local->objects, KIND_EVENT, namespace, name, ENGINE_SPEC, repeat, told, NULL, &error);
    if (r == -ERROR_NOT_FOUND) {
        if (objects_count(local->objects, KIND_EVENT, namespace) >= EVENTS_KEPT)
            drop_oldest(local, namespace);
        r = objects_create(local->objects, KIND_EVENT, namespace, event_body(told, name, namespace), NULL, &error);
    }
    if (r < 0)
        log_line(LOG_DEBUG, "an event was not kept", LOG_TEXT("reason", told->reason), LOG_FAULT(&error));
}

static void sweep(struct local *local)
{
    AUTO_OBJECT_LIST struct object_list events = {0};
    int64_t now = clock_wall_ms();
    objects_select(local->objects, KIND_EVENT, NULL, NULL, &events);
    for (size_t i = 0; i < events.count; i++)
        if (now - last_seen_ms(events.items[i]) > LIFE_MS)
            (void)objects_delete(local->objects, KIND_EVENT, events.items[i]->namespace, events.items[i]->name,
                                 events.items[i]->uid, NULL, NULL);
}

static void wait_for_news(struct event_sink *sink)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += SWEEP_MS / 1000;
    while (!sink->first && !sink->stop)
        if (pthread_cond_timedwait(&sink->changed, &sink->lock, &until) != 0)
            return;
}

static void *write_events(void *context)
{
    struct event_sink *sink = context;
    int64_t swept_ms = clock_monotonic_ms();
    pthread_mutex_lock(&sink->lock);
    while (!sink->stop || sink->first) {
        wait_for_news(sink);
        struct told *told = sink->first;
        if (told) {
            sink->first = told->next;
            sink->count--;
            if (!sink->first)
                sink->last = NULL;
        }
        pthread_mutex_unlock(&sink->lock);
        if (told) {
            write_event(sink->local, told);
            told_free(told);
        }
        if (clock_monotonic_ms() - swept_ms >= SWEEP_MS) {
            sweep(sink->local);
            swept_ms = clock_monotonic_ms();
        }
        pthread_mutex_lock(&sink->lock);
    }
    pthread_mutex_unlock(&sink->lock);
    return NULL;
}

struct event_sink *event_sink_new(struct local *local)
{
    struct event_sink *sink = memory_get(sizeof(*sink));
    sink->local = local;
    pthread_mutex_init(&sink->lock, NULL);
    clock_condition(&sink->changed);
    if (pthread_create(&sink->thread, NULL, write_events, sink) != 0)
        memory_oom(sizeof(*sink));
    return sink;
}

void event_sink_free(struct event_sink *sink)
{
    if (!sink)
        return;
    pthread_mutex_lock(&sink->lock);
    sink->stop = true;
    pthread_cond_signal(&sink->changed);
    pthread_mutex_unlock(&sink->lock);
    pthread_join(sink->thread, NULL);
    pthread_mutex_destroy(&sink->lock);
    pthread_cond_destroy(&sink->changed);
    free(sink);
}
