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

/* An application without a name is "default", one without a prefix at "/"; null is none (Serve's schema). */
static bool opens(const cJSON *service, const cJSON *application)
{
    const char *name = json_text_or("default", application, "name", NULL);
    const cJSON *said = json_member(application, "name"), *given = json_member(application, "route_prefix");
    const char *prefix = given ? json_text_or("", application, "route_prefix", NULL) : "/";
    const char *status =
        json_text_or("", service, "status", "activeServiceStatus", "applicationStatuses", name, "status", NULL);
    return (!said || cJSON_IsString(said)) && *name && !strchr(name, '\n') && prefix[0] == '/' &&
           strcmp(status, "RUNNING") == 0 && ray_public_prefix(ray_public(service), slice_of(prefix)).n > 0;
}

void ray_public_applications(const cJSON *service, struct buffer *ret)
{
    AUTO_JSON cJSON *config = NULL;
    const cJSON *application;
    const char *text = json_text_or("", service, "spec", "serveConfigV2", NULL);
    if (!*ray_public(service) || yaml_parse(slice_of(text), &json_limits_default, &config, NULL) < 0)
        return;
    cJSON_ArrayForEach(application, json_member(config, "applications"))
    {
        if (opens(service, application))
            buffer_add_format(ret, "%s\n", json_text_or("default", application, "name", NULL));
    }
}

bool ray_public_names(const char *applications, struct slice name)
{
    struct slice rest = slice_of(applications);
    while (rest.n > 0 && name.n > 0) {
        struct slice line = slice_split(rest, '\n', &rest);
        if (line.n == name.n && memcmp(line.p, name.p, name.n) == 0)
            return true;
    }
    return false;
}

bool ray_public_widens(const char *before, const char *now)
{
    struct slice rest = slice_of(now), prefix;
    while (next_prefix(&rest, &prefix))
        if (ray_public_prefix(before, prefix).n == 0)
            return true;
    return false;
}
