/* What has been done, and by whom? */
#include "controlplane/handlers.h"

#include "controlplane/list_watch.h"

/* Of a profile that is gone its entries stay; of one that never was there are none. */
static int read_page(struct server *server, const char *namespace, int64_t before, int64_t limit, cJSON **ret_items,
                     struct error *error)
{
    AUTO_JSON cJSON *items = NULL, *profile = NULL;
    int status = audit_list(server->auth, *namespace ? namespace : NULL, before, limit, &items, error);
    if (status == 0 && *namespace && !items->child)
        status = engine_get(server->engine, KIND_PROFILE, NULL, namespace, &profile, error);
    if (status == 0)
        *ret_items = TAKE_POINTER(items);
    return status;
}

static int read_latest(struct server *server, const struct identity *identity, const char *namespace, int64_t limit,
                       cJSON **ret_items, struct error *error)
{
    (void)identity;
    return read_page(server, namespace, 0, limit, ret_items, error);
}

/* What an older page holds does not change. */
static int answer_older(struct call *call, const char *namespace, int64_t before, int64_t limit, struct error *error)
{
    cJSON *items = NULL;
    if (call_query_true(call, "watch"))
        return error_set(error, ERROR_BAD_REQUEST, "before", "only the latest page is watched: leave out before");
    int status = read_page(call->server, namespace, before, limit, &items, error);
    if (status == 0)
        call_items(call, items);
    return status;
}

static int answer_page(struct call *call, const struct people_list *list, struct error *error)
{
    int64_t limit = 100, before = 0;
    int status = call_query_i64(call, "limit", 1, LIMIT_PAGE, &limit, error);
    if (status == 0)
        status = call_query_i64(call, "before", 1, INT64_MAX, &before, error);
    if (status < 0)
        return status;
    const char *namespace = list->whose == LIST_OF_PROFILE ? call->namespace : "";
    return before ? answer_older(call, namespace, before, limit, error) : list_answer(call, list, limit, error);
}

int audit_all(struct call *call, struct error *error)
{
    static const struct people_list list = {.read = read_latest, .of_audit = true, .whose = LIST_OF_ADMINS};
    return answer_page(call, &list, error);
}

int audit_profile(struct call *call, struct error *error)
{
    static const struct people_list list = {
        .read = read_latest, .of_audit = true, .whose = LIST_OF_PROFILE, .verb = VERB_MEMBERS_WRITE};
    return answer_page(call, &list, error);
}
