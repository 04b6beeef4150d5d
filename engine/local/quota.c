/* How much of its quota does a namespace use? */
#include "engine/local/quota.h"

#include "engine/local/reconcile.h"
#include "engine/local/schedule.h"

enum unit { UNIT_CPU, UNIT_BYTES, UNIT_COUNT };
enum source {
    SOURCE_SUM,     /* a member of struct use */
    SOURCE_OBJECTS, /* objects of a kind */
    SOURCE_DEVICE   /* what pods ask of an extended resource */
};

struct use {
    struct demand pods;
    int64_t pod_count, claim_count, storage_bytes;
};

/* What one write adds. */
struct addition {
    struct use sums;
    enum engine_kind kind; /* of a new object; KIND_COUNT: none is counted */
    const cJSON *pod_spec; /* or NULL */
};

static const struct {
    const char *key;
    enum unit unit;
    size_t offset; /* in struct use */
} sums[] = {
    {"cpu", UNIT_CPU, offsetof(struct use, pods.request_cpu_milli)},
    {"requests.cpu", UNIT_CPU, offsetof(struct use, pods.request_cpu_milli)},
    {"limits.cpu", UNIT_CPU, offsetof(struct use, pods.limit_cpu_milli)},
    {"memory", UNIT_BYTES, offsetof(struct use, pods.request_memory_bytes)},
    {"requests.memory", UNIT_BYTES, offsetof(struct use, pods.request_memory_bytes)},
    {"limits.memory", UNIT_BYTES, offsetof(struct use, pods.limit_memory_bytes)},
    {"pods", UNIT_COUNT, offsetof(struct use, pod_count)},
    {"count/pods", UNIT_COUNT, offsetof(struct use, pod_count)},
    {"persistentvolumeclaims", UNIT_COUNT, offsetof(struct use, claim_count)},
    {"count/persistentvolumeclaims", UNIT_COUNT, offsetof(struct use, claim_count)},
    {"requests.storage", UNIT_BYTES, offsetof(struct use, storage_bytes)},
};
static const enum engine_kind plain_counts[] = {KIND_SERVICE, KIND_SECRET, KIND_CONFIGMAP};

struct key {
    enum unit unit;
    enum source source;
    size_t offset;
    enum engine_kind kind;
    const char *device; /* within the key's text */
};

/* "services", "count/services", "count/notebooks.kubeflow.org". */
static bool kind_find(struct local *local, const char *text, enum engine_kind *ret)
{
    struct slice group = {0};
    struct slice rest = slice_of(text);
    if (!slice_starts(rest, "count/")) {
        for (size_t i = 0; i < COUNT_OF(plain_counts); i++)
            if (slice_is(rest, engine_kinds[plain_counts[i]].plural)) {
                *ret = plain_counts[i];
                return true;
            }
        return false;
    }
    struct slice plural = slice_split(slice_skip(rest, strlen("count/")), '.', &group);
    return engine_kind_by_plural(group.p ? group : slice_of(""), plural, ret) && engine_kinds[*ret].namespaced &&
           *ret != KIND_EVENT && engine_has(&local->base, *ret);
}

static bool key_find(struct local *local, const char *text, struct key *ret)
{
    *ret = (struct key){.unit = UNIT_COUNT};
    for (size_t i = 0; i < COUNT_OF(sums); i++)
        if (strcmp(sums[i].key, text) == 0) {
            *ret = (struct key){.source = SOURCE_SUM, .unit = sums[i].unit, .offset = sums[i].offset};
            return true;
        }
    if (kind_find(local, text, &ret->kind)) {
        ret->source = SOURCE_OBJECTS;
        return true;
    }
    ret->source = SOURCE_DEVICE;
    ret->device = text + strlen("requests.");
    return slice_starts(slice_of(text), "requests.") && strchr(text, '/');
}

static int64_t sum_at(const struct use *use, size_t offset)
{
    int64_t value;
    memcpy(&value, (const char *)use + offset, sizeof(value));
    return value;
}

static int64_t devices_held(struct local *local, const char *namespace, const char *device)
{
    AUTO_OBJECT_LIST struct object_list pods = {0};
    int64_t count = 0;
    objects_select(local->objects, KIND_POD, namespace, NULL, &pods);
    for (size_t i = 0; i < pods.count; i++)
        if (pod_holds_resources(pods.items[i]))
            count += pod_devices(json_member(pods.items[i]->body, "spec"), device);
    return count;
}

static int64_t used_of(struct local *local, const char *namespace, const struct use *used, const struct key *key)
{
    if (key->source == SOURCE_OBJECTS)
        return (int64_t)objects_count(local->objects, key->kind, namespace);
    return key->source == SOURCE_SUM ? sum_at(used, key->offset) : devices_held(local, namespace, key->device);
}

static int64_t added_of(const struct addition *more, const struct key *key)
{
    if (key->source == SOURCE_OBJECTS)
        return more->kind == key->kind ? 1 : 0;
    return key->source == SOURCE_SUM ? sum_at(&more->sums, key->offset) : pod_devices(more->pod_spec, key->device);
}

static bool hard_value(const cJSON *hard, enum unit unit, int64_t *ret)
{
    char number[32];
    int64_t whole;
    const char *text = cJSON_IsString(hard) ? hard->valuestring : NULL;
    if (json_i64(hard, &whole)) {
        (void)snprintf(number, sizeof(number), "%lld", (long long)whole);
        text = number;
    }
    if (!text)
        return false;
    return (unit == UNIT_CPU ? quantity_parse_milli(slice_of(text), ret) : quantity_parse_bytes(slice_of(text), ret)) &&
           *ret >= 0;
}

static void print(int64_t value, enum unit unit, char ret[32])
{
    if (unit == UNIT_CPU)
        quantity_format_cpu(value, ret, 32);
    else if (unit == UNIT_BYTES)
        quantity_format_bytes(value, ret, 32);
    else
        (void)snprintf(ret, 32, "%lld", (long long)value);
}

static int64_t storage_of(const cJSON *claim)
{
    int64_t bytes = 0;
    (void)quantity_parse_bytes(slice_of(json_text_or("0", claim, "spec", "resources", "requests", "storage", NULL)),
                               &bytes);
    return bytes;
}

static void demand_add(struct demand *sum, const struct demand *demand)
{
    sum->request_cpu_milli += demand->request_cpu_milli;
    sum->limit_cpu_milli += demand->limit_cpu_milli;
    sum->request_memory_bytes += demand->request_memory_bytes;
    sum->limit_memory_bytes += demand->limit_memory_bytes;
}

static void measure(struct local *local, const char *namespace, struct use *ret)
{
    AUTO_OBJECT_LIST struct object_list pods = {0};
    AUTO_OBJECT_LIST struct object_list claims = {0};
    *ret = (struct use){0};
    objects_select(local->objects, KIND_POD, namespace, NULL, &pods);
    for (size_t i = 0; i < pods.count; i++) {
        struct demand demand;
        if (!pod_holds_resources(pods.items[i]))
            continue;
        pod_demand(json_member(pods.items[i]->body, "spec"), &demand);
        demand_add(&ret->pods, &demand);
        ret->pod_count++;
    }
    objects_select(local->objects, KIND_CLAIM, namespace, NULL, &claims);
    for (size_t i = 0; i < claims.count; i++)
        ret->storage_bytes += storage_of(claims.items[i]->body);
    ret->claim_count = (int64_t)claims.count;
}

static int check_one(struct local *local, const struct object *quota, const struct use *used,
                     const struct addition *more, struct error *error)
{
    const cJSON *hard;
    cJSON_ArrayForEach(hard, json_at(quota->body, "spec", "hard", NULL))
    {
        struct key key;
        int64_t limit;
        if (!key_find(local, hard->string, &key) || !hard_value(hard, key.unit, &limit))
            continue;
        int64_t wanted = added_of(more, &key);
        int64_t have = wanted > 0 ? used_of(local, quota->namespace, used, &key) : 0;
        if (wanted == 0 || wanted + have <= limit)
            continue;
        char a[32], b[32], c[32];
        print(wanted, key.unit, a);
        print(have, key.unit, b);
        print(limit, key.unit, c);
        return error_set(error, ERROR_FORBIDDEN, NULL,
                         "exceeded quota: %.100s, requested: %s=%s, used: %s=%s, limited: %s=%s", quota->name,
                         hard->string, a, hard->string, b, hard->string, c);
    }
    return 0;
}

static int check_all(struct local *local, const char *namespace, const struct addition *more, struct error *error)
{
    AUTO_OBJECT_LIST struct object_list quotas = {0};
    struct use used;
    objects_select(local->objects, KIND_RESOURCEQUOTA, namespace, NULL, &quotas);
    if (quotas.count == 0)
        return 0;
    measure(local, namespace, &used);
    int r = 0;
    for (size_t i = 0; r == 0 && i < quotas.count; i++)
        r = check_one(local, quotas.items[i], &used, more, error);
    return r;
}

int quota_check_pod(struct local *local, const struct object *pod, const struct demand *demand, struct error *error)
{
    struct addition more = {
        .sums = {.pods = *demand, .pod_count = 1}, .kind = KIND_COUNT, .pod_spec = json_member(pod->body, "spec")};
    return check_all(local, pod->namespace, &more, error);
}

int quota_check_object(struct local *local, enum engine_kind kind, const cJSON *before, const cJSON *body,
                       struct error *error)
{
    struct addition more = {.kind = before ? KIND_COUNT : kind};
    /* Pods are held to it when they are scheduled; events are never counted. */
    if (!engine_kinds[kind].namespaced || kind == KIND_POD || kind == KIND_EVENT || (before && kind != KIND_CLAIM))
        return 0;
    if (kind == KIND_CLAIM) {
        more.sums.claim_count = before ? 0 : 1;
        more.sums.storage_bytes = storage_of(body) - (before ? storage_of(before) : 0);
        if (more.sums.storage_bytes < 0)
            more.sums.storage_bytes = 0;
    }
    return check_all(local, json_text_or("", body, "metadata", "namespace", NULL), &more, error);
}

int quota_check_hard(struct local *local, const cJSON *hard, const char *path, struct error *error)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, hard)
    {
        char field[160];
        struct key key;
        int64_t value;
        (void)snprintf(field, sizeof(field), "%s.%.80s", path, entry->string);
        if (!key_find(local, entry->string, &key))
            return error_set(error, ERROR_INVALID, field,
                             "%s is not counted on this engine; counted are cpu, memory, requests.* and limits.* of "
                             "them, pods, persistentvolumeclaims, requests.storage, services, secrets, configmaps, "
                             "requests.<device> and count/<plural>.<group> of the kinds it has",
                             field);
        if (!hard_value(entry, key.unit, &value))
            return error_set(error, ERROR_INVALID, field, "%s must be a quantity such as \"2\" or \"4Gi\"", field);
    }
    return 0;
}

/* --- status ------------------------------------------------------------------------------------------------------- */

int64_t quota_reconcile(struct local *local, const char *namespace, const char *name, struct error *error)
{
    AUTO_OBJECT_LIST struct object_list quotas = {0};
    struct use used;
    int result = 0;
    (void)name;
    objects_select(local->objects, KIND_RESOURCEQUOTA, namespace, NULL, &quotas);
    if (quotas.count == 0)
        return 0;
    measure(local, namespace, &used);
    for (size_t i = 0; i < quotas.count; i++) {
        cJSON *status = json_object();
        cJSON *shown = json_object_in(status, "used");
        const cJSON *all = json_at(quotas.items[i]->body, "spec", "hard", NULL), *hard;
        if (all)
            json_set(status, "hard", json_copy(all));
        cJSON_ArrayForEach(hard, all)
        {
            struct key key;
            char text[32];
            if (!key_find(local, hard->string, &key))
                continue;
            print(used_of(local, namespace, &used, &key), key.unit, text);
            json_set_text(shown, hard->string, text);
        }
        int r = objects_set_status(local->objects, quotas.items[i], status, error);
        result = r < 0 ? r : result;
    }
    return result;
}
