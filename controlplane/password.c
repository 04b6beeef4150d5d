/* How does a person set their password? */
#include "controlplane/handlers.h"

int password_set(struct call *call, struct error *error)
{
    static const char *const known[] = {"oldPassword", "password", NULL};
    AUTO_JSON cJSON *body = NULL;
    const char *old = NULL, *password = NULL;
    int status = call_body(call, known, &body, error);
    if (status == 0)
        status = body_text(body, "oldPassword", false, &old, error);
    if (status == 0)
        status = body_text(body, "password", true, &password, error);
    if (status == 0)
        status =
            auth_password_set(call->server->auth, call->request->identity, slice_of(old), slice_of(password), error);
    if (old)
        memory_wipe(json_member(body, "oldPassword")->valuestring, strlen(old));
    if (password)
        memory_wipe(json_member(body, "password")->valuestring, strlen(password));
    if (status == 0)
        call_empty(call, 204);
    return status;
}
