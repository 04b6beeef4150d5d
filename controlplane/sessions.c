/* Where is a person signed in? */
#include "controlplane/handlers.h"

#include "controlplane/ids.h"
#include "controlplane/list_watch.h"

static int read_sessions(struct server *server, const struct identity *identity, const char *namespace, int64_t limit,
                         cJSON **ret_items, struct error *error)
{
    cJSON *item;
    (void)namespace;
    (void)limit;
    int status = auth_session_list(server->auth, identity->user_id, ret_items, error);
    if (status < 0)
        return status;
    cJSON_ArrayForEach(item, *ret_items)
    {
        int64_t id = 0;
        json_i64(json_member(item, "id"), &id);
        json_set_bool(item, "current", identity->kind == IDENTITY_SESSION && id == identity->credential_id);
    }
    return 0;
}

int sessions_list(struct call *call, struct error *error)
{
    static const struct people_list list = {.read = read_sessions, .whose = LIST_OWN};
    return list_answer(call, &list, 0, error);
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
