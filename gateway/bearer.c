/* Which token does an Authorization header present? */
#include "gateway/bearer.h"

bool bearer_parse(struct slice value, struct slice *ret)
{
    struct slice token, scheme = slice_split(value, ' ', &token);
    *ret = slice_trim(token);
    return slice_is_nocase(scheme, "Bearer") && ret->n > 0;
}

static bool is_from_browser(const struct http_fields *fields)
{
    return http_fields_find(fields, "Origin") || http_fields_find(fields, "Sec-Fetch-Site");
}

bool bearer_of(const struct http_fields *fields, const struct header *authorization, struct buffer *decoded,
               struct slice *ret)
{
    struct slice encoded, scheme = slice_split(authorization->value, ' ', &encoded);
    if (!slice_is_nocase(scheme, "Basic"))
        return bearer_parse(authorization->value, ret);
    encoded = slice_trim(encoded);
    if (encoded.n > BEARER_BASIC_MAX || is_from_browser(fields) || !text_unbase64(encoded, decoded))
        return false;
    *ret = buffer_slice(decoded);
    return ret->n > 0 && memchr(ret->p, ':', ret->n);
}
