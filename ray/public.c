/* Which applications may anybody use? */
#include "ray/public.h"

#include <ctype.h>

enum { PREFIXES_MAX = 16 };

/* The next prefix of the list, without the blanks around it; false at the end. */
static bool next_prefix(struct slice *rest, struct slice *ret)
{
    if (rest->n == 0)
        return false;
    *ret = slice_trim(slice_split(*rest, ',', rest));
    return true;
}

static bool covers(struct slice prefix, struct slice path)
{
    if (slice_is(prefix, "/"))
        return true;
    return path.n >= prefix.n && memcmp(path.p, prefix.p, prefix.n) == 0 &&
           (path.n == prefix.n || path.p[prefix.n] == '/');
}

/* "/", or segments of letters, digits and "-._~", none empty, "." or "..": what every reader of paths reads alike. */
static bool is_prefix(struct slice prefix)
{
    if (slice_is(prefix, "/"))
        return true;
    if (prefix.n < 2 || prefix.n > RAY_PUBLIC_MAX || prefix.p[0] != '/')
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

const char *ray_public(const cJSON *object)
{
    return json_text_or("", object, "metadata", "annotations", RAY_PUBLIC, NULL);
}

int ray_public_check(const cJSON *object, struct error *error)
{
    struct slice rest = slice_of(ray_public(object)), prefix;
    int count = 0;
    while (next_prefix(&rest, &prefix)) {
        if (++count > PREFIXES_MAX)
            return error_set(error, ERROR_INVALID, "metadata.annotations[" RAY_PUBLIC "]",
                             RAY_PUBLIC " may list at most %d prefixes", PREFIXES_MAX);
        if (!is_prefix(prefix))
            return error_set(error, ERROR_INVALID, "metadata.annotations[" RAY_PUBLIC "]",
                             RAY_PUBLIC " must list prefixes such as \"/mnist, /iris\", or \"/\" for everything; of "
                                        "letters, digits and \"-._~/\", at most %d bytes each, with no '/' at the end",
                             RAY_PUBLIC_MAX);
    }
    return 0;
}

struct slice ray_public_prefix(const char *text, struct slice tail)
{
    struct slice rest = slice_of(text), prefix;
    while (next_prefix(&rest, &prefix))
        if (is_prefix(prefix) && covers(prefix, tail))
            return prefix;
    return (struct slice){NULL, 0};
}

bool ray_public_widens(const char *before, const char *now)
{
    struct slice rest = slice_of(now), prefix;
    while (next_prefix(&rest, &prefix))
        if (ray_public_prefix(before, prefix).n == 0)
            return true;
    return false;
}
