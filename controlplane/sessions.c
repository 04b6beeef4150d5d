/* Where is a person signed in? */
#include "controlplane/handlers.h"

#include "controlplane/ids.h"

int sessions_list(struct call *call, struct error *error)
{
    const struct identity *identity = call->request->identity;
    cJSON *items = NULL, *item;
    int status = auth_session_list(call->server->auth, identity->user_id, &items, error);
    if (status < 0)
        return status;
    cJSON_ArrayForEach(item, items)
    {
        int64_t id = 0;
        json_i64(json_member(item, "id"), &id);
        json_set_bool(item, "current", identity->kind == IDENTITY_SESSION && id == identity->credential_id);
    }
    call_items(call, items);
    return 0;
}

int sessions_delete(struct call *call, struct error *error)
{
    int64_t id;
    int status = ids_parse(call, &id, error);
    if (status == 0)
        status = auth_session_delete(call->server->auth, call->request->identity->user_id, id, error);
    if (status == 0)
        call_empty(call, 204);
    return status;
}
