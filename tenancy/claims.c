/* Do the names claimed in auth and the Profile objects still agree? Only a crash between the two makes them differ. */
#include "tenancy/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"

/* Since when this name has been found to differ; remembers it for the next sweep. */
static bool claim_overdue(struct tenancy *tenancy, cJSON *suspects, const char *name)
{
    int64_t now = clock_monotonic_ms();
    int64_t since = now;
    if (!json_i64(json_member(tenancy->suspects, name), &since))
        since = now;
    json_set_i64(suspects, name, since);
    return now - since >= TENANCY_SWEEP_GRACE_MS;
}

/* Claimed, but no object: the creation was cut off. */
static void claim_orphaned(struct tenancy *tenancy, const char *name)
{
    AUTO_JSON cJSON *profile = NULL;
    if (engine_get(tenancy->engine, KIND_PROFILE, NULL, name, &profile, NULL) != -ERROR_NOT_FOUND)
        return;
    struct error error = {0};
    if (auth_profile_release(tenancy->auth, name, &error) < 0)
        log_line(LOG_WARN, "orphaned profile name not released", LOG_TEXT("profile", name), LOG_FAULT(&error));
    else
        log_line(LOG_INFO, "orphaned profile name released", LOG_TEXT("profile", name));
}

/* An object without a claim: restored from elsewhere. Its owner gets it back. */
static void claim_missing(struct tenancy *tenancy, const cJSON *profile, const char *name)
{
    const char *owner = json_text_or("", profile, "spec", "owner", "name", NULL);
    struct error error = {0};
    int r = auth_profile_claim(tenancy->auth, name, owner, true, &error);
    if (r < 0 && r != -ERROR_EXISTS)
        log_line(LOG_WARN, "profile without an owner", LOG_TEXT("profile", name), LOG_FAULT(&error));
}

/* Ownership is decided in auth (a transfer); the object follows. */
static void claim_follow_owner(struct tenancy *tenancy, const cJSON *profile, const char *name, const char *owner)
{
    if (!*owner || strcmp(json_text_or("", profile, "spec", "owner", "name", NULL), owner) == 0)
        return;
    AUTO_JSON cJSON *patch = json_object();
    AUTO_JSON cJSON *written = NULL;
    cJSON *wanted = json_object_in(json_object_in(patch, "spec"), "owner");
    json_set_text(wanted, "kind", "User");
    json_set_text(wanted, "name", owner);
    struct error error = {0};
    if (engine_patch(tenancy->engine, KIND_PROFILE, NULL, name, ENGINE_SPEC, ENGINE_PATCH_MERGE, patch, &written,
                     &error) < 0)
        log_line(LOG_WARN, "owner not written to the profile", LOG_TEXT("profile", name), LOG_FAULT(&error));
}

/* Elements of an array by the text at <key> of each, or of its metadata. */
static struct map *index_by_name(const cJSON *array, bool metadata)
{
    struct map *map = map_new();
    for (cJSON *item = array ? array->child : NULL; item; item = item->next) {
        const char *name = metadata ? json_text(item, "metadata", "name", NULL) : json_text(item, "name", NULL);
        if (name && *name)
            map_put(map, slice_of(name), item);
    }
    return map;
}

static int claims_read(struct tenancy *tenancy, cJSON **ret)
{
    struct identity everything = {.kind = IDENTITY_LOCAL, .platform_admin = true};
    memcpy(everything.email, "local", sizeof("local"));
    const struct policy *policy = policy_take(tenancy->auth);
    int r = auth_profiles_of(policy, &everything, ret);
    policy_release(policy);
    return r;
}

/* Compares both sides; what differs goes to <suspects>, and is put right once it has differed for long enough. */
static void sweep_compare(struct tenancy *tenancy, const struct map *claims, const struct map *profiles,
                          cJSON *suspects)
{
    struct slice key;
    void *value = NULL;
    for (size_t at = 0; map_next(claims, &at, &key, &value);) {
        const char *name = json_text_or("", value, "name", NULL);
        const cJSON *profile = map_get(profiles, key);
        if (profile)
            claim_follow_owner(tenancy, profile, name, json_text_or("", value, "owner", NULL));
        else if (claim_overdue(tenancy, suspects, name))
            claim_orphaned(tenancy, name);
    }
    for (size_t at = 0; map_next(profiles, &at, &key, &value);) {
        const char *name = json_text_or("", value, "metadata", "name", NULL);
        if (!json_text(value, "metadata", "deletionTimestamp", NULL) && !map_get(claims, key) &&
            claim_overdue(tenancy, suspects, name))
            claim_missing(tenancy, value, name);
    }
}

int64_t tenancy_sweep(struct tenancy *tenancy)
{
    if (!auth_ready(tenancy->auth))
        return TENANCY_POLL_MS;
    AUTO_JSON cJSON *claimed = NULL;
    AUTO_JSON cJSON *list = NULL;
    struct error error = {0};
    /* Claims first: whatever is in the list without being in them was claimed meanwhile, and is only a suspect. */
    int r = claims_read(tenancy, &claimed);
    if (r == 0)
        r = engine_list(tenancy->engine, KIND_PROFILE, NULL, NULL, &list, &error);
    if (r < 0)
        return r;
    struct map *claims = index_by_name(claimed, false);
    struct map *profiles = index_by_name(json_member(list, "items"), true);
    cJSON *suspects = json_object();
    sweep_compare(tenancy, claims, profiles, suspects);
    map_free(claims);
    map_free(profiles);
    cJSON_Delete(tenancy->suspects);
    tenancy->suspects = suspects;
    return TENANCY_SWEEP_MS;
}
