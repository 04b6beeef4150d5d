/* A request to a suspended cluster: it starts it again where that is wanted, and waits for it or is answered meanwhile.
 */
#ifndef ATELIER_GATEWAY_RESUME_H
#define ATELIER_GATEWAY_RESUME_H

#include "gateway/exchange.h"

/* Did whoever sends this mean to use the workload, or does a page that was left open, or another site, send it? Scripts
 * mean what they send; a browser's request counts if it changes something (its Origin has been checked) or goes there
 * from nowhere else. Pure. */
bool resume_is_meant(const struct http_request *request, bool by_cookie);
/* The exchange is decided and its target is TARGET_RESUMES: the cluster starts if the caller may change it and means
 * it, and the request waits for it where it may (hold.h); else it is answered 503. */
enum step resume_begin(struct connection *connection, const struct policy *policy);
/* Its parts, for calls of gRPC (grpc_wait.c): may the caller start the cluster, and what the audit log is told of who
 * did. */
bool resume_may(const struct exchange *exchange, const struct policy *policy);
void resume_note(const struct exchange *exchange);

#endif
