/* Who is in a profile, as other systems are to know it? */
#include "auth/internal.h"

#include "base/clock.h"

bool policy_loaded(const struct policy *policy)
{
    return policy->filled;
}

bool policy_has_user(const struct policy *policy, const char *email)
{
    const struct policy_user *user = policy->filled ? map_get(policy->users_by_email, slice_of(email)) : NULL;
    return user && !user->disabled;
}

void policy_profiles(const struct policy *policy, void (*each)(void *context, const char *profile), void *context)
{
    size_t at = 0;
    void *value;
    while (policy->filled && map_next(policy->profiles, &at, NULL, &value))
        each(context, ((const struct policy_profile *)value)->name);
}

const char *policy_owner(const struct policy *policy, const char *profile)
{
    const struct policy_profile *found = snapshot_profile(policy, profile);
    return found ? found->owner->email : NULL;
}

/* The user's own role on the whole; ROLE_NONE if there is none now. */
static enum role role_now(const struct policy *policy, const struct policy_profile *profile,
                          const struct policy_user *user, int64_t now_ms)
{
    const struct policy_membership *membership =
        user && !user->disabled ? snapshot_membership(policy, profile, MEMBER_USER, user->id) : NULL;
    return membership && membership->whole.expires_ms > now_ms ? membership->whole.role : ROLE_NONE;
}

static const struct policy_user *user_by_id(const struct policy *policy, int64_t id)
{
    return map_get(policy->users, (struct slice){(const char *)&id, sizeof(id)});
}

/* <ret> has room for user_count + 1. */
static size_t members_of(const struct policy *policy, const struct policy_profile *profile, struct policy_member *ret)
{
    size_t n = 0;
    int64_t now_ms = clock_wall_ms();
    for (size_t i = 0; i < profile->user_count; i++) {
        const struct policy_user *user = user_by_id(policy, profile->users[i]);
        enum role role = role_now(policy, profile, user, now_ms);
        if (role != ROLE_NONE && user != profile->owner)
            ret[n++] = (struct policy_member){.email = user->email, .role = role};
    }
    if (!profile->owner->disabled)
        ret[n++] = (struct policy_member){.email = profile->owner->email, .role = ROLE_OWNER};
    return n;
}

size_t policy_members(const struct policy *policy, const char *profile, struct policy_member **ret)
{
    const struct policy_profile *found = snapshot_profile(policy, profile);
    *ret = memory_get(((found ? found->user_count : 0) + 1) * sizeof(**ret));
    return found ? members_of(policy, found, *ret) : 0;
}

/* A key per process: whoever chooses e-mail addresses cannot choose collisions, by which a removal would go unseen. */
static uint64_t digest_key[2];
static pthread_once_t digest_once = PTHREAD_ONCE_INIT;

static void digest_start(void)
{
    random_bytes(digest_key, sizeof(digest_key));
}

static uint64_t digest_of(const struct policy *policy, const struct policy_profile *profile, struct buffer *text)
{
    AUTO_FREE struct policy_member *members = memory_get((profile->user_count + 1) * sizeof(*members));
    size_t count = members_of(policy, profile, members);
    buffer_clear(text);
    buffer_add_text(text, profile->owner->email);
    for (size_t i = 0; i < count; i++)
        buffer_add_format(text, "\n%d %s", (int)members[i].role, members[i].email);
    return map_siphash(digest_key, (struct slice){text->p, text->n});
}

void policy_member_digests(const struct policy *policy,
                           void (*each)(void *context, const char *profile, uint64_t digest), void *context)
{
    AUTO_BUFFER struct buffer text = {0};
    size_t at = 0;
    void *value;
    pthread_once(&digest_once, digest_start);
    while (policy->filled && map_next(policy->profiles, &at, NULL, &value)) {
        const struct policy_profile *profile = value;
        each(context, profile->name, digest_of(policy, profile, &text));
    }
}
