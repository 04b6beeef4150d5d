/* What the files of this room share; nobody else includes it. */
#ifndef ATELIER_TENANCY_INTERNAL_H
#define ATELIER_TENANCY_INTERNAL_H

#include "base/queue.h"
#include "tenancy/follow.h"
#include "tenancy/status.h"
#include "tenancy/tenancy.h"

#define TENANCY_FINALIZER "atelier.dev/profile"
#define TENANCY_LABEL "atelier.dev/profile" /* on everything made here; value: the profile's name */
#define TENANCY_QUOTA "kf-resource-quota"   /* Kubeflow's name for it */
#define TENANCY_HOME "home"
#define TENANCY_RAY_AUTH "ray-auth"
#define TENANCY_RAY_AUTH_KEY "auth_token"

/* Limits, and why. */
#define TENANCY_WORKERS 2U           /* reconciling waits for PostgreSQL, not for a CPU */
#define TENANCY_NAME_MAX 40          /* leaves room in "<kind>-<name>--<profile>", a DNS label of 63 */
#define TENANCY_POLL_MS 1000         /* while something that has no event of its own is awaited */
#define TENANCY_SWEEP_MS 30000       /* claims against objects: only a crash makes them differ */
#define TENANCY_SWEEP_GRACE_MS 60000 /* a creation in progress has a claim and no object yet */
#define TENANCY_SWEEP_KEY "~sweep"
#define TENANCY_TOKEN_BYTES 32 /* 256 bits, like KubeRay's own */

struct tenancy {
    struct engine *engine;
    struct auth *auth;
    char *quota_cpu, *quota_memory, *home_size;
    struct queue *queue;
    struct follow *follow;
    cJSON *suspects; /* profile name -> monotonic ms since when claim and object differ; the sweep's handler only */
};

/* reconcile.c: one pass for one profile; the queue's return value. */
int64_t tenancy_reconcile(struct tenancy *tenancy, const char *profile);
/* remove.c: one pass of a profile's deletion. */
int64_t tenancy_remove(struct tenancy *tenancy, const cJSON *profile);
/* claims.c */
int64_t tenancy_sweep(struct tenancy *tenancy);
/* profile.c: spec.resourceQuotaSpec.hard of a profile that names none. */
cJSON *tenancy_default_quota(const struct tenancy *tenancy);
/* reconcile.c: the status of <profile> with phase and one Ready condition; for remove.c too. */
int tenancy_report(struct tenancy *tenancy, const cJSON *profile, const char *phase, const char *reason,
                   const char *message, struct error *error);
/* True if the namespace was made for this profile; a namespace of the same name that is somebody else's is left alone.
 */
bool tenancy_owns_namespace(const cJSON *namespace, const cJSON *profile);

#endif
