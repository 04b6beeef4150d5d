/*
 * What passes between a client and a workload: which fields are removed, which are added, in both directions.
 *
 * Credentials are swapped, never passed on; whoever reads a header behind the gateway may believe it only because every
 * client-sent variant is gone (attacks.md 13, 24, 25, 44). Our own fields are written after the removal, so no
 * `Connection` nomination can take them away.
 */
#ifndef ATELIER_GATEWAY_HEADERS_H
#define ATELIER_GATEWAY_HEADERS_H

#include "gateway/chunk.h"
#include "gateway/host.h"
#include "gateway/http1.h"

struct headers_forward {
    const struct http_request *request;
    const struct host *host;
    const struct route *route;
    const struct target *target;
    const char *email, *peer, *request_id;
    bool secure;
    bool main_host; /* no cookie passes */
    bool read_only; /* the caller may only look: Ray then redacts environments */
};
/* False with 400 if Connection names a field that must not be removed. Needs no allocation. */
bool headers_check_connection(const struct http_fields *fields, struct http_fault *fault);
/* Writes the request head for the upstream. False with 431 if it does not fit. */
bool headers_write_request(struct chunk *out, const struct headers_forward *forward, struct http_fault *fault);

/*
 * The head of a WebSocket handshake for the cluster's API. Of the client's fields only the handshake's own pass, and of
 * the subprotocols only channels: one may also carry a token (base64url.bearer.authorization.k8s.io.…), which would
 * make two credentials of one request. <own>: whole lines, who asks and in which role.
 */
bool headers_write_api(struct chunk *out, const struct http_request *request, const char *own,
                       struct http_fault *fault);

/* Whether metadata of a gRPC call passes to a workload, and a workload's to the client. Ray's has underscores, so they
 * are allowed, and no way around a rule: "x_forwarded_for" does not pass either. */
bool headers_pass_grpc(struct slice name);

struct headers_return {
    const struct http_response *response;
    const struct host *host;
    struct slice prefix; /* to put back into Location when it was stripped from the path; else empty */
    bool secure, main_host;
    bool cookie;     /* of the main host let it in: the console's script, whose credentials no Location may carry on */
    bool upgrade;    /* 101 to a WebSocket handshake */
    bool chunked;    /* we frame the body in chunks */
    bool keep_alive; /* the client's connection goes on */
};
/* Writes the response head for the client. False with 502 if it does not fit. */
bool headers_write_response(struct chunk *out, const struct headers_return *back, struct http_fault *fault);

#endif
