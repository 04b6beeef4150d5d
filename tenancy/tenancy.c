/* What runs in this room, and what wakes it? */
#include "tenancy/internal.h"

#include "base/log.h"

static int64_t tenancy_handle(void *context, const char *key)
{
    struct tenancy *tenancy = context;
    int64_t result = 0;
    if (follow_handle(tenancy->follow, key, &result))
        return result;
    if (strcmp(key, TENANCY_SWEEP_KEY) == 0)
        return tenancy_sweep(tenancy);
    return tenancy_reconcile(tenancy, key);
}

/* Everything in a profile's namespace that the reconciler makes leads back to the profile of the namespace's name. */
static void tenancy_seen(void *context, enum engine_kind kind, const cJSON *object)
{
    struct tenancy *tenancy = context;
    const char *name = json_text_or("", object, "metadata", "name", NULL);
    const char *profile = json_text_or("", object, "metadata", "namespace", NULL);
    switch (kind) {
    case KIND_PROFILE:
    case KIND_NAMESPACE:
        profile = name;
        break;
    case KIND_RESOURCEQUOTA:
        if (strcmp(name, TENANCY_QUOTA) != 0)
            return;
        break;
    case KIND_CLAIM:
        if (strcmp(name, TENANCY_HOME) != 0)
            return;
        break;
    case KIND_SECRET:
        if (strcmp(name, TENANCY_RAY_AUTH) != 0)
            return;
        break;
    default:
        return;
    }
    if (*profile)
        queue_add(tenancy->queue, profile, profile);
}

int tenancy_new(const struct tenancy_options *options, struct tenancy **ret, struct error *error)
{
    static const enum engine_kind kinds[] = {KIND_PROFILE, KIND_NAMESPACE, KIND_RESOURCEQUOTA, KIND_CLAIM, KIND_SECRET};
    int64_t milli = 0;
    int64_t bytes = 0;
    if (!quantity_parse_milli(slice_of(options->quota_cpu), &milli) || milli <= 0)
        return error_set(error, ERROR_INVALID, "quota_cpu", "the default CPU quota must be a quantity such as 32");
    if (!quantity_parse_bytes(slice_of(options->quota_memory), &bytes) || bytes <= 0)
        return error_set(error, ERROR_INVALID, "quota_memory",
                         "the default memory quota must be a quantity such as 64Gi");
    if (!quantity_parse_bytes(slice_of(options->home_size), &bytes) || bytes <= 0)
        return error_set(error, ERROR_INVALID, "home_size", "the size of homes must be a quantity such as 10Gi");

    struct tenancy *tenancy = memory_get(sizeof(*tenancy));
    *tenancy = (struct tenancy){.engine = options->engine,
                                .auth = options->auth,
                                .quota_cpu = memory_text(options->quota_cpu),
                                .quota_memory = memory_text(options->quota_memory),
                                .home_size = memory_text(options->home_size),
                                .suspects = json_object()};
    tenancy->queue = queue_new("tenancy", TENANCY_WORKERS, tenancy_handle, tenancy);
    tenancy->follow = follow_new(tenancy->engine, tenancy->queue, kinds, COUNT_OF(kinds), tenancy_seen, tenancy);
    follow_start(tenancy->follow);
    queue_add(tenancy->queue, "", TENANCY_SWEEP_KEY);
    *ret = tenancy;
    return 0;
}

void tenancy_free(struct tenancy *tenancy)
{
    if (!tenancy)
        return;
    queue_stop(tenancy->queue);
    follow_free(tenancy->follow);
    queue_free(tenancy->queue);
    cJSON_Delete(tenancy->suspects);
    free(tenancy->quota_cpu);
    free(tenancy->quota_memory);
    free(tenancy->home_size);
    free(tenancy);
}
