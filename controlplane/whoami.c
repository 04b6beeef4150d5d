/* Who is calling, and what is theirs? */
#include "controlplane/handlers.h"
#include "controlplane/raydefaults.h"

static const char *kind_name(enum identity_kind kind)
{
    switch (kind) {
    case IDENTITY_SESSION:
        return "session";
    case IDENTITY_TOKEN:
        return "token";
    case IDENTITY_LOCAL:
        return "local";
    case IDENTITY_RESOURCE:
        return "resource";
    case IDENTITY_WORKLOAD:
        return "workload";
    case IDENTITY_APPLICATION:
        return "application";
    case IDENTITY_ANONYMOUS:
        break;
    }
    return "anonymous";
}

int whoami_get(struct call *call, struct error *error)
{
    const struct identity *identity = call->request->identity;
    const struct config *config = &call->server->config;
    cJSON *profiles = NULL;
    int status = auth_profiles_of(call->request->policy, identity, &profiles);
    if (status < 0)
        return error_set(error, (enum error_code) - status, NULL, "%s", error_text((enum error_code) - status));
    AUTO_JSON cJSON *answer = json_object();
    json_set_text(answer, "email", identity->email);
    json_set_bool(answer, "platformAdmin", identity->platform_admin);
    json_set_bool(answer, "mustSetPassword", identity->must_set_password);
    json_set_text(answer, "csrf", identity->csrf);
    json_set_text(answer, "kind", kind_name(identity->kind));
    json_set(answer, "profiles", profiles);
    cJSON *settings = json_object_in(answer, "settings");
    json_set_i64(settings, "profilesPerUser", config->profiles_per_user.number);
    json_set_text(settings, "baseDomain", config->base_domain.text);
    json_set_text(settings, "version", ATELIER_VERSION);
    json_set_text(settings, "tenantPort", config_port(config));
    json_set_bool(settings, "publicApps", config->public_apps.number != 0);
    json_set(settings, "ray", raydefaults_show(config, call->server->engine));
    call_json(call, 200, answer);
    return 0;
}
