/* Which API tokens exist, and who may make one for whom? */
#include "controlplane/handlers.h"

#include "controlplane/ids.h"
#include "controlplane/list_watch.h"

#define TOKEN_NAME_MAX 100

static int read_tokens(struct server *server, const struct identity *identity, const char *namespace, int64_t limit,
                       cJSON **ret_items, struct error *error)
{
    (void)namespace;
    (void)limit;
    return auth_token_list(server->auth, identity->user_id, ret_items, error);
}

int tokens_list(struct call *call, struct error *error)
{
    static const struct people_list list = {.read = read_tokens, .whose = LIST_OWN};
    return list_answer(call, &list, 0, error);
}

/* Whose token it becomes: the caller's own, or as an admin says. */
static int token_owner(struct call *call, const char *given, char ret[255], struct error *error)
{
    const struct identity *identity = call->request->identity;
    if (!given && identity->kind == IDENTITY_LOCAL)
        return error_set(error, ERROR_INVALID, "user", "user is missing: the admin socket has no account of its own");
    if (!given)
        given = identity->email;
    int status = auth_email_check(slice_of(given), ret, error);
    if (status < 0 || strcmp(ret, identity->email) == 0 || identity->platform_admin)
        return status;
    return error_set(error, ERROR_FORBIDDEN, "user", "only platform admins make tokens for somebody else");
}

int tokens_create(struct call *call, struct error *error)
{
    static const char *const known[] = {"name", "ttlSeconds", "user", NULL};
    AUTO_JSON cJSON *body = NULL, *created = NULL;
    const char *name = NULL, *user = NULL;
    int64_t ttl_s = 0;
    char email[255], token[96], named[96];
    int64_t id = 0;
    int status = call_body(call, known, &body, error);
    if (status == 0)
        status = body_text(body, "name", false, &name, error);
    if (status == 0 && name && strlen(name) > TOKEN_NAME_MAX)
        status = error_set(error, ERROR_INVALID, "name", "name must be at most %d bytes", TOKEN_NAME_MAX);
    if (status == 0)
        status = body_i64(body, "ttlSeconds", 1, LIMIT_TOKEN_TTL_S, &ttl_s, error);
    if (status == 0)
        status = body_text(body, "user", false, &user, error);
    if (status == 0)
        status = token_owner(call, user, email, error);
    if (status < 0)
        return status;
    call->kind = "User";
    call->name = arena_text(call->request->arena, email);
    status =
        auth_token_create(call->server->auth, email, name && *name ? name : "token", ttl_s, token, &created, error);
    if (status < 0)
        return status;
    json_i64(json_member(created, "id"), &id);
    auth_token_named(id, token, named);
    json_set_text(created, "token", token);
    json_set_text(created, "named", named);
    call_json(call, 201, created);
    memory_wipe(token, sizeof(token));
    memory_wipe(named, sizeof(named));
    return 0;
}

int tokens_delete(struct call *call, struct error *error)
{
    const struct identity *identity = call->request->identity;
    int64_t id;
    int status = ids_parse(call, &id, error);
    if (status == 0)
        status = auth_token_delete(call->server->auth, identity->platform_admin ? 0 : identity->user_id, id, error);
    if (status == 0)
        call_empty(call, 204);
    return status;
}
