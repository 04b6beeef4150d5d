/* What the files of this room share; nobody else includes it. */
#ifndef ATELIER_TENANCY_INTERNAL_H
#define ATELIER_TENANCY_INTERNAL_H

#include <pthread.h>

#include "base/map.h"
#include "base/queue.h"
#include "tenancy/follow.h"
#include "tenancy/settings.h"
#include "tenancy/status.h"
#include "tenancy/tenancy.h"

#define TENANCY_FINALIZER "atelier.dev/profile"
#define TENANCY_LABEL "atelier.dev/profile" /* on everything made here; value: the profile's name */
#define TENANCY_MANAGED_BY "app.kubernetes.io/managed-by"
#define TENANCY_US "atelier"

/* Annotations. The first two are a person's wishes on a Profile, the others say what was done. */
#define TENANCY_ADOPT "atelier.dev/adopt"               /* "true": take over the namespace that exists */
#define TENANCY_MOUNT_TOKENS "atelier.dev/mount-tokens" /* "true": pods get their service account's token */
#define TENANCY_ADOPTED_BY "atelier.dev/adopted-by"     /* on a namespace: uid of the Profile that took it over */
#define TENANCY_ADOPTED "atelier.dev/adopted" /* "true" on an object that was there before; never deleted here */

/* Names of what stands in a profile's namespace: one of each, so that no two profiles can mean the same object. */
#define TENANCY_QUOTA "kf-resource-quota" /* Kubeflow's name for it */
#define TENANCY_DEFAULTS "atelier-defaults"
#define TENANCY_WALLS "atelier-walls"
#define TENANCY_HOME "home"
#define TENANCY_RAY_AUTH "ray-auth"
#define TENANCY_RAY_AUTH_KEY "auth_token"

/* Limits, and why. */
#define TENANCY_NAME_MAX 40          /* leaves room in "<kind>-<name>--<profile>", a DNS label of 63 */
#define TENANCY_POLL_MS 1000         /* while something that has no event of its own is awaited */
#define TENANCY_SWEEP_MS 30000       /* claims against objects, which only a crash makes differ */
#define TENANCY_SWEEP_SHARE 1000     /* and no more than this part of the time */
#define TENANCY_AROUND_MS 30000      /* what surrounds all profiles */
#define TENANCY_SWEEP_GRACE_MS 60000 /* a creation in progress has a claim and no object yet */
#define TENANCY_ORPHANS_MAX 16       /* more claims without an object than a crash leaves: the objects were lost */
#define TENANCY_TOKEN_BYTES 32       /* 256 bits, like KubeRay's own */

#define TENANCY_SWEEP_KEY "~sweep"
#define TENANCY_AROUND_KEY "~around"
#define TENANCY_MEMBERS_KEY "~members"

struct tenancy {
    struct engine *engine;
    struct auth *auth;
    char *quota_cpu, *quota_memory, *home_size;
    struct settings settings;
    struct queue *queue;
    struct follow *follow;
    cJSON *suspects;     /* profile name -> monotonic ms since when claim and object differ; the sweep's handler only */
    char *surroundings;  /* what walls were last made for (walls_surroundings); its handler only */
    struct map *digests; /* profile name -> digest of its members; the handler of TENANCY_MEMBERS_KEY only */
    pthread_mutex_t lock; /* guards waiting */
    cJSON *waiting;       /* profile name -> e-mail of an owner who has no account yet */
};

/* One pass for one profile: what was read, and the first thing that stands between it and Ready. */
struct pass {
    struct tenancy *tenancy;
    cJSON *profile; /* as last read or written; the pass's own */
    const char *name;
    char owner[255];   /* as agreed with auth */
    cJSON *quota;      /* spec.resourceQuotaSpec.hard, checked and completed; borrowed from <accepted> */
    cJSON *accepted;   /* the profile's spec, checked and completed */
    bool adopted;      /* the namespace was there before */
    bool new_spec;     /* the spec has changed since it was last put into effect */
    const char *phase; /* static */
    char reason[64];   /* empty while nothing is in the way */
    char message[512];
};

/* --- pass.c: what every step is made of -------------------------------------------------------------------------- */

/* Notes why the profile is not Ready; the first reason counts. */
void pass_blocked(struct pass *pass, const char *phase, const char *reason, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* kind, name and the labels of everything made here. */
cJSON *pass_object(const struct pass *pass, enum engine_kind kind, const char *name);
/* 0 with *ret NULL if it is not there. */
int pass_get(const struct pass *pass, enum engine_kind kind, const char *name, cJSON **ret, struct error *error);
/* engine_apply in the profile's namespace. An object of that name that somebody else made is taken over: in a profile's
 * namespace these names are the platform's. *ret_written may be NULL. */
int pass_apply(const struct pass *pass, enum engine_kind kind, const cJSON *wanted, bool *ret_written,
               struct error *error);
bool tenancy_has_finalizer(const cJSON *object, const char *name);
/* Merges <patch> into the profile, which then is what was written. */
int pass_patch_profile(struct pass *pass, const cJSON *patch, struct error *error);
/* The status of <profile> with phase and one Ready condition; for remove.c too. */
int tenancy_report(struct tenancy *tenancy, const cJSON *profile, const char *phase, const char *reason,
                   const char *message, struct error *error);

/* --- the steps --------------------------------------------------------------------------------------------------- */

/* namespace.c: whose is the namespace of a profile's name? */
enum standing {
    STANDING_ABSENT,
    STANDING_MADE,      /* made for this very Profile: goes with it */
    STANDING_ADOPTED,   /* taken over for this very Profile: stays when it goes */
    STANDING_ADOPTABLE, /* somebody else's, and a platform admin said to take it over */
    STANDING_FOREIGN
};
enum standing namespace_standing(const struct pass *pass, const cJSON *namespace);
/* Makes or repairs it. <namespace> NULL: there is none. */
int pass_namespace(struct pass *pass, const cJSON *namespace, enum standing standing, struct error *error);
/* Takes what was put on an adopted namespace off again, and deletes what was made in it. 1: something is still there.
 */
int namespace_leave(struct pass *pass, const cJSON *namespace, struct error *error);

/* owner.c: agrees with auth whose the profile is and fills pass->owner. 1: it is nobody's yet, and the pass is blocked.
 * <agreed>: the owner of the last pass, from the namespace; NULL if there was none. */
int pass_owner(struct pass *pass, const char *agreed, struct error *error);

int pass_quota(struct pass *pass, struct error *error);    /* allowance.c */
int pass_defaults(struct pass *pass, struct error *error); /* allowance.c */
int pass_accounts(struct pass *pass, struct error *error); /* access.c: service accounts, and their rights */
int pass_members(struct pass *pass, struct error *error);  /* access.c: people's rights */
int pass_network(struct pass *pass, struct error *error);  /* walls.c */
int pass_mesh(struct pass *pass, struct error *error);     /* mesh.c */
int pass_home(struct pass *pass, struct error *error);     /* lasting.c */
int pass_ray_auth(struct pass *pass, struct error *error); /* lasting.c */

/* What KubeRay's operator asks of a Ray cluster: dashboard, Serve's proxy, agent. */
#define WALLS_OPERATOR_PORTS 3
extern const int64_t walls_operator_ports[WALLS_OPERATOR_PORTS];
/* mesh.c: whether an operator of Ray clusters runs where a mesh gives it no identity, as GKE's in kube-system does. */
int mesh_operator_outside(struct tenancy *tenancy, bool *ret, struct error *error);
/* walls.c: what of the cluster every profile's walls depend on, as text; the caller's. NULL: it cannot be told now. */
char *walls_surroundings(struct tenancy *tenancy);
/* Istio or KubeRay has come, its operator into the mesh, or the API server is elsewhere, of which no event of a
 * profile's tells: then all are looked at. Returns when to look again. */
int64_t walls_look_around(struct tenancy *tenancy);

/* --- who calls them ---------------------------------------------------------------------------------------------- */

/* reconcile.c: one pass for one profile; the queue's return value. */
int64_t tenancy_reconcile(struct tenancy *tenancy, const char *profile);
/* remove.c: one pass of a profile's deletion. */
int64_t tenancy_remove(struct pass *pass);
/* claims.c */
int64_t tenancy_sweep(struct tenancy *tenancy);
/* changes.c: wakes the profiles whose members differ from what they were. */
int64_t tenancy_compare_members(struct tenancy *tenancy);
void tenancy_note_members(struct tenancy *tenancy); /* at the start, when all are reconciled anyhow */
void tenancy_await_owner(struct tenancy *tenancy, const char *profile, const char *email); /* NULL: no longer */
/* profile.c: is this Profile, written by whoever may write to the cluster, one that can be put into effect? *ret_spec
 * is its spec, completed. */
int tenancy_accept(const struct tenancy *tenancy, const cJSON *profile, cJSON **ret_spec, struct error *error);
bool tenancy_adopts(const cJSON *profile); /* carries TENANCY_ADOPT */
/* quota.c: checks and completes spec.resourceQuotaSpec. <old> (NULL: a new profile) is the profile as it stands. */
int quota_check(const struct tenancy *tenancy, const struct identity *identity, const cJSON *old, cJSON *spec,
                struct error *error);
/* plugins.c: checks spec.plugins; <old> as above. */
int plugins_check(const struct tenancy *tenancy, const struct identity *identity, const cJSON *old, const cJSON *spec,
                  struct error *error);
/* The Google service account that the profile's pods act as, from its checked spec; NULL if none. */
const char *plugins_google_account(const cJSON *spec);

#endif
