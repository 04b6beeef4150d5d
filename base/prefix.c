/* Which paths lie below a prefix? */
#include "base/prefix.h"

#include <ctype.h>

bool prefix_is_good(struct slice prefix)
{
    if (slice_is(prefix, "/"))
        return true;
    if (prefix.n < 2 || prefix.n > PREFIX_MAX || prefix.p[0] != '/')
        return false;
    struct slice rest = slice_skip(prefix, 1);
    for (bool last = false; !last;) {
        last = memchr(rest.p, '/', rest.n) == NULL;
        struct slice segment = slice_split(rest, '/', &rest);
        if (segment.n == 0 || slice_is(segment, ".") || slice_is(segment, ".."))
            return false;
        for (size_t i = 0; i < segment.n; i++)
            if (!isalnum((unsigned char)segment.p[i]) && !strchr("-._~", segment.p[i]))
                return false;
    }
    return true;
}

bool prefix_covers(struct slice prefix, struct slice path)
{
    if (slice_is(prefix, "/"))
        return true;
    return prefix.n > 0 && path.n >= prefix.n && memcmp(path.p, prefix.p, prefix.n) == 0 &&
           (path.n == prefix.n || path.p[prefix.n] == '/');
}
