/* May this Profile be written as it is, and how does one come to be? */
#include "tenancy/internal.h"

#include "base/log.h"
#include "base/outbound.h"
#include "tenancy/idle.h"
#include "tenancy/shape.h"

/* Names that would be mistaken for parts of the platform: of its hosts, its paths, or Kubernetes' own namespaces. */
static const char *const reserved_names[] = {
    "admin",    "all",        "api",    "apis",     "assets",    "audit",    "auth",     "console", "default",
    "docs",     "ftp",        "gke",    "healthz",  "help",      "home",     "istio",    "knative", "kube",
    "kubeflow", "kubernetes", "livez",  "local",    "localhost", "login",    "logout",   "mail",    "me",
    "metrics",  "new",        "none",   "notebook", "openapi",   "platform", "postgres", "profile", "profiles",
    "public",   "ray",        "readyz", "root",     "serve",     "settings", "sign-in",  "signin",  "smtp",
    "static",   "status",     "svc",    "system",   "tokens",    "tunnel",   "users",    "whoami",  "www"};
static const char *const reserved_prefixes[] = {"kube-", "istio-", "atelier", "knative-", "kubeflow-", "gke-", "xn-"};

static bool profile_name_reserved(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(reserved_names); i++) {
        if (strcmp(name, reserved_names[i]) == 0)
            return true;
    }
    for (size_t i = 0; i < COUNT_OF(reserved_prefixes); i++) {
        if (strncmp(name, reserved_prefixes[i], strlen(reserved_prefixes[i])) == 0)
            return true;
    }
    return false;
}

static int profile_check_name(const struct tenancy *tenancy, const cJSON *profile, struct error *error)
{
    const char *name = json_text(profile, "metadata", "name", NULL);
    if (!name || !*name)
        return error_set(error, ERROR_INVALID, "metadata.name", "a Profile needs a metadata.name");
    char shown[80];
    text_printable(slice_of(name), shown, sizeof(shown));
    if (!name_is_label(slice_of(name)))
        return error_set(error, ERROR_INVALID, "metadata.name",
                         "the name \"%s\" is not possible: use lower-case letters, digits and '-', beginning and "
                         "ending with a letter or digit",
                         shown);
    if (strlen(name) > TENANCY_NAME_MAX)
        return error_set(error, ERROR_INVALID, "metadata.name", "the name \"%s\" is too long: at most %d characters",
                         shown, TENANCY_NAME_MAX);
    if (strstr(name, "--"))
        return error_set(error, ERROR_INVALID, "metadata.name",
                         "the name \"%s\" is not possible: \"--\" separates names in host names", shown);
    const char *own = tenancy->settings.namespace;
    const char *tenants = engine_traits(tenancy->engine)->tenant_subject_namespace;
    if (profile_name_reserved(name) || (own && strcmp(own, name) == 0) || (tenants && strcmp(tenants, name) == 0))
        return error_set(error, ERROR_INVALID, "metadata.name", "the name \"%s\" is reserved; choose another", shown);
    return 0;
}

/* --- spec.owner --------------------------------------------------------------------------------------------------- */

static int owner_check_shape(const cJSON *owner, const char **ret_name, struct error *error)
{
    static const char *const known[] = {"apiGroup", "kind", "name", NULL};
    const char *kind = NULL;
    const char *group = NULL;
    int r = json_check_known(owner, "spec.owner", known, error);
    if (r == 0)
        r = shape_text(owner, "spec.owner", "kind", &kind, error);
    if (r == 0)
        r = shape_text(owner, "spec.owner", "apiGroup", &group, error);
    if (r == 0)
        r = shape_text(owner, "spec.owner", "name", ret_name, error);
    if (r < 0)
        return r;
    if (kind && strcmp(kind, "User") != 0)
        return error_set(error, ERROR_INVALID, "spec.owner.kind", "spec.owner.kind must be User");
    if (group && *group && strcmp(group, "rbac.authorization.k8s.io") != 0)
        return error_set(error, ERROR_INVALID, "spec.owner.apiGroup",
                         "spec.owner.apiGroup must be absent or rbac.authorization.k8s.io");
    return 0;
}

static int profile_check_owner(const struct identity *identity, const cJSON *old, cJSON *spec, struct error *error)
{
    const char *old_name = json_text(old, "spec", "owner", "name", NULL);
    const char *name = NULL;
    cJSON *owner = NULL;
    int r = shape_object(spec, "spec", "owner", &owner, error);
    if (r == 0)
        r = owner_check_shape(owner, &name, error);
    if (r < 0)
        return r;
    bool is_person = identity->user_id != 0;
    if (!name)
        name = old_name ? old_name : is_person ? identity->email : NULL;
    if (!name)
        return error_set(error, ERROR_INVALID, "spec.owner.name", "say whose profile it is: the e-mail of a user");
    char email[255];
    r = auth_email_check(slice_of(name), email, NULL);
    if (r < 0)
        return error_set(error, ERROR_INVALID, "spec.owner.name", "spec.owner.name must be an e-mail address");
    if (old && (!old_name || strcmp(email, old_name) != 0))
        return error_set(error, ERROR_INVALID, "spec.owner.name",
                         "the owner does not change here; transfer the profile instead");
    if (!old && !identity->platform_admin && strcmp(email, identity->email) != 0)
        return error_set(error, ERROR_FORBIDDEN, "spec.owner.name",
                         "only a platform admin makes a profile for somebody else");
    owner = json_set(spec, "owner", json_object());
    json_set_text(owner, "kind", "User");
    json_set_text(owner, "name", email);
    return 0;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

/* It can only narrow what the installation allows, so whoever may change the profile may set it. */
static int check_outbound(const cJSON *profile, struct error *error)
{
    const char *asked = json_text(profile, "metadata", "annotations", ENGINE_OUTBOUND, NULL);
    struct outbound_policy policy;
    return asked ? outbound_parse(slice_of(asked), "metadata.annotations[" ENGINE_OUTBOUND "]", &policy, error) : 0;
}

int tenancy_admit_profile(struct tenancy *tenancy, const struct identity *identity, const cJSON *old, cJSON *profile,
                          struct error *error)
{
    static const char *const known[] = {"apiVersion", "kind", "metadata", "spec", "status", NULL};
    static const char *const known_spec[] = {"owner", "plugins", "resourceQuotaSpec", NULL};
    shape_drop_nulls(profile);
    cJSON *metadata = NULL;
    cJSON *spec = NULL;
    int r = json_check_known(profile, "", known, error);
    if (r == 0)
        r = shape_object(profile, "", "metadata", &metadata, error);
    if (r == 0 && !old)
        r = profile_check_name(tenancy, profile, error);
    if (r == 0)
        r = shape_texts(metadata, "metadata", "labels", error);
    if (r == 0)
        r = shape_texts(metadata, "metadata", "annotations", error);
    if (r == 0)
        r = idle_check_annotations(profile, error);
    if (r == 0)
        r = check_outbound(profile, error);
    if (r == 0)
        r = shape_finalizers(old, profile, TENANCY_FINALIZER, error);
    if (r == 0 && tenancy_adopts(profile) && !tenancy_adopts(old) && !identity->platform_admin)
        r = error_set(error, ERROR_FORBIDDEN, "metadata.annotations",
                      "only a platform admin lets a profile take over a namespace that exists (" TENANCY_ADOPT ")");
    if (r == 0)
        r = shape_object(profile, "", "spec", &spec, error);
    if (r < 0)
        return r;
    spec = json_object_in(profile, "spec");
    r = json_check_known(spec, "spec", known_spec, error);
    if (r == 0)
        r = profile_check_owner(identity, old, spec, error);
    if (r == 0)
        r = plugins_check(tenancy, identity, old, spec, error);
    if (r == 0)
        r = quota_check(tenancy, identity, old, spec, error);
    return r;
}

/* --- one that did not come through this platform ------------------------------------------------------------------ */

bool tenancy_adopts(const cJSON *profile)
{
    return strcmp(json_text_or("", profile, "metadata", "annotations", TENANCY_ADOPT, NULL), "true") == 0;
}

/* Whoever wrote it may write anything to the cluster: what is checked is whether it makes sense, not who may. */
int tenancy_accept(const struct tenancy *tenancy, const cJSON *profile, cJSON **ret_spec, struct error *error)
{
    static const char *const known_spec[] = {"owner", "plugins", "resourceQuotaSpec", NULL};
    static const struct identity nobody = {.platform_admin = true};
    AUTO_JSON cJSON *wanted = json_copy(profile);
    cJSON *spec = NULL;
    shape_drop_nulls(wanted);
    int r = profile_check_name(tenancy, wanted, error);
    if (r == 0)
        r = shape_object(wanted, "", "spec", &spec, error);
    if (r < 0)
        return r;
    spec = json_object_in(wanted, "spec");
    r = json_check_known(spec, "spec", known_spec, error);
    if (r == 0)
        r = profile_check_owner(&nobody, NULL, spec, error);
    if (r == 0)
        r = plugins_check(tenancy, &nobody, NULL, spec, error);
    if (r == 0)
        r = quota_check(tenancy, &nobody, NULL, spec, error);
    if (r == 0)
        *ret_spec = cJSON_DetachItemViaPointer(wanted, spec);
    return r;
}

/* --- one that does ------------------------------------------------------------------------------------------------ */

/* A namespace of that name is somebody's already, and the name would make its claimant the master of it. */
static int profile_check_free(const struct tenancy *tenancy, const cJSON *profile, const char *name,
                              struct error *error)
{
    AUTO_JSON cJSON *namespace = NULL;
    if (tenancy_adopts(profile))
        return 0;
    int r = engine_get(tenancy->engine, KIND_NAMESPACE, NULL, name, &namespace, error);
    if (r == -ERROR_NOT_FOUND)
        return 0;
    return r < 0 ? r : error_set(error, ERROR_EXISTS, "metadata.name", "the name \"%s\" is taken", name);
}

/* <claim>: auth_profile_claim, or auth_profile_claimable to ask only. Completes <wanted>. */
static int profile_claim(struct tenancy *tenancy, const struct identity *identity, cJSON *wanted,
                         int (*claim)(struct auth *, const char *, const char *, bool, struct error *),
                         struct error *error)
{
    int r = tenancy_admit_profile(tenancy, identity, NULL, wanted, error);
    if (r < 0)
        return r;
    const char *name = json_text_or("", wanted, "metadata", "name", NULL);
    const char *owner = json_text_or("", wanted, "spec", "owner", "name", NULL);
    r = profile_check_free(tenancy, wanted, name, error);
    if (r < 0)
        return r;
    r = claim(tenancy->auth, name, owner, identity->platform_admin, error);
    if (r == -ERROR_INVALID && error) /* which is about who it is for; here that has a path */
        snprintf(error->field, sizeof(error->field), "spec.owner.name");
    return r;
}

int tenancy_try_profile(struct tenancy *tenancy, const struct identity *identity, const cJSON *profile,
                        struct error *error)
{
    AUTO_JSON cJSON *wanted = json_copy(profile);
    return profile_claim(tenancy, identity, wanted, auth_profile_claimable, error);
}

int tenancy_create_profile(struct tenancy *tenancy, const struct identity *identity, const cJSON *profile, cJSON **ret,
                           struct error *error)
{
    AUTO_JSON cJSON *wanted = json_copy(profile);
    int r = profile_claim(tenancy, identity, wanted, auth_profile_claim, error);
    if (r < 0)
        return r;
    const char *name = json_text_or("", wanted, "metadata", "name", NULL);
    r = engine_create(tenancy->engine, KIND_PROFILE, NULL, wanted, ret, error);
    if (r < 0) {
        struct error release_error = {0};
        /* If this fails too, the sweep finds a claim without an object and releases it. */
        if (auth_profile_release(tenancy->auth, name, &release_error) < 0)
            log_line(LOG_WARN, "profile name not released", LOG_TEXT("profile", name), LOG_FAULT(&release_error));
    }
    return r;
}
