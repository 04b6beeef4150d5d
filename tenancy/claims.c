/* Do the names claimed in auth and the Profile objects still agree? Only a crash between the two makes them differ. And
 * is what surrounds all profiles as it was? */
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

/* An object without a claim (restored from elsewhere), or with another owner than the claim's: the pass over the
 * profile decides. Events bring that about at once; this is for those that got lost. */
static void claim_look(struct tenancy *tenancy, const char *name)
{
    if (tenancy->queue)
        queue_add(tenancy->queue, name, name);
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

/* A claim whose object is gone is released once it has been so for long enough. Not if there are many: then the objects
 * were lost, and who shared what with whom must not be lost with them. */
static void sweep_claims(struct tenancy *tenancy, const struct map *claims, const struct map *profiles, cJSON *suspects)
{
    AUTO_JSON cJSON *orphans = json_array();
    struct slice key;
    void *value = NULL;
    for (size_t at = 0; map_next(claims, &at, &key, &value);) {
        const char *name = json_text_or("", value, "name", NULL);
        const cJSON *profile = map_get(profiles, key);
        const char *owner = json_text_or("", profile, "spec", "owner", "name", NULL);
        if (!profile && claim_overdue(tenancy, suspects, name))
            json_push_text(orphans, name);
        else if (profile && !slice_is_nocase(slice_of(owner), json_text_or("", value, "owner", NULL)))
            claim_look(tenancy, name);
    }
    if (cJSON_GetArraySize(orphans) > TENANCY_ORPHANS_MAX) {
        log_line(LOG_ERROR, "many profiles have lost their objects; their names and members are kept",
                 LOG_NUMBER("profiles", cJSON_GetArraySize(orphans)));
        return;
    }
    for (const cJSON *one = orphans->child; one; one = one->next)
        claim_orphaned(tenancy, one->valuestring);
}

static void sweep_objects(struct tenancy *tenancy, const struct map *claims, const struct map *profiles,
                          cJSON *suspects)
{
    struct slice key;
    void *value = NULL;
    for (size_t at = 0; map_next(profiles, &at, &key, &value);) {
        const char *name = json_text_or("", value, "metadata", "name", NULL);
        if (!json_text(value, "metadata", "deletionTimestamp", NULL) && !map_get(claims, key) &&
            claim_overdue(tenancy, suspects, name))
            claim_look(tenancy, name);
    }
}

/* Istio or KubeRay has come, or the API server is elsewhere: no event of a profile's tells. At the first look all are
 * reconciled anyhow. */
static void sweep_surroundings(struct tenancy *tenancy, const struct map *profiles)
{
    struct slice key;
    char *now = walls_surroundings(tenancy);
    if (!now)
        return;
    bool same = !tenancy->surroundings || strcmp(tenancy->surroundings, now) == 0;
    free(tenancy->surroundings);
    tenancy->surroundings = now;
    for (size_t at = 0; !same && map_next(profiles, &at, &key, NULL);) {
        AUTO_FREE char *name = memory_format("%.*s", (int)key.n, key.p);
        claim_look(tenancy, name);
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
    sweep_claims(tenancy, claims, profiles, suspects);
    sweep_objects(tenancy, claims, profiles, suspects);
    sweep_surroundings(tenancy, profiles);
    map_free(claims);
    map_free(profiles);
    cJSON_Delete(tenancy->suspects);
    tenancy->suspects = suspects;
    return TENANCY_SWEEP_MS;
}
