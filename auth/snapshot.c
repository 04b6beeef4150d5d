/* How is the immutable picture of people and grants laid out, so that a decision is a few look-ups? */
#include "auth/internal.h"

#include "base/clock.h"

static struct slice id_key(const int64_t *id)
{
    return (struct slice){(const char *)id, sizeof(*id)};
}

void snapshot_start(struct policy *policy, int64_t now_ms, int64_t idle_ms)
{
    policy->now_ms = now_ms;
    policy->idle_ms = idle_ms;
    policy->next_expiry_ms = INT64_MAX;
    policy->arena = arena_new(16384);
    struct map **maps[] = {&policy->users,        &policy->users_by_email, &policy->groups_by_name,
                           &policy->sessions,     &policy->sessions_by_id, &policy->tokens,
                           &policy->tokens_by_id, &policy->profiles,       &policy->memberships};
    for (size_t i = 0; i < COUNT_OF(maps); i++)
        *maps[i] = map_new();
    policy->filled = true;
}

static void free_ids(struct policy_profile *profile)
{
    free(profile->groups);
    free(profile->users);
}

/* What grew by doubling is not the arena's. */
static void free_arrays(struct policy *policy)
{
    size_t at = 0;
    void *value;
    while (map_next(policy->users, &at, NULL, &value))
        free(((struct policy_user *)value)->groups);
    at = 0;
    while (map_next(policy->profiles, &at, NULL, &value))
        free_ids(value);
    at = 0;
    while (map_next(policy->memberships, &at, NULL, &value))
        free(((struct policy_membership *)value)->resources);
}

void snapshot_clear(struct policy *policy)
{
    if (!policy->filled)
        return;
    free_arrays(policy);
    struct map **maps[] = {&policy->users,        &policy->users_by_email, &policy->groups_by_name,
                           &policy->sessions,     &policy->sessions_by_id, &policy->tokens,
                           &policy->tokens_by_id, &policy->profiles,       &policy->memberships};
    for (size_t i = 0; i < COUNT_OF(maps); i++) {
        map_free(*maps[i]);
        *maps[i] = NULL;
    }
    arena_free(policy->arena);
    policy->arena = NULL;
    policy->filled = false;
}

static void note_expiry(struct policy *policy, int64_t expires_ms)
{
    if (expires_ms > policy->now_ms && expires_ms < policy->next_expiry_ms)
        policy->next_expiry_ms = expires_ms;
}

struct policy_user *snapshot_add_user(struct policy *policy, int64_t id, const char *email, bool platform_admin,
                                      bool disabled, bool has_password)
{
    struct policy_user *user = arena_get(policy->arena, sizeof(*user));
    *user = (struct policy_user){.id = id,
                                 .email = arena_text(policy->arena, email),
                                 .platform_admin = platform_admin,
                                 .disabled = disabled,
                                 .has_password = has_password};
    map_put(policy->users, id_key(&id), user);
    map_put(policy->users_by_email, slice_of(user->email), user);
    return user;
}

void snapshot_add_group(struct policy *policy, int64_t id, const char *name)
{
    int64_t *kept = arena_get(policy->arena, sizeof(*kept));
    *kept = id;
    map_put(policy->groups_by_name, slice_of(name), kept);
}

/* Appends to an array that doubles: its capacity is the power of two at or above its count. */
static void append_id(int64_t **list, size_t *count, int64_t id)
{
    if ((*count & (*count - 1)) == 0) /* 0, 1, 2, 4, 8 ...: full */
        *list = memory_resize(*list, (*count ? *count * 2 : 1) * sizeof(**list));
    (*list)[(*count)++] = id;
}

void snapshot_add_member(struct policy *policy, int64_t group_id, const char *email)
{
    struct policy_user *user = map_get(policy->users_by_email, slice_of(email));
    if (user)
        append_id(&user->groups, &user->group_count, group_id);
}

static int64_t idle_until(const struct policy *policy, int64_t seen_ms)
{
    return seen_ms + policy->idle_ms;
}

struct policy_session *snapshot_add_session(struct policy *policy, const struct snapshot_session *row)
{
    uint8_t digest[DIGEST_SIZE];
    const struct policy_user *user = map_get(policy->users, id_key(&row->user_id));
    const struct policy_session *parent = NULL;
    if (row->parent_id)
        parent = map_get(policy->sessions_by_id, id_key(&row->parent_id));
    if (!user || (row->parent_id && (!parent || parent->user != user || parent->parent || !row->host_label)) ||
        !text_unhex(slice_of(row->sha256_hex), digest, sizeof(digest)))
        return NULL;
    struct policy_session *session = arena_get(policy->arena, sizeof(*session));
    session->id = row->id;
    session->user = user;
    session->parent = parent;
    session->by_link = row->by_link;
    session->expires_ms = parent && parent->expires_ms < row->expires_ms ? parent->expires_ms : row->expires_ms;
    session->loaded_seen_ms = row->last_seen_ms;
    atomic_init(&session->seen_ms, row->last_seen_ms);
    if (parent) {
        session->host_label = arena_text(policy->arena, row->host_label);
        session->scope_namespace = arena_text(policy->arena, row->scope_namespace);
        session->scope_kind = arena_text(policy->arena, row->scope_kind);
        session->scope_name = arena_text(policy->arena, row->scope_name);
    }
    map_put(policy->sessions, (struct slice){(const char *)digest, sizeof(digest)}, session);
    map_put(policy->sessions_by_id, id_key(&session->id), session);
    return session;
}

static const struct token_application *keep_application(struct arena *arena, const struct token_application *given)
{
    struct token_application *kept = arena_get(arena, sizeof(*kept));
    *kept = (struct token_application){.namespace = arena_text(arena, given->namespace),
                                       .kind = arena_text(arena, given->kind),
                                       .name = arena_text(arena, given->name),
                                       .prefix = arena_text(arena, given->prefix),
                                       .uid = arena_text(arena, given->uid)};
    return kept;
}

struct policy_token *snapshot_add_token(struct policy *policy, int64_t id, int64_t user_id, const char *sha256_hex,
                                        int64_t expires_ms, int64_t last_used_ms,
                                        const struct token_application *application)
{
    uint8_t digest[DIGEST_SIZE];
    const struct policy_user *user = map_get(policy->users, id_key(&user_id));
    if (!user || !text_unhex(slice_of(sha256_hex), digest, sizeof(digest)))
        return NULL;
    struct policy_token *token = arena_get(policy->arena, sizeof(*token));
    token->id = id;
    token->user = user;
    token->expires_ms = expires_ms;
    token->application = application ? keep_application(policy->arena, application) : NULL;
    token->loaded_used_ms = last_used_ms;
    atomic_init(&token->used_ms, last_used_ms);
    map_put(policy->tokens, (struct slice){(const char *)digest, sizeof(digest)}, token);
    map_put(policy->tokens_by_id, id_key(&token->id), token);
    note_expiry(policy, expires_ms);
    return token;
}

void snapshot_add_profile(struct policy *policy, const char *name, int64_t owner_id)
{
    const struct policy_user *owner = map_get(policy->users, id_key(&owner_id));
    if (!owner)
        return;
    struct policy_profile *profile = arena_get(policy->arena, sizeof(*profile));
    *profile = (struct policy_profile){
        .name = arena_text(policy->arena, name), .index = (uint32_t)map_count(policy->profiles) + 1, .owner = owner};
    map_put(policy->profiles, slice_of(profile->name), profile);
}

struct policy_membership *snapshot_membership(const struct policy *policy, const struct policy_profile *profile,
                                              unsigned type, int64_t id)
{
    const struct membership_key key = {.profile = profile->index, .type = type, .id = id};
    return map_get(policy->memberships, (struct slice){(const char *)&key, sizeof(key)});
}

static struct policy_membership *membership_of(struct policy *policy, struct policy_profile *profile, unsigned type,
                                               int64_t id)
{
    const struct membership_key key = {.profile = profile->index, .type = type, .id = id};
    struct policy_membership *membership = snapshot_membership(policy, profile, type, id);
    if (membership)
        return membership;
    membership = arena_get(policy->arena, sizeof(*membership));
    map_put(policy->memberships, (struct slice){(const char *)&key, sizeof(key)}, membership);
    if (type == MEMBER_GROUP)
        append_id(&profile->groups, &profile->group_count, id);
    else
        append_id(&profile->users, &profile->user_count, id);
    return membership;
}

void snapshot_add_grant(struct policy *policy, const char *profile_name, const char *subject_kind,
                        const char *subject_name, enum role role, const char *kind, const char *name,
                        int64_t expires_ms)
{
    struct policy_profile *profile = map_get(policy->profiles, slice_of(profile_name));
    bool is_user = strcmp(subject_kind, "User") == 0;
    const struct policy_user *user = is_user ? map_get(policy->users_by_email, slice_of(subject_name)) : NULL;
    const int64_t *group = is_user ? NULL : map_get(policy->groups_by_name, slice_of(subject_name));
    if (!profile || (!user && !group) || role == ROLE_NONE || role > ROLE_ADMIN || expires_ms <= policy->now_ms)
        return;
    note_expiry(policy, expires_ms);
    struct policy_membership *membership =
        membership_of(policy, profile, is_user ? MEMBER_USER : MEMBER_GROUP, user ? user->id : *group);
    struct policy_grant grant = {.role = role, .expires_ms = expires_ms};
    if (!kind) {
        membership->whole = grant;
        return;
    }
    grant.kind = arena_text(policy->arena, kind);
    grant.name = arena_text(policy->arena, name);
    if (membership->resource_count == membership->resource_capacity) {
        membership->resource_capacity = membership->resource_capacity ? membership->resource_capacity * 2 : 2;
        membership->resources =
            memory_resize(membership->resources, membership->resource_capacity * sizeof(*membership->resources));
    }
    membership->resources[membership->resource_count++] = grant;
    if (expires_ms > membership->resources_until_ms)
        membership->resources_until_ms = expires_ms;
}

static int by_resource(const void *left, const void *right)
{
    const struct policy_grant *a = left, *b = right;
    int order = strcmp(a->kind, b->kind);
    return order ? order : strcmp(a->name, b->name);
}

static int by_id(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

/* What was seen since it was last written to the tables must not be forgotten by loading them. */
static void carry_seen(struct policy *policy, const struct policy *before)
{
    size_t at = 0;
    void *value;
    while (map_next(policy->sessions_by_id, &at, NULL, &value)) {
        struct policy_session *session = value;
        const struct policy_session *old = snapshot_session_by_id(before, session->id);
        int64_t seen_ms = old ? atomic_load(&old->seen_ms) : 0;
        if (seen_ms > atomic_load(&session->seen_ms))
            atomic_store(&session->seen_ms, seen_ms);
    }
    at = 0;
    while (map_next(policy->tokens_by_id, &at, NULL, &value)) {
        struct policy_token *token = value;
        const struct policy_token *old = snapshot_token_by_id(before, token->id);
        int64_t used_ms = old ? atomic_load(&old->used_ms) : 0;
        if (used_ms > atomic_load(&token->used_ms))
            atomic_store(&token->used_ms, used_ms);
    }
}

void snapshot_finish(struct policy *policy, const struct policy *before)
{
    if (before)
        carry_seen(policy, before);
    size_t at = 0;
    void *value;
    while (map_next(policy->memberships, &at, NULL, &value)) {
        struct policy_membership *membership = value;
        if (membership->resource_count)
            qsort(membership->resources, membership->resource_count, sizeof(*membership->resources), by_resource);
    }
    at = 0;
    while (map_next(policy->profiles, &at, NULL, &value)) {
        struct policy_profile *profile = value;
        if (profile->group_count)
            qsort(profile->groups, profile->group_count, sizeof(*profile->groups), by_id);
        if (profile->user_count)
            qsort(profile->users, profile->user_count, sizeof(*profile->users), by_id);
    }
    at = 0;
    while (map_next(policy->sessions_by_id, &at, NULL, &value)) {
        const struct policy_session *session = value;
        note_expiry(policy, session->expires_ms);
        note_expiry(policy, idle_until(policy, atomic_load(&session->seen_ms)));
    }
}

const struct policy_session *snapshot_session_by_id(const struct policy *policy, int64_t id)
{
    return policy->filled ? map_get(policy->sessions_by_id, id_key(&id)) : NULL;
}

const struct policy_token *snapshot_token_by_id(const struct policy *policy, int64_t id)
{
    return policy->filled ? map_get(policy->tokens_by_id, id_key(&id)) : NULL;
}

const struct policy_profile *snapshot_profile(const struct policy *policy, const char *name)
{
    return policy->filled ? map_get(policy->profiles, slice_of(name)) : NULL;
}

bool snapshot_fresh(const struct policy *policy)
{
    return policy->filled && clock_monotonic_ms() < atomic_load_explicit(policy->fresh_until_ms, memory_order_relaxed);
}

uint64_t policy_generation(const struct policy *policy)
{
    return policy->generation;
}
