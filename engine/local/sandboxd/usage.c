/* What do pods, their containers and the whole machine use? */
#include "engine/local/sandboxd/usage.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "engine/local/sandboxd/cgroup.h"

#define PROC_BYTES_MAX (1 << 20) /* /proc/stat: some 40 bytes a processor and 10 an interrupt */

/* --- pods --------------------------------------------------------------------------------------------------------- */

static bool add_group(const struct box_daemon *daemon, const struct box_pod *pod, const char *container, cJSON *entry)
{
    AUTO_FREE char *cgroup = box_path_cgroup(&daemon->paths, pod->sandbox->name, pod->name, container);
    struct box_usage usage;
    if (!box_cgroup_usage(cgroup, &usage))
        return false;
    json_set_i64(entry, "at_ms", clock_monotonic_ms());
    json_set_i64(entry, "cpu_ms", usage.cpu_ms);
    json_set_i64(entry, "memory_bytes", usage.memory_bytes);
    return true;
}

static void add_containers(const struct box_daemon *daemon, const struct box_pod *pod, cJSON *list)
{
    const cJSON *container;
    cJSON_ArrayForEach(container, json_member(pod->spec, "containers"))
    {
        AUTO_JSON cJSON *entry = json_object();
        const char *name = json_text_or("", container, "name", NULL);
        json_set_text(entry, "name", name);
        if (add_group(daemon, pod, name, entry))
            json_push(list, TAKE_POINTER(entry));
    }
}

static void add_pod(const struct box_daemon *daemon, const struct box_pod *pod, cJSON *list)
{
    AUTO_JSON cJSON *entry = json_object();
    json_set_text(entry, "sandbox", pod->sandbox->name);
    json_set_text(entry, "pod", pod->name);
    if (!add_group(daemon, pod, NULL, entry))
        return;
    add_containers(daemon, pod, json_set(entry, "containers", json_array()));
    json_push(list, TAKE_POINTER(entry));
}

/* --- the machine -------------------------------------------------------------------------------------------------- */

/* "cpu  user nice system idle iowait irq softirq steal guest …": guests are counted in user and nice too. */
static bool busy_ticks(struct slice line, int64_t *ret)
{
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, COLUMNS };
    int64_t sum = 0;
    for (int column = USER; column < COLUMNS; column++) {
        int64_t ticks;
        while (line.n && line.p[0] == ' ')
            line = slice_skip(line, 1);
        if (!text_parse_i64(slice_split(line, ' ', &line), 0, INT64_MAX / 16, &ticks))
            return false;
        if (column != IDLE && column != IOWAIT && column != STEAL)
            sum += ticks;
    }
    *ret = sum;
    return true;
}

/* "MemTotal:       12345 kB" */
static bool kilobytes(struct slice meminfo, const char *name, int64_t *ret)
{
    while (meminfo.n) {
        struct slice value, line = slice_split(meminfo, '\n', &meminfo), unit;
        if (!slice_is(slice_split(line, ':', &value), name))
            continue;
        return text_parse_i64(slice_split(slice_trim(value), ' ', &unit), 0, INT64_MAX / 1024, ret);
    }
    return false;
}

bool box_usage_of_machine(struct slice stat, struct slice meminfo, int64_t ticks_per_s, int64_t *ret_cpu_ms,
                          int64_t *ret_memory_bytes)
{
    struct slice rest, values, first = slice_split(stat, '\n', &rest);
    int64_t ticks, total_kb, available_kb;
    if (ticks_per_s <= 0 || !slice_is(slice_split(first, ' ', &values), "cpu") || !busy_ticks(values, &ticks) ||
        !kilobytes(meminfo, "MemTotal", &total_kb) || !kilobytes(meminfo, "MemAvailable", &available_kb))
        return false;
    *ret_cpu_ms = ticks / ticks_per_s * 1000 + ticks % ticks_per_s * 1000 / ticks_per_s;
    *ret_memory_bytes = total_kb > available_kb ? (total_kb - available_kb) * 1024 : 0;
    return true;
}

static void add_machine(cJSON *answer)
{
    AUTO_BUFFER struct buffer stat = {0}, meminfo = {0};
    int64_t cpu_ms, memory_bytes;
    if (file_read("/proc/stat", PROC_BYTES_MAX, &stat, NULL) < 0 ||
        file_read("/proc/meminfo", PROC_BYTES_MAX, &meminfo, NULL) < 0 ||
        !box_usage_of_machine(buffer_slice(&stat), buffer_slice(&meminfo), sysconf(_SC_CLK_TCK), &cpu_ms,
                              &memory_bytes))
        return;
    cJSON *machine = json_object_in(answer, "machine");
    json_set_i64(machine, "at_ms", clock_monotonic_ms());
    json_set_i64(machine, "cpu_ms", cpu_ms);
    json_set_i64(machine, "memory_bytes", memory_bytes);
}

void box_usage_report(struct box_daemon *daemon, cJSON *answer)
{
    size_t count;
    struct box_pod **pods = box_pods(daemon, NULL, &count);
    cJSON *list = json_set(answer, "pods", json_array());
    for (size_t i = 0; i < count; i++) {
        add_pod(daemon, pods[i], list);
        box_pod_put(daemon, pods[i]);
    }
    free(pods);
    add_machine(answer);
}
