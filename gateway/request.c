/* What did the client ask, as an API handler sees it? */
#include "gateway/gateway.h"

struct slice request_header(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (slice_is_nocase(request->headers[i].name, name))
            return request->headers[i].value;
    return (struct slice){NULL, 0};
}

/* NULL if it is malformed. */
static const char *decode(struct arena *arena, struct slice raw)
{
    AUTO_BUFFER struct buffer decoded = {0};
    if (!text_unform(raw, &decoded))
        return NULL;
    return arena_text_n(arena, decoded.p ? decoded.p : "", decoded.n);
}

const char *request_query(const struct request *request, const char *name)
{
    struct slice rest = request->query;
    while (rest.n > 0) {
        struct slice value, key = slice_split(slice_split(rest, '&', &rest), '=', &value);
        const char *decoded = decode(request->arena, key);
        if (decoded && strcmp(decoded, name) == 0)
            return decode(request->arena, value);
    }
    return NULL;
}
