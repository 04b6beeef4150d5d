/* Who gets the machine's memory and CPUs? */
#include "engine/local/schedule.h"

#include <pthread.h>

#include "engine/local/disk.h"
#include "engine/local/gpus.h"
#include "engine/local/quota.h"
#include "engine/local/status.h"

struct scheduler {
    struct local *local;
    int64_t memory_bytes, cpu_milli;                 /* allocatable */
    int64_t machine_memory_bytes, machine_cpu_milli; /* what there is */
    pthread_mutex_t lock;                            /* from looking at what is held to holding more */
};

struct scheduler *scheduler_new(struct local *local, int64_t memory_reserved_bytes, double cpu_overcommit)
{
    struct scheduler *scheduler = memory_get(sizeof(*scheduler));
    int64_t ram = (int64_t)sysconf(_SC_PHYS_PAGES) * (int64_t)sysconf(_SC_PAGESIZE);
    scheduler->local = local;
    scheduler->memory_bytes = ram > memory_reserved_bytes ? ram - memory_reserved_bytes : 0;
    scheduler->machine_memory_bytes = ram;
    scheduler->machine_cpu_milli = sysconf(_SC_NPROCESSORS_ONLN) * 1000;
    scheduler->cpu_milli = (int64_t)((double)scheduler->machine_cpu_milli * cpu_overcommit);
    pthread_mutex_init(&scheduler->lock, NULL);
    return scheduler;
}

void scheduler_free(struct scheduler *scheduler)
{
    if (!scheduler)
        return;
    pthread_mutex_destroy(&scheduler->lock);
    free(scheduler);
}

bool pod_is_scheduled(const struct object *pod)
{
    return json_condition_true(pod->body, "PodScheduled");
}

bool pod_is_over(const struct object *pod)
{
    const char *phase = json_text_or("", pod->body, "status", "phase", NULL);
    return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

bool pod_holds_resources(const struct object *pod)
{
    return pod_is_scheduled(pod) && !pod_is_over(pod);
}

static void sum_held(struct local *local, int64_t *ret_cpu_milli, int64_t *ret_memory_bytes)
{
    AUTO_OBJECT_LIST struct object_list pods = {0};
    objects_select(local->objects, KIND_POD, NULL, NULL, &pods);
    *ret_cpu_milli = *ret_memory_bytes = 0;
    for (size_t i = 0; i < pods.count; i++) {
        struct demand demand;
        if (!pod_holds_resources(pods.items[i]))
            continue;
        pod_demand(json_member(pods.items[i]->body, "spec"), &demand);
        *ret_cpu_milli += demand.limit_cpu_milli;
        *ret_memory_bytes += demand.limit_memory_bytes;
    }
}

static int no_room(const char *what, const char *wanted, const char *free_text, const char *all, struct error *error)
{
    return error_set(error, ERROR_LIMITED, NULL, "not enough %s: the pod needs %s, %s of %s are free", what, wanted,
                     free_text, all);
}

static int check_room(const struct scheduler *scheduler, const struct demand *demand, struct error *error)
{
    int64_t cpu, memory;
    char wanted[32], left[32], all[32];
    if (demand->devices > 0)
        return error_set(error, ERROR_LIMITED, NULL, "this machine offers no devices to pods but " RESOURCE_GPU);
    sum_held(scheduler->local, &cpu, &memory);
    if (demand->limit_memory_bytes > scheduler->memory_bytes - memory) {
        int64_t unused = scheduler->memory_bytes - memory;
        quantity_format_bytes(demand->limit_memory_bytes, wanted, sizeof(wanted));
        quantity_format_bytes(unused > 0 ? unused & ~INT64_C(0xfffff) : 0, left, sizeof(left));
        quantity_format_bytes(scheduler->memory_bytes & ~INT64_C(0xfffff), all, sizeof(all));
        return no_room("memory", wanted, left, all, error);
    }
    if (demand->limit_cpu_milli > scheduler->cpu_milli - cpu) {
        int64_t unused = scheduler->cpu_milli - cpu;
        quantity_format_cpu(demand->limit_cpu_milli, wanted, sizeof(wanted));
        quantity_format_cpu(unused > 0 ? unused : 0, left, sizeof(left));
        quantity_format_cpu(scheduler->cpu_milli, all, sizeof(all));
        return no_room("CPU", wanted, left, all, error);
    }
    return 0;
}

static cJSON *waiting_status(const struct object *pod, const char *reason, const char *message, const char *gpus)
{
    cJSON *status = json_copy(json_member(pod->body, "status"));
    if (!status)
        status = json_object();
    json_set_text(status, "phase", "Pending");
    status_set_condition(status, "PodScheduled", !message, message ? reason : NULL, message);
    if (gpus && !message)
        status_set_condition(status, CONDITION_GPUS, true, "Assigned", gpus);
    return status;
}

static int put_node(void *context, const cJSON *current, cJSON **ret, struct error *error)
{
    (void)context, (void)error;
    *ret = json_copy(current);
    json_set_text(json_object_in(*ret, "spec"), "nodeName", ENGINE_NODE);
    return 0;
}

/* As a scheduler's Binding: whoever lists pods by their node finds it from now on. */
static int bind_pod(struct local *local, const struct object *pod, struct error *error)
{
    return objects_change_seen(local->objects, pod, ENGINE_SPEC, put_node, NULL, NULL, error);
}

int schedule_pod(struct local *local, const struct object *pod, bool *ret_placed, struct error *error)
{
    struct scheduler *scheduler = local->scheduler;
    struct demand demand;
    struct error why = {0};
    AUTO_FREE char *gpus = NULL;
    const char *reason = "QuotaExceeded";
    pod_demand(json_member(pod->body, "spec"), &demand);
    pthread_mutex_lock(&scheduler->lock);
    int r = quota_check_pod(local, pod, &demand, &why);
    if (r == 0) {
        reason = "Unschedulable";
        r = disk_check(local, &why);
    }
    if (r == 0)
        r = check_room(scheduler, &demand, &why);
    if (r == 0 && demand.gpus > 0)
        r = gpus_choose(local, pod, demand.gpus, &gpus, &why);
    if (r == -ERROR_UNAVAILABLE || r == -ERROR_TIMEOUT) { /* sandboxd is away: it says nothing about room */
        pthread_mutex_unlock(&scheduler->lock);
        *error = why;
        return r;
    }
    bool placed = r == 0;
    r = placed ? bind_pod(local, pod, error) : 0;
    if (r == 0)
        r = objects_set_status(local->objects, pod, waiting_status(pod, reason, placed ? NULL : why.message, gpus),
                               error);
    pthread_mutex_unlock(&scheduler->lock);
    *ret_placed = placed && r == 0;
    if (!placed && r == 0)
        engine_event(&local->base, pod->body, "Warning", "FailedScheduling", "%s", why.message);
    else if (r == 0)
        engine_event(&local->base, pod->body, "Normal", "Scheduled", "assigned to this machine");
    return r;
}

/* --- usage -------------------------------------------------------------------------------------------------------- */

/* GPUs only where there are any: most machines have none. */
static cJSON *amounts(int64_t cpu_milli, int64_t memory_bytes, int64_t gpus, bool show_gpus)
{
    cJSON *ret = json_object();
    char text[32];
    quantity_format_cpu(cpu_milli, text, sizeof(text));
    json_set_text(ret, "cpu", text);
    quantity_format_bytes(memory_bytes, text, sizeof(text));
    json_set_text(ret, "memory", text);
    if (show_gpus)
        json_set_i64(ret, RESOURCE_GPU, gpus);
    return ret;
}

int schedule_usage(struct engine *engine, cJSON **ret, struct error *error)
{
    struct local *local = local_of(engine);
    AUTO_OBJECT_LIST struct object_list pods = {0};
    int64_t cpu = 0, memory = 0, gpus = 0, own_cpu = 0, own_memory = 0, own_gpus = 0;
    int64_t machine_gpus = gpus_of_machine(local);
    bool show = machine_gpus > 0;
    (void)error;
    objects_select(local->objects, KIND_POD, NULL, NULL, &pods);
    cJSON *profiles = json_array();
    for (size_t i = 0; i < pods.count; i++) { /* sorted: a namespace's pods are neighbours */
        struct demand demand = {0};
        if (pod_holds_resources(pods.items[i]))
            pod_demand(json_member(pods.items[i]->body, "spec"), &demand);
        own_cpu += demand.limit_cpu_milli;
        own_memory += demand.limit_memory_bytes;
        own_gpus += demand.gpus;
        if (i + 1 < pods.count && strcmp(pods.items[i]->namespace, pods.items[i + 1]->namespace) == 0)
            continue;
        cJSON *profile = json_push(profiles, amounts(own_cpu, own_memory, own_gpus, show));
        json_set_text(profile, "name", pods.items[i]->namespace);
        cpu += own_cpu;
        memory += own_memory;
        gpus += own_gpus;
        own_cpu = own_memory = own_gpus = 0;
    }
    *ret = json_object();
    json_set(*ret, "allocatable",
             amounts(local->scheduler->cpu_milli, local->scheduler->memory_bytes, machine_gpus, show));
    json_set(*ret, "capacity",
             amounts(local->scheduler->machine_cpu_milli, local->scheduler->machine_memory_bytes, machine_gpus, show));
    json_set(*ret, "requested", amounts(cpu, memory, gpus, show));
    json_set(*ret, "profiles", profiles);
    cJSON *disk = disk_report(local);
    if (disk)
        json_set(*ret, "disk", disk);
    return 0;
}
