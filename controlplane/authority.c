/* Which certificate authority must a client trust to speak https with this installation? */
#include "controlplane/handlers.h"

int authority_get(struct call *call, struct error *error)
{
    const char *pem = gateway_tls_authority(call->server->gateway);
    if (!*pem)
        return error_set(error, ERROR_NOT_FOUND, NULL, "this installation has no certificate authority of its own");
    /* A certificate is no secret; what matters is where it was fetched from. */
    response_header(call->response, "Cache-Control", "no-store");
    response_body(call->response, "application/x-pem-file", slice_of(pem));
    return 0;
}
