/* What may a profile's quota limit, and who may set it how high? */
#include <ctype.h>

#include "tenancy/internal.h"
#include "tenancy/shape.h"

#define QUOTA_KEYS_MAX 32 /* distinct resources a quota may name */
#define QUOTA_PATH "spec.resourceQuotaSpec.hard"

enum unit { UNIT_CPU, UNIT_BYTES, UNIT_COUNT };
/* Which of the platform's limits bounds it for people. NONE: what a quota says already does. */
enum bound { BOUND_NONE, BOUND_CPU, BOUND_MEMORY };

/* Those without a prefix, as kube-apiserver has them (pkg/apis/core/helper, standardQuotaResources). */
static const struct {
    const char *key;
    enum unit unit;
    enum bound bound;
} plain_keys[] = {{"cpu", UNIT_CPU, BOUND_CPU},
                  {"requests.cpu", UNIT_CPU, BOUND_CPU},
                  {"limits.cpu", UNIT_CPU, BOUND_CPU},
                  {"memory", UNIT_BYTES, BOUND_MEMORY},
                  {"requests.memory", UNIT_BYTES, BOUND_MEMORY},
                  {"limits.memory", UNIT_BYTES, BOUND_MEMORY},
                  {"ephemeral-storage", UNIT_BYTES, BOUND_NONE},
                  {"requests.ephemeral-storage", UNIT_BYTES, BOUND_NONE},
                  {"limits.ephemeral-storage", UNIT_BYTES, BOUND_NONE},
                  {"requests.storage", UNIT_BYTES, BOUND_NONE},
                  {"persistentvolumeclaims", UNIT_COUNT, BOUND_NONE},
                  {"pods", UNIT_COUNT, BOUND_NONE},
                  {"services", UNIT_COUNT, BOUND_NONE},
                  {"services.loadbalancers", UNIT_COUNT, BOUND_NONE},
                  {"services.nodeports", UNIT_COUNT, BOUND_NONE},
                  {"secrets", UNIT_COUNT, BOUND_NONE},
                  {"configmaps", UNIT_COUNT, BOUND_NONE},
                  {"replicationcontrollers", UNIT_COUNT, BOUND_NONE},
                  {"resourcequotas", UNIT_COUNT, BOUND_NONE}};

static bool is_storage_class_key(struct slice key, enum unit *ret)
{
    *ret = slice_ends(key, "/requests.storage") ? UNIT_BYTES : UNIT_COUNT;
    return slice_ends(key, ".storageclass.storage.k8s.io/requests.storage") ||
           slice_ends(key, ".storageclass.storage.k8s.io/persistentvolumeclaims");
}

static bool is_huge_pages_key(struct slice key)
{
    int64_t bytes = 0;
    if (slice_starts(key, "requests."))
        key = slice_skip(key, strlen("requests."));
    return slice_starts(key, "hugepages-") && quantity_parse_bytes(slice_skip(key, strlen("hugepages-")), &bytes) &&
           bytes > 0;
}

/* A qualified name: DOMAIN/NAME. */
static bool is_qualified(struct slice key)
{
    enum { NAME_MAX_BYTES = 63 };
    struct slice name;
    struct slice domain = slice_split(key, '/', &name);
    if (!name.p || name.n == 0 || name.n > NAME_MAX_BYTES || !name_is_subdomain(domain))
        return false;
    for (size_t i = 0; i < name.n; i++) {
        bool inner = i > 0 && i + 1 < name.n && memchr("-_.", name.p[i], 3);
        if (!isalnum((unsigned char)name.p[i]) && !inner)
            return false;
    }
    return true;
}

static bool key_read(const char *text, enum unit *ret_unit, enum bound *ret_bound)
{
    struct slice key = slice_of(text);
    *ret_bound = BOUND_NONE;
    for (size_t i = 0; i < COUNT_OF(plain_keys); i++) {
        if (slice_is(key, plain_keys[i].key)) {
            *ret_unit = plain_keys[i].unit;
            *ret_bound = plain_keys[i].bound;
            return true;
        }
    }
    *ret_unit = UNIT_BYTES;
    if (is_huge_pages_key(key))
        return true;
    if (!is_qualified(key))
        return false;
    if (is_storage_class_key(key, ret_unit))
        return true;
    *ret_unit = UNIT_COUNT;
    if (slice_starts(key, "count/"))
        return name_is_subdomain(slice_skip(key, strlen("count/")));
    return slice_starts(key, "requests.") && !strstr(text, "kubernetes.io/");
}

static int key_unknown(const char *key, const char *field, struct error *error)
{
    char shown[80];
    text_printable(slice_of(key), shown, sizeof(shown));
    if (strchr(key, '/') && strncmp(key, "requests.", 9) != 0 && strncmp(key, "count/", 6) != 0)
        return error_set(error, ERROR_INVALID, field, "%s limits nothing: a quota of devices is written requests.%s",
                         field, shown);
    return error_set(
        error, ERROR_INVALID, field,
        "%s is not a resource that a quota limits: known are cpu, memory, requests.* and limits.* of them, "
        "pods, persistentvolumeclaims, requests.storage, requests.<device> and count/<plural>.<group>",
        field);
}

/* --- one value ---------------------------------------------------------------------------------------------------- */

static bool amount_parse(struct slice text, enum unit unit, int64_t *ret)
{
    if (unit == UNIT_BYTES)
        return quantity_parse_bytes(text, ret) && *ret >= 0;
    return quantity_parse_milli(text, ret) && *ret >= 0 && (unit == UNIT_CPU || *ret % 1000 == 0);
}

/* A quantity as text in place (a YAML "cpu: 2" is a number): bytes, or milli-units. */
static int amount_read(cJSON *hard, cJSON *value, enum unit unit, const char *field, int64_t *ret, struct error *error)
{
    static const char *const examples[] = {[UNIT_CPU] = "a quantity such as 32 or 500m",
                                           [UNIT_BYTES] = "a quantity such as 64Gi",
                                           [UNIT_COUNT] = "a whole number"};
    char number[32];
    const char *text = cJSON_IsString(value) ? value->valuestring : NULL;
    int64_t whole = 0;
    if (json_i64(value, &whole)) {
        snprintf(number, sizeof(number), "%lld", (long long)whole);
        text = number;
    }
    if (!text || !amount_parse(slice_of(text), unit, ret))
        return error_set(error, ERROR_INVALID, field, "%s must be %s", field, examples[unit]);
    if (text == number) {
        AUTO_FREE char *key = memory_text(value->string);
        json_set_text(hard, key, number); /* frees <value> */
    }
    return 0;
}

/* What a platform admin granted may be kept; what the platform limits may go as far as that limit, anything else (a
 * GPU, say) no further than it stands. */
static int amount_bounded(const struct tenancy *tenancy, const char *had, enum unit unit, enum bound bound,
                          int64_t value, const char *field, struct error *error)
{
    const char *limit = bound == BOUND_CPU ? tenancy->quota_cpu : bound == BOUND_MEMORY ? tenancy->quota_memory : had;
    int64_t most = INT64_MAX;
    int64_t before = 0;
    if (limit)
        (void)amount_parse(slice_of(limit), unit, &most);
    bool kept = had && amount_parse(slice_of(had), unit, &before) && before > most;
    if (value > (kept ? before : most))
        return error_set(error, ERROR_FORBIDDEN, field, "%s may be at most %s; a platform admin can raise it", field,
                         kept ? had : limit);
    return 0;
}

static int entry_check(const struct tenancy *tenancy, const struct identity *identity, const cJSON *old_hard,
                       cJSON *hard, cJSON *value, struct error *error)
{
    char field[160];
    char shown[80];
    enum unit unit;
    enum bound bound;
    int64_t amount = 0;
    text_printable(slice_of(value->string), shown, sizeof(shown));
    snprintf(field, sizeof(field), QUOTA_PATH ".%s", shown);
    if (!key_read(value->string, &unit, &bound))
        return key_unknown(value->string, field, error);
    const char *had = json_text(old_hard, value->string, NULL);
    int r = amount_read(hard, value, unit, field, &amount, error);
    if (r == 0 && !identity->platform_admin)
        r = amount_bounded(tenancy, had, unit, bound, amount, field, error);
    return r;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

/* A limit that nothing else stands in for is not taken away by those whom it limits. */
static int none_dropped(const cJSON *old_hard, const cJSON *hard, struct error *error)
{
    for (const cJSON *had = old_hard ? old_hard->child : NULL; had; had = had->next) {
        enum unit unit;
        enum bound bound;
        if (json_member(hard, had->string) || !key_read(had->string, &unit, &bound) || bound != BOUND_NONE)
            continue;
        char field[160];
        snprintf(field, sizeof(field), QUOTA_PATH ".%.100s", had->string);
        return error_set(error, ERROR_FORBIDDEN, field, "%s is limited; only a platform admin takes that away", field);
    }
    return 0;
}

int quota_check(const struct tenancy *tenancy, const struct identity *identity, const cJSON *old, cJSON *spec,
                struct error *error)
{
    static const char *const known[] = {"hard", NULL};
    cJSON *quota = NULL;
    cJSON *hard = NULL;
    int r = shape_object(spec, "spec", "resourceQuotaSpec", &quota, error);
    if (r == 0 && quota)
        r = json_check_known(quota, "spec.resourceQuotaSpec", known, error);
    if (r == 0 && quota)
        r = shape_object(quota, "spec.resourceQuotaSpec", "hard", &hard, error);
    if (r < 0)
        return r;
    if (!hard)
        hard = json_set(json_object_in(spec, "resourceQuotaSpec"), "hard", json_object());
    if (cJSON_GetArraySize(hard) > QUOTA_KEYS_MAX)
        return error_set(error, ERROR_INVALID, QUOTA_PATH, "a quota names at most %d resources", QUOTA_KEYS_MAX);
    const cJSON *old_hard = json_at(old, "spec", "resourceQuotaSpec", "hard", NULL);
    cJSON *next = NULL;
    for (cJSON *value = hard->child; r == 0 && value; value = next) {
        next = value->next;
        r = entry_check(tenancy, identity, old_hard, hard, value, error);
    }
    if (r == 0 && !identity->platform_admin)
        r = none_dropped(old_hard, hard, error);
    if (r == 0)
        r = engine_check_quota(tenancy->engine, hard, QUOTA_PATH, error);
    if (r < 0)
        return r;
    if (!json_member(hard, "cpu") && !json_member(hard, "requests.cpu"))
        json_set_text(hard, "cpu", tenancy->quota_cpu);
    if (!json_member(hard, "memory") && !json_member(hard, "requests.memory"))
        json_set_text(hard, "memory", tenancy->quota_memory);
    return 0;
}
