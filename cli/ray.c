/* How is a Ray cluster scaled, suspended, resumed and opened? */
#include "cli/object.h"
#include "cli/verbs.h"

#define REPLICAS_MAX 1000 /* of one group; the service has its own limits */

/* The index of the group meant: the one named, or the only one. */
static int find_group(const cJSON *groups, const char *name, int *ret, struct error *error)
{
    AUTO_BUFFER struct buffer known = {0};
    const cJSON *group;
    int count = cJSON_GetArraySize(groups), index = 0;
    cJSON_ArrayForEach(group, groups)
    {
        const char *has = json_text_or("", group, "groupName", NULL);
        if ((name && strcmp(has, name) == 0) || (!name && count == 1)) {
            *ret = index;
            return 0;
        }
        buffer_add_format(&known, "%s%s", index++ ? ", " : "", has);
    }
    if (!count)
        return error_set(error, ERROR_INVALID, NULL, "this cluster has no worker group");
    return error_set(error, ERROR_INVALID, "--group", "name one of its groups: %s", known.p);
}

/* By index and checked by name, so that a concurrent edit of the groups cannot scale another one. */
static cJSON *scale_patch(int index, const char *group, int64_t replicas)
{
    cJSON *patch = json_array();
    AUTO_FREE char *name = memory_format("/spec/workerGroupSpecs/%d/groupName", index);
    AUTO_FREE char *count = memory_format("/spec/workerGroupSpecs/%d/replicas", index);
    cJSON *test = json_push(patch, json_object());
    json_set_text(test, "op", "test");
    json_set_text(test, "path", name);
    json_set_text(test, "value", group);
    cJSON *add = json_push(patch, json_object());
    json_set_text(add, "op", "add");
    json_set_text(add, "path", count);
    json_set_i64(add, "value", replicas);
    return patch;
}

int verb_ray_scale(struct call *call, struct error *error)
{
    const struct resource *resource = resource_by_word("rayclusters");
    AUTO_JSON cJSON *cluster = NULL;
    int64_t replicas;
    int index = 0;
    if (!call_option(call, "replicas"))
        return call_usage(error, "ray scale needs -r N, the number of workers wanted");
    int failed = call_number(call, "replicas", 0, REPLICAS_MAX, 0, &replicas, error);
    if (!failed)
        failed = object_get(call, resource, call->arguments[0], &cluster, error);
    const cJSON *groups = json_at(cluster, "spec", "workerGroupSpecs", NULL);
    if (!failed)
        failed = find_group(groups, call_option(call, "group"), &index, error);
    if (failed)
        return failed;
    const char *group = json_text_or("", cJSON_GetArrayItem(groups, index), "groupName", NULL);
    AUTO_JSON cJSON *patch = scale_patch(index, group, replicas);
    AUTO_FREE char *done = memory_format("scaled: %s to %lld", group, (long long)replicas);
    return patch_object(call, resource, call->arguments[0], patch, done, error);
}

int verb_ray_suspend(struct call *call, struct error *error)
{
    return suspend_object(call, "rayclusters", true, error);
}

int verb_ray_resume(struct call *call, struct error *error)
{
    return suspend_object(call, "rayclusters", false, error);
}

int verb_ray_keep(struct call *call, struct error *error)
{
    return keep_object(call, "rayclusters", error);
}

int verb_ray_open(struct call *call, struct error *error)
{
    return open_url(call, "RayCluster", false, error);
}

int verb_ray_dashboard(struct call *call, struct error *error)
{
    return open_url(call, "RayCluster", true, error);
}

int verb_ray_list(struct call *call, struct error *error)
{
    return list_objects(call, "rayclusters", error);
}

int verb_ray_delete(struct call *call, struct error *error)
{
    return delete_objects(call, "rayclusters", error);
}
