/* Whose members, or whose awaited owner, changed with the people? */
#include "tenancy/internal.h"

/* A digest as a map's value, which cannot be NULL. */
static void *digest_value(uint64_t digest)
{
    return (void *)(uintptr_t)(digest | 1);
}

struct comparison {
    struct tenancy *tenancy;
    struct map *now;
    bool wake;
};

static void compare_one(void *context, const char *profile, uint64_t digest)
{
    struct comparison *comparison = context;
    struct tenancy *tenancy = comparison->tenancy;
    map_put(comparison->now, slice_of(profile), digest_value(digest));
    if (comparison->wake && map_get(tenancy->digests, slice_of(profile)) != digest_value(digest))
        queue_add(tenancy->queue, profile, profile);
}

static void compare_all(struct tenancy *tenancy, bool wake)
{
    struct comparison comparison = {.tenancy = tenancy, .now = map_new(), .wake = wake};
    const struct policy *policy = policy_take(tenancy->auth);
    policy_member_digests(policy, compare_one, &comparison);
    policy_release(policy);
    struct slice key;
    for (size_t at = 0; wake && map_next(tenancy->digests, &at, &key, NULL);) {
        if (map_get(comparison.now, key))
            continue;
        AUTO_FREE char *released = memory_format("%.*s", (int)key.n, key.p);
        queue_add(tenancy->queue, released, released);
    }
    map_free(tenancy->digests);
    tenancy->digests = comparison.now;
}

static void wake_awaiting(struct tenancy *tenancy)
{
    const struct policy *policy = policy_take(tenancy->auth);
    pthread_mutex_lock(&tenancy->lock);
    for (const cJSON *one = tenancy->waiting->child; one; one = one->next) {
        if (policy_has_user(policy, one->valuestring))
            queue_add(tenancy->queue, one->string, one->string);
    }
    pthread_mutex_unlock(&tenancy->lock);
    policy_release(policy);
}

int64_t tenancy_compare_members(struct tenancy *tenancy)
{
    compare_all(tenancy, true);
    wake_awaiting(tenancy);
    return 0;
}

void tenancy_note_members(struct tenancy *tenancy)
{
    compare_all(tenancy, false);
}

void tenancy_await_owner(struct tenancy *tenancy, const char *profile, const char *email)
{
    pthread_mutex_lock(&tenancy->lock);
    json_set_text(tenancy->waiting, profile, email);
    pthread_mutex_unlock(&tenancy->lock);
}
