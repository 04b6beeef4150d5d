/*
 * What people may do: the policy snapshot and the one decision function.
 *
 * A snapshot is immutable and swapped atomically; readers take and release a reference without locks. It holds users,
 * groups, profiles' owners, grants, and the live sessions and tokens (as SHA-256 of the secret), so that identify and
 * decide never block. With PostgreSQL away it stays in force for `max_stale`; after that every decision is a denial.
 */
#ifndef ATELIER_AUTH_POLICY_H
#define ATELIER_AUTH_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/prefix.h"

enum role { ROLE_NONE, ROLE_VIEWER, ROLE_EDITOR, ROLE_ADMIN, ROLE_OWNER };
const char *role_name(enum role role);              /* "viewer", …; "" for none */
bool role_parse(struct slice text, enum role *ret); /* viewer, editor, admin (an owner is made by transfer only) */

enum identity_kind {
    IDENTITY_ANONYMOUS,
    IDENTITY_SESSION,  /* cookie of the main host */
    IDENTITY_RESOURCE, /* cookie of a resource's host: may reach that resource only */
    IDENTITY_TOKEN,    /* API token */
    IDENTITY_LOCAL,    /* the admin Unix socket: platform admin */
    IDENTITY_WORKLOAD, /* a workload, inside its own profile: may read and change itself, and read what belongs to it */
    IDENTITY_APPLICATION /* API token of one application of Ray Serve: may use that, and do nothing else */
};
struct identity {
    enum identity_kind kind;
    int64_t user_id;       /* 0 for anonymous and local */
    int64_t credential_id; /* row of the session or token; 0 otherwise */
    bool platform_admin;
    bool must_set_password; /* signed in by link and has none yet */
    int64_t expires_ms;     /* wall clock; 0 never */
    char email[255];        /* lower-case; "" for anonymous; "local" for the socket; "token-7" for APPLICATION, which is
                               not the person who made it */
    char csrf[44];          /* what X-Atelier-CSRF must equal on unsafe methods of a cookie session; "" otherwise */
    char scope_namespace[64], scope_kind[32],
        scope_name[64]; /* RESOURCE, APPLICATION: the one thing it opens; WORKLOAD: what it is */
    char scope_uid[64],
        scope_prefix[PREFIX_MAX + 1]; /* APPLICATION: which of that name, and the paths below its Serve */
};

enum verb {
    VERB_GET,
    VERB_LIST,
    VERB_WATCH,
    VERB_CREATE,
    VERB_UPDATE,
    VERB_DELETE,
    VERB_LOG,          /* a container's log */
    VERB_CONNECT_READ, /* GET/HEAD through a proxy route, without upgrade */
    VERB_CONNECT,      /* any other proxied method, WebSockets, tunnels */
    VERB_MEMBERS_READ,
    VERB_MEMBERS_WRITE,
    VERB_TRANSFER /* give the profile to another owner */
};

/* What a request touches. A sub-object (pod, service, event, statefulset of a notebook) is named by the workload it
 * belongs to, so that a grant on one resource covers what belongs to it and nothing else. */
struct access {
    const char *namespace; /* NULL: cluster scope */
    const char *kind; /* "Notebook", "RayCluster", "Secret", "Profile", "Pod" …; NULL: the namespace as a whole */
    const char *name; /* NULL: no particular one (list, create) */
    enum verb verb;
    /* Of a RayCluster, where an application of Ray Serve is asked; else NULL. */
    const char *uid, *service_uid; /* its own, and that of the RayService that it was made for */
    const char *path;              /* below Serve; NULL where that is not known */
};
struct decision {
    bool allowed;
    bool visible;       /* false: answer 404 exactly as if it did not exist */
    bool partial;       /* LIST/WATCH: allowed, but every item must be decided on its own */
    const char *reason; /* static text, for the audit log and for 403 */
};

struct policy;
struct auth;
const struct policy *policy_take(struct auth *auth);     /* never NULL; before the first load: an empty one, stale */
void policy_release(const struct policy *policy);        /* any thread, before auth_free; NULL is fine */
uint64_t policy_generation(const struct policy *policy); /* grows with every change */
/* The decision; < 1 us, no allocation, no lock. Fails closed when the snapshot is past max_stale. */
struct decision policy_decide(const struct policy *policy, const struct identity *identity,
                              const struct access *access);
/* The caller's role on the whole profile (ROLE_NONE if none, or only a grant on one resource). */
enum role policy_role(const struct policy *policy, const struct identity *identity, const char *namespace);
/* True while this credential is still valid (session not revoked or expired, token likewise, user not disabled). */
bool policy_still_valid(const struct policy *policy, const struct identity *identity);

/* --- who is in a profile, for those who project it elsewhere ------------------------------------------------------ */

/* False until a first snapshot is in. Unlike decisions, what follows is answered from a stale snapshot too: a
 * projection is not taken down because PostgreSQL is away. */
bool policy_loaded(const struct policy *policy);
/* True if <email> (lower-case) has an account that is not disabled. */
bool policy_has_user(const struct policy *policy, const char *email);
/* Calls <each> with every profile whose name is claimed; borrowed from the snapshot. */
void policy_profiles(const struct policy *policy, void (*each)(void *context, const char *profile), void *context);
/* The e-mail of whoever owns <profile>; NULL if nobody claimed that name. Borrowed from the snapshot. */
const char *policy_owner(const struct policy *policy, const char *profile);
struct policy_member {
    const char *email; /* borrowed from the snapshot */
    enum role role;
};
/* Enabled users who hold a role on the whole of <profile> by a grant of their own that has not expired, then the owner
 * (ROLE_OWNER): never through a group, never a grant on one resource. *ret is the caller's (free); its length. */
size_t policy_members(const struct policy *policy, const char *profile, struct policy_member **ret);
/* For each profile a number that changes when its owner or the answer of policy_members does (2^-64 aside); comparable
 * within one process only. */
void policy_member_digests(const struct policy *policy,
                           void (*each)(void *context, const char *profile, uint64_t digest), void *context);

#endif
