/* May this identity do that? (the one function everybody asks; the rows of its table are in
 * tests/unit/auth/decisions.table) */
#include "auth/internal.h"

#include "base/clock.h"

static const char *const role_names[] = {"", "viewer", "editor", "admin", "owner"};

const char *role_name(enum role role)
{
    return (size_t)role < COUNT_OF(role_names) ? role_names[role] : "";
}

bool role_parse(struct slice text, enum role *ret)
{
    for (enum role role = ROLE_VIEWER; role <= ROLE_ADMIN; role++)
        if (slice_is(text, role_names[role])) {
            *ret = role;
            return true;
        }
    return false;
}

/* --- the table: what a role may on a whole profile, and on one resource --------------------------------------------
 */

static bool is_kind(const char *kind, const char *wanted)
{
    return kind && strcmp(kind, wanted) == 0;
}

static bool is_ray(const char *kind)
{
    return is_kind(kind, "RayCluster");
}

/* What people make and change themselves; the rest (events, quotas, roles, the namespace) is made by reconcilers. */
static bool is_workload(const char *kind)
{
    static const char *const kinds[] = {"Notebook",  "RayCluster", "RayJob",  "RayService", "PersistentVolumeClaim",
                                        "ConfigMap", "Secret",     "Service", "Pod",        "PodDefault"};
    for (size_t i = 0; kind && i < COUNT_OF(kinds); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}

/* The least role on the whole profile that may. ROLE_OWNER + 1: nobody but platform admins. */
static enum role least_role(const struct access *access)
{
    switch (access->verb) {
    case VERB_GET:
    case VERB_LIST:
    case VERB_WATCH:
        return is_kind(access->kind, "Secret") ? ROLE_EDITOR : ROLE_VIEWER;
    case VERB_LOG:
    case VERB_MEMBERS_READ:
        return ROLE_VIEWER;
    case VERB_CONNECT_READ:
        return is_ray(access->kind) ? ROLE_VIEWER : ROLE_EDITOR;
    case VERB_CONNECT:
        return ROLE_EDITOR;
    case VERB_CREATE:
        return is_workload(access->kind) ? ROLE_EDITOR : ROLE_OWNER + 1;
    case VERB_UPDATE:
    case VERB_DELETE:
        if (is_kind(access->kind, "Profile"))
            return ROLE_ADMIN;
        return is_workload(access->kind) ? ROLE_EDITOR : ROLE_OWNER + 1;
    case VERB_MEMBERS_WRITE:
        return ROLE_ADMIN;
    case VERB_TRANSFER:
        return ROLE_OWNER;
    }
    return ROLE_OWNER + 1;
}

/* The least role on the one resource that may; deleting what somebody else made takes an admin of it. */
static enum role least_resource_role(const struct access *access)
{
    switch (access->verb) {
    case VERB_GET:
    case VERB_LIST:
    case VERB_WATCH:
    case VERB_LOG:
        return ROLE_VIEWER;
    case VERB_CONNECT_READ:
        return is_ray(access->kind) ? ROLE_VIEWER : ROLE_EDITOR;
    case VERB_CONNECT:
    case VERB_UPDATE:
        return ROLE_EDITOR;
    case VERB_DELETE:
        return ROLE_ADMIN;
    case VERB_CREATE:
    case VERB_MEMBERS_READ:
    case VERB_MEMBERS_WRITE:
    case VERB_TRANSFER:
        break;
    }
    return ROLE_OWNER + 1;
}

static bool is_list(enum verb verb)
{
    return verb == VERB_LIST || verb == VERB_WATCH;
}

/* --- whose credential, which roles ---------------------------------------------------------------------------------
 */

const struct policy_user *policy_user_of(const struct policy *policy, const struct identity *identity)
{
    int64_t now_ms = clock_wall_ms();
    if (identity->kind == IDENTITY_SESSION || identity->kind == IDENTITY_RESOURCE) {
        const struct policy_session *session = snapshot_session_by_id(policy, identity->credential_id);
        bool right = session && session->user->id == identity->user_id &&
                     (session->parent != NULL) == (identity->kind == IDENTITY_RESOURCE);
        return right && session_alive(policy, session, now_ms) ? session->user : NULL;
    }
    if (identity->kind == IDENTITY_TOKEN || identity->kind == IDENTITY_APPLICATION) {
        const struct policy_token *token = snapshot_token_by_id(policy, identity->credential_id);
        bool right = token && token->user->id == identity->user_id &&
                     (token->application != NULL) == (identity->kind == IDENTITY_APPLICATION);
        return right && token_alive(token, now_ms) ? token->user : NULL;
    }
    return NULL;
}

struct standing {
    enum role whole, resource; /* on the profile; on the resource the access names */
    bool some_resource;        /* a grant on any one resource of the profile */
};

static void raise(enum role *role, enum role to)
{
    if (to > *role)
        *role = to;
}

static enum role resource_role(const struct policy_membership *membership, const struct access *access, int64_t now_ms)
{
    size_t low = 0, high = membership->resource_count;
    while (access->kind && access->name && low < high) {
        size_t middle = low + (high - low) / 2;
        const struct policy_grant *grant = &membership->resources[middle];
        int order = strcmp(grant->kind, access->kind);
        if (order == 0)
            order = strcmp(grant->name, access->name);
        if (order == 0)
            return grant->expires_ms > now_ms ? grant->role : ROLE_NONE;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return ROLE_NONE;
}

static void add_membership(struct standing *standing, const struct policy_membership *membership,
                           const struct access *access, int64_t now_ms)
{
    if (!membership)
        return;
    if (membership->whole.role != ROLE_NONE && membership->whole.expires_ms > now_ms)
        raise(&standing->whole, membership->whole.role);
    if (membership->resource_count && membership->resources_until_ms > now_ms)
        standing->some_resource = true;
    raise(&standing->resource, resource_role(membership, access, now_ms));
}

static struct standing standing_of(const struct policy *policy, const struct policy_user *user,
                                   const struct policy_profile *profile, const struct access *access)
{
    struct standing standing = {0};
    int64_t now_ms = clock_wall_ms();
    if (profile->owner == user)
        standing.whole = ROLE_OWNER;
    add_membership(&standing, snapshot_membership(policy, profile, MEMBER_USER, user->id), access, now_ms);
    for (size_t i = 0, j = 0; i < user->group_count && j < profile->group_count;) { /* both ascend */
        if (user->groups[i] == profile->groups[j]) {
            add_membership(&standing, snapshot_membership(policy, profile, MEMBER_GROUP, user->groups[i]), access,
                           now_ms);
            i++, j++;
        } else if (user->groups[i] < profile->groups[j]) {
            i++;
        } else {
            j++;
        }
    }
    return standing;
}

/* --- the decision --------------------------------------------------------------------------------------------------
 */

static struct decision allow(const char *reason)
{
    return (struct decision){.allowed = true, .visible = true, .reason = reason};
}
static struct decision allow_partly(const char *reason)
{
    return (struct decision){.allowed = true, .visible = true, .partial = true, .reason = reason};
}
static struct decision refuse(const char *reason)
{
    return (struct decision){.visible = true, .reason = reason};
}
static struct decision hide(const char *reason)
{
    return (struct decision){.reason = reason};
}

/* Everybody signed in may list everything everywhere, and sees of it what they may get; and may create a profile (how
 * many is decided when the name is claimed). The rest of the cluster's own things is the platform admins'. */
static struct decision decide_cluster(const struct access *access)
{
    if (is_list(access->verb))
        return allow_partly("every item is decided by itself");
    if (access->verb == VERB_CREATE && is_kind(access->kind, "Profile"))
        return allow("whoever is signed in may create a profile");
    return access->name ? hide("not a platform admin") : refuse("this takes a platform admin");
}

static struct decision decide_namespace(const struct standing *standing, const struct access *access)
{
    if (standing->whole != ROLE_NONE && standing->whole >= least_role(access))
        return allow("the role on the profile allows it");
    if (standing->resource != ROLE_NONE && standing->resource >= least_resource_role(access))
        return allow("the grant on this resource allows it");
    if (standing->whole != ROLE_NONE)
        return refuse("your role on this profile does not allow this");
    if (standing->resource != ROLE_NONE)
        return refuse("your role on this resource does not allow this");
    if (standing->some_resource && is_list(access->verb) && !access->name)
        return allow_partly("every item is decided by itself");
    if (standing->some_resource && access->verb == VERB_CREATE)
        return refuse("only one resource of this profile is shared with you");
    return hide("no grant here");
}

/* A resource's cookie opens its one resource, and of that only what a browser in it needs. */
static bool within_scope(const struct identity *identity, const struct access *access)
{
    return (access->verb == VERB_GET || access->verb == VERB_CONNECT_READ || access->verb == VERB_CONNECT) &&
           access->namespace && access->kind && access->name &&
           strcmp(access->namespace, identity->scope_namespace) == 0 &&
           strcmp(access->kind, identity->scope_kind) == 0 && strcmp(access->name, identity->scope_name) == 0;
}

/* As a person with a grant on that one resource would, without its logs and without a way to connect to it. */
static struct decision decide_workload(const struct policy *policy, const struct identity *identity,
                                       const struct access *access)
{
    bool verb_fits = access->verb == VERB_GET || is_list(access->verb) || access->verb == VERB_UPDATE;
    if (!verb_fits || !access->namespace || strcmp(access->namespace, identity->scope_namespace) != 0 ||
        !snapshot_profile(policy, access->namespace))
        return hide("a workload sees itself only");
    struct standing standing = {.some_resource = true};
    if (is_kind(access->kind, identity->scope_kind) && access->name && strcmp(access->name, identity->scope_name) == 0)
        standing.resource = ROLE_EDITOR;
    return decide_namespace(&standing, access);
}

static bool is_text(const char *text, const char *wanted)
{
    return text && *wanted && strcmp(text, wanted) == 0;
}

/* A token of one application opens the paths of that, on whatever cluster its RayService stands. */
static bool within_application(const struct identity *identity, const struct access *access)
{
    if ((access->verb != VERB_CONNECT_READ && access->verb != VERB_CONNECT) || !access->path || !access->name ||
        !is_ray(access->kind) || !is_text(access->namespace, identity->scope_namespace))
        return false;
    bool cluster = is_ray(identity->scope_kind) && is_text(access->name, identity->scope_name) &&
                   is_text(access->uid, identity->scope_uid);
    bool service = is_kind(identity->scope_kind, "RayService") && is_text(access->service_uid, identity->scope_uid);
    struct slice prefix = slice_of(identity->scope_prefix);
    return (cluster || service) && prefix_is_good(prefix) && prefix_covers(prefix, slice_of(access->path));
}

static struct decision decide_user(const struct policy *policy, const struct policy_user *user,
                                   const struct access *access)
{
    if (user->platform_admin)
        return allow("a platform admin");
    if (!access->namespace)
        return decide_cluster(access);
    const struct policy_profile *profile = snapshot_profile(policy, access->namespace);
    if (!profile)
        return hide("no such profile");
    if (is_kind(access->kind, "Profile") && access->name && strcmp(access->name, access->namespace) != 0)
        return hide("a profile's namespace bears its name");
    const struct standing standing = standing_of(policy, user, profile, access);
    return decide_namespace(&standing, access);
}

/* No more than whoever made it may do now: it ends with their role. */
static struct decision decide_application(const struct policy *policy, const struct identity *identity,
                                          const struct policy_user *user, const struct access *access)
{
    if (!within_application(identity, access))
        return hide("this token opens one application only");
    if (!snapshot_profile(policy, access->namespace))
        return hide("no such profile");
    return decide_user(policy, user, access).allowed ? allow("a token of this application")
                                                     : hide("whoever made this token may not use the application");
}

struct decision policy_decide(const struct policy *policy, const struct identity *identity, const struct access *access)
{
    if (identity->kind == IDENTITY_ANONYMOUS)
        return hide("not signed in");
    if (!snapshot_fresh(policy))
        return hide("the policy has not been confirmed for too long");
    if (identity->kind == IDENTITY_LOCAL)
        return allow("the local administrator");
    if (identity->kind == IDENTITY_WORKLOAD)
        return decide_workload(policy, identity, access);
    const struct policy_user *user = policy_user_of(policy, identity);
    if (!user)
        return hide("the session or token has ended");
    if (identity->kind == IDENTITY_RESOURCE && !within_scope(identity, access))
        return hide("this cookie opens one resource only");
    if (identity->kind == IDENTITY_APPLICATION)
        return decide_application(policy, identity, user, access);
    return decide_user(policy, user, access);
}

enum role policy_role(const struct policy *policy, const struct identity *identity, const char *namespace)
{
    const struct access whole = {.namespace = namespace, .verb = VERB_GET};
    if (identity->kind == IDENTITY_RESOURCE || identity->kind == IDENTITY_APPLICATION || !snapshot_fresh(policy))
        return ROLE_NONE;
    if (identity->kind == IDENTITY_LOCAL)
        return ROLE_OWNER;
    const struct policy_user *user = policy_user_of(policy, identity);
    const struct policy_profile *profile = user ? snapshot_profile(policy, namespace) : NULL;
    if (user && user->platform_admin)
        return ROLE_OWNER;
    return profile ? standing_of(policy, user, profile, &whole).whole : ROLE_NONE;
}

bool policy_still_valid(const struct policy *policy, const struct identity *identity)
{
    if (!snapshot_fresh(policy))
        return false;
    if (identity->kind == IDENTITY_WORKLOAD)
        return snapshot_profile(policy, identity->scope_namespace) != NULL;
    return identity->kind == IDENTITY_LOCAL || policy_user_of(policy, identity) != NULL;
}
