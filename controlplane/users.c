/* Which accounts exist, and how does somebody get one? */
#include "controlplane/handlers.h"

#include "controlplane/list_watch.h"

static char *link_url(const struct call *call, const char *code)
{
    return arena_format(call->request->arena, "%s/auth/link/%s", call_link_origin(call), code);
}

/* The account that the path names: checked, lower-cased, in the arena. */
static int path_email(struct call *call, const char **ret, struct error *error)
{
    char email[255];
    int status = auth_email_check(slice_of(call_parameter(call, "email")), email, error);
    if (status < 0)
        return status;
    *ret = arena_text(call->request->arena, email);
    call->kind = "User";
    call->name = *ret;
    return 0;
}

static int read_users(struct server *server, const struct identity *identity, const char *namespace, int64_t limit,
                      cJSON **ret_items, struct error *error)
{
    (void)identity;
    (void)namespace;
    (void)limit;
    return auth_user_list(server->auth, ret_items, error);
}

int users_list(struct call *call, struct error *error)
{
    static const struct people_list list = {.read = read_users, .whose = LIST_OF_ADMINS};
    return list_answer(call, &list, 0, error);
}

int users_create(struct call *call, struct error *error)
{
    static const char *const known[] = {"email", "platformAdmin", NULL};
    AUTO_JSON cJSON *body = NULL, *user = NULL;
    const char *given = NULL;
    bool admin = false;
    char email[255], code[64];
    int status = call_body(call, known, &body, error);
    if (status == 0)
        status = body_text(body, "email", true, &given, error);
    if (status == 0)
        status = body_bool(body, "platformAdmin", false, &admin, error);
    if (status == 0)
        status = auth_email_check(slice_of(given), email, error);
    if (status < 0)
        return status;
    call->kind = "User";
    call->name = arena_text(call->request->arena, email);
    call->detail = admin ? "as platform admin" : NULL;
    status = auth_user_create(call->server->auth, email, admin, code, &user, error);
    if (status < 0)
        return status;
    json_set_text(user, "invitationUrl", link_url(call, code));
    call_json(call, 201, user);
    return 0;
}

int users_change(struct call *call, struct error *error)
{
    static const char *const known[] = {"disabled", NULL};
    AUTO_JSON cJSON *body = NULL;
    const char *email = NULL;
    bool disabled = false;
    int status = path_email(call, &email, error);
    if (status == 0)
        status = call_body(call, known, &body, error);
    if (status == 0 && !json_member(body, "disabled"))
        status = error_set(error, ERROR_INVALID, "disabled", "disabled is missing");
    if (status == 0)
        status = body_bool(body, "disabled", false, &disabled, error);
    if (status == 0 && disabled && strcmp(email, call->request->identity->email) == 0)
        status = error_set(error, ERROR_INVALID, "disabled", "you cannot disable your own account");
    if (status < 0)
        return status;
    call->detail = disabled ? "disabled" : "enabled";
    status = auth_user_disable(call->server->auth, email, disabled, error);
    if (status == 0)
        call_empty(call, 204);
    return status;
}

int users_delete(struct call *call, struct error *error)
{
    const char *email = NULL;
    int status = path_email(call, &email, error);
    if (status == 0 && strcmp(email, call->request->identity->email) == 0)
        status = error_set(error, ERROR_INVALID, "email", "you cannot delete your own account");
    if (status == 0)
        status = auth_user_delete(call->server->auth, email, error);
    if (status == 0)
        call_empty(call, 204);
    return status;
}

int users_reset_link(struct call *call, struct error *error)
{
    const char *email = NULL;
    char code[64];
    int status = path_email(call, &email, error);
    if (status == 0)
        status = auth_user_reset_link(call->server->auth, email, code, error);
    if (status < 0)
        return status;
    AUTO_JSON cJSON *answer = json_object();
    json_set_text(answer, "url", link_url(call, code));
    call_json(call, 201, answer);
    return 0;
}
