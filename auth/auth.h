/*
 * Who is calling: accounts, sign-in, sessions, API tokens, resource sessions; grants; the audit log.
 *
 * Truth is PostgreSQL (tables users, sessions, tokens, links, grants, invitations, profiles_owners, audit: see
 * auth/migrations). Every write here runs in one transaction, NOTIFYs `atelier_policy`, and returns after this
 * process's snapshot contains it. Secrets are stored as SHA-256 (random ones) or scrypt (passwords).
 *
 * Threads: any; calls block on PostgreSQL except auth_identify and everything in policy.h.
 */
#ifndef ATELIER_AUTH_AUTH_H
#define ATELIER_AUTH_AUTH_H

#include "auth/policy.h"
#include "base/json.h"

struct store;
struct auth_options {
    struct store *store;
    const char *admin_email;    /* ATELIER_ADMIN_EMAIL */
    int64_t max_stale_ms;       /* 5 min */
    int64_t session_ttl_ms;     /* absolute, 30 days; idle limit 7 days */
    unsigned profiles_per_user; /* how many one may own, default 3 */
};
int auth_new(const struct auth_options *options, struct auth **ret, struct error *error);
void auth_free(struct auth *auth);
bool auth_ready(struct auth *auth);                       /* the first snapshot is in and not past max_stale */
int auth_refresh(struct auth *auth, struct error *error); /* reload now (after a write elsewhere) */
/* Calls <changed> after every snapshot swap, from auth's own thread; it must not block. At most 8 listeners. */
void auth_on_change(struct auth *auth, void (*changed)(void *context), void *context);
/* The listener with that <context> is not called any more once this returns; never from a listener. */
void auth_off_change(struct auth *auth, const void *context);

/* --- identify: lock-free, never blocks ---------------------------------------------------------------------------- */
struct credentials {
    struct slice cookie;        /* value of our session cookie, or empty */
    struct slice bearer;        /* after "Bearer " in Authorization, or empty */
    struct slice host_resource; /* on a resource's host: its label ("notebook-nb1--alice"); else empty */
};
/* False (and ANONYMOUS) if nothing valid was presented. A main-host session is never accepted for a resource's host. */
bool auth_identify(const struct policy *policy, const struct credentials *credentials, struct identity *ret);

/* --- sign-in ------------------------------------------------------------------------------------------------------ */
/* Result of opening a session: the cookie value, once. */
struct auth_session {
    char secret[64];
    int64_t expires_ms;
    struct identity identity;
};
/* Uniform time and answer for unknown users; rate-limited per e-mail and per <peer> (LIMITED with retry_after_s). */
int auth_sign_in_password(struct auth *auth, struct slice email, struct slice password, const char *peer,
                          struct auth_session *ret, struct error *error);
/* A one-time link code (first admin, reset, invitation): GONE when used or expired. The session must set a password. */
int auth_sign_in_link(struct auth *auth, struct slice code, const char *peer, struct auth_session *ret,
                      struct error *error);
/* Sets or changes the password; <old> is needed when one is set and the session did not come from a link. Ends every
 * other session. 10..256 characters. */
int auth_password_set(struct auth *auth, const struct identity *identity, struct slice old_password,
                      struct slice password, struct error *error);
int auth_sign_out(struct auth *auth, const struct identity *identity, struct error *error);
int auth_sign_out_everywhere(struct auth *auth, const struct identity *identity, struct error *error);
/* The pending sign-in link of the first platform admin ("" once it has been used): makes it if there is none. */
int auth_first_link(struct auth *auth, char ret_code[64], struct error *error);

/* Handing a session over to a resource's host: a code (30 s, single use, bound to host and user), then a cookie secret.
 */
int auth_handoff_new(struct auth *auth, const struct identity *identity, const char *host_label, const char *namespace,
                     const char *kind, const char *name, char ret_code[64], struct error *error);
int auth_handoff_redeem(struct auth *auth, struct slice code, const char *host_label, struct auth_session *ret,
                        struct error *error);

/* Letting in a command line: a signed-in browser approves for <challenge>, the base64url of a SHA-256, and gets a code
 * (2 min, single use); who shows it with the text of that SHA-256 gets an API token of that person by that <name>, good
 * for <ttl_s>. A code shown wrongly is spent: GONE, and counted against <peer>. */
int auth_approval_new(struct auth *auth, const struct identity *identity, struct slice challenge, const char *name,
                      int64_t ttl_s, char ret_code[64], struct error *error);
int auth_approval_redeem(struct auth *auth, struct slice code, struct slice verifier, const char *peer,
                         char ret_token[96], cJSON **ret, struct error *error);

/* --- users, tokens, sessions (JSON as the API shows it; never a secret except where said) --------------------------
 */
/* E-mail: lower-cased, whole; refused, never repaired: one '@', ASCII, domain labels valid, <= 254. */
int auth_email_check(struct slice email, char ret[255], struct error *error);
int auth_user_create(struct auth *auth, const char *email, bool platform_admin, char ret_link_code[64], cJSON **ret,
                     struct error *error);
int auth_user_reset_link(struct auth *auth, const char *email, char ret_link_code[64], struct error *error);
int auth_user_list(struct auth *auth, cJSON **ret_array, struct error *error);
int auth_user_disable(struct auth *auth, const char *email, bool disabled, struct error *error);
int auth_user_delete(struct auth *auth, const char *email, struct error *error);
/* What a token alone opens: below <prefix> (base/prefix.h) of what Serve answers in a "RayCluster" or "RayService". */
struct token_application {
    const char *namespace, *kind, *name, *prefix;
    const char *uid; /* of that object: another one of its name is not opened */
};
/* INVALID, naming "application.…", unless each of these is such a text; the uid is not looked at. */
int auth_token_check_application(const struct token_application *application, struct error *error);
/* With <application> it opens that and does nothing else, for as long as <email> may use that; NULL: all that <email>
 * may do. INVALID names the field. */
int auth_token_create(struct auth *auth, const char *email, const char *name, int64_t ttl_s,
                      const struct token_application *application, char ret_token[96], cJSON **ret,
                      struct error *error);
/* The same token as a name and a secret, "token-ID:SECRET", for clients that know only that form. */
void auth_token_named(int64_t id, const char *token, char ret[96]);
int auth_token_list(struct auth *auth, int64_t user_id /* 0: all */, cJSON **ret_array, struct error *error);
int auth_token_delete(struct auth *auth, int64_t user_id /* 0: any */, int64_t id, struct error *error);
/* Those of applications in one profile, whoever made them. NOT_FOUND: nobody owns such a profile. */
int auth_token_list_of(struct auth *auth, const char *profile, cJSON **ret_array, struct error *error);
int auth_token_delete_of(struct auth *auth, const char *profile, int64_t id, struct error *error);
int auth_session_list(struct auth *auth, int64_t user_id, cJSON **ret_array, struct error *error);
int auth_session_delete(struct auth *auth, int64_t user_id, int64_t id, struct error *error);

/* --- who may what ------------------------------------------------------------------------------------------------- */
/* Claims a profile name for its owner: EXISTS if taken (also while being deleted), FORBIDDEN past profiles_per_user. */
int auth_profile_claim(struct auth *auth, const char *profile, const char *owner_email, bool unlimited,
                       struct error *error);
/* Whether that would work now, without doing it. */
int auth_profile_claimable(struct auth *auth, const char *profile, const char *owner_email, bool unlimited,
                           struct error *error);
int auth_profile_release(struct auth *auth, const char *profile, struct error *error); /* removes grants too */
int auth_profile_transfer(struct auth *auth, const char *profile, const char *new_owner_email, struct error *error);
/* <kind>/<name> NULL: the whole profile. Unknown e-mail: 201 with state "pending". Same subject+resource: role
 * replaced.
 * {"id","subject":{"kind","name"},"role","resource":{…}|null,"state":"active|pending","expiresAt":…} */
int auth_grant_add(struct auth *auth, const char *profile, const char *subject_kind, const char *subject_name,
                   enum role role, const char *kind, const char *name, int64_t expires_ms, const struct identity *by,
                   cJSON **ret, struct error *error);
int auth_grant_list(struct auth *auth, const char *profile, cJSON **ret_array, struct error *error); /* owner first */
int auth_grant_update(struct auth *auth, const char *profile, int64_t id, enum role role, int64_t expires_ms,
                      cJSON **ret, struct error *error);
int auth_grant_remove(struct auth *auth, const char *profile, int64_t id, struct error *error);
/* Drops the grants on one resource when it is deleted, with the cookies and the tokens that open it. */
int auth_grant_forget(struct auth *auth, const char *profile, const char *kind, const char *name, struct error *error);
/* Profiles the caller can see, with role: [{"name","role","owner"}]; resource-only grants as
 * {"name","role":"","resources":[…]}. */
int auth_profiles_of(const struct policy *policy, const struct identity *identity, cJSON **ret_array);

/* --- audit -------------------------------------------------------------------------------------------------------- */
/* Queued and written in batches; never blocks the caller; dropped (and counted) only past 10,000 waiting. */
struct audit_entry {
    const char *actor, *action, *namespace, *kind, *name, *outcome, *detail, *peer, *request_id; /* NULL: none */
};
void audit_add(struct auth *auth, const struct audit_entry *entry);
int audit_list(struct auth *auth, const char *namespace /* NULL: all */, int64_t before_id, int64_t limit,
               cJSON **ret_array, struct error *error);
/* Calls <told> when entries have been written, by whichever replica, and when some may have been; from the thread
 * that listens, so it must not block. The two texts say nothing. */
int audit_on_written(struct auth *auth, void (*told)(void *context, const char *channel, const char *payload),
                     void *context, struct error *error);
void audit_off_written(struct auth *auth, void *context); /* it is not called any more once this returns */
/* Removes at most <limit> of the entries that are older than <kept_s>, the oldest first. */
int audit_expire(struct auth *auth, int64_t kept_s, int64_t limit, int64_t *ret_count, struct error *error);

#endif
