/* How much of its quota does a namespace use? */
#include "engine/local/quota.h"

#include "engine/local/reconcile.h"
#include "engine/local/schedule.h"

enum unit { UNIT_CPU, UNIT_BYTES, UNIT_COUNT };

struct use {
    struct demand pods;
    int64_t pod_count, claim_count, storage_bytes;
};

static const struct {
    const char *key;
    enum unit unit;
    size_t offset; /* in struct use */
} keys[] = {
    {"cpu", UNIT_CPU, offsetof(struct use, pods.request_cpu_milli)},
    {"requests.cpu", UNIT_CPU, offsetof(struct use, pods.request_cpu_milli)},
    {"limits.cpu", UNIT_CPU, offsetof(struct use, pods.limit_cpu_milli)},
    {"memory", UNIT_BYTES, offsetof(struct use, pods.request_memory_bytes)},
    {"requests.memory", UNIT_BYTES, offsetof(struct use, pods.request_memory_bytes)},
    {"limits.memory", UNIT_BYTES, offsetof(struct use, pods.limit_memory_bytes)},
    {"pods", UNIT_COUNT, offsetof(struct use, pod_count)},
    {"persistentvolumeclaims", UNIT_COUNT, offsetof(struct use, claim_count)},
    {"requests.storage", UNIT_BYTES, offsetof(struct use, storage_bytes)},
};

static int64_t use_at(const struct use *use, size_t key)
{
    int64_t value;
    memcpy(&value, (const char *)use + keys[key].offset, sizeof(value));
    return value;
}

static bool key_find(const char *text, size_t *ret)
{
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (strcmp(keys[i].key, text) == 0) {
            *ret = i;
            return true;
        }
    return false;
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

static int check_one(const struct object *quota, const struct use *used, const struct use *more, struct error *error)
{
    const cJSON *hard;
    cJSON_ArrayForEach(hard, json_at(quota->body, "spec", "hard", NULL))
    {
        size_t key;
        int64_t limit;
        if (!key_find(hard->string, &key) || !hard_value(hard, keys[key].unit, &limit))
            continue;
        int64_t wanted = use_at(more, key), have = use_at(used, key);
        if (wanted == 0 || wanted + have <= limit)
            continue;
        char a[32], b[32], c[32];
        print(wanted, keys[key].unit, a);
        print(have, keys[key].unit, b);
        print(limit, keys[key].unit, c);
        return error_set(error, ERROR_FORBIDDEN, NULL,
                         "exceeded quota: %.100s, requested: %s=%s, used: %s=%s, limited: %s=%s", quota->name,
                         hard->string, a, hard->string, b, hard->string, c);
    }
    return 0;
}

static int check_all(struct local *local, const char *namespace, const struct use *more, struct error *error)
{
    AUTO_OBJECT_LIST struct object_list quotas = {0};
    struct use used;
    objects_select(local->objects, KIND_RESOURCEQUOTA, namespace, NULL, &quotas);
    if (quotas.count == 0)
        return 0;
    measure(local, namespace, &used);
    int r = 0;
    for (size_t i = 0; r == 0 && i < quotas.count; i++)
        r = check_one(quotas.items[i], &used, more, error);
    return r;
}

int quota_check_pod(struct local *local, const struct object *pod, const struct demand *demand, struct error *error)
{
    struct use more = {.pods = *demand, .pod_count = 1};
    return check_all(local, pod->namespace, &more, error);
}

int quota_check_object(struct local *local, enum engine_kind kind, const cJSON *before, const cJSON *body,
                       struct error *error)
{
    if (kind != KIND_CLAIM)
        return 0;
    struct use more = {.claim_count = before ? 0 : 1};
    more.storage_bytes = storage_of(body) - (before ? storage_of(before) : 0);
    if (more.storage_bytes < 0)
        more.storage_bytes = 0;
    return check_all(local, json_text_or("", body, "metadata", "namespace", NULL), &more, error);
}

int quota_check_hard(const cJSON *quota, struct error *error)
{
    const cJSON *hard;
    cJSON_ArrayForEach(hard, json_at(quota, "spec", "hard", NULL))
    {
        char field[128];
        size_t key;
        int64_t value;
        (void)snprintf(field, sizeof(field), "spec.hard.%.60s", hard->string);
        if (!key_find(hard->string, &key))
            return error_set(error, ERROR_INVALID, field,
                             "%s is not enforced here; known are cpu, memory, requests.*, limits.*, pods, "
                             "persistentvolumeclaims and requests.storage",
                             field);
        if (!hard_value(hard, keys[key].unit, &value))
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
            size_t key;
            char text[32];
            if (!key_find(hard->string, &key))
                continue;
            print(use_at(&used, key), keys[key].unit, text);
            json_set_text(shown, hard->string, text);
        }
        int r = objects_set_status(local->objects, quotas.items[i], status, error);
        result = r < 0 ? r : result;
    }
    return result;
}
