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
    struct map *before; /* "sandbox/pod", "sandbox/pod/container", "/" (the machine) -> struct reading */
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

/* Adds cpu, memory and window_ms of <counted> to <entry>; <now_ms> is for what does not say when it was counted,
 * because an older sandboxd goes on. False without an earlier reading, or if its clock went back because it is another
 * pod (or container) of that name: then it waits for the next one. <key> is consumed. */
static bool add_rate(const struct meter *meter, char *key, const cJSON *counted, int64_t now_ms, struct map *now,
                     cJSON *entry)
{
    AUTO_FREE char *name = key;
    int64_t memory_bytes = 0;
    struct reading *reading = memory_get(sizeof(*reading));
    const struct reading *before = map_get(meter->before, slice_of(name));
    reading->at_ms = now_ms;
    (void)json_i64(json_member(counted, "at_ms"), &reading->at_ms);
    (void)json_i64(json_member(counted, "cpu_ms"), &reading->cpu_ms);
    (void)json_i64(json_member(counted, "memory_bytes"), &memory_bytes);
    free(map_put(now, slice_of(name), reading));
    if (!before || reading->cpu_ms < before->cpu_ms || reading->at_ms <= before->at_ms)
        return false;
    double cores = (double)(reading->cpu_ms - before->cpu_ms) / (double)(reading->at_ms - before->at_ms);
    json_set(entry, "cpu", cJSON_CreateNumber(cores));
    json_set_i64(entry, "memory", memory_bytes);
    json_set_i64(entry, "window_ms", reading->at_ms - before->at_ms);
    return true;
}

static void add_pod(const struct meter *meter, const cJSON *pod, int64_t now_ms, struct map *now, cJSON *ret)
{
    const char *sandbox = json_text_or("", pod, "sandbox", NULL), *name = json_text_or("", pod, "pod", NULL);
    AUTO_JSON cJSON *entry = json_object();
    json_set_text(entry, "namespace", sandbox);
    json_set_text(entry, "name", name);
    cJSON *containers = json_set(entry, "containers", json_array());
    const cJSON *container;
    cJSON_ArrayForEach(container, json_member(pod, "containers"))
    {
        const char *its = json_text_or("", container, "name", NULL);
        AUTO_JSON cJSON *part = json_object();
        json_set_text(part, "name", its);
        if (add_rate(meter, memory_format("%s/%s/%s", sandbox, name, its), container, now_ms, now, part))
            json_push(containers, TAKE_POINTER(part));
    }
    if (add_rate(meter, memory_format("%s/%s", sandbox, name), pod, now_ms, now, entry))
        json_push(ret, TAKE_POINTER(entry));
}

static void add_machine(const struct meter *meter, const cJSON *machine, int64_t now_ms, struct map *now, cJSON *ret)
{
    AUTO_JSON cJSON *entry = json_object();
    json_set_text(entry, "name", ENGINE_NODE);
    if (machine && add_rate(meter, memory_text("/"), machine, now_ms, now, entry))
        json_push(ret, TAKE_POINTER(entry));
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
        add_machine(meter, json_member(usage, "machine"), now_ms, now, *ret);
        struct map *old = meter->before;
        meter->before = now;
        now = old;
    }
    pthread_mutex_unlock(&meter->lock);
    free_readings(now);
    return r;
}
