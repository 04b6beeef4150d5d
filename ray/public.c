/* Which applications may anybody use? */
#include "ray/public.h"

#include "base/prefix.h"

enum { PREFIXES_MAX = 16 };

/* The next prefix of the list, without the blanks around it; false at the end. */
static bool next_prefix(struct slice *rest, struct slice *ret)
{
    if (rest->n == 0)
        return false;
    *ret = slice_trim(slice_split(*rest, ',', rest));
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
        if (!prefix_is_good(prefix))
            return error_set(error, ERROR_INVALID, "metadata.annotations[" RAY_PUBLIC "]",
                             RAY_PUBLIC " must list prefixes such as \"/mnist, /iris\", or \"/\" for everything; of "
                                        "letters, digits and \"-._~/\", at most %d bytes each, with no '/' at the end",
                             PREFIX_MAX);
    }
    return 0;
}

struct slice ray_public_prefix(const char *text, struct slice tail)
{
    struct slice rest = slice_of(text), prefix;
    while (next_prefix(&rest, &prefix))
        if (prefix_is_good(prefix) && prefix_covers(prefix, tail))
            return prefix;
    return (struct slice){NULL, 0};
}

/* An application without a name is "default", one without a prefix at "/"; null is none (Serve's schema). */
static void add_application(const cJSON *service, const cJSON *application, struct buffer *ret)
{
    const char *name = json_text_or("default", application, "name", NULL);
    const cJSON *said = json_member(application, "name"), *given = json_member(application, "route_prefix");
    const char *prefix = given ? json_text_or("", application, "route_prefix", NULL) : "/";
    const char *status =
        json_text_or("", service, "status", "activeServiceStatus", "applicationStatuses", name, "status", NULL);
    if ((!said || cJSON_IsString(said)) && *name && !strchr(name, '\n') && prefix[0] == '/' &&
        !strpbrk(prefix, "\t\n") && strcmp(status, "RUNNING") == 0)
        buffer_add_format(ret, "%s\t%s\n", prefix, name);
}

void ray_serve_applications(const cJSON *service, struct buffer *ret)
{
    AUTO_JSON cJSON *config = NULL;
    const cJSON *application;
    const char *text = json_text_or("", service, "spec", "serveConfigV2", NULL);
    if (yaml_parse(slice_of(text), &json_limits_default, &config, NULL) < 0)
        return;
    cJSON_ArrayForEach(application, json_member(config, "applications"))
    {
        add_application(service, application, ret);
    }
}

struct slice ray_serve_prefix(const char *applications, struct slice name)
{
    struct slice rest = slice_of(applications);
    while (rest.n > 0 && name.n > 0) {
        struct slice found, line = slice_split(rest, '\n', &rest), prefix = slice_split(line, '\t', &found);
        if (found.n == name.n && memcmp(found.p, name.p, name.n) == 0)
            return prefix;
    }
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
