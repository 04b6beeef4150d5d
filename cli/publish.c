/* How are applications of Ray Serve opened to everybody, and closed again? */
#include "cli/object.h"
#include "cli/ray.h"
#include "cli/verbs.h"

#define ANNOTATION "atelier.dev/public-apps" /* ray/public.h */

int ray_find_served(struct call *call, const char *name, const struct resource **ret, struct error *error)
{
    AUTO_JSON cJSON *object = NULL;
    *ret = resource_by_word("rayclusters");
    int failed = object_get(call, *ret, name, &object, error);
    if (failed != -ERROR_NOT_FOUND)
        return failed;
    struct error service = {0};
    const struct resource *services = resource_by_word("rayservices");
    failed = object_get(call, services, name, &object, &service);
    if (failed == -ERROR_NOT_FOUND)
        return failed; /* what was said of the cluster stands */
    *error = service;
    *ret = services;
    return failed;
}

/* <prefixes> NULL: none any more. */
static int annotate(struct call *call, const char *prefixes, const char *done, struct error *error)
{
    const struct resource *resource = NULL;
    int failed = ray_find_served(call, call->arguments[0], &resource, error);
    if (failed)
        return failed;
    AUTO_JSON cJSON *patch = json_object();
    cJSON *annotations = json_object_in(json_object_in(patch, "metadata"), "annotations");
    json_set(annotations, ANNOTATION, prefixes ? cJSON_CreateString(prefixes) : cJSON_CreateNull());
    return patch_object(call, resource, call->arguments[0], patch, done, error);
}

int verb_ray_publish(struct call *call, struct error *error)
{
    AUTO_BUFFER struct buffer prefixes = {0};
    for (size_t i = 1; i < call->argument_count; i++)
        buffer_add_format(&prefixes, "%s%s", i > 1 ? ", " : "", call->arguments[i]);
    AUTO_FREE char *done = memory_format("open to everybody: %s", prefixes.p);
    return annotate(call, prefixes.p, done, error);
}

int verb_ray_unpublish(struct call *call, struct error *error)
{
    return annotate(call, NULL, "closed", error);
}
