/* Whose is this profile, when the object, the claim in auth and the last pass need not say the same? */
#include "tenancy/internal.h"

#include "base/log.h"

/*
 * Three places name the owner: the object (spec.owner), auth (the claim, by which the gateway decides), and the
 * namespace's annotation `owner`, which is what the two last agreed upon. Whoever moved since is followed:
 *
 *   no claim                           the object came by kubectl or GitOps: it is claimed for spec.owner
 *   claim = object                     agreed
 *   claim != object, namespace = claim   the object was edited, which takes a cluster admin: a transfer
 *   claim != object, else                transferred in auth: the object follows
 *   claim != object, no namespace yet    two people want the same name: neither gets it
 */

static bool policy_owner_now(const struct pass *pass, char ret[255])
{
    const struct policy *policy = policy_take(pass->tenancy->auth);
    const char *owner = policy_owner(policy, pass->name);
    snprintf(ret, 255, "%s", owner ? owner : "");
    policy_release(policy);
    return *ret != '\0';
}

static bool has_account(const struct pass *pass, const char *email)
{
    const struct policy *policy = policy_take(pass->tenancy->auth);
    bool has = policy_has_user(policy, email);
    policy_release(policy);
    return has;
}

/* As with members: an address that nobody has yet is waited for. No message tells more than the object says. */
static int owner_unknown(struct pass *pass, const char *email)
{
    tenancy_await_owner(pass->tenancy, pass->name, email);
    pass_blocked(pass, "Pending", "OwnerUnknown",
                 "nobody with the address %s has an account here yet; the profile becomes theirs when they do", email);
    return 1;
}

static int owner_claim(struct pass *pass, const char *declared, struct error *error)
{
    if (!has_account(pass, declared))
        return owner_unknown(pass, declared);
    int r = auth_profile_claim(pass->tenancy->auth, pass->name, declared, true, error);
    if (r == -ERROR_INVALID) /* the account went just now */
        return owner_unknown(pass, declared);
    if (r < 0) /* EXISTS: claimed by another replica, which the snapshot does not have yet */
        return r;
    log_line(LOG_INFO, "profile claimed for its owner", LOG_TEXT("profile", pass->name));
    snprintf(pass->owner, sizeof(pass->owner), "%s", declared);
    return 0;
}

/* A cluster admin wrote another owner into the object. Until that address has an account, all stays as it is. */
static int owner_follow_object(struct pass *pass, const char *declared, const char *claimed, struct error *error)
{
    snprintf(pass->owner, sizeof(pass->owner), "%s", claimed);
    if (!has_account(pass, declared)) {
        (void)owner_unknown(pass, declared);
        return 0;
    }
    int r = auth_profile_transfer(pass->tenancy->auth, pass->name, declared, error);
    if (r == -ERROR_INVALID) {
        (void)owner_unknown(pass, declared);
        return 0;
    }
    if (r < 0)
        return r;
    log_line(LOG_INFO, "profile transferred as its object says", LOG_TEXT("profile", pass->name));
    snprintf(pass->owner, sizeof(pass->owner), "%s", declared);
    return 0;
}

static int owner_follow_auth(struct pass *pass, const char *claimed, struct error *error)
{
    AUTO_JSON cJSON *patch = json_object();
    json_set_text(json_object_in(patch, "metadata"), "resourceVersion",
                  json_text(pass->profile, "metadata", "resourceVersion", NULL));
    cJSON *owner = json_object_in(json_object_in(patch, "spec"), "owner");
    json_set_text(owner, "kind", "User");
    json_set_text(owner, "name", claimed);
    snprintf(pass->owner, sizeof(pass->owner), "%s", claimed);
    return pass_patch_profile(pass, patch, error);
}

int pass_owner(struct pass *pass, const char *agreed, struct error *error)
{
    const char *declared = json_text_or("", pass->accepted, "owner", "name", NULL);
    char claimed[255];
    tenancy_await_owner(pass->tenancy, pass->name, NULL);
    (void)policy_owner_now(pass, claimed);
    if (strcmp(claimed, declared) != 0) {
        /* Never act upon a snapshot that may be older than the object. */
        int r = auth_refresh(pass->tenancy->auth, error);
        if (r < 0)
            return r;
        if (!policy_owner_now(pass, claimed))
            return owner_claim(pass, declared, error);
    }
    if (strcmp(claimed, declared) == 0) {
        snprintf(pass->owner, sizeof(pass->owner), "%s", claimed);
        return 0;
    }
    if (!agreed) {
        pass_blocked(pass, "Failed", "OwnerConflict",
                     "the name %s is claimed by somebody else; delete this Profile, or transfer the name to %s",
                     pass->name, declared);
        return 1;
    }
    if (slice_is_nocase(slice_of(agreed), claimed))
        return owner_follow_object(pass, declared, claimed, error);
    return owner_follow_auth(pass, claimed, error);
}
