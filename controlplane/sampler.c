/* Who reads what workloads use, and when? */
#include "controlplane/sampler.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/queue.h"
#include "controlplane/samples.h"
#include "controlplane/use.h"
#include "engine/engine.h"
#include "gateway/gateway.h"
#include "tenancy/tenancy.h"

#define KEY_READ "read"
#define KEY_CONDENSE "condense"
#define CONDENSE_MS 60000   /* how often the quarters that are over are looked for */
#define BELIEVED_MS 30000   /* how long a replica that does not lead believes what it last found */
#define BUSY_CORES 0.1      /* of one pod: an idle JupyterLab takes 0.01 */
#define BUSY_RAY_CORES 0.25 /* of a Ray node, whose head takes 0.07 idle, and 0.11 in every fifth second */
#define WORKLOADS_MAX 20000 /* of one reading: some 3 MB of JSON */

struct sampler {
    struct engine *engine;
    struct store *store;
    struct gateway *gateway;
    int64_t every_ms;
    int64_t told_ms;      /* until when what the gateway saw is written down; the queue's one thread */
    struct queue *queue;  /* two keys that always come again */
    pthread_mutex_t lock; /* guards the rest */
    struct error trouble; /* code NONE: the last reading worked */
    int64_t looked_ms;
    cJSON *last; /* the last reading; NULL: none yet */
    int64_t last_ms;
};

/* --- who was used ------------------------------------------------------------------------------------------------- */

static void add_use(void *rows, const char *namespace, const char *kind, const char *name, int64_t at_ms)
{
    if (strcmp(kind, "Notebook") != 0 && strcmp(kind, "RayCluster") != 0)
        return;
    cJSON *row = json_push(rows, json_object());
    json_set_text(row, "profile", namespace);
    json_set_text(row, "kind", kind);
    json_set_text(row, "name", name);
    json_set_i64(row, "last_ms", at_ms);
}

static int write_use(struct sampler *sampler, struct error *error)
{
    AUTO_JSON cJSON *rows = json_array();
    int64_t now_ms = clock_wall_ms();
    gateway_activity_since(sampler->gateway, sampler->told_ms, add_use, rows);
    int r = rows->child ? use_add(sampler->store, rows, error) : 0;
    if (r == 0)
        sampler->told_ms = now_ms - 1000; /* twice is harmless, missed is not */
    return r;
}

/* --- one reading -------------------------------------------------------------------------------------------------- */

struct workload {
    char *profile, *kind, *name; /* its own */
    double cpu, busiest;         /* of one pod */
    int64_t memory_bytes, cpu_limit_milli, memory_limit_bytes, nodes;
    bool unread; /* one of its pods runs and nobody knows what it uses */
};

static void add_limits(const cJSON *pod, struct workload *workload)
{
    const cJSON *container;
    cJSON_ArrayForEach(container, json_at(pod, "spec", "containers", NULL))
    {
        const cJSON *limits = json_at(container, "resources", "limits", NULL);
        int64_t cpu_milli = 0, memory_bytes = 0;
        (void)json_quantity(json_member(limits, "cpu"), quantity_parse_milli, &cpu_milli);
        (void)json_quantity(json_member(limits, "memory"), quantity_parse_bytes, &memory_bytes);
        workload->cpu_limit_milli += cpu_milli;
        workload->memory_limit_bytes += memory_bytes;
    }
}

static struct workload *workload_of(struct map *workloads, const cJSON *pod)
{
    const char *profile = json_text_or("", pod, "metadata", "namespace", NULL), *kind, *name;
    tenancy_scope(KIND_POD, pod, &kind, &name);
    if (strcmp(kind, "Notebook") != 0 && strcmp(kind, "RayCluster") != 0)
        return NULL;
    AUTO_FREE char *key = memory_format("%s/%s/%s", profile, kind, name);
    struct workload *workload = map_get(workloads, slice_of(key));
    if (!workload && map_count(workloads) < WORKLOADS_MAX) {
        workload = memory_get(sizeof(*workload));
        *workload =
            (struct workload){.profile = memory_text(profile), .kind = memory_text(kind), .name = memory_text(name)};
        map_put(workloads, slice_of(key), workload);
    }
    return workload;
}

/* metrics-server leaves out what it could not read: a node that does not answer, a pod that is too young. */
static bool runs(const cJSON *pod)
{
    return strcmp(json_text_or("", pod, "status", "phase", NULL), "Running") == 0 &&
           !json_text(pod, "metadata", "deletionTimestamp", NULL);
}

static void workloads_free(struct map *workloads)
{
    size_t at = 0;
    void *value;
    while (map_next(workloads, &at, NULL, &value)) {
        struct workload *workload = value;
        free(workload->profile);
        free(workload->kind);
        free(workload->name);
        free(workload);
    }
    map_free(workloads);
}

struct summing {
    struct map *readings; /* what was measured, by namespace and name */
    struct map *workloads;
};

static struct map *index_readings(const cJSON *measured)
{
    struct map *readings = map_new();
    const cJSON *pod;
    cJSON_ArrayForEach(pod, measured)
    {
        AUTO_FREE char *key =
            memory_format("%s/%s", json_text_or("", pod, "namespace", NULL), json_text_or("", pod, "name", NULL));
        map_put(readings, slice_of(key), (void *)(uintptr_t)pod);
    }
    return readings;
}

static void sum_up(void *context, const cJSON *pod)
{
    const struct summing *summing = context;
    AUTO_FREE char *key = memory_format("%s/%s", json_text_or("", pod, "metadata", "namespace", NULL),
                                        json_text_or("", pod, "metadata", "name", NULL));
    const cJSON *reading = map_get(summing->readings, slice_of(key));
    struct workload *workload = reading || runs(pod) ? workload_of(summing->workloads, pod) : NULL;
    int64_t memory_bytes = 0;
    if (workload && !reading)
        workload->unread = true;
    if (!workload || !reading)
        return;
    (void)json_i64(json_member(reading, "memory"), &memory_bytes);
    double cpu = cJSON_GetNumberValue(json_member(reading, "cpu"));
    workload->cpu += cpu;
    workload->busiest = cpu > workload->busiest ? cpu : workload->busiest;
    workload->memory_bytes += memory_bytes;
    workload->nodes++;
    add_limits(pod, workload);
}

static cJSON *rows_of(const struct map *workloads, cJSON *busy)
{
    cJSON *rows = json_array();
    int64_t now_ms = clock_wall_ms();
    size_t at = 0;
    void *value;
    while (map_next(workloads, &at, NULL, &value)) {
        const struct workload *workload = value;
        double busy_cores = strcmp(workload->kind, "RayCluster") == 0 ? BUSY_RAY_CORES : BUSY_CORES;
        if (workload->unread || workload->busiest >= busy_cores) /* what is not known is in use */
            add_use(busy, workload->profile, workload->kind, workload->name, now_ms);
        if (workload->nodes == 0)
            continue;
        cJSON *row = json_push(rows, json_object());
        json_set_text(row, "profile", workload->profile);
        json_set_text(row, "kind", workload->kind);
        json_set_text(row, "name", workload->name);
        json_set(row, "cpu", cJSON_CreateNumber(workload->cpu));
        json_set_i64(row, "memory", workload->memory_bytes);
        json_set(row, "cpu_limit", cJSON_CreateNumber((double)workload->cpu_limit_milli / 1000));
        json_set_i64(row, "memory_limit", workload->memory_limit_bytes);
        json_set_i64(row, "nodes", workload->nodes);
    }
    return rows;
}

/* <measured> is consumed. */
static void keep_last(struct sampler *sampler, cJSON *measured)
{
    pthread_mutex_lock(&sampler->lock);
    cJSON *before = sampler->last;
    sampler->last = measured;
    sampler->last_ms = clock_wall_ms();
    pthread_mutex_unlock(&sampler->lock);
    cJSON_Delete(before);
}

static int write_down(struct sampler *sampler, const struct map *workloads, struct error *error)
{
    AUTO_JSON cJSON *busy = json_array(), *rows = rows_of(workloads, busy);
    int r = busy->child ? use_add(sampler->store, busy, error) : 0;
    return r == 0 && rows->child ? samples_add(sampler->store, clock_wall_ms(), rows, error) : r;
}

static int read_once(struct sampler *sampler, struct error *error)
{
    AUTO_JSON cJSON *measured = NULL;
    int r = engine_measure(sampler->engine, &measured, error);
    if (r < 0)
        return r;
    struct summing summing = {.readings = index_readings(measured), .workloads = map_new()};
    r = engine_each(sampler->engine, KIND_POD, NULL, NULL, sum_up, &summing, NULL, error);
    map_free(summing.readings);
    if (r == 0) {
        keep_last(sampler, TAKE_POINTER(measured));
        r = write_down(sampler, summing.workloads, error);
    }
    workloads_free(summing.workloads);
    return r;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void keep(struct sampler *sampler, int result, const struct error *error)
{
    bool worked = result == 0;
    pthread_mutex_lock(&sampler->lock);
    bool news = worked != (sampler->trouble.code == ERROR_NONE);
    sampler->trouble = worked ? (struct error){0} : *error;
    sampler->looked_ms = clock_monotonic_ms();
    pthread_mutex_unlock(&sampler->lock);
    if (news && !worked)
        log_line(LOG_WARN, "what workloads use is not known", LOG_FAULT(error));
}

bool sampler_works(struct sampler *sampler, struct error *error)
{
    pthread_mutex_lock(&sampler->lock);
    bool stale = sampler->looked_ms == 0 || clock_monotonic_ms() - sampler->looked_ms > BELIEVED_MS;
    pthread_mutex_unlock(&sampler->lock);
    if (stale && !engine_leads(sampler->engine)) {
        AUTO_JSON cJSON *measured = NULL;
        struct error own = {0};
        keep(sampler, engine_measure(sampler->engine, &measured, &own), &own);
    }
    pthread_mutex_lock(&sampler->lock);
    struct error trouble = sampler->trouble;
    pthread_mutex_unlock(&sampler->lock);
    if (trouble.code == ERROR_NONE)
        return true;
    *error = trouble;
    return false;
}

int sampler_last(struct sampler *sampler, cJSON **ret, int64_t *ret_at_ms, struct error *error)
{
    pthread_mutex_lock(&sampler->lock);
    struct error trouble = sampler->trouble;
    if (trouble.code == ERROR_NONE) {
        *ret = sampler->last ? json_copy(sampler->last) : json_array();
        *ret_at_ms = sampler->last_ms;
    }
    pthread_mutex_unlock(&sampler->lock);
    if (trouble.code == ERROR_NONE)
        return 0;
    *error = trouble;
    return -(int)trouble.code;
}

static int64_t handle(void *context, const char *key)
{
    struct sampler *sampler = context;
    struct error error = {0};
    bool reading = strcmp(key, KEY_READ) == 0;
    int64_t again_ms = reading ? sampler->every_ms : CONDENSE_MS;
    int r = reading ? write_use(sampler, &error) : 0;
    if (r < 0 && r != -ERROR_UNAVAILABLE)
        log_line(LOG_WARN, "who was used could not be written down", LOG_FAULT(&error));
    error = (struct error){0};
    if (!engine_leads(sampler->engine))
        return again_ms;
    if (reading) {
        keep(sampler, read_once(sampler, &error), &error);
        return again_ms;
    }
    r = samples_condense(sampler->store, clock_wall_ms(), &error);
    if (r == 0)
        r = use_expire(sampler->store, clock_wall_ms(), &error);
    if (r < 0 && r != -ERROR_UNAVAILABLE)
        log_line(LOG_WARN, "usage samples could not be condensed", LOG_FAULT(&error));
    return again_ms;
}

struct sampler *sampler_new(struct engine *engine, struct store *store, struct gateway *gateway, int64_t every_s)
{
    struct sampler *sampler = memory_get(sizeof(*sampler));
    sampler->engine = engine;
    sampler->store = store;
    sampler->gateway = gateway;
    sampler->every_ms = every_s * 1000;
    pthread_mutex_init(&sampler->lock, NULL);
    sampler->queue = queue_new("sampler", 1, handle, sampler);
    queue_add(sampler->queue, "", KEY_READ);
    queue_add(sampler->queue, "", KEY_CONDENSE);
    return sampler;
}

void sampler_free(struct sampler *sampler)
{
    if (!sampler)
        return;
    queue_stop(sampler->queue);
    queue_free(sampler->queue);
    pthread_mutex_destroy(&sampler->lock);
    cJSON_Delete(sampler->last);
    free(sampler);
}
