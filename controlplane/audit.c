/* What has been done, and by whom? */
#include "controlplane/handlers.h"

static int answer_page(struct call *call, const char *namespace, struct error *error)
{
    int64_t limit = 100, before = 0;
    cJSON *items = NULL;
    int status = call_query_i64(call, "limit", 1, LIMIT_PAGE, &limit, error);
    if (status == 0)
        status = call_query_i64(call, "before", 1, INT64_MAX, &before, error);
    if (status == 0)
        status = audit_list(call->server->auth, namespace, before, limit, &items, error);
    if (status == 0 && namespace && !items->child)
        status = call_profile_exists(call, namespace, error);
    if (status < 0) {
        cJSON_Delete(items);
        return status;
    }
    call_items(call, items);
    return 0;
}

int audit_all(struct call *call, struct error *error)
{
    return answer_page(call, NULL, error);
}

int audit_profile(struct call *call, struct error *error)
{
    return answer_page(call, call->namespace, error);
}
