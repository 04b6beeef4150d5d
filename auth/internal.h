/* What the files of this room share: the snapshot's types, the running auth, limits, transactions. Not for other rooms.
 */
#ifndef ATELIER_AUTH_INTERNAL_H
#define ATELIER_AUTH_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "auth/auth.h"
#include "base/map.h"
#include "base/random.h"
#include "store/store.h"

/* Limits of this room, and why. */
#define EMAIL_MAX 254                 /* RFC 5321 4.5.3.1.3 less the angle brackets */
#define EMAIL_LOCAL_MAX 64            /* RFC 5321 4.5.3.1.1 */
#define PASSWORD_MIN 10               /* characters; NIST SP 800-63B asks for 8, we have no second factor */
#define PASSWORD_MAX 256              /* characters */
#define PASSWORD_BYTES_MAX 1024       /* 256 characters of four bytes: more cannot be a password */
#define HASHES_AT_ONCE 2u             /* each takes 32 MiB and a core for about 0.1 s */
#define HASHES_WAITING 32u            /* about 2 s of queue; later callers are told to come back */
#define SIGN_IN_EMAIL_BURST 10u       /* wrong passwords of one account ... */
#define SIGN_IN_EMAIL_REFILL_MS 10000 /* ... and one more every ten seconds */
#define SIGN_IN_PEER_BURST 60u        /* of one address: an office behind NAT */
#define SIGN_IN_PEER_REFILL_MS 1000
#define LINK_TTL_MS (7 * 86400000LL) /* invitations and resets travel by mail */
#define HANDOFF_TTL_MS 30000         /* one redirect */
#define HANDOFFS_PER_SESSION 50      /* open redirects of one browser; the oldest go */
#define APPROVAL_TTL_MS 120000       /* from the click to the command line, by hand if need be */
#define APPROVALS_PER_SESSION 10     /* command lines let in at once; the oldest go */
#define SESSIONS_PER_USER 100        /* main sessions; the oldest end */
#define SESSIONS_PER_HOST 8          /* of one main session on one resource's host; the oldest end */
#define SESSION_IDLE_MS (7 * 86400000LL)
#define SEEN_EVERY_MS 60000 /* how exactly last_seen is kept */
#define TOKENS_PER_USER 100
#define TOKEN_NAME_MAX 100
#define TOKEN_TTL_MAX_S (3650LL * 86400)
#define GRANTS_PER_PROFILE 1000
#define USERS_MAX 100000
#define POLL_MS 30000         /* the version is looked at this often even if nobody notifies */
#define RETRY_MS 500          /* after a load that failed */
#define REFRESH_WAIT_MS 5000  /* how long a writer waits for its change to be in the snapshot */
#define PURGE_EVERY_MS 600000 /* rows past their time are deleted */
#define LISTENERS_MAX 8u
#define AUDIT_WAITING_MAX 10000u
#define AUDIT_BATCH 100u
#define AUDIT_TEXT_MAX 512 /* bytes of one field */
#define AUDIT_LIST_MAX 500

/* --- the snapshot (snapshot.c builds, decision.c and identify.c read) ----------------------------------------------
 */
struct policy_user {
    int64_t id;
    const char *email;
    bool platform_admin, disabled, has_password;
    int64_t *groups; /* ids, ascending */
    size_t group_count;
};
struct policy_session {
    int64_t id, expires_ms; /* already the earlier of its own and its parent's */
    const struct policy_user *user;
    const struct policy_session *parent; /* NULL: a main session */
    const char *host_label, *scope_namespace, *scope_kind, *scope_name;
    bool by_link;
    int64_t loaded_seen_ms;
    _Atomic int64_t seen_ms; /* the one thing that readers write, at most once a minute */
};
struct policy_token {
    int64_t id, expires_ms; /* INT64_MAX: never */
    const struct policy_user *user;
    const struct token_application *application; /* NULL: it may do what its user may */
    int64_t loaded_used_ms;
    _Atomic int64_t used_ms;
};
struct policy_grant {
    const char *kind, *name; /* NULL: the whole profile */
    enum role role;
    int64_t expires_ms; /* INT64_MAX: never */
};
/* What one user, or one group, was granted in one profile. */
struct policy_membership {
    struct policy_grant whole;      /* ROLE_NONE: nothing on the whole */
    struct policy_grant *resources; /* ascending by kind, name */
    size_t resource_count, resource_capacity;
    int64_t resources_until_ms; /* when the last of them expires */
};
struct policy_profile {
    const char *name;
    uint32_t index; /* in this snapshot; the first half of a membership's key */
    const struct policy_user *owner;
    int64_t *groups; /* ids of groups with a grant here, ascending */
    size_t group_count;
    int64_t *users; /* ids of users with a grant here, ascending */
    size_t user_count;
};

/* A slot. Its memory lives as long as the auth, so that a late reader may touch <references> of a snapshot that has
 * just been replaced; everything else belongs to whoever made references > 0 while it was the current one. */
struct policy {
    _Atomic int64_t references;
    bool filled;                           /* the refresher's */
    struct policy *next;                   /* the refresher's: all slots ever made */
    const _Atomic int64_t *fresh_until_ms; /* monotonic; past it every decision is a denial */
    uint64_t generation;
    int64_t version;        /* policy_version it was loaded at; 0: never loaded */
    int64_t next_expiry_ms; /* wall clock; when something in here stops holding */
    int64_t now_ms;         /* wall clock when it was built */
    int64_t idle_ms;
    struct arena *arena;
    struct map *users; /* by id */
    struct map *users_by_email;
    struct map *groups_by_name; /* -> int64_t id */
    struct map *sessions;       /* by SHA-256 of the secret */
    struct map *sessions_by_id;
    struct map *tokens; /* by SHA-256 */
    struct map *tokens_by_id;
    struct map *profiles;    /* by name */
    struct map *memberships; /* by struct membership_key */
};

#define MEMBER_USER 1u
#define MEMBER_GROUP 2u
/* Fixed width, no padding: two different memberships never have the same bytes. */
struct membership_key {
    uint32_t profile, type;
    int64_t id;
};
_Static_assert(sizeof(struct membership_key) == 16, "a key has no padding");

/* snapshot.c. Build: snapshot_start, the adds in this order, snapshot_finish. Rows that refer to nothing are left out.
 */
void snapshot_start(struct policy *policy, int64_t now_ms, int64_t idle_ms);
struct policy_user *snapshot_add_user(struct policy *policy, int64_t id, const char *email, bool platform_admin,
                                      bool disabled, bool has_password);
void snapshot_add_group(struct policy *policy, int64_t id, const char *name);
void snapshot_add_member(struct policy *policy, int64_t group_id, const char *email); /* ascending by group_id */
struct snapshot_session {
    int64_t id, user_id, parent_id, expires_ms, last_seen_ms;
    const char *sha256_hex, *host_label, *scope_namespace, *scope_kind, *scope_name;
    bool by_link;
};
struct policy_session *snapshot_add_session(struct policy *policy,
                                            const struct snapshot_session *row); /* parents first */
/* <application>, copied: NULL, or what alone it opens. */
struct policy_token *snapshot_add_token(struct policy *policy, int64_t id, int64_t user_id, const char *sha256_hex,
                                        int64_t expires_ms, int64_t last_used_ms,
                                        const struct token_application *application);
void snapshot_add_profile(struct policy *policy, const char *name, int64_t owner_id);
void snapshot_add_grant(struct policy *policy, const char *profile, const char *subject_kind, const char *subject_name,
                        enum role role, const char *kind, const char *name, int64_t expires_ms);
/* <before>: what readers have noted there about who was seen when is kept; may be NULL. */
void snapshot_finish(struct policy *policy, const struct policy *before);
void snapshot_clear(struct policy *policy); /* the slot stays */
const struct policy_session *snapshot_session_by_id(const struct policy *policy, int64_t id);
const struct policy_token *snapshot_token_by_id(const struct policy *policy, int64_t id);
const struct policy_profile *snapshot_profile(const struct policy *policy, const char *name);
struct policy_membership *snapshot_membership(const struct policy *policy, const struct policy_profile *profile,
                                              unsigned type, int64_t id);
bool snapshot_fresh(const struct policy *policy);

/* loader.c: reads the tables into <policy> unless it is at version <known_version> already (then *ret_loaded false). */
int snapshot_load(struct auth *auth, struct policy *policy, const struct policy *before, int64_t known_version,
                  bool *ret_loaded, struct error *error);

/* identify.c */
bool session_alive(const struct policy *policy, const struct policy_session *session, int64_t now_ms);
bool token_alive(const struct policy_token *token, int64_t now_ms);

/* decision.c: the user behind a credential that still holds; NULL otherwise (also for IDENTITY_LOCAL). */
const struct policy_user *policy_user_of(const struct policy *policy, const struct identity *identity);

/* --- secrets (secret.c), passwords (password.c), e-mails (email.c), rates (limiter.c) -------------------------------
 */
#define SECRET_SIZE 44 /* 32 random bytes in base64url, and a NUL */
#define SECRET_LENGTH 43
#define SHA256_HEX_SIZE (2 * DIGEST_SIZE + 1)
void secret_new(char ret[SECRET_SIZE]);
bool secret_well_formed(struct slice secret);
void secret_csrf(struct slice session_secret, char ret[SECRET_SIZE]); /* tells nothing about the session's secret */
/* The code of a link that can be shown again: HMAC(installation key, id). */
void secret_of_link(const uint8_t key[DIGEST_SIZE], int64_t link_id, char ret[SECRET_SIZE]);

#define PASSWORD_HASH_SIZE 160
int password_check(struct slice password, const char *field, struct error *error); /* long enough, valid UTF-8 */
int password_hash(struct slice password, char ret[PASSWORD_HASH_SIZE], struct error *error);
/* *ret_right; <stored> NULL: as much work, and wrong. Fails with LIMITED when too many wait. */
int password_verify(const char *stored, struct slice password, bool *ret_right, struct error *error);

#define LIMITER_SETS 512u
#define LIMITER_WAYS 8u
struct limiter {
    pthread_mutex_t lock; /* guards buckets */
    uint64_t key[2];
    unsigned burst;
    int64_t refill_ms;
    struct limiter_bucket {
        uint64_t hash;    /* 0: unused */
        int64_t at_ms;    /* monotonic: when <spent> was right */
        int64_t spent_ms; /* tokens taken and not yet refilled, in milliseconds of refill */
    } buckets[LIMITER_SETS][LIMITER_WAYS];
};
void limiter_start(struct limiter *limiter, unsigned burst, int64_t refill_ms);
int limiter_take(struct limiter *limiter, struct slice key, struct error *error); /* LIMITED with retry_after_s */
void limiter_refund(struct limiter *limiter, struct slice key);

/* --- the running auth (auth.c) ---------------------------------------------------------------------------------------
 */
struct audit_log;
struct auth {
    unsigned magic;
    struct auth_options options;
    char admin_email[EMAIL_MAX + 1];
    struct policy *_Atomic current;
    _Atomic int64_t fresh_until_ms;
    struct policy *slots; /* the refresher's (before it starts: auth_new's) */
    uint64_t generation;  /* the refresher's */
    pthread_t refresher;
    pthread_mutex_t lock; /* guards wanted, served, confirmed, failure, stopping, listeners, telling */
    pthread_cond_t work, done;
    uint64_t wanted, served, confirmed; /* tickets of auth_refresh: drawn, answered, answered well */
    bool failing;
    struct error failure;
    bool stopping;
    struct auth_listener {
        void (*changed)(void *);
        void *context;
    } listeners[LISTENERS_MAX];
    bool telling; /* a listener is being called */
    struct limiter by_email, by_peer;
    struct audit_log *audit;
};

/* audit.c */
struct audit_log *audit_new(struct store *store);
void audit_free(struct audit_log *log); /* writes what is waiting, for at most 2 s */

/* upkeep.c: flushes last_seen, deletes what is past its time. */
void upkeep_seen(struct auth *auth, const struct policy *policy);
void upkeep_purge(struct auth *auth);

/* transaction.c. Writers of policy take turns from here on; the connection is the caller's AUTO_CONNECTION. */
int policy_begin(struct auth *auth, struct store_connection **ret, struct error *error);
/* Commits, gives the connection back and waits until the snapshot has it. COMMIT_REVOKES: not yet in force is a failure
 * that the caller must hear of; COMMIT_GRANTS: it comes by itself a little later. */
enum commit { COMMIT_GRANTS, COMMIT_REVOKES };
int policy_commit(struct auth *auth, struct store_connection **connection, enum commit effect, struct error *error);

/* session.c */
struct session_row {
    int64_t user_id, parent_id; /* parent 0: a main session */
    bool by_link;
    const char *host_label, *scope_namespace, *scope_kind, *scope_name, *peer;
    int64_t expires_ms; /* 0: the configured time from now */
};
int session_insert(struct auth *auth, struct store_connection *c, const struct session_row *row,
                   struct auth_session *ret, struct error *error);
/* Fills what identify would say of a session just made. */
void session_identity(struct auth *auth, const PGresult *user, const struct session_row *row, struct auth_session *ret);
extern const char session_user_sql[]; /* SELECT of a user by id, as session_identity reads it */

/* link.c */
int link_insert(struct store_connection *c, int64_t user_id, const char *purpose, char ret_code[64],
                struct error *error);

/* How a token is written: "atl_SECRET", or as name and secret "token-ID:SECRET", the form of Rancher and LLMOS. What is
 * stored is the SHA-256 of the first. */
#define TOKEN_PREFIX "atl_"
#define TOKEN_NAME "token-"
/* token.c: what a token's name and life may be (ttl_s 0: for ever), and one more token within the caller's transaction;
 * on failure <ret_token> and <ret> (may be NULL) say nothing. */
int token_check(const char *name, int64_t ttl_s, struct error *error);
int token_add(struct store_connection *c, const char *email, const char *name, int64_t ttl_s,
              const struct token_application *application, char ret_token[96], cJSON **ret, struct error *error);

/* json helpers (user.c): times as RFC 3339 or null */
void json_set_time(cJSON *object, const char *key, int64_t wall_ms);

#endif
