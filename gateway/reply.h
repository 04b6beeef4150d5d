/* Answers that the gateway gives itself. */
#ifndef ATELIER_GATEWAY_REPLY_H
#define ATELIER_GATEWAY_REPLY_H

#include "gateway/connection.h"

struct reply {
    int status;
    const char *type;    /* Content-Type; NULL: application/json */
    const char *headers; /* further complete lines, or NULL */
    struct slice body;   /* copied */
};
/* Queues the answer and makes it the connection's state. The last one on this connection if a body was left unread. */
enum step reply_send(struct connection *connection, const struct reply *reply);
/* A Status with the fault's text; 4xx about the message itself close the connection. */
enum step reply_fault(struct connection *connection, const struct http_fault *fault);
enum step reply_error(struct connection *connection, const struct error *error);
enum step reply_redirect(struct connection *connection, int status, struct slice location_path, struct slice query,
                         bool has_query);
/* 308 to the same address on the TLS listener. */
enum step reply_to_https(struct connection *connection);
enum step reply_metrics(struct connection *connection);
/* 502/503/504 for a route: JSON, or for a person's browser a page that says what to do. With 503, where the target is
 * starting, that is what is said whatever <message> is, and the page loads itself again. */
enum step reply_unavailable(struct connection *connection, int status, const char *message);
const char *http_reason(int status); /* RFC 9110's phrase; static */

#endif
