/* Is this process alive, and can it serve? */
#include "controlplane/handlers.h"

int health_alive(struct call *call, struct error *error)
{
    (void)error;
    response_body(call->response, "text/plain; charset=utf-8", SLICE("ok\n"));
    return 0;
}

/* Ready means that decisions can be made: the first policy snapshot is in and not past max_stale. PostgreSQL may be
 * away for a while meanwhile; reads go on, writes answer 503 on their own. */
int health_ready(struct call *call, struct error *error)
{
    bool ready = auth_ready(call->server->auth);
    (void)error;
    response_status(call->response, ready ? 200 : 503);
    response_header(call->response, "Cache-Control", "no-store");
    response_body(call->response, "text/plain; charset=utf-8",
                  ready ? SLICE("ok\n") : SLICE("the policy snapshot is missing or too old\n"));
    return 0;
}
