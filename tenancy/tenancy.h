/*
 * A profile to a namespace: what exists in it, who is in it, and what keeps it apart.
 *
 * The reconciler turns each Profile object (cluster-scoped, kubeflow.org/v1) into a Namespace of the same name and, of
 * what the engine has: ResourceQuota `kf-resource-quota`, LimitRange `atelier-defaults`, NetworkPolicy and
 * AuthorizationPolicy `atelier-walls`, ServiceAccounts and RoleBindings `default-editor` and `default-viewer`,
 * RoleBindings `atelier-viewer`, `atelier-editor`, `atelier-admin`, PersistentVolumeClaim `home`, Secret `ray-auth`
 * (key auth_token: the one Ray token of the profile); and writes the Profile's status (condition Ready with a reason a
 * person can act on; status.phase Pending|Ready|Terminating|Failed). Deleting a Profile (finalizer) tears all of it
 * down, then releases its name and grants in auth.
 *
 * A Profile that appears without this room (kubectl, GitOps) is claimed for its spec.owner; one that could not have
 * been made here is Failed with the reason. Only platform admins may set the annotation atelier.dev/adopt.
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
    /* The rest may be NULL for the default in brackets; lists are separated by commas. */
    const char *home_class;              /* storage class of homes ["": the cluster's default] */
    const char *namespace;               /* the platform's own ["atelier-system"]: never a profile; its pods get in */
    const char *gateway_namespaces;      /* from where else tenants' pods are reached ["istio-system"] */
    const char *gateway_principals;      /* Istio's identities of the gateway ["": all of those namespaces] */
    const char *ray_operator_namespaces; /* where KubeRay's operator runs ["kuberay-system"] */
    const char *namespace_labels;        /* further "key=value" labels of profiles' namespaces [""] */
    const char *pod_security;            /* Pod Security level that is enforced ["baseline"] */
    const char *egress_except;           /* ranges that are not the internet [private and link-local ones] */
    const char *egress_allow;            /* ranges that pods may reach all the same [""] */
};
int tenancy_new(const struct tenancy_options *options, struct tenancy **ret, struct error *error);
void tenancy_free(struct tenancy *tenancy);

/* Checks and completes a Profile that <identity> wants to create (<old> NULL) or change. Name: DNS label of at most 40
 * bytes without "--", not reserved (kube-*, istio-*, default, atelier*, api, auth, www, …). spec.owner defaults to the
 * caller; only a platform admin may name somebody else; it cannot change here (transfer). */
int tenancy_admit_profile(struct tenancy *tenancy, const struct identity *identity, const cJSON *old, cJSON *profile,
                          struct error *error);
/* Claims the name in auth, then creates the object; undone together on failure. EXISTS also if there is a namespace of
 * that name, unless a platform admin asks for it to be adopted. */
int tenancy_create_profile(struct tenancy *tenancy, const struct identity *identity, const cJSON *profile, cJSON **ret,
                           struct error *error);

/* Whether that would work now, without doing it (a dry run). */
int tenancy_try_profile(struct tenancy *tenancy, const struct identity *identity, const cJSON *profile,
                        struct error *error);

/* The workload an object belongs to, for authorization: a pod, service, statefulset, claim, secret or event of notebook
 * nb1 gives ("Notebook","nb1"); of a Ray cluster ("RayCluster",name); otherwise its own kind and name. Texts are
 * borrowed from the object or static. */
void tenancy_scope(enum engine_kind kind, const cJSON *object, const char **ret_kind, const char **ret_name);

/* The same for a pod by its name, verified: its controller, and that one's, are there with the uids that are named, so
 * that neither labels nor a name that fits make a pod somebody's. False: it belongs to no Notebook and no RayCluster.
 */
bool tenancy_pod_owner(struct engine *engine, const char *namespace, const char *pod, char ret_kind[32],
                       char ret_name[64]);

/* Members, as the people API shows them: validated input to auth_grant_*. <body> as in POST profiles/{p}/members. */
int tenancy_member_add(struct tenancy *tenancy, const char *profile, const cJSON *body, const struct identity *by,
                       cJSON **ret, struct error *error);
int tenancy_member_update(struct tenancy *tenancy, const char *profile, int64_t id, const cJSON *body, cJSON **ret,
                          struct error *error);

#endif
