/* How does a person's command get into a pod, or out of it what its own program writes? */
#include "engine/local/podexec.h"

#include "engine/local/container.h"

int podexec_run(struct engine *engine, const char *namespace, const char *pod, const struct engine_exec *wanted,
                int *ret_fd, struct error *error)
{
    struct local *local = local_of(engine);
    AUTO_OBJECT struct object *object = NULL;
    AUTO_JSON cJSON *request = json_object();
    const char *container = "";
    int r = objects_get(local->objects, KIND_POD, namespace, pod, &object, error);
    if (r == 0)
        r = container_choose(object, wanted->container, &container, error);
    if (r < 0)
        return r;
    if (wanted->command)
        json_set(request, "command", json_copy(wanted->command));
    json_set_bool(request, "stdin", wanted->in);
    json_set_bool(request, "stdout", wanted->out);
    json_set_bool(request, "stderr", wanted->err);
    json_set_bool(request, "tty", wanted->terminal);
    return sandbox_exec(local->sandbox, namespace, pod, container, request, ret_fd, error);
}
