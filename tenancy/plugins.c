/* As which cloud account may a profile's pods act? Kubeflow's spec.plugins, as far as they need nothing but the
 * cluster. */
#include "tenancy/internal.h"
#include "tenancy/shape.h"

#define PLUGIN_GOOGLE "WorkloadIdentity"
#define PLUGIN_AWS "AwsIamForServiceAccount"
#define GOOGLE_ACCOUNT_SUFFIX ".iam.gserviceaccount.com"
#define GOOGLE_ACCOUNT_MAX 254 /* as an e-mail */

/* NAME@PROJECT.iam.gserviceaccount.com; a project of an organization's own may be "domain.example:project", which is
 * written "project.domain.example". */
static bool is_google_account(struct slice text)
{
    struct slice project;
    if (text.n > GOOGLE_ACCOUNT_MAX || !slice_ends(text, GOOGLE_ACCOUNT_SUFFIX))
        return false;
    text.n -= strlen(GOOGLE_ACCOUNT_SUFFIX);
    struct slice name = slice_split(text, '@', &project);
    return project.p && name_is_label(name) && name_is_subdomain(project);
}

static int google_check(const struct tenancy *tenancy, const cJSON *plugin, struct error *error)
{
    static const char *const known[] = {"gcpServiceAccount", NULL};
    static const char field[] = "spec.plugins[0].spec.gcpServiceAccount";
    const cJSON *spec = json_member(plugin, "spec");
    if (!engine_has(tenancy->engine, KIND_SERVICEACCOUNT))
        return error_set(error, ERROR_INVALID, "spec.plugins[0].kind",
                         "WorkloadIdentity is an annotation on a service account, which this engine does not have");
    if (!cJSON_IsObject(spec))
        return error_set(error, ERROR_INVALID, field, "%s must name a Google service account", field);
    int r = json_check_known(spec, "spec.plugins[0].spec", known, error);
    const char *account = json_text(spec, "gcpServiceAccount", NULL);
    if (r == 0 && (!account || !is_google_account(slice_of(account))))
        r = error_set(error, ERROR_INVALID, field, "%s must be NAME@PROJECT" GOOGLE_ACCOUNT_SUFFIX, field);
    return r;
}

static int kind_unknown(const char *kind, struct error *error)
{
    static const char field[] = "spec.plugins[0].kind";
    if (kind && strcmp(kind, PLUGIN_AWS) == 0)
        return error_set(error, ERROR_INVALID, field,
                         "AwsIamForServiceAccount changes the trust policy of an IAM role with rights in an AWS "
                         "account, which Atelier does not hold; only WorkloadIdentity is done here");
    return error_set(error, ERROR_INVALID, field, "%s must be WorkloadIdentity, the only plugin done here", field);
}

int plugins_check(const struct tenancy *tenancy, const struct identity *identity, const cJSON *old, const cJSON *spec,
                  struct error *error)
{
    static const char *const known[] = {"apiVersion", "kind", "spec", NULL};
    const cJSON *plugins = json_member(spec, "plugins");
    const cJSON *had = json_at(old, "spec", "plugins", NULL);
    int count = cJSON_GetArraySize(plugins);
    if (plugins && !cJSON_IsArray(plugins))
        return error_set(error, ERROR_INVALID, "spec.plugins", "spec.plugins must be a list");
    if (count > 1)
        return error_set(error, ERROR_INVALID, "spec.plugins",
                         "spec.plugins may have one entry: pods act as one account");
    bool same = count == 0 ? cJSON_GetArraySize(had) == 0 : json_equal(plugins, had);
    if (!identity->platform_admin && !same)
        return error_set(error, ERROR_FORBIDDEN, "spec.plugins",
                         "only a platform admin says as which cloud account a profile's pods act");
    if (count == 0)
        return 0;
    const cJSON *plugin = plugins->child;
    const char *kind = json_text(plugin, "kind", NULL);
    if (!cJSON_IsObject(plugin))
        return error_set(error, ERROR_INVALID, "spec.plugins[0]", "spec.plugins[0] must be an object");
    int r = json_check_known(plugin, "spec.plugins[0]", known, error);
    if (r == 0)
        r = kind && strcmp(kind, PLUGIN_GOOGLE) == 0 ? google_check(tenancy, plugin, error) : kind_unknown(kind, error);
    return r;
}

const char *plugins_google_account(const cJSON *spec)
{
    const cJSON *plugins = json_member(spec, "plugins");
    return plugins && plugins->child ? json_text(plugins->child, "spec", "gcpServiceAccount", NULL) : NULL;
}
