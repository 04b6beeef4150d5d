/* Cookies of a request: the one that identifies, and those that may pass on to a workload. */
#ifndef ATELIER_GATEWAY_COOKIE_H
#define ATELIER_GATEWAY_COOKIE_H

#include <stdbool.h>

#include "gateway/http1.h"

/* The name of the session cookie on this kind of host. `__Host-` needs TLS (RFC 6265bis 4.1.3.2). */
const char *cookie_session_name(bool resource_host, bool secure);
/* How many cookies have that name (case matters); *ret is the last one's value. More than one is an attempt at tossing.
 */
size_t cookie_find(const struct http_fields *fields, const char *name, struct slice *ret);
/* Whether a cookie of that name is ours or Ray's own and must pass in neither direction, whatever its case. */
bool cookie_is_reserved(struct slice name);
/* Takes the next "name=value" off <rest>; empty slice at the end. */
struct slice cookie_next(struct slice *rest, struct slice *ret_name);

#endif
