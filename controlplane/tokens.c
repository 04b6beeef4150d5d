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

/* --- what alone it opens ------------------------------------------------------------------------------------------ */

/* That very RayCluster or RayService: another one of its name, made later, is not opened. NOT_FOUND also for one that
 * is being deleted. */
static int find_application(const struct call *call, const struct token_application *application, char ret_uid[64],
                            struct error *error)
{
    AUTO_JSON cJSON *object = NULL;
    bool cluster = strcmp(application->kind, "RayCluster") == 0;
    int status = engine_get(call->server->engine, cluster ? KIND_RAYCLUSTER : KIND_RAYSERVICE, application->namespace,
                            application->name, &object, error);
    if (status == -ERROR_NOT_FOUND || (status == 0 && json_at(object, "metadata", "deletionTimestamp", NULL)))
        return error_set(error, ERROR_NOT_FOUND, "application.name", "there is no %s \"%s\" in this profile",
                         application->kind, application->name);
    if (status == 0)
        snprintf(ret_uid, 64, "%s", json_text_or("", object, "metadata", "uid", NULL));
    return status;
}

static int read_application(const cJSON *body, struct token_application *ret, struct error *error)
{
    static const char *const known[] = {"namespace", "kind", "name", "prefix", NULL};
    const cJSON *given = json_member(body, "application");
    const char **const members[] = {&ret->namespace, &ret->kind, &ret->name, &ret->prefix};
    if (!cJSON_IsObject(given))
        return error_set(error, ERROR_INVALID, "application",
                         "application must be an object with namespace, kind, name and prefix");
    int status = json_check_known(given, "application", known, error);
    for (size_t i = 0; i < COUNT_OF(members) && status == 0; i++) {
        *members[i] = json_text(given, known[i], NULL);
        char field[32];
        snprintf(field, sizeof(field), "application.%s", known[i]);
        if (!*members[i])
            status = error_set(error, ERROR_INVALID, field, "%s must be a text", field);
    }
    return status < 0 ? status : auth_token_check_application(ret, error);
}

/* Who may let people into the profile may let a program into one application of it. */
static int check_application(struct call *call, const cJSON *body, struct token_application *ret, char ret_uid[64],
                             struct error *error)
{
    int status = read_application(body, ret, error);
    if (status < 0)
        return status;
    call->namespace = arena_text(call->request->arena, ret->namespace);
    call->kind = arena_text(call->request->arena, ret->kind);
    call->name = arena_text(call->request->arena, ret->name);
    struct decision decision = call_decide(call, ret->namespace, NULL, NULL, VERB_MEMBERS_WRITE);
    if (!decision.allowed && decision.visible)
        return error_set(error, ERROR_FORBIDDEN, "application",
                         "only the profile's owner and its admins make tokens of an application");
    status = call_refuse(&decision, error);
    if (status == 0)
        status = find_application(call, ret, ret_uid, error);
    ret->uid = ret_uid;
    return status;
}

/* "token 7 of alice@example.com for /hello", for the audit log. */
static const char *describe(const struct call *call, int64_t id, const char *email, const char *prefix)
{
    return arena_format(call->request->arena, "token %lld of %s%s%s", (long long)id, email, prefix ? " for " : "",
                        prefix ? prefix : "");
}

/* --- making one --------------------------------------------------------------------------------------------------- */

struct wish {
    const char *name;
    int64_t ttl_s;
    struct token_application application; /* namespace NULL: everything that its user may do */
    char uid[64], email[255];
};

static int read_wish(struct call *call, const cJSON *body, struct wish *ret, struct error *error)
{
    const char *name = NULL, *user = NULL;
    int status = body_text(body, "name", false, &name, error);
    if (status == 0 && name && strlen(name) > TOKEN_NAME_MAX)
        status = error_set(error, ERROR_INVALID, "name", "name must be at most %d bytes", TOKEN_NAME_MAX);
    if (status == 0)
        status = body_i64(body, "ttlSeconds", 1, LIMIT_TOKEN_TTL_S, &ret->ttl_s, error);
    if (status == 0)
        status = body_text(body, "user", false, &user, error);
    if (status == 0)
        status = token_owner(call, user, ret->email, error);
    if (status < 0)
        return status;
    ret->name = name && *name ? name : "token";
    call->kind = "User";
    call->name = arena_text(call->request->arena, ret->email);
    if (json_member(body, "application"))
        status = check_application(call, body, &ret->application, ret->uid, error);
    return status;
}

static int create(struct call *call, const struct wish *wish, char ret_token[96], cJSON **ret, struct error *error)
{
    const struct token_application *application = wish->application.namespace ? &wish->application : NULL;
    int64_t id = 0;
    int status =
        auth_token_create(call->server->auth, wish->email, wish->name, wish->ttl_s, application, ret_token, ret, error);
    if (status < 0)
        return status;
    json_i64(json_member(*ret, "id"), &id);
    call->detail = describe(call, id, wish->email, application ? application->prefix : NULL);
    return 0;
}

int tokens_create(struct call *call, struct error *error)
{
    static const char *const known[] = {"name", "ttlSeconds", "user", "application", NULL};
    AUTO_JSON cJSON *body = NULL, *created = NULL;
    struct wish wish = {0};
    char token[96] = "", named[96] = "";
    int64_t id = 0;
    int status = call_body(call, known, &body, error);
    if (status == 0)
        status = read_wish(call, body, &wish, error);
    if (status == 0)
        status = create(call, &wish, token, &created, error);
    if (status == 0) {
        json_i64(json_member(created, "id"), &id);
        auth_token_named(id, token, named);
        json_set_text(created, "token", token);
        json_set_text(created, "named", named);
        call_json(call, 201, created);
    }
    memory_wipe(token, sizeof(token));
    memory_wipe(named, sizeof(named));
    return status;
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

/* Of a profile's applications, whoever made them: whoever may let people in may see and take back whom they let in. */
static int read_tokens_of(struct server *server, const struct identity *identity, const char *namespace, int64_t limit,
                          cJSON **ret_items, struct error *error)
{
    (void)identity;
    (void)limit;
    return auth_token_list_of(server->auth, namespace, ret_items, error);
}

int tokens_list_of(struct call *call, struct error *error)
{
    static const struct people_list list = {
        .read = read_tokens_of, .whose = LIST_OF_PROFILE, .verb = VERB_MEMBERS_READ};
    return list_answer(call, &list, 0, error);
}

int tokens_delete_of(struct call *call, struct error *error)
{
    int64_t id;
    int status = ids_parse(call, &id, error);
    if (status < 0)
        return status;
    call->detail = arena_format(call->request->arena, "token %lld", (long long)id);
    status = auth_token_delete_of(call->server->auth, call->namespace, id, error);
    if (status == 0)
        call_empty(call, 204);
    return status;
}
