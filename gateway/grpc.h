/*
 * gRPC over HTTP/2 (gRPC's PROTOCOL-HTTP2.md), on hosts of its own: rayclient-{cluster}--{namespace} leads to the Ray
 * Client port of a cluster, grpc-{cluster}--{namespace} to Serve's gRPC port.
 *
 * Each call is identified and decided by itself, by the token in its metadata, with the functions of every other
 * request (dispatch_call); its permit is reviewed whenever the policy changes, and a call that is no longer allowed is
 * reset at both ends (INADEQUATE_SECURITY, which clients read as PERMISSION_DENIED). Refusals are trailers-only answers
 * with a grpc-status. The calls of one connection share one HTTP/2 connection to their workload, made for the first of
 * them that is allowed.
 *
 * On the listener of check.h calls are answered here (check_calls.h).
 *
 * The caller's credentials, and whatever claims to say who or where they are, do not pass (headers_pass_grpc).
 */
#ifndef ATELIER_GATEWAY_GRPC_H
#define ATELIER_GATEWAY_GRPC_H

#include "gateway/connection.h"

enum step grpc_begin(struct connection *connection); /* it is HTTP/2, by the handshake or by what came first */
enum step grpc_step(struct connection *connection);  /* state GRPC */
enum step grpc_timeout(struct connection *connection);
void grpc_end(struct connection *connection);     /* fine without one */
void grpc_go_away(struct connection *connection); /* calls under way are the last; fine without one */

#endif
