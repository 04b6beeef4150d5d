/*
 * The token that an Authorization header presents.
 *
 * "Bearer TOKEN", "Bearer NAME:SECRET", and "Basic" with the base64 of NAME:SECRET (RFC 7617), which clients made for
 * LLMOS send. What a token's name has to be is auth's to check. A browser repeats a Basic credential by itself, so that
 * another site's page could use it: a request that a browser made (Origin or Sec-Fetch-Site) presents none by it.
 */
#ifndef ATELIER_GATEWAY_BEARER_H
#define ATELIER_GATEWAY_BEARER_H

#include "gateway/http1.h"

#define BEARER_BASIC_MAX 256 /* base64 of a name and a secret is half as long */

/* "Bearer TOKEN": *ret is within <value>. */
bool bearer_parse(struct slice value, struct slice *ret);
/* As above, or Basic: *ret is within <authorization> or <decoded>, which the caller frees. */
bool bearer_of(const struct http_fields *fields, const struct header *authorization, struct buffer *decoded,
               struct slice *ret);

#endif
