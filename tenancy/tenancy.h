/*
 * A profile to a namespace: what exists in it, who is in it, and what keeps it apart.
 *
 * The reconciler turns each Profile object (cluster-scoped, kubeflow.org/v1) into: Namespace of the same name,
 * ResourceQuota `kf-resource-quota`, PersistentVolumeClaim `home`, Secret `ray-auth` (key auth_token: the one Ray token
 * of the profile), and writes the Profile's status (conditions Ready with a reason a person can act on; status.phase
 * Pending|Ready| Terminating|Failed). Deleting a Profile (finalizer) tears all of it down, then releases its name and
 * grants in auth.
 */
#ifndef ATELIER_TENANCY_TENANCY_H
#define ATELIER_TENANCY_TENANCY_H

#include "auth/auth.h"
#include "engine/engine.h"

struct tenancy;
struct tenancy_options {
    struct engine *engine;
    struct auth *auth;
    const char *quota_cpu, *quota_memory; /* default quota of a new profile: "32", "64Gi" */
    const char *home_size;                /* "10Gi" */
};
int tenancy_new(const struct tenancy_options *options, struct tenancy **ret, struct error *error);
void tenancy_free(struct tenancy *tenancy);

/* Checks and completes a Profile that <identity> wants to create (<old> NULL) or change. Name: DNS label of at most 40
 * bytes without "--", not reserved (kube-*, istio-*, default, atelier*, api, auth, www, …). spec.owner defaults to the
 * caller; only a platform admin may name somebody else; it cannot change here (transfer). */
int tenancy_admit_profile(struct tenancy *tenancy, const struct identity *identity, const cJSON *old, cJSON *profile,
                          struct error *error);
/* Claims the name in auth, then creates the object; undone together on failure. */
int tenancy_create_profile(struct tenancy *tenancy, const struct identity *identity, const cJSON *profile, cJSON **ret,
                           struct error *error);

/* The workload an object belongs to, for authorization: a pod, service, statefulset, claim, secret or event of notebook
 * nb1 gives ("Notebook","nb1"); of a Ray cluster ("RayCluster",name); otherwise its own kind and name. Texts are
 * borrowed from the object or static. */
void tenancy_scope(enum engine_kind kind, const cJSON *object, const char **ret_kind, const char **ret_name);

/* Members, as the people API shows them: validated input to auth_grant_*. <body> as in POST profiles/{p}/members. */
int tenancy_member_add(struct tenancy *tenancy, const char *profile, const cJSON *body, const struct identity *by,
                       cJSON **ret, struct error *error);
int tenancy_member_update(struct tenancy *tenancy, const char *profile, int64_t id, const cJSON *body, cJSON **ret,
                          struct error *error);

#endif
