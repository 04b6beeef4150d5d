/* How much CPU and memory do pods use? */
#include "engine/local/meter.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/map.h"

struct reading {
    int64_t cpu_ms, at_ms;
};

struct meter {
    pthread_mutex_t lock;
    struct map *before; /* "sandbox/pod" -> struct reading */
};

struct meter *meter_new(void)
{
    struct meter *meter = memory_get(sizeof(*meter));
    pthread_mutex_init(&meter->lock, NULL);
    meter->before = map_new();
    return meter;
}

static void free_readings(struct map *readings)
{
    size_t at = 0;
    void *reading;
    while (map_next(readings, &at, NULL, &reading))
        free(reading);
    map_free(readings);
}

void meter_free(struct meter *meter)
{
    if (!meter)
        return;
    free_readings(meter->before);
    pthread_mutex_destroy(&meter->lock);
    free(meter);
}

/* A pod without an earlier reading, or whose clock went back because it is another pod of that name, waits for the next
 * one. */
static void add_pod(const struct meter *meter, const cJSON *pod, int64_t now_ms, struct map *now, cJSON *ret)
{
    int64_t memory_bytes = 0;
    struct reading *reading = memory_get(sizeof(*reading));
    AUTO_FREE char *key =
        memory_format("%s/%s", json_text_or("", pod, "sandbox", NULL), json_text_or("", pod, "pod", NULL));
    const struct reading *before = map_get(meter->before, slice_of(key));
    reading->at_ms = now_ms;
    (void)json_i64(json_member(pod, "cpu_ms"), &reading->cpu_ms);
    (void)json_i64(json_member(pod, "memory_bytes"), &memory_bytes);
    free(map_put(now, slice_of(key), reading));
    if (!before || reading->cpu_ms < before->cpu_ms || now_ms <= before->at_ms)
        return;
    double cores = (double)(reading->cpu_ms - before->cpu_ms) / (double)(now_ms - before->at_ms);
    cJSON *entry = json_push(ret, json_object());
    json_set_text(entry, "namespace", json_text(pod, "sandbox", NULL));
    json_set_text(entry, "name", json_text(pod, "pod", NULL));
    json_set(entry, "cpu", cJSON_CreateNumber(cores));
    json_set_i64(entry, "memory", memory_bytes);
}

int meter_measure(struct engine *engine, cJSON **ret, struct error *error)
{
    struct local *local = local_of(engine);
    struct meter *meter = local->meter;
    AUTO_JSON cJSON *usage = NULL;
    struct map *now = map_new();
    const cJSON *pod;
    pthread_mutex_lock(&meter->lock);
    int r = sandbox_usage(local->sandbox, &usage, error);
    if (r == 0) {
        int64_t now_ms = clock_monotonic_ms();
        *ret = json_array();
        cJSON_ArrayForEach(pod, json_member(usage, "pods"))
        {
            add_pod(meter, pod, now_ms, now, *ret);
        }
        struct map *old = meter->before;
        meter->before = now;
        now = old;
    }
    pthread_mutex_unlock(&meter->lock);
    free_readings(now);
    return r;
}
