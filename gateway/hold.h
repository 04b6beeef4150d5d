/*
 * Requests that wait until the Ray cluster which they went to has started: those of programs, for at most
 * resume_wait_ms, at most tenant_holds of a profile at a time. A browser is shown a page that loads itself again
 * instead.
 *
 * The body stays unread meanwhile. Every hold_look_ms the target is looked up and the caller decided anew; what takes
 * the leave away in between ends the request, as it does one under way.
 */
#ifndef ATELIER_GATEWAY_HOLD_H
#define ATELIER_GATEWAY_HOLD_H

#include "gateway/exchange.h"

/* What is said to whoever has waited for long enough, or may not wait. */
#define HOLD_STARTING "the cluster is starting: ask again in some seconds"

/* The exchange is decided, nothing of it has been sent on, and its target did not answer. True: it waits, and nothing
 * is due but to return; false: it may not wait, or has done so for long enough. */
bool hold_begin(struct connection *connection);
/* The same of a call of gRPC, which waits beside others on its connection (grpc_wait.c): true if it is counted as one
 * that waits. It looks at the permit and at the time itself. */
bool hold_enter(struct exchange *exchange);
void hold_end(struct exchange *exchange); /* it waits no longer; fine if it never did */
/* The state's handler, and its deadline's. */
enum step hold_step(struct connection *connection);
enum step hold_timeout(struct connection *connection);

#endif
