/*
 * Requests that a proxy in front asks about before it hands them on: Envoy's ext_authz filter, over HTTP or by gRPC.
 *
 * The proxy repeats method, target, Host and chosen fields of a request, without its body, on a listener of its own; by
 * gRPC (check_calls.h), in a message. Whoever can connect may ask: they are told what they would be told if they made
 * the request themselves. It is identified, guarded and decided as on the main listener; where that would go on to a
 * workload or to the API, the answer here is 200, and any other answer is the one that the client gets. With the 200
 * goes `X-Atelier-User`, who asks, by e-mail, empty for nobody: the proxy puts it in the place of what the client sent,
 * and removes what applications read as the same name. Credentials are not swapped: what leads on to atelierd needs the
 * caller's, and the proxy removes them from what leads elsewhere.
 *
 * A WebSocket is decided as one, with the key of its handshake or without: by HTTP/2 (RFC 8441) it has none. CONNECT
 * itself, which Envoy turns into a GET before it asks, is refused to everybody.
 *
 * What is no workload's (the console, the API, sign-in) passes for everybody: atelierd is what answers there, and
 * decides. https outside is told by X-Forwarded-Proto, which proxies write themselves. gRPC's hosts are not decided
 * here (421).
 *
 * Format: envoy.extensions.filters.http.ext_authz.v3.HttpService, envoy.service.auth.v3.Authorization; Istio's
 * meshConfig.extensionProviders.envoyExtAuthzHttp and envoyExtAuthzGrpc.
 */
#ifndef ATELIER_GATEWAY_CHECK_H
#define ATELIER_GATEWAY_CHECK_H

#include "gateway/connection.h"

void check_begin(struct connection *connection);     /* before the request is looked at */
enum step check_pass(struct connection *connection); /* it may go on */

#endif
