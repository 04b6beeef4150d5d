/* Which container of a Pod is meant? */
#include "engine/local/container.h"

int container_choose(const struct object *pod, const char *wanted, const char **ret, struct error *error)
{
    const cJSON *containers = json_at(pod->body, "spec", "containers", NULL);
    const cJSON *inits = json_at(pod->body, "spec", "initContainers", NULL);
    if (!wanted || !wanted[0]) {
        *ret = json_text_or("", cJSON_GetArrayItem(containers, 0), "name", NULL);
        return 0;
    }
    if (!json_named(containers, wanted) && !json_named(inits, wanted))
        return error_set(error, ERROR_BAD_REQUEST, "container", "container %.63s is not valid for pod %s", wanted,
                         pod->name);
    *ret = wanted;
    return 0;
}

const cJSON *container_status(const struct object *pod, const char *name)
{
    const cJSON *status = json_named(json_at(pod->body, "status", "containerStatuses", NULL), name);
    return status ? status : json_named(json_at(pod->body, "status", "initContainerStatuses", NULL), name);
}
