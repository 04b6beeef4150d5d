/* What does a profile's namespace still lack, and may the profile be called Ready? */
#include "tenancy/internal.h"

#include "base/log.h"

/* --- the object itself ------------------------------------------------------------------------------------------- */

/* Before anything is made for it: a profile deleted from here on is taken down step by step. */
static int pass_finalizer(struct pass *pass, struct error *error)
{
    if (tenancy_has_finalizer(pass->profile, TENANCY_FINALIZER))
        return 0;
    const cJSON *finalizers = json_at(pass->profile, "metadata", "finalizers", NULL);
    AUTO_JSON cJSON *patch = json_object();
    cJSON *metadata = json_object_in(patch, "metadata");
    json_set_text(metadata, "resourceVersion", json_text(pass->profile, "metadata", "resourceVersion", NULL));
    cJSON *list = json_set(metadata, "finalizers", finalizers ? json_copy(finalizers) : json_array());
    json_push_text(list, TENANCY_FINALIZER);
    return pass_patch_profile(pass, patch, error);
}

/* Whatever could not have come through this platform's own API either: said, and not touched further. */
static bool pass_accept(struct pass *pass)
{
    struct error error = {0};
    int64_t generation = 0;
    int64_t observed = 0;
    if (tenancy_accept(pass->tenancy, pass->profile, &pass->accepted, &error) < 0) {
        pass_blocked(pass, "Failed", "Invalid", "%.500s", error.message);
        return false;
    }
    pass->quota = json_at(pass->accepted, "resourceQuotaSpec", "hard", NULL);
    (void)json_i64(json_at(pass->profile, "metadata", "generation", NULL), &generation);
    pass->new_spec =
        json_i64(json_at(pass->profile, "status", "observedGeneration", NULL), &observed) && observed != generation;
    return true;
}

/* --- the namespace ----------------------------------------------------------------------------------------------- */

/* While a name is claimed, the gateway lets its owner reach into the namespace of that name: it must not be claimed
 * while that namespace is somebody else's. */
static int namespace_foreign(struct pass *pass, struct error *error)
{
    const struct policy *policy = policy_take(pass->tenancy->auth);
    bool claimed = policy_owner(policy, pass->name) != NULL;
    policy_release(policy);
    pass_blocked(
        pass, "Failed", "NamespaceTaken",
        "a namespace named %s exists already and does not belong to this profile; choose another name, or have "
        "a platform admin annotate the profile with %s: \"true\" to take it over",
        pass->name, TENANCY_ADOPT);
    return claimed ? auth_profile_release(pass->tenancy->auth, pass->name, error) : 0;
}

/* 0: go on; 1: blocked. */
static int pass_ground(struct pass *pass, struct error *error)
{
    AUTO_JSON cJSON *namespace = NULL;
    int r = pass_get(pass, KIND_NAMESPACE, pass->name, &namespace, error);
    if (r < 0)
        return r;
    enum standing standing = namespace_standing(pass, namespace);
    if (standing == STANDING_FOREIGN) {
        r = namespace_foreign(pass, error);
        return r < 0 ? r : 1;
    }
    if (json_text(namespace, "metadata", "deletionTimestamp", NULL)) {
        pass_blocked(pass, "Pending", "NamespaceTerminating",
                     "the namespace %s is being deleted and is made again once it is gone", pass->name);
        return 1;
    }
    bool ours = standing == STANDING_MADE || standing == STANDING_ADOPTED;
    pass->adopted = standing == STANDING_ADOPTED || standing == STANDING_ADOPTABLE;
    r = pass_owner(pass, ours ? json_text(namespace, "metadata", "annotations", "owner", NULL) : NULL, error);
    if (r == 0)
        r = pass_finalizer(pass, error);
    return r == 0 ? pass_namespace(pass, namespace, standing, error) : r;
}

/* --- the pass ---------------------------------------------------------------------------------------------------- */

/* Rights after walls: nobody is let in before the namespace is closed. Each step is done whatever the others lack. */
static int pass_contents(struct pass *pass, struct error *error)
{
    static int (*const steps[])(struct pass *, struct error *) = {
        pass_network, pass_mesh, pass_quota, pass_defaults, pass_accounts, pass_members, pass_ray_auth, pass_home};
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        int r = steps[i](pass, error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A sandbox that is still being made takes nothing in yet. */
static int pass_all(struct pass *pass, struct error *error)
{
    if (!pass_accept(pass))
        return 0;
    int r = pass_ground(pass, error);
    bool preparing = pass->phase && strcmp(pass->reason, "OwnerUnknown") != 0;
    return r == 0 && !preparing ? pass_contents(pass, error) : r;
}

/* Somebody wrote at the same time, or the engine or the database is away: nothing about the profile itself. */
static bool is_passing(int r)
{
    static const enum error_code codes[] = {ERROR_CONFLICT, ERROR_EXISTS,  ERROR_UNAVAILABLE,
                                            ERROR_TIMEOUT,  ERROR_LIMITED, ERROR_GONE};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        if (r == -(int)codes[i])
            return true;
    }
    return false;
}

static int64_t pass_end(struct pass *pass, int r, const struct error *error)
{
    if (is_passing(r))
        return r; /* again, ever more slowly; what the status says still holds */
    if (r < 0) {
        log_line(LOG_WARN, "profile not reconciled", LOG_TEXT("profile", pass->name), LOG_FAULT(error));
        pass_blocked(pass, "Pending", error_reason(error->code), "%.400s", error->message);
    }
    pass_blocked(pass, "Ready", "Ready", "the profile is ready"); /* if nothing else was */
    struct error report_error = {0};
    int reported =
        tenancy_report(pass->tenancy, pass->profile, pass->phase, pass->reason, pass->message, &report_error);
    return r < 0 ? r : reported;
}

int64_t tenancy_reconcile(struct tenancy *tenancy, const char *name)
{
    struct error error = {0};
    struct pass pass = {.tenancy = tenancy, .name = name};
    const struct policy *policy = policy_take(tenancy->auth);
    bool loaded = policy_loaded(policy);
    policy_release(policy);
    if (!loaded)
        return TENANCY_POLL_MS; /* whose profiles they are is not known yet */
    int64_t r = engine_get(tenancy->engine, KIND_PROFILE, NULL, name, &pass.profile, &error);
    if (r == -ERROR_NOT_FOUND) {
        tenancy_await_owner(tenancy, name, NULL);
        return 0;
    }
    if (r < 0)
        return r;
    if (json_text(pass.profile, "metadata", "deletionTimestamp", NULL))
        r = tenancy_remove(&pass);
    else
        r = pass_end(&pass, pass_all(&pass, &error), &error);
    cJSON_Delete(pass.profile);
    cJSON_Delete(pass.accepted);
    return r;
}
