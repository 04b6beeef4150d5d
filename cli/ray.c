/* How is a Ray cluster made, scaled and opened? */
#include "cli/client.h"
#include "cli/object.h"
#include "cli/ray.h"
#include "cli/verbs.h"

#define REPLICAS_MAX 1000 /* of one group; the service has its own limits */

/* Requests equal limits: Ray counts a node's CPUs and memory from the limits (KubeRay's pod builder). */
static void add_resources(cJSON *container, const char *cpu, const char *memory)
{
    static const char *const parts[] = {"requests", "limits"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        cJSON *part = json_object_in(json_object_in(container, "resources"), parts[i]);
        json_set_text(part, "cpu", cpu);
        json_set_text(part, "memory", memory);
    }
}

static cJSON *add_container(cJSON *group, const char *name, const char *image)
{
    cJSON *pod = json_object_in(json_object_in(group, "template"), "spec");
    cJSON *container = json_push(json_set(pod, "containers", json_array()), json_object());
    json_set_text(container, "name", name);
    json_set_text(container, "image", image);
    return container;
}

static void add_head(const struct call *call, cJSON *spec, const char *image)
{
    static const struct {
        const char *name;
        int number;
    } ports[] = {{"gcs-server", 6379}, {"dashboard", 8265}, {"client", 10001}, {"serve", 8000}};
    cJSON *head = json_object_in(spec, "headGroupSpec");
    json_set_text(json_object_in(head, "rayStartParams"), "num-cpus",
                  "0"); /* tasks belong on workers, not beside GCS */
    cJSON *container = add_container(head, "ray-head", image);
    add_resources(container, call_option_or(call, "head-cpu", "2"), call_option_or(call, "head-memory", "4Gi"));
    cJSON *list = json_set(container, "ports", json_array());
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        cJSON *port = json_push(list, json_object());
        json_set_text(port, "name", ports[i].name);
        json_set_i64(port, "containerPort", ports[i].number);
    }
}

static int add_workers(const struct call *call, cJSON *spec, const char *image, struct error *error)
{
    int64_t replicas, least, most;
    int failed = call_number(call, "replicas", 0, REPLICAS_MAX, 1, &replicas, error);
    if (!failed)
        failed = call_number(call, "min", 0, REPLICAS_MAX, 0, &least, error);
    if (!failed)
        failed = call_number(call, "max", 0, REPLICAS_MAX, replicas > 10 ? replicas : 10, &most, error);
    if (failed)
        return failed;
    if (least > replicas || replicas > most)
        return call_usage(error, "--min, --replicas and --max must rise in that order: %lld, %lld, %lld",
                          (long long)least, (long long)replicas, (long long)most);
    cJSON *group = json_push(json_set(spec, "workerGroupSpecs", json_array()), json_object());
    json_set_text(group, "groupName", call_option_or(call, "group-name", "workers"));
    json_set_i64(group, "replicas", replicas);
    json_set_i64(group, "minReplicas", least);
    json_set_i64(group, "maxReplicas", most);
    json_object_in(group, "rayStartParams");
    cJSON *container = add_container(group, "ray-worker", image);
    add_resources(container, call_option_or(call, "worker-cpu", "4"), call_option_or(call, "worker-memory", "8Gi"));
    return 0;
}

int ray_choose_image(struct call *call, char ret_image[RAY_IMAGE_SIZE], char ret_version[RAY_VERSION_SIZE],
                     struct error *error)
{
    const char *image = call_option(call, "image"), *version = call_option(call, "ray-version");
    AUTO_JSON cJSON *list = NULL;
    const cJSON *item;
    snprintf(ret_image, RAY_IMAGE_SIZE, "%s", image ? image : "");
    snprintf(ret_version, RAY_VERSION_SIZE, "%s", version ? version : "");
    if (image)
        return 0;
    int failed = client_json(call, "GET", "/api/atelier/v1/images", NULL, &list, error);
    if (failed)
        return failed;
    cJSON_ArrayForEach(item, json_member(list, "items"))
    {
        const char *has = json_text(item, "rayVersion", NULL);
        if (!has || (version && strcmp(has, version) != 0))
            continue;
        snprintf(ret_image, RAY_IMAGE_SIZE, "%s", json_text_or("", item, "name", NULL));
        snprintf(ret_version, RAY_VERSION_SIZE, "%s", has);
        return 0;
    }
    return error_set(error, ERROR_INVALID, "--ray-version",
                     "no installed image has Ray%s%s: `atelier images` lists them", version ? " " : "",
                     version ? version : "");
}

int verb_ray_create(struct call *call, struct error *error)
{
    char image[RAY_IMAGE_SIZE], version[RAY_VERSION_SIZE];
    AUTO_JSON cJSON *object = json_object();
    int failed = ray_choose_image(call, image, version, error);
    if (failed)
        return failed;
    json_set_text(object, "apiVersion", "ray.io/v1");
    json_set_text(object, "kind", "RayCluster");
    json_set_text(json_object_in(object, "metadata"), "name", call->arguments[0]);
    cJSON *spec = json_object_in(object, "spec");
    json_set_text(spec, "rayVersion", version[0] ? version : NULL);
    add_head(call, spec, image);
    failed = add_workers(call, spec, image, error);
    return failed ? failed : create_object(call, resource_by_word("rayclusters"), object, error);
}

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
