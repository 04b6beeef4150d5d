/* How does a person sign in and out? */
#include "controlplane/cookies.h"
#include "controlplane/handlers.h"

/* The audit entry of a sign-in names who tried; what cannot be an e-mail is not repeated. */
static void note_email(struct call *call, const char *given)
{
    char email[255];
    call->kind = "User";
    call->name = NULL;
    if (given && auth_email_check(slice_of(given), email, NULL) == 0)
        call->name = arena_text(call->request->arena, email);
}

static void note_session(struct call *call, const struct auth_session *session)
{
    call->actor = call->name = arena_text(call->request->arena, session->identity.email);
    call->kind = "User";
}

int signin_login(struct call *call, struct error *error)
{
    static const char *const known[] = {"email", "password", NULL};
    AUTO_JSON cJSON *body = NULL;
    struct auth_session session;
    const char *email = NULL, *password = NULL;
    int status = call_body(call, known, &body, error);
    if (status == 0)
        status = body_text(body, "email", true, &email, error);
    if (status == 0)
        status = body_text(body, "password", true, &password, error);
    if (status < 0 || !email || !password)
        return status;
    note_email(call, email);
    status = auth_sign_in_password(call->server->auth, slice_of(email), slice_of(password), call->request->peer,
                                   &session, error);
    memory_wipe(json_member(body, "password")->valuestring, strlen(password));
    if (status < 0)
        return status;
    note_session(call, &session);
    cookies_set(call, &session);
    call_empty(call, 204);
    memory_wipe(&session, sizeof(session));
    return 0;
}

int signin_link(struct call *call, struct error *error)
{
    struct auth_session session;
    if (slice_is(call->request->method, "HEAD")) { /* looking at a link does not use it up */
        call->silent = true;
        call_empty(call, 200);
        return 0;
    }
    int status = auth_sign_in_link(call->server->auth, slice_of(call_parameter(call, "code")), call->request->peer,
                                   &session, error);
    if (status == -ERROR_NOT_FOUND || status == -ERROR_GONE)
        return error_set(error, ERROR_GONE, NULL, "this sign-in link has been used or has expired; ask for another");
    if (status < 0)
        return status;
    note_session(call, &session);
    cookies_set(call, &session);
    call_redirect(call, "/");
    memory_wipe(&session, sizeof(session));
    return 0;
}

int signin_logout(struct call *call, struct error *error)
{
    if (call->request->identity->kind != IDENTITY_SESSION)
        return error_set(error, ERROR_BAD_REQUEST, NULL, "there is no session to end; delete the token instead");
    int status = auth_sign_out(call->server->auth, call->request->identity, error);
    if (status < 0)
        return status;
    cookies_clear(call);
    call_empty(call, 204);
    return 0;
}

int signin_logout_everywhere(struct call *call, struct error *error)
{
    int status = auth_sign_out_everywhere(call->server->auth, call->request->identity, error);
    if (status < 0)
        return status;
    cookies_clear(call);
    call_empty(call, 204);
    return 0;
}
