/*
 * /tunnel/{namespace}/{service}/{port}: a WebSocket that carries one TCP stream, for clients that do not speak HTTP to
 * the workload (`atelier forward`, `ray.init("ray://…")`).
 *
 * Binary messages, however fragmented, are bytes of the stream. A Close from the client ends its direction; the
 * workload's bytes still come until it closes too, then our Close follows. 1000: the stream ended; 1008: access was
 * revoked; 1011: the workload broke off; 1001: the gateway stops.
 *
 * And a command in a pod that the engine itself runs (pod_request.h): there each message, text or binary, is one
 * message for the engine, and a long one is several with the same channel. Or its ports: messages likewise, or bytes
 * again, which are SPDY.
 */
#ifndef ATELIER_GATEWAY_FORWARD_H
#define ATELIER_GATEWAY_FORWARD_H

#include "gateway/exchange.h"

/* <request> (taken over): into that pod; NULL: to the exchange's target. */
struct pod_request;
enum step forward_begin(struct connection *connection, struct pod_request *request);
enum step forward_step(struct connection *connection);
enum step forward_timeout(struct connection *connection);
void forward_end(struct connection *connection);     /* fine without one */
void forward_go_away(struct connection *connection); /* says 1001, as the gateway stops */

#endif
