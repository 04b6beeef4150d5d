/* What has the machine left, and who holds it? */
#include "controlplane/handlers.h"

/* Others' profiles are nobody's business: only admins see all. */
static void keep_own(const struct call *call, cJSON *profiles)
{
    cJSON *item = profiles ? profiles->child : NULL, *next;
    for (; item; item = next) {
        next = item->next;
        const char *name = json_text_or("", item, "name", NULL);
        if (policy_role(call->request->policy, call->request->identity, name) == ROLE_NONE)
            cJSON_Delete(cJSON_DetachItemViaPointer(profiles, item));
    }
}

int usage_get(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *usage = NULL;
    int status = engine_usage(call->server->engine, &usage, error);
    if (status < 0)
        return status;
    if (!call->request->identity->platform_admin)
        keep_own(call, json_member(usage, "profiles"));
    call_json(call, 200, usage);
    return 0;
}
