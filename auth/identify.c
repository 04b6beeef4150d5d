/* Whose request is this? (from the snapshot alone: no lock, no waiting) */
#include "auth/internal.h"

#include "base/clock.h"

static bool idle_too_long(const struct policy *policy, const struct policy_session *session, int64_t now_ms)
{
    return now_ms - atomic_load_explicit(&session->seen_ms, memory_order_relaxed) >= policy->idle_ms;
}

bool session_alive(const struct policy *policy, const struct policy_session *session, int64_t now_ms)
{
    const struct policy_session *main_session = session->parent ? session->parent : session;
    return !session->user->disabled && now_ms < session->expires_ms && !idle_too_long(policy, main_session, now_ms);
}

bool token_alive(const struct policy_token *token, int64_t now_ms)
{
    return !token->user->disabled && now_ms < token->expires_ms;
}

static void touch(_Atomic int64_t *seen_ms, int64_t now_ms)
{
    if (now_ms - atomic_load_explicit(seen_ms, memory_order_relaxed) >= SEEN_EVERY_MS)
        atomic_store_explicit(seen_ms, now_ms, memory_order_relaxed);
}

static void fill_user(struct identity *ret, const struct policy_user *user)
{
    ret->user_id = user->id;
    ret->platform_admin = user->platform_admin;
    snprintf(ret->email, sizeof(ret->email), "%s", user->email);
}

static bool identify_session(const struct policy *policy, struct slice cookie, struct slice host, struct identity *ret)
{
    uint8_t digest[DIGEST_SIZE];
    if (!secret_well_formed(cookie))
        return false;
    digest_sha256(cookie, digest);
    struct policy_session *session = map_get(policy->sessions, (struct slice){(const char *)digest, sizeof(digest)});
    int64_t now_ms = clock_wall_ms();
    if (!session || !session_alive(policy, session, now_ms))
        return false;
    bool right_host = session->parent ? host.n > 0 && slice_is(host, session->host_label) : host.n == 0;
    if (!right_host) /* a cookie of one host opens nothing on another */
        return false;
    touch(&session->seen_ms, now_ms);
    fill_user(ret, session->user);
    ret->kind = session->parent ? IDENTITY_RESOURCE : IDENTITY_SESSION;
    ret->credential_id = session->id;
    ret->expires_ms = session->expires_ms;
    ret->must_set_password = session->by_link && !session->user->has_password;
    if (!session->parent) {
        secret_csrf(cookie, ret->csrf);
        return true;
    }
    /* The parent is kept awake too: whoever works in a notebook is not idle. */
    touch(&((struct policy_session *)(uintptr_t)session->parent)->seen_ms, now_ms);
    snprintf(ret->scope_namespace, sizeof(ret->scope_namespace), "%s", session->scope_namespace);
    snprintf(ret->scope_kind, sizeof(ret->scope_kind), "%s", session->scope_kind);
    snprintf(ret->scope_name, sizeof(ret->scope_name), "%s", session->scope_name);
    return true;
}

/* "atl_SECRET", or "token-7:SECRET", which must then be token 7 (*ret_id; else 0). */
static bool read_token(struct slice bearer, uint8_t ret_digest[DIGEST_SIZE], int64_t *ret_id)
{
    enum { BEFORE = sizeof(TOKEN_PREFIX) - 1 };
    char plain[BEFORE + SECRET_LENGTH] = TOKEN_PREFIX;
    struct slice secret, name = slice_split(bearer, ':', &secret);
    *ret_id = 0;
    if (slice_starts(bearer, TOKEN_PREFIX))
        secret = slice_skip(bearer, BEFORE);
    else if (!slice_starts(name, TOKEN_NAME) ||
             !text_parse_i64(slice_skip(name, sizeof(TOKEN_NAME) - 1), 1, INT64_MAX, ret_id))
        return false;
    if (!secret_well_formed(secret))
        return false;
    memcpy(plain + BEFORE, secret.p, SECRET_LENGTH);
    digest_sha256((struct slice){plain, sizeof(plain)}, ret_digest);
    memory_wipe(plain, sizeof(plain));
    return true;
}

/* Whoever holds it is not the person who made it, and is told apart from others by its number. */
static void fill_application(struct identity *ret, const struct token_application *application)
{
    ret->kind = IDENTITY_APPLICATION;
    ret->platform_admin = false;
    snprintf(ret->email, sizeof(ret->email), TOKEN_NAME "%lld", (long long)ret->credential_id);
    snprintf(ret->scope_namespace, sizeof(ret->scope_namespace), "%s", application->namespace);
    snprintf(ret->scope_kind, sizeof(ret->scope_kind), "%s", application->kind);
    snprintf(ret->scope_name, sizeof(ret->scope_name), "%s", application->name);
    snprintf(ret->scope_uid, sizeof(ret->scope_uid), "%s", application->uid);
    snprintf(ret->scope_prefix, sizeof(ret->scope_prefix), "%s", application->prefix);
}

static bool identify_token(const struct policy *policy, struct slice bearer, struct identity *ret)
{
    uint8_t digest[DIGEST_SIZE];
    int64_t id;
    if (!read_token(bearer, digest, &id))
        return false;
    struct policy_token *token = map_get(policy->tokens, (struct slice){(const char *)digest, sizeof(digest)});
    int64_t now_ms = clock_wall_ms();
    if (!token || (id && token->id != id) || !token_alive(token, now_ms))
        return false;
    touch(&token->used_ms, now_ms);
    fill_user(ret, token->user);
    ret->kind = IDENTITY_TOKEN;
    ret->credential_id = token->id;
    if (token->application)
        fill_application(ret, token->application);
    ret->expires_ms = token->expires_ms == INT64_MAX ? 0 : token->expires_ms;
    return true;
}

bool auth_identify(const struct policy *policy, const struct credentials *credentials, struct identity *ret)
{
    *ret = (struct identity){.kind = IDENTITY_ANONYMOUS};
    if (!policy->filled)
        return false;
    /* On a resource's host the Authorization header may be the application's own, so our cookie goes first; on the main
     * host whoever presents a token means it, and a wrong one is not made good by a cookie. */
    if (credentials->host_resource.n > 0 && credentials->cookie.n > 0 &&
        identify_session(policy, credentials->cookie, credentials->host_resource, ret))
        return true;
    if (credentials->bearer.n > 0)
        return identify_token(policy, credentials->bearer, ret);
    return credentials->host_resource.n == 0 && credentials->cookie.n > 0 &&
           identify_session(policy, credentials->cookie, (struct slice){0}, ret);
}
