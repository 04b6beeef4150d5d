/* Which heads have ended, and who is told? */
#include "base/clock.h"
#include "base/map.h"
#include "ray/internal.h"
#include "tenancy/follow.h"
#include "tenancy/status.h"

#define LABEL_CLUSTER "ray.io/cluster"
#define LABEL_TYPE "ray.io/node-type"
#define KEY_LEADS "~leads"
#define GAP_MS 20000 /* within that another replica leads after one was lost: what ended meanwhile nobody has told */
#define TOLD_MAX 20000

/* A pod says of its last end for as long as it lives: an end is told once, by its time. */
struct ray_heads {
    struct engine *engine;
    struct queue *queue; /* one thread, whose the rest is */
    struct follow *follow;
    struct map *told; /* "<namespace>/<pod>" -> the time of the end that was told, as text */
    int64_t since_ms; /* whoever led before has told of what lies before this */
};

/* The latest end of the container that is Ray; the kubelet lists containers in an order of its own. NULL: none. */
static const cJSON *last_end(const cJSON *pod)
{
    const cJSON *ray = cJSON_GetArrayItem(json_at(pod, "spec", "containers", NULL), 0);
    const cJSON *status =
        json_named(json_at(pod, "status", "containerStatuses", NULL), json_text_or("", ray, "name", NULL));
    const cJSON *now = json_at(status, "state", "terminated", NULL);
    return now ? now : json_at(status, "lastState", "terminated", NULL);
}

static bool is_head(const cJSON *pod)
{
    return strcmp(json_text_or("", pod, "metadata", "labels", LABEL_TYPE, NULL), "head") == 0;
}

static void on_seen(void *context, enum engine_kind kind, const cJSON *pod)
{
    struct ray_heads *heads = context;
    const char *namespace = json_text_or("", pod, "metadata", "namespace", NULL);
    (void)kind;
    if (!is_head(pod) || !last_end(pod))
        return;
    AUTO_FREE char *key = memory_format("%s/%s", namespace, json_text_or("", pod, "metadata", "name", NULL));
    queue_add(heads->queue, namespace, key);
}

static bool is_fault_tolerant(const cJSON *cluster)
{
    return cJSON_IsObject(json_at(cluster, "spec", "gcsFaultToleranceOptions", NULL)) ||
           strcmp(json_text_or("", cluster, "metadata", "annotations", "ray.io/ft-enabled", NULL), "true") == 0;
}

static int tell(struct ray_heads *heads, const cJSON *pod, const cJSON *ended, struct error *error)
{
    AUTO_JSON cJSON *cluster = NULL;
    int64_t exit_code = 0;
    int r = engine_get(heads->engine, KIND_RAYCLUSTER, json_text_or("", pod, "metadata", "namespace", NULL),
                       json_text_or("", pod, "metadata", "labels", LABEL_CLUSTER, NULL), &cluster, error);
    if (r < 0)
        return r;
    if (!status_is_owned(pod, cluster) || json_true(cluster, "spec", "suspend", NULL))
        return 0;
    (void)json_i64(json_member(ended, "exitCode"), &exit_code);
    engine_event(heads->engine, cluster, "Warning", "HeadEnded",
                 "its head ended (%.64s, exit code %lld) and starts again: %s",
                 json_text_or("Error", ended, "reason", NULL), (long long)exit_code,
                 is_fault_tolerant(cluster) ? "what it knew is in its store, but drivers on it are gone"
                                            : "its jobs, actors and objects are gone, and its workers begin anew");
    return 0;
}

static void forget_all(struct ray_heads *heads)
{
    size_t at = 0;
    void *text;
    while (map_next(heads->told, &at, NULL, &text))
        free(text);
    map_free(heads->told);
    heads->told = map_new();
}

static int look_at(struct ray_heads *heads, const char *key, const cJSON *pod, struct error *error)
{
    const cJSON *ended = is_head(pod) ? last_end(pod) : NULL;
    const char *at = json_text_or("", ended, "finishedAt", NULL);
    const char *known = map_get(heads->told, slice_of(key));
    int64_t at_ms = 0;
    if (json_text(pod, "metadata", "deletionTimestamp", NULL) || !clock_parse(slice_of(at), &at_ms) ||
        at_ms < heads->since_ms || (known && strcmp(known, at) == 0))
        return 0;
    int r = tell(heads, pod, ended, error);
    if (r < 0)
        return r;
    if (map_count(heads->told) >= TOLD_MAX) { /* of those that run, few have ended of late */
        forget_all(heads);
        heads->since_ms = at_ms;
    }
    free(map_put(heads->told, slice_of(key), memory_text(at)));
    return 0;
}

static int64_t handle(void *context, const char *key)
{
    struct ray_heads *heads = context;
    struct error error = {0};
    AUTO_JSON cJSON *pod = NULL;
    int64_t result;
    if (follow_handle(heads->follow, key, &result))
        return result;
    if (strcmp(key, KEY_LEADS) == 0) {
        forget_all(heads);
        heads->since_ms = clock_wall_ms() - GAP_MS;
        return 0;
    }
    struct slice name, namespace = slice_split(slice_of(key), '/', &name);
    AUTO_FREE char *namespace_text = memory_text_n(namespace.p, namespace.n);
    AUTO_FREE char *name_text = memory_text_n(name.p ? name.p : "", name.n);
    int r = engine_get(heads->engine, KIND_POD, namespace_text, name_text, &pod, &error);
    if (r == 0)
        r = look_at(heads, key, pod, &error);
    else
        free(map_remove(heads->told, slice_of(key)));
    return r == -ERROR_NOT_FOUND ? 0 : r;
}

struct ray_heads *ray_heads_new(struct engine *engine)
{
    static const enum engine_kind kinds[] = {KIND_POD};
    struct ray_heads *heads = memory_get(sizeof(*heads));
    *heads = (struct ray_heads){.engine = engine, .told = map_new(), .since_ms = clock_wall_ms() - GAP_MS};
    heads->queue = queue_new("ray-heads", 1, handle, heads);
    heads->follow = follow_new(engine, heads->queue, kinds, COUNT_OF(kinds), on_seen, heads);
    follow_standing(heads->follow, KEY_LEADS);
    follow_start(heads->follow);
    return heads;
}

void ray_heads_free(struct ray_heads *heads)
{
    if (!heads)
        return;
    queue_stop(heads->queue);
    follow_free(heads->follow);
    queue_free(heads->queue);
    forget_all(heads);
    map_free(heads->told);
    free(heads);
}
