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

/* An object without a claim (restored from elsewhere), or with another owner than the claim's: the pass over the
 * profile decides. Events bring that about at once; this is for those that got lost. */
static void claim_look(struct tenancy *tenancy, const char *name)
{
    if (tenancy->queue)
        queue_add(tenancy->queue, name, name);
}

struct sweep {
    struct tenancy *tenancy;
    const struct policy *policy;
    struct map *objects; /* the names of those there are */
    cJSON *suspects, *orphans;
};

static void sweep_object(void *context, const cJSON *profile)
{
    const struct sweep *sweep = context;
    const char *name = json_text_or("", profile, "metadata", "name", NULL);
    const char *owner = json_text_or("", profile, "spec", "owner", "name", NULL);
    const char *claimed_by = policy_owner(sweep->policy, name);
    bool going = json_text(profile, "metadata", "deletionTimestamp", NULL);
    map_put(sweep->objects, slice_of(name), sweep->tenancy);
    if (claimed_by ? !slice_is_nocase(slice_of(owner), claimed_by)
                   : !going && claim_overdue(sweep->tenancy, sweep->suspects, name))
        claim_look(sweep->tenancy, name);
}

static void sweep_claim(void *context, const char *name)
{
    const struct sweep *sweep = context;
    if (!map_get(sweep->objects, slice_of(name)) && claim_overdue(sweep->tenancy, sweep->suspects, name))
        json_push_text(sweep->orphans, name);
}

/* A claim whose object is gone is released once it has been so for long enough. Not if there are many: then the objects
 * were lost, and who shared what with whom must not be lost with them. */
static void release_orphans(struct tenancy *tenancy, const cJSON *orphans)
{
    if (cJSON_GetArraySize(orphans) > TENANCY_ORPHANS_MAX) {
        log_line(LOG_ERROR, "many profiles have lost their objects; their names and members are kept",
                 LOG_NUMBER("profiles", cJSON_GetArraySize(orphans)));
        return;
    }
    for (const cJSON *one = orphans->child; one; one = one->next)
        claim_orphaned(tenancy, one->valuestring);
}

/* Claims first: an object that is found without being among them was claimed meanwhile, and is only a suspect. */
static int sweep_all(struct sweep *sweep, struct error *error)
{
    int r = engine_each(sweep->tenancy->engine, KIND_PROFILE, NULL, NULL, sweep_object, sweep, NULL, error);
    if (r < 0)
        return r;
    policy_profiles(sweep->policy, sweep_claim, sweep);
    release_orphans(sweep->tenancy, sweep->orphans);
    cJSON_Delete(sweep->tenancy->suspects);
    sweep->tenancy->suspects = TAKE_POINTER(sweep->suspects);
    return 0;
}

int64_t tenancy_sweep(struct tenancy *tenancy)
{
    if (!auth_ready(tenancy->auth))
        return TENANCY_POLL_MS;
    struct error error = {0};
    int64_t began_ms = clock_monotonic_ms();
    struct sweep sweep = {.tenancy = tenancy,
                          .policy = policy_take(tenancy->auth),
                          .objects = map_new(),
                          .suspects = json_object(),
                          .orphans = json_array()};
    int r = sweep_all(&sweep, &error);
    policy_release(sweep.policy);
    map_free(sweep.objects);
    cJSON_Delete(sweep.suspects);
    cJSON_Delete(sweep.orphans);
    return r < 0 ? r : clock_rest_ms(began_ms, TENANCY_SWEEP_SHARE, TENANCY_SWEEP_MS);
}
