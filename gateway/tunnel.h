/*
 * Bytes both ways after a WebSocket handshake with a workload: nothing is interpreted except frame headers, to tell
 * data from keep-alives. Each direction ends on its own; an idle tunnel holds no buffers.
 */
#ifndef ATELIER_GATEWAY_TUNNEL_H
#define ATELIER_GATEWAY_TUNNEL_H

#include "gateway/exchange.h"

/* The 101 is queued; takes upstream, permit and counts over from the exchange and ends it. */
enum step tunnel_begin(struct connection *connection);
enum step tunnel_step(struct connection *connection);
enum step tunnel_timeout(struct connection *connection);
void tunnel_end(struct connection *connection); /* fine without one */

#endif
