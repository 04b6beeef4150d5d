/* Who may do what in a profile's namespace when they ask the cluster itself? */
#include "tenancy/internal.h"

#include "base/log.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"
#define ACCOUNT_GOOGLE "iam.gke.io/gcp-service-account" /* GKE's metadata server reads it: Workload Identity */

static cJSON *binding_new(const struct pass *pass, const char *name, const char *cluster_role)
{
    cJSON *binding = pass_object(pass, KIND_ROLEBINDING, name);
    cJSON *role = json_object_in(binding, "roleRef");
    json_set_text(role, "apiGroup", RBAC_GROUP);
    json_set_text(role, "kind", "ClusterRole");
    json_set_text(role, "name", cluster_role);
    json_set(binding, "subjects", json_array());
    return binding;
}

static void binding_add(cJSON *binding, const char *kind, const char *namespace, const char *name)
{
    cJSON *subject = json_push(json_member(binding, "subjects"), json_object());
    json_set_text(subject, "kind", kind);
    json_set_text(subject, "apiGroup", namespace ? NULL : RBAC_GROUP);
    json_set_text(subject, "namespace", namespace);
    json_set_text(subject, "name", name);
}

/* A roleRef cannot be changed. A binding of ours that refers elsewhere was made anew by somebody, and goes; one that
 * was in an adopted namespace before is not ours to delete. */
static int binding_replace(struct pass *pass, const cJSON *wanted, struct error *error)
{
    const char *name = json_text_or("", wanted, "metadata", "name", NULL);
    if (pass->adopted) {
        pass_blocked(pass, "Failed", "RoleBindingTaken",
                     "the RoleBinding %s refers to another role than %s; delete it, and it is made anew", name,
                     json_text_or("", wanted, "roleRef", "name", NULL));
        return 0;
    }
    log_line(LOG_WARN, "role binding with another role is replaced", LOG_TEXT("profile", pass->name),
             LOG_TEXT("binding", name));
    int r = engine_delete(pass->tenancy->engine, KIND_ROLEBINDING, pass->name, name, NULL, error);
    if (r < 0 && r != -ERROR_NOT_FOUND)
        return r;
    return pass_apply(pass, KIND_ROLEBINDING, wanted, NULL, error);
}

static int binding_apply(struct pass *pass, const cJSON *wanted, struct error *error)
{
    int r = pass_apply(pass, KIND_ROLEBINDING, wanted, NULL, error);
    return r == -ERROR_INVALID ? binding_replace(pass, wanted, error) : r;
}

/* --- what runs there --------------------------------------------------------------------------------------------- */

/* Kubeflow's two accounts. Their tokens are not mounted unless the profile asks, and then can do no more than an editor
 * can: what runs in a pod may be anybody's code. */
static int account_apply(struct pass *pass, const char *name, const char *cluster_role, const char *google_account,
                         struct error *error)
{
    const char *asked = json_text_or("", pass->profile, "metadata", "annotations", TENANCY_MOUNT_TOKENS, NULL);
    int r = 0;
    if (engine_has(pass->tenancy->engine, KIND_SERVICEACCOUNT)) {
        AUTO_JSON cJSON *account = pass_object(pass, KIND_SERVICEACCOUNT, name);
        json_set_bool(account, "automountServiceAccountToken", strcmp(asked, "true") == 0);
        if (google_account)
            json_set_text(json_object_in(json_object_in(account, "metadata"), "annotations"), ACCOUNT_GOOGLE,
                          google_account);
        r = pass_apply(pass, KIND_SERVICEACCOUNT, account, NULL, error);
    }
    if (r == 0 && engine_has(pass->tenancy->engine, KIND_ROLEBINDING)) {
        AUTO_JSON cJSON *binding = binding_new(pass, name, cluster_role);
        binding_add(binding, "ServiceAccount", pass->name, name);
        r = binding_apply(pass, binding, error);
    }
    return r;
}

int pass_accounts(struct pass *pass, struct error *error)
{
    const char *google_account = plugins_google_account(pass->accepted);
    int r = account_apply(pass, "default-editor", "atelier-editor", google_account, error);
    return r == 0 ? account_apply(pass, "default-viewer", "atelier-viewer", NULL, error) : r;
}

/* --- people ------------------------------------------------------------------------------------------------------ */

/*
 * One binding a role: the identity in which Atelier passes requests on, a group for those whose sign-in to the cluster
 * has groups, and members for those who use the cluster with their own e-mail. Members by a group of Atelier's are not
 * listed (a group of the cluster may have the same name and other people in it), nor are grants on one resource, which
 * RBAC cannot keep to what belongs to it.
 */
static int role_apply(struct pass *pass, enum role role, const struct policy_member *members, size_t count,
                      struct error *error)
{
    const char *subjects = engine_traits(pass->tenancy->engine)->tenant_subject_namespace;
    AUTO_FREE char *name = memory_format("atelier-%s", role_name(role));
    AUTO_FREE char *account = memory_format("%s.%s", pass->name, role_name(role));
    AUTO_FREE char *group = memory_format("atelier:%s:%s", pass->name, role_name(role));
    AUTO_JSON cJSON *binding = binding_new(pass, name, name);
    if (subjects)
        binding_add(binding, "ServiceAccount", subjects, account);
    binding_add(binding, "Group", NULL, group);
    for (size_t i = 0; i < count; i++) {
        if ((members[i].role == ROLE_OWNER ? ROLE_ADMIN : members[i].role) == role)
            binding_add(binding, "User", NULL, members[i].email);
    }
    return binding_apply(pass, binding, error);
}

int pass_members(struct pass *pass, struct error *error)
{
    static const enum role roles[] = {ROLE_VIEWER, ROLE_EDITOR, ROLE_ADMIN};
    if (!engine_has(pass->tenancy->engine, KIND_ROLEBINDING))
        return 0;
    AUTO_FREE struct policy_member *members = NULL;
    const struct policy *policy = policy_take(pass->tenancy->auth);
    size_t count = policy_members(policy, pass->name, &members);
    int r = 0;
    for (size_t i = 0; r == 0 && i < COUNT_OF(roles); i++)
        r = role_apply(pass, roles[i], members, count, error);
    policy_release(policy);
    return r;
}
