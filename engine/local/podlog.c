/* Where is what a container printed? */
#include "engine/local/podlog.h"

static const cJSON *find(const cJSON *list, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (strcmp(json_text_or("", item, "name", NULL), name) == 0)
            return item;
    }
    return NULL;
}

static int choose_container(const struct object *pod, const char *wanted, const char **ret, struct error *error)
{
    const cJSON *containers = json_at(pod->body, "spec", "containers", NULL);
    const cJSON *inits = json_at(pod->body, "spec", "initContainers", NULL);
    if (!wanted || !wanted[0]) {
        *ret = json_text_or("", cJSON_GetArrayItem(containers, 0), "name", NULL);
        return 0;
    }
    if (!find(containers, wanted) && !find(inits, wanted))
        return error_set(error, ERROR_BAD_REQUEST, "container", "container %.63s is not valid for pod %s", wanted,
                         pod->name);
    *ret = wanted;
    return 0;
}

int podlog_open(struct engine *engine, const char *namespace, const char *pod, const char *container, int *ret_fd,
                bool *ret_live, struct error *error)
{
    struct local *local = local_of(engine);
    AUTO_OBJECT struct object *object = NULL;
    const char *name = "";
    int r = objects_get(local->objects, KIND_POD, namespace, pod, &object, error);
    if (r == 0)
        r = choose_container(object, container, &name, error);
    if (r < 0)
        return r;
    const cJSON *status = find(json_at(object->body, "status", "containerStatuses", NULL), name);
    if (!status)
        status = find(json_at(object->body, "status", "initContainerStatuses", NULL), name);
    r = sandbox_log(local->sandbox, namespace, pod, name, ret_fd, error);
    if (r == -ERROR_NOT_FOUND)
        return error_set(error, ERROR_BAD_REQUEST, NULL, "container \"%s\" in pod \"%s\" is waiting to start: %.100s",
                         name, pod, json_text_or("ContainerCreating", status, "state", "waiting", "reason", NULL));
    if (r < 0)
        return r;
    *ret_live = !json_at(status, "state", "terminated", NULL);
    return 0;
}
