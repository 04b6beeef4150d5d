/*
 * What Envoy asks by gRPC, and what it is answered: CheckRequest and CheckResponse.
 *
 * A request that is asked about becomes the head that Envoy would send about it over HTTP (check.h), so that one parser
 * and one way of deciding serve both. Of its fields only those come over that something is decided by; the list is the
 * one that docs/gke.md has for the provider over HTTP. Who the source is, by its address or certificate, is never
 * looked at. Neither are bodies.
 *
 * Format: envoy/service/auth/v3/{external_auth,attribute_context}.proto, envoy/config/core/v3/base.proto (HeaderMap,
 * HeaderValue, HeaderValueOption), envoy/type/v3/http_status.proto, google/rpc/status.proto.
 */
#ifndef ATELIER_GATEWAY_CHECK_MESSAGE_H
#define ATELIER_GATEWAY_CHECK_MESSAGE_H

#include "gateway/http1.h"

/*
 * Appends the head of the request that <message> is about. It may still be no good request, or larger than a head may
 * be: http_scan and http_request_parse say so. False with a static sentence if the message is malformed or about
 * something else than an HTTP request; <head> is then incomplete.
 */
bool check_request_read(struct slice message, struct buffer *head, const char **ret_why);

/* It may go on, with X-Atelier-User: <user> in the place of what the client sent under that name; empty: with none. */
void check_response_pass(struct slice user, struct buffer *ret);
/* The client gets this instead. */
void check_response_deny(const struct http_response *response, struct slice body, struct buffer *ret);

#endif
