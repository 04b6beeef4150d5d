/* Whose is this profile, and which profiles does somebody see? */
#include "auth/internal.h"

#include "base/clock.h"

/* The enabled account that is to own a profile, and how many it owns. */
static int find_owner(struct store_connection *c, const char *email, int64_t *ret_id, int64_t *ret_owned,
                      struct error *error)
{
    AUTO_RESULT PGresult *rows = NULL;
    char address[EMAIL_MAX + 1];
    int failed = auth_email_check(slice_of(email), address, error);
    if (!failed)
        failed = store_run_v(c, "profile_user",
                             "SELECT id, (SELECT count(*) FROM profiles_owners WHERE owner_user_id = u.id) AS owned"
                             " FROM users u WHERE email = $1 AND NOT disabled",
                             &rows, error, STORE_TEXT(address));
    if (!failed && PQntuples(rows) != 1)
        return error_set(error, ERROR_INVALID, "owner", "expected the e-mail address of somebody with an account here");
    if (!failed) {
        *ret_id = store_number(rows, 0, "id");
        *ret_owned = store_number(rows, 0, "owned");
    }
    return failed;
}

static int name_taken(const char *profile, struct error *error)
{
    return error_set(error, ERROR_EXISTS, "metadata.name", "the name \"%s\" is taken", profile);
}

/* May that person own one more, of such a name? */
static int check_claim(struct auth *auth, struct store_connection *c, const char *profile, const char *owner_email,
                       bool unlimited, int64_t *ret_owner_id, struct error *error)
{
    int64_t owned = 0;
    if (!name_is_label(slice_of(profile)))
        return error_set(error, ERROR_INVALID, "metadata.name", "expected a DNS label of at most 63 characters");
    int failed = find_owner(c, owner_email, ret_owner_id, &owned, error);
    if (!failed && !unlimited && owned >= (int64_t)auth->options.profiles_per_user)
        return error_set(error, ERROR_FORBIDDEN, NULL, "you own %d profiles, and more than %u are not allowed",
                         (int)owned, auth->options.profiles_per_user);
    return failed;
}

int auth_profile_claimable(struct auth *auth, const char *profile, const char *owner_email, bool unlimited,
                           struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    AUTO_RESULT PGresult *rows = NULL;
    int64_t owner_id = 0;
    int failed = store_take(auth->options.store, &c, error);
    if (!failed)
        failed = check_claim(auth, c, profile, owner_email, unlimited, &owner_id, error);
    if (!failed)
        failed = store_run_v(c, "profile_taken", "SELECT 1 FROM profiles_owners WHERE profile = $1", &rows, error,
                             STORE_TEXT(profile));
    return failed || PQntuples(rows) == 0 ? failed : name_taken(profile, error);
}

int auth_profile_claim(struct auth *auth, const char *profile, const char *owner_email, bool unlimited,
                       struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    int64_t owner_id = 0;
    int failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = check_claim(auth, c, profile, owner_email, unlimited, &owner_id, error);
    if (!failed)
        failed = store_run_v(c, "profile_claim",
                             "INSERT INTO profiles_owners(profile, owner_user_id, created_ms)"
                             " VALUES ($1, $2::bigint, $3::bigint)",
                             NULL, error, STORE_TEXT(profile), STORE_I64(owner_id), STORE_I64(clock_wall_ms()));
    if (failed == -ERROR_EXISTS)
        return name_taken(profile, error);
    return failed ? failed : policy_commit(auth, &c, COMMIT_GRANTS, error);
}

int auth_profile_release(struct auth *auth, const char *profile, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    int failed = policy_begin(auth, &c, error);
    if (!failed) /* its grants go with it: ON DELETE CASCADE; released twice is released */
        failed = store_run_v(c, "profile_release", "DELETE FROM profiles_owners WHERE profile = $1", NULL, error,
                             STORE_TEXT(profile));
    if (!failed)
        failed = store_run_v(c, "profile_release_sessions", "DELETE FROM sessions WHERE scope_namespace = $1", NULL,
                             error, STORE_TEXT(profile));
    return failed ? failed : policy_commit(auth, &c, COMMIT_REVOKES, error);
}

/* The one who gives it away stays as an admin, whom the new owner can remove. */
static int hand_over(struct store_connection *c, const char *profile, int64_t new_owner_id, struct error *error)
{
    AUTO_RESULT PGresult *moved = NULL;
    int failed = store_run_v(c, "profile_demote",
                             "INSERT INTO grants(profile, subject_kind, subject_name, role, created_by, created_ms)"
                             " SELECT o.profile, 'User', u.email, 'admin', u.email, $3::bigint FROM profiles_owners o"
                             " JOIN users u ON u.id = o.owner_user_id WHERE o.profile = $1"
                             " AND o.owner_user_id <> $2::bigint"
                             " ON CONFLICT ON CONSTRAINT grants_subject_resource"
                             " DO UPDATE SET role = 'admin', expires_ms = NULL",
                             NULL, error, STORE_TEXT(profile), STORE_I64(new_owner_id), STORE_I64(clock_wall_ms()));
    if (!failed)
        failed =
            store_run_v(c, "profile_transfer",
                        "UPDATE profiles_owners SET owner_user_id = $2::bigint WHERE profile = $1 RETURNING profile",
                        &moved, error, STORE_TEXT(profile), STORE_I64(new_owner_id));
    if (!failed && PQntuples(moved) != 1)
        return error_set(error, ERROR_NOT_FOUND, NULL, "no such profile");
    if (!failed)
        failed = store_run_v(c, "profile_promote",
                             "DELETE FROM grants WHERE profile = $1 AND subject_kind = 'User'"
                             " AND subject_name = (SELECT email FROM users WHERE id = $2::bigint)",
                             NULL, error, STORE_TEXT(profile), STORE_I64(new_owner_id));
    return failed;
}

int auth_profile_transfer(struct auth *auth, const char *profile, const char *new_owner_email, struct error *error)
{
    AUTO_CONNECTION struct store_connection *c = NULL;
    int64_t owner_id = 0, owned = 0;
    int failed = policy_begin(auth, &c, error);
    if (!failed)
        failed = find_owner(c, new_owner_email, &owner_id, &owned, error);
    if (!failed)
        failed = hand_over(c, profile, owner_id, error);
    return failed ? failed : policy_commit(auth, &c, COMMIT_REVOKES, error);
}

/* --- what somebody sees, from the snapshot --------------------------------------------------------------------------
 */

static void add_resources(cJSON *list, const struct policy_membership *membership, int64_t now_ms)
{
    for (size_t i = 0; membership && i < membership->resource_count; i++) {
        const struct policy_grant *grant = &membership->resources[i];
        if (grant->expires_ms <= now_ms)
            continue;
        cJSON *one = json_push(list, json_object());
        json_set_text(one, "kind", grant->kind);
        json_set_text(one, "name", grant->name);
        json_set_text(one, "role", role_name(grant->role));
    }
}

static cJSON *resources_of(const struct policy *policy, const struct policy_profile *profile,
                           const struct policy_user *user)
{
    cJSON *list = json_array();
    int64_t now_ms = clock_wall_ms();
    add_resources(list, snapshot_membership(policy, profile, MEMBER_USER, user->id), now_ms);
    for (size_t i = 0; i < user->group_count; i++)
        add_resources(list, snapshot_membership(policy, profile, MEMBER_GROUP, user->groups[i]), now_ms);
    return list;
}

static int by_name(const void *left, const void *right)
{
    const struct policy_profile *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

static void add_profile(const struct policy *policy, const struct identity *identity, const struct policy_user *user,
                        const struct policy_profile *profile, cJSON *list)
{
    enum role role = policy_role(policy, identity, profile->name);
    /* Besides a viewer's role a grant on one resource still adds something; an editor has it all. */
    AUTO_JSON cJSON *resources = role < ROLE_EDITOR && user ? resources_of(policy, profile, user) : NULL;
    bool shared = resources && resources->child;
    if (role == ROLE_NONE && !shared)
        return;
    cJSON *one = json_push(list, json_object());
    json_set_text(one, "name", profile->name);
    json_set_text(one, "role", role_name(role));
    if (role != ROLE_NONE) /* who owns it is none of a guest's business */
        json_set_text(one, "owner", profile->owner->email);
    if (shared)
        json_set(one, "resources", TAKE_POINTER(resources));
}

int auth_profiles_of(const struct policy *policy, const struct identity *identity, cJSON **ret_array)
{
    const struct policy_user *user = policy_user_of(policy, identity);
    size_t count = policy->filled ? map_count(policy->profiles) : 0, at = 0, n = 0;
    AUTO_FREE const struct policy_profile **sorted = memory_get((count ? count : 1) * sizeof(const void *));
    void *value;
    while (n < count && map_next(policy->profiles, &at, NULL, &value))
        sorted[n++] = value;
    qsort(sorted, n, sizeof(*sorted), by_name);
    cJSON *list = json_array();
    bool narrow = identity->kind == IDENTITY_RESOURCE || identity->kind == IDENTITY_APPLICATION;
    for (size_t i = 0; i < n && !narrow; i++)
        add_profile(policy, identity, user, sorted[i], list);
    *ret_array = list;
    return 0;
}
