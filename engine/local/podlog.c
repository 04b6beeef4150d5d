/* Where is what a container printed? */
#include "engine/local/podlog.h"

#include "engine/local/container.h"

int podlog_open(struct engine *engine, const char *namespace, const char *pod, const char *container, int *ret_fd,
                bool *ret_live, struct error *error)
{
    struct local *local = local_of(engine);
    AUTO_OBJECT struct object *object = NULL;
    const char *name = "";
    int r = objects_get(local->objects, KIND_POD, namespace, pod, &object, error);
    if (r == 0)
        r = container_choose(object, container, &name, error);
    if (r < 0)
        return r;
    const cJSON *status = container_status(object, name);
    r = sandbox_log(local->sandbox, namespace, pod, name, ret_fd, error);
    if (r == -ERROR_NOT_FOUND)
        return error_set(error, ERROR_BAD_REQUEST, NULL, "container \"%s\" in pod \"%s\" is waiting to start: %.100s",
                         name, pod, json_text_or("ContainerCreating", status, "state", "waiting", "reason", NULL));
    if (r < 0)
        return r;
    *ret_live = !json_at(status, "state", "terminated", NULL);
    return 0;
}
