/*
 * Calls of envoy.service.auth.v3.Authorization/Check, on the listener of check.h, in HTTP/2 without TLS; for the files
 * of grpc.h and check.h.
 *
 * A call is one message (check_message.h). What it asks about is decided on a connection of its own that has no socket,
 * as if it had come there over HTTP; what would be answered there becomes the call's answer. It passes by check_pass
 * alone: whatever else is answered, with any status, is a denial, and no answer is UNAVAILABLE, which Envoy takes for
 * one, too. Malformed messages are INVALID_ARGUMENT, too large ones RESOURCE_EXHAUSTED, other methods UNIMPLEMENTED.
 */
#ifndef ATELIER_GATEWAY_CHECK_CALLS_H
#define ATELIER_GATEWAY_CHECK_CALLS_H

#include "gateway/grpc_call.h"

void check_call_begin(struct grpc_call *call); /* its head has come */
void check_call_read(struct grpc_call *call);  /* more of its message has come, or the end */
void check_call_end(struct grpc_call *call);   /* lets go of what it holds; fine if that is nothing */
void check_calls_look(struct grpc *grpc);      /* which have not brought their message in time? */

/* Of the connection that decides: */
enum step check_call_pass(struct connection *asked);  /* it may go on */
enum step check_call_deny(struct connection *asked);  /* what it is about to write is the client's answer */
void check_call_unanswered(struct connection *asked); /* it closes; fine when it has answered */

#endif
