/* Does the head of a Ray cluster answer? */
#include "engine/local/rayhealth.h"

#include <pthread.h>

#include "base/map.h"
#include "engine/local/probe.h"
#include "engine/local/rayask.h"
#include "engine/local/raypods.h"
#include "engine/local/reconcile.h"
#include "engine/local/status.h"

enum { STARTING_MS = 250, STEADY_MS = 10 * 1000, ANSWER_MS = 5000, FAILURES_MAX = 3 };

struct known {
    char *life;
    struct ray_health health;
    int failures;
};
struct ray_watcher {
    pthread_mutex_t lock; /* guards clusters */
    struct map *clusters; /* RayCluster uid to struct known */
};

struct ray_watcher *ray_watcher_new(void)
{
    struct ray_watcher *watcher = memory_get(sizeof(*watcher));
    pthread_mutex_init(&watcher->lock, NULL);
    watcher->clusters = map_new();
    return watcher;
}

static void known_free(struct known *known)
{
    if (known)
        free(known->life);
    free(known);
}

void ray_watcher_free(struct ray_watcher *watcher)
{
    size_t at = 0;
    struct slice key;
    void *value;
    if (!watcher)
        return;
    while (map_next(watcher->clusters, &at, &key, &value))
        known_free(value);
    map_free(watcher->clusters);
    pthread_mutex_destroy(&watcher->lock);
    free(watcher);
}

char *ray_head_life(const struct object *head)
{
    int64_t restarts = 0;
    const cJSON *first = cJSON_GetArrayItem(json_at(head->body, "status", "containerStatuses", NULL), 0);
    (void)json_i64(json_member(first, "restartCount"), &restarts);
    return memory_format("%s/%lld", head->uid, (long long)restarts);
}

/* What the process before this one had found stands until it is asked again. */
static struct ray_health health_from_status(const struct object *cluster, const struct object *head)
{
    bool same = strcmp(json_text_or("", cluster->body, "status", "head", "podName", NULL), head->name) == 0;
    bool usable =
        same && json_condition_true(cluster->body, "HeadPodReady") && json_condition_true(head->body, "Ready");
    return (struct ray_health){.gcs = usable, .usable = usable};
}

struct ray_health ray_health_of(struct local *local, const struct object *cluster, const struct object *head)
{
    struct ray_watcher *watcher = local->rays;
    AUTO_FREE char *life = ray_head_life(head);
    pthread_mutex_lock(&watcher->lock);
    struct known *known = map_get(watcher->clusters, slice_of(cluster->uid));
    bool begin = !known || strcmp(known->life, life) != 0;
    if (begin) {
        bool first = !known;
        if (first) {
            known = memory_get(sizeof(*known));
            (void)map_put(watcher->clusters, slice_of(cluster->uid), known);
        }
        free(known->life);
        *known = (struct known){.life = memory_text(life)};
        if (first)
            known->health = health_from_status(cluster, head);
    }
    struct ray_health health = known->health;
    pthread_mutex_unlock(&watcher->lock);
    if (begin)
        reconcile_now(local, CONTROL_RAYHEAD, cluster->namespace, cluster->name);
    return health;
}

void ray_health_forget(struct local *local, const struct object *cluster)
{
    pthread_mutex_lock(&local->rays->lock);
    known_free(map_remove(local->rays->clusters, slice_of(cluster->uid)));
    pthread_mutex_unlock(&local->rays->lock);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static bool connects(struct local *local, const struct object *head, uint16_t port)
{
    AUTO_CLOSE int fd = -1;
    const char *address = json_text_or("", head->body, "status", "podIP", NULL);
    return address[0] && sandbox_dial(local->sandbox, head->namespace, address, port, &fd, NULL) == 0;
}

static bool answers(struct local *local, const struct object *head, uint16_t port, const char *path,
                    const char *headers)
{
    AUTO_CLOSE int fd = -1;
    const char *address = json_text_or("", head->body, "status", "podIP", NULL);
    if (!address[0] || sandbox_dial(local->sandbox, head->namespace, address, port, &fd, NULL) < 0)
        return false;
    return probe_http(fd, address, path, headers, ANSWER_MS) == 200;
}

static struct ray_health ask(struct local *local, const struct object *cluster, const struct object *head)
{
    struct ray_health health = {.gcs = connects(local, head, ray_head_port(cluster, "port", RAY_GCS))};
    if (!health.gcs)
        return health;
    char *token = ray_token_line(local, cluster);
    if (!token)
        return health;
    char *header = memory_format("%s\r\n", token);
    memory_wipe(token, strlen(token));
    free(token);
    health.usable =
        answers(local, head, ray_head_port(cluster, "dashboard-agent-listen-port", RAY_AGENT),
                "/api/local_raylet_healthz", "") &&
        answers(local, head, ray_head_port(cluster, "dashboard-port", RAY_DASHBOARD), "/api/version", header);
    memory_wipe(header, strlen(header));
    free(header);
    return health;
}

/* Takes over what was found: good news at once, bad news once it was heard several times. True if anything changed. */
static bool take_over(struct ray_watcher *watcher, const struct object *cluster, const char *life,
                      struct ray_health found, bool *ret_usable)
{
    bool changed = false;
    pthread_mutex_lock(&watcher->lock);
    struct known *known = map_get(watcher->clusters, slice_of(cluster->uid));
    *ret_usable = false;
    if (known && strcmp(known->life, life) == 0) {
        bool worse = (known->health.usable && !found.usable) || (known->health.gcs && !found.gcs);
        known->failures = worse ? known->failures + 1 : 0;
        if (!worse || known->failures >= FAILURES_MAX) {
            changed = known->health.gcs != found.gcs || known->health.usable != found.usable;
            known->health = found;
        }
        *ret_usable = known->health.usable && !worse;
    }
    pthread_mutex_unlock(&watcher->lock);
    return changed;
}

int64_t rayhead_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    (void)error;
    AUTO_OBJECT struct object *cluster = objects_find(local->objects, KIND_RAYCLUSTER, namespace, name);
    if (!cluster)
        return 0;
    AUTO_OBJECT struct object *head = ray_find_head(local, cluster);
    if (!head) {
        ray_health_forget(local, cluster);
        return 0;
    }
    AUTO_FREE char *life = ray_head_life(head);
    bool usable = false;
    if (take_over(local->rays, cluster, life, ask(local, cluster, head), &usable))
        reconcile_now(local, CONTROL_RAYCLUSTER, namespace, name);
    return usable ? STEADY_MS : STARTING_MS;
}
