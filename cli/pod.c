/* Which pod is meant by a workload's name? */
#include "cli/client.h"
#include "cli/exec.h"
#include "cli/object.h"

int object_check_runs(const struct resource *resource, const cJSON *object, struct error *error)
{
    const char *name = json_text_or("", object, "metadata", "name", NULL);
    bool notebook = strcmp(resource->kind, "Notebook") == 0;
    bool stopped = notebook ? json_text(object, "metadata", "annotations", "kubeflow-resource-stopped", NULL) != NULL
                            : json_true(object, "spec", "suspend", NULL);
    if (!stopped)
        return 0;
    return error_set(error, ERROR_UNAVAILABLE, NULL, "%s is %s: `atelier %s %s --wait` starts it", name,
                     notebook ? "stopped" : "suspended", notebook ? "notebook start" : "ray resume", name);
}

static int check_workload(struct call *call, const struct resource *resource, const char *name, struct error *error)
{
    AUTO_JSON cJSON *object = NULL;
    int failed = object_get(call, resource, name, &object, error);
    return failed ? failed : object_check_runs(resource, object, error);
}

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
        return error_set(error, ERROR_UNAVAILABLE, NULL,
                         "its head has no pod yet: `atelier wait raycluster NAME` waits for it, `atelier describe` "
                         "tells why");
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
    bool notebook = strcmp(resource->kind, "Notebook") == 0;
    if (!notebook && strcmp(resource->kind, "RayCluster") != 0)
        return call_usage(error, "expected POD, notebook/NAME or raycluster/NAME");
    failed = check_workload(call, resource, name, error);
    if (failed)
        return failed;
    if (notebook) {
        snprintf(ret, POD_NAME_SIZE, "%s-0", name); /* a StatefulSet of one */
        return 0;
    }
    AUTO_FREE char *selector = memory_format("ray.io/cluster=%s,ray.io/node-type=head", name);
    return first_pod(call, namespace, selector, ret, error);
}
