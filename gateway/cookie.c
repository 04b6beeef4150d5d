/* Which cookies came, and whose are they? */
#include "gateway/cookie.h"

const char *cookie_session_name(bool resource_host, bool secure)
{
    if (resource_host)
        return secure ? "__Host-atelier_resource" : "atelier_resource";
    return secure ? "__Host-atelier_session" : "atelier_session";
}

struct slice cookie_next(struct slice *rest, struct slice *ret_name)
{
    while (rest->n > 0) {
        struct slice pair = slice_trim(slice_split(*rest, ';', rest));
        if (pair.n == 0)
            continue;
        struct slice value;
        *ret_name = slice_trim(slice_split(pair, '=', &value));
        return pair;
    }
    *ret_name = (struct slice){NULL, 0};
    return *ret_name;
}

size_t cookie_find(const struct http_fields *fields, const char *name, struct slice *ret)
{
    size_t count = 0, length = strlen(name);
    for (size_t i = 0; i < fields->count; i++) {
        if (fields->at[i].name.n != 6 || !slice_is_nocase(fields->at[i].name, "Cookie"))
            continue;
        struct slice rest = fields->at[i].value, key, pair;
        while ((pair = cookie_next(&rest, &key)).n > 0) {
            if (key.n != length || memcmp(key.p, name, length) != 0)
                continue;
            count++;
            *ret = key.n < pair.n ? slice_trim(slice_skip(pair, (size_t)(key.p - pair.p) + key.n + 1))
                                  : (struct slice){pair.p + pair.n, 0};
        }
    }
    return count;
}

static bool starts_nocase(struct slice text, const char *prefix)
{
    size_t length = strlen(prefix);
    return text.n >= length && strncasecmp(text.p, prefix, length) == 0;
}

bool cookie_is_reserved(struct slice name)
{
    /* Browsers compare cookie prefixes without case, so we do too. */
    if (starts_nocase(name, "__Host-"))
        name = slice_skip(name, 7);
    else if (starts_nocase(name, "__Secure-"))
        name = slice_skip(name, 9);
    return starts_nocase(name, "atelier_") || starts_nocase(name, "atelier-") ||
           slice_is_nocase(name, "ray-authentication-token");
}
