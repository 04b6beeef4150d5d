/*
 * A request to a workload and its answer, streamed both ways with one bounded buffer each: what cannot be written is
 * not read, so a slow side slows the other down and nothing piles up here.
 *
 * A request is sent twice only if it is safe, has no body, went out on a pooled connection, and not one byte of an
 * answer came (RFC 9112 9.3.1).
 */
#ifndef ATELIER_GATEWAY_PROXY_H
#define ATELIER_GATEWAY_PROXY_H

#include "gateway/exchange.h"

/* The exchange is decided and has its target: reaches the workload. */
enum step proxy_begin(struct connection *connection);
/* pod.c: the same for a WebSocket into a pod, which the cluster's API opens. <role>: the caller's, at least editor. */
enum step pod_begin(struct connection *connection, const char *role);
enum step proxy_step(struct connection *connection);
enum step proxy_timeout(struct connection *connection);

/* proxy_answer.c */
enum flow { FLOW_MOVED, FLOW_STUCK, FLOW_OVER /* *ret_step is what the state's handler returns */ };
enum flow proxy_download(struct connection *connection, enum step *ret_step);
/* The workload did not answer, or not in HTTP: an answer of ours if none has begun, otherwise the end. */
enum step proxy_fail(struct connection *connection, int status, const char *why);
/* Dials again if the request may be sent twice; false if not. */
bool proxy_retry(struct connection *connection, enum step *ret_step);

#endif
