/* How does `atelier login` get a token that a signed-in browser approves? */
#include "controlplane/handlers.h"

#define HOST_MAX 64 /* bytes of the name of the machine that the command line runs on */
#define TTL_DEFAULT_S (90LL * 86400)

/* The console's page /cli-login asks the person and posts here; X-Atelier-CSRF is required as for every change. */
int approvals_create(struct call *call, struct error *error)
{
    static const char *const known[] = {"challenge", "host", "ttlSeconds", NULL};
    AUTO_JSON cJSON *body = NULL;
    const char *challenge = NULL, *host = NULL;
    int64_t ttl_s = 0;
    char code[64];
    int status = call_body(call, known, &body, error);
    if (status == 0)
        status = body_text(body, "challenge", true, &challenge, error);
    if (status == 0)
        status = body_text(body, "host", true, &host, error);
    if (status == 0)
        status = body_i64(body, "ttlSeconds", 1, LIMIT_TOKEN_TTL_S, &ttl_s, error);
    if (status == 0 && (!*host || strlen(host) > HOST_MAX))
        status = error_set(error, ERROR_INVALID, "host", "host must be 1 to %d bytes", HOST_MAX);
    if (status < 0)
        return status;
    const char *name = arena_format(call->request->arena, "atelier CLI on %s", host);
    call->kind = "User";
    call->name = call->request->identity->email;
    call->detail = name;
    status = auth_approval_new(call->server->auth, call->request->identity, slice_of(challenge), name,
                               ttl_s ? ttl_s : TTL_DEFAULT_S, code, error);
    if (status < 0)
        return status;
    AUTO_JSON cJSON *answer = json_object();
    json_set_text(answer, "code", code);
    call_json(call, 201, answer);
    memory_wipe(code, sizeof(code));
    return 0;
}

/* The command line holds no credential yet: the code and the verifier are all it shows. */
int approvals_redeem(struct call *call, struct error *error)
{
    static const char *const known[] = {"code", "verifier", NULL};
    AUTO_JSON cJSON *body = NULL, *created = NULL;
    const char *code = NULL, *verifier = NULL;
    char token[96];
    int status = call_body(call, known, &body, error);
    if (status == 0)
        status = body_text(body, "code", true, &code, error);
    if (status == 0)
        status = body_text(body, "verifier", true, &verifier, error);
    if (status < 0)
        return status;
    status = auth_approval_redeem(call->server->auth, slice_of(code), slice_of(verifier), call->request->peer, token,
                                  &created, error);
    if (status < 0)
        return status;
    call->kind = "User";
    call->actor = call->name = arena_text(call->request->arena, json_text_or("", created, "email", NULL));
    call->detail = arena_text(call->request->arena, json_text_or("", created, "name", NULL));
    json_set_text(created, "token", token);
    call_json(call, 201, created);
    memory_wipe(token, sizeof(token));
    return 0;
}
