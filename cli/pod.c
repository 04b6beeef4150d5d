/* Which pod is meant by a workload's name? */
#include "cli/client.h"
#include "cli/exec.h"
#include "cli/object.h"

static int first_pod(struct call *call, const char *namespace, const char *selector, char ret[POD_NAME_SIZE],
                     struct error *error)
{
    AUTO_FREE char *base = resource_path(resource_by_word("pods"), namespace, NULL);
    AUTO_BUFFER struct buffer path = {0};
    AUTO_JSON cJSON *list = NULL;
    buffer_add_format(&path, "%s?labelSelector=", base);
    text_percent(slice_of(selector), &path);
    int failed = client_json(call, "GET", path.p, NULL, &list, error);
    if (failed)
        return failed;
    const char *name = json_text(cJSON_GetArrayItem(json_member(list, "items"), 0), "metadata", "name", NULL);
    if (!name)
        return error_set(error, ERROR_NOT_FOUND, NULL, "there is no pod of %s now", selector);
    snprintf(ret, POD_NAME_SIZE, "%s", name);
    return 0;
}

int pod_find(struct call *call, const char *namespace, const char *word, char ret[POD_NAME_SIZE], struct error *error)
{
    const char *name;
    const struct resource *resource;
    if (!strchr(word, '/')) {
        snprintf(ret, POD_NAME_SIZE, "%s", word);
        return 0;
    }
    int failed = object_kind(word, &resource, &name, error);
    if (failed)
        return failed;
    if (!name_is_subdomain(slice_of(name)))
        return call_usage(error, "\"%.60s\" cannot be a name", name);
    if (strcmp(resource->kind, "Pod") == 0) {
        snprintf(ret, POD_NAME_SIZE, "%s", name);
        return 0;
    }
    if (strcmp(resource->kind, "Notebook") == 0) {
        snprintf(ret, POD_NAME_SIZE, "%s-0", name); /* a StatefulSet of one */
        return 0;
    }
    if (strcmp(resource->kind, "RayCluster") != 0)
        return call_usage(error, "expected POD, notebook/NAME or raycluster/NAME");
    AUTO_FREE char *selector = memory_format("ray.io/cluster=%s,ray.io/node-type=head", name);
    return first_pod(call, namespace, selector, ret, error);
}
