/*
 * What a browser may be tricked into: cross-site requests with somebody's cookie (attacks.md 37-39).
 *
 * Only credentials that a browser adds by itself are guarded; a bearer token is proof enough of intent.
 */
#ifndef ATELIER_GATEWAY_GUARD_H
#define ATELIER_GATEWAY_GUARD_H

#include "gateway/host.h"
#include "gateway/http1.h"

/* True if <origin> is exactly scheme://host[:port] of the request itself. "null" never is. */
bool guard_same_origin(struct slice origin, const struct host *host, bool secure);
/*
 * For a request without a bearer token. <identity> is what its cookie gave (perhaps anonymous). False with 403:
 * - a foreign Origin, or Sec-Fetch-Site that is not ours, on an upgrade or unsafe method;
 * - with a valid cookie: no Origin on an upgrade or unsafe method; no valid X-Atelier-CSRF on an unsafe method of the
 * main host (under /auth/ the Origin alone decides: those are plain forms); a sub-resource fetched by another site.
 */
bool guard_check(const struct http_request *request, const struct host *host, bool secure,
                 const struct identity *identity, struct http_fault *fault);
/* True if the caller wants to be taken for somebody else, as with kubectl's --as. */
bool guard_impersonates(const struct http_request *request);
/* True if the request carries the X-Atelier-CSRF of its cookie's session: a script of our own page sends it, and
 * nothing else can. No page that is opened, no form, image or WebSocket has that header. */
bool guard_is_console(const struct http_request *request, const struct identity *identity);
/* A person's browser opening a page: GET, no upgrade, wants HTML, and not a script's fetch. */
bool guard_is_navigation(const struct http_request *request);

#endif
