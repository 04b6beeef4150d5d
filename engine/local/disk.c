/* Is there room on the disk for what pods write, and who took it? */
#include "engine/local/disk.h"

#include <pthread.h>

#include "base/log.h"
#include "base/metrics.h"
#include "engine/local/reconcile.h"

/* A disk takes some hundred MB a second: a look must come before half of what is reserved is written. */
enum { CALM_LOOK_MS = 2000, SHORT_LOOK_MS = 500 };
/* Who grew by less did not fill it: nobody is ended for what something else on the machine wrote. */
#define EVICT_GROWTH_BYTES (INT64_C(16) << 20)

static struct metric free_bytes =
    METRIC_GAUGE("atelier_disk_free_bytes", "Room on the data directory's disk that is not taken or about to be.");
static struct metric evictions =
    METRIC_COUNTER("atelier_disk_evictions_total", "Pods that were ended because they filled the disk.");

struct disk_guard {
    int64_t reserved_bytes;
    pthread_mutex_t lock; /* the next four */
    bool seen, is_short;
    int64_t total_bytes, free_bytes;
    cJSON *before; /* bytes of "namespace/pod" at the last look at which there was room; the controller's alone */
};

struct disk_guard *disk_guard_new(int64_t reserved_bytes)
{
    struct disk_guard *guard = memory_get(sizeof(*guard));
    guard->reserved_bytes = reserved_bytes;
    pthread_mutex_init(&guard->lock, NULL);
    return guard;
}

void disk_guard_free(struct disk_guard *guard)
{
    if (!guard)
        return;
    pthread_mutex_destroy(&guard->lock);
    cJSON_Delete(guard->before);
    free(guard);
}

/* --- what it says ------------------------------------------------------------------------------------------------- */

static char *shortage(const struct disk_guard *guard)
{
    char left[32], kept[32];
    quantity_format_bytes(guard->free_bytes & ~INT64_C(0xfffff), left, sizeof(left));
    quantity_format_bytes(guard->reserved_bytes, kept, sizeof(kept));
    return memory_format("the machine's disk is almost full: %s are free, %s are kept free (ATELIER_DISK_RESERVED)",
                         left, kept);
}

int disk_check(struct local *local, struct error *error)
{
    struct disk_guard *guard = local->disk;
    pthread_mutex_lock(&guard->lock);
    AUTO_FREE char *why = guard->is_short ? shortage(guard) : NULL;
    pthread_mutex_unlock(&guard->lock);
    return why ? error_set(error, ERROR_LIMITED, NULL, "%s", why) : 0;
}

cJSON *disk_report(struct local *local)
{
    struct disk_guard *guard = local->disk;
    char text[32];
    cJSON *report = NULL;
    pthread_mutex_lock(&guard->lock);
    if (guard->seen) {
        report = json_object();
        quantity_format_bytes(guard->total_bytes & ~INT64_C(0xfffff), text, sizeof(text));
        json_set_text(report, "total", text);
        quantity_format_bytes(guard->free_bytes & ~INT64_C(0xfffff), text, sizeof(text));
        json_set_text(report, "free", text);
        quantity_format_bytes(guard->reserved_bytes, text, sizeof(text));
        json_set_text(report, "reserved", text);
        json_set_bool(report, "short", guard->is_short);
        AUTO_FREE char *why = guard->is_short ? shortage(guard) : NULL;
        if (why)
            json_set_text(report, "message", why);
    }
    pthread_mutex_unlock(&guard->lock);
    return report;
}

/* --- who took it -------------------------------------------------------------------------------------------------- */

static char *key_of(const cJSON *pod)
{
    return memory_format("%s/%s", json_text_or("", pod, "sandbox", NULL), json_text_or("", pod, "pod", NULL));
}

/* One that is seen for the first time may have volumes with much in them: it counts from now on. */
static void remember(struct disk_guard *guard, const cJSON *pods, bool anew)
{
    cJSON *now = json_object();
    const cJSON *pod;
    cJSON_ArrayForEach(pod, pods)
    {
        AUTO_FREE char *key = key_of(pod);
        const cJSON *before = anew ? NULL : json_member(guard->before, key);
        json_set_i64(now, key, before ? json_i64_or(0, guard->before, key, NULL) : json_i64_or(0, pod, "bytes", NULL));
    }
    cJSON_Delete(guard->before);
    guard->before = now;
}

static const cJSON *greediest(const struct disk_guard *guard, const cJSON *pods, int64_t *ret_growth)
{
    const cJSON *found = NULL, *pod;
    *ret_growth = EVICT_GROWTH_BYTES - 1;
    cJSON_ArrayForEach(pod, pods)
    {
        AUTO_FREE char *key = key_of(pod);
        int64_t grown = json_i64_or(0, pod, "bytes", NULL) - json_i64_or(0, guard->before, key, NULL);
        if (grown > *ret_growth) {
            *ret_growth = grown;
            found = pod;
        }
    }
    return found;
}

/* Its processes go first: PostgreSQL may have no room left to store why. */
static int evict(struct local *local, const char *namespace, const char *name, int64_t grown, struct error *error)
{
    char bytes[32];
    AUTO_OBJECT struct object *pod = objects_find(local->objects, KIND_POD, namespace, name);
    quantity_format_bytes(grown & ~INT64_C(0xfffff), bytes, sizeof(bytes));
    AUTO_FREE char *why = memory_format("the pod was ended: it wrote %s while the machine's disk filled up", bytes);
    int r = sandbox_pod_remove(local->sandbox, namespace, name, error);
    if (r < 0 && r != -ERROR_NOT_FOUND)
        return r;
    metric_add(&evictions, 1);
    log_line(LOG_WARN, "a pod was ended because it filled the disk", LOG_TEXT("namespace", namespace),
             LOG_TEXT("pod", name), LOG_NUMBER("bytes", grown));
    if (!pod)
        return 0;
    cJSON *status = json_copy(json_member(pod->body, "status"));
    status = status ? status : json_object();
    json_set_text(status, "phase", "Failed");
    json_set_text(status, "reason", "Evicted");
    json_set_text(status, "message", why);
    engine_event(&local->base, pod->body, "Warning", "Evicted", "%s", why);
    r = objects_set_status(local->objects, pod, status, error);
    return r == -ERROR_NOT_FOUND || r == -ERROR_CONFLICT ? 0 : r;
}

/* One at a time: with its scratch space room comes back, and then the others need not go. */
static int make_room(struct local *local, const cJSON *pods, struct error *error)
{
    int64_t grown = 0;
    const cJSON *pod = greediest(local->disk, pods, &grown);
    if (!pod)
        return 0;
    int r = evict(local, json_text_or("", pod, "sandbox", NULL), json_text_or("", pod, "pod", NULL), grown, error);
    remember(local->disk, pods, true); /* what others wrote until now was not theirs alone: only who goes on is next */
    return r;
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

static void tell(const struct disk_guard *guard)
{
    log_line(guard->is_short ? LOG_WARN : LOG_INFO,
             guard->is_short ? "the disk is almost full: no pod is started" : "there is room on the disk again",
             LOG_NUMBER("free_bytes", guard->free_bytes), LOG_NUMBER("reserved_bytes", guard->reserved_bytes));
}

/* True if it is another state than before. */
static bool take(struct disk_guard *guard, const cJSON *disk)
{
    int64_t room = json_i64_or(0, disk, "free_bytes", NULL) - json_i64_or(0, disk, "pending_bytes", NULL),
            reserved = guard->reserved_bytes;
    pthread_mutex_lock(&guard->lock);
    bool was_short = guard->is_short;
    guard->seen = true;
    guard->total_bytes = json_i64_or(0, disk, "total_bytes", NULL);
    guard->free_bytes = room > 0 ? room : 0;
    guard->is_short = reserved > 0 && guard->free_bytes < (was_short ? reserved + reserved / 4 : reserved);
    bool changed = guard->is_short != was_short;
    pthread_mutex_unlock(&guard->lock);
    return changed;
}

int64_t disk_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    struct disk_guard *guard = local->disk;
    AUTO_JSON cJSON *disk = NULL;
    (void)namespace;
    (void)name;
    int r = sandbox_disk(local->sandbox, &disk, error);
    if (r < 0)
        return r;
    const cJSON *pods = json_member(disk, "pods");
    bool changed = take(guard, disk);
    metric_set(&free_bytes, guard->free_bytes); /* only this controller writes it */
    if (changed)
        tell(guard);
    if (changed && !guard->is_short)
        reconcile_waiting_pods(local, NULL);
    remember(guard, pods, !guard->is_short);
    if (!guard->is_short)
        return CALM_LOOK_MS;
    if (guard->free_bytes < guard->reserved_bytes / 2)
        r = make_room(local, pods, error);
    return r < 0 ? r : SHORT_LOOK_MS;
}
