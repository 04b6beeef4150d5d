/* Which RayCluster do the options of `ray create` and `job create` describe? */
#include "cli/client.h"
#include "cli/object.h"
#include "cli/ray.h"
#include "cli/verbs.h"

#define REPLICAS_MAX 1000       /* of one group; the service has its own limits */
#define IDLE_SECONDS_MAX 864000 /* ten days */
#define GPUS_MAX 64
#define GPU "nvidia.com/gpu"

/* --- what an option says ------------------------------------------------------------------------------------------ */

/* The index-th "LEFT<separator>RIGHT" of a repeated option. <ret_left> is malloc'ed; false: there is none more. */
static bool option_pair(const struct call *call, const char *option, unsigned index, char separator, char **ret_left,
                        const char **ret_right)
{
    const char *text = call_option_at(call, option, index);
    const char *at = text ? strchr(text, separator) : NULL;
    *ret_left = at && at > text ? memory_text_n(text, (size_t)(at - text)) : NULL;
    *ret_right = at ? at + 1 : "";
    return text != NULL;
}

/* "--label A=1 --label B=2" as members of <object>. */
static int add_map(const struct call *call, const char *option, cJSON *object, const char *key, struct error *error)
{
    char *left = NULL;
    const char *right = NULL;
    for (unsigned i = 0; option_pair(call, option, i, '=', &left, &right); i++) {
        AUTO_FREE char *name = left;
        if (!name)
            return call_usage(error, "--%s: expected NAME=VALUE", option);
        json_set_text(json_object_in(object, key), name, right);
    }
    return 0;
}

static int add_environment(const struct call *call, cJSON *container, struct error *error)
{
    char *left = NULL;
    const char *right = NULL;
    cJSON *list = NULL;
    for (unsigned i = 0; option_pair(call, "env", i, '=', &left, &right); i++) {
        AUTO_FREE char *name = left;
        if (!name)
            return call_usage(error, "--env: expected NAME=VALUE");
        list = list ? list : json_set(container, "env", json_array());
        cJSON *variable = json_push(list, json_object());
        json_set_text(variable, "name", name);
        json_set_text(variable, "value", right);
    }
    return 0;
}

static int add_volumes(const struct call *call, cJSON *pod, cJSON *container, struct error *error)
{
    char *left = NULL;
    const char *right = NULL;
    cJSON *volumes = NULL;
    cJSON *mounts = NULL;
    for (unsigned i = 0; option_pair(call, "volume", i, ':', &left, &right); i++) {
        AUTO_FREE char *claim = left;
        if (!claim || right[0] != '/')
            return call_usage(error, "--volume: expected VOLUME:/PATH, such as data:/data");
        volumes = volumes ? volumes : json_set(pod, "volumes", json_array());
        mounts = mounts ? mounts : json_set(container, "volumeMounts", json_array());
        cJSON *volume = json_push(volumes, json_object());
        json_set_text(volume, "name", claim);
        json_set_text(json_object_in(volume, "persistentVolumeClaim"), "claimName", claim);
        cJSON *mount = json_push(mounts, json_object());
        json_set_text(mount, "name", claim);
        json_set_text(mount, "mountPath", right);
    }
    return 0;
}

/* Requests equal limits: Ray counts a node's CPUs and memory from the limits (KubeRay's pod builder). */
static void add_resources(cJSON *container, const char *cpu, const char *memory, const char *gpus)
{
    static const char *const parts[] = {"requests", "limits"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        cJSON *part = json_object_in(json_object_in(container, "resources"), parts[i]);
        json_set_text(part, "cpu", cpu);
        json_set_text(part, "memory", memory);
        json_set_text(part, GPU, gpus); /* NULL: none */
    }
}

/* --- the cluster -------------------------------------------------------------------------------------------------- */

static int add_container(const struct call *call, cJSON *group, const char *name, const char *image, cJSON **ret,
                         struct error *error)
{
    cJSON *pod = json_object_in(json_object_in(group, "template"), "spec");
    cJSON *container = json_push(json_set(pod, "containers", json_array()), json_object());
    json_set_text(container, "name", name);
    json_set_text(container, "image", image);
    *ret = container;
    int failed = add_environment(call, container, error);
    if (!failed)
        failed = add_volumes(call, pod, container, error);
    return failed ? failed : add_map(call, "node-selector", pod, "nodeSelector", error);
}

static int add_head(const struct call *call, cJSON *spec, const char *image, bool schedules, struct error *error)
{
    static const struct {
        const char *name;
        int number;
    } ports[] = {{"gcs-server", 6379}, {"dashboard", 8265}, {"client", 10001}, {"serve", 8000}};
    cJSON *head = json_object_in(spec, "headGroupSpec");
    cJSON *params = json_object_in(head, "rayStartParams");
    if (!schedules)
        json_set_text(params, "num-cpus", "0"); /* tasks belong on workers, not beside GCS */
    cJSON *container = NULL;
    int failed = add_container(call, head, "ray-head", image, &container, error);
    if (failed)
        return failed;
    add_resources(container, call_option_or(call, "head-cpu", "2"), call_option_or(call, "head-memory", "4Gi"), NULL);
    cJSON *list = json_set(container, "ports", json_array());
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        cJSON *port = json_push(list, json_object());
        json_set_text(port, "name", ports[i].name);
        json_set_i64(port, "containerPort", ports[i].number);
    }
    return 0;
}

static int add_group(const struct call *call, cJSON *spec, const char *image, const int64_t counts[3],
                     struct error *error)
{
    static const char *const keys[] = {"minReplicas", "replicas", "maxReplicas"};
    char gpus_text[24];
    int64_t gpus;
    cJSON *container = NULL;
    int failed = call_number(call, "worker-gpus", 0, GPUS_MAX, 0, &gpus, error);
    if (failed)
        return failed;
    snprintf(gpus_text, sizeof(gpus_text), "%lld", (long long)gpus);
    cJSON *group = json_push(json_set(spec, "workerGroupSpecs", json_array()), json_object());
    json_set_text(group, "groupName", call_option_or(call, "group-name", "workers"));
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        json_set_i64(group, keys[i], counts[i]);
    json_object_in(group, "rayStartParams");
    failed = add_container(call, group, "ray-worker", image, &container, error);
    if (!failed)
        add_resources(container, call_option_or(call, "worker-cpu", "4"), call_option_or(call, "worker-memory", "8Gi"),
                      gpus ? gpus_text : NULL);
    return failed;
}

static int add_workers(const struct call *call, cJSON *spec, const char *image, int64_t usual, struct error *error)
{
    int64_t least, replicas, most;
    int failed = call_number(call, "replicas", 0, REPLICAS_MAX, usual, &replicas, error);
    if (!failed)
        failed = call_number(call, "min", 0, REPLICAS_MAX, 0, &least, error);
    if (!failed)
        failed = call_number(call, "max", 0, REPLICAS_MAX, replicas > 10 ? replicas : 10, &most, error);
    if (failed)
        return failed;
    if (least > replicas || replicas > most)
        return call_usage(error, "--min, --replicas and --max must rise in that order: %lld, %lld, %lld",
                          (long long)least, (long long)replicas, (long long)most);
    if (!usual && !replicas && !call_option(call, "max"))
        return 0; /* a job whose head does it all */
    return add_group(call, spec, image, (const int64_t[]){least, replicas, most}, error);
}

static int add_autoscaling(const struct call *call, cJSON *spec, struct error *error)
{
    int64_t idle_s;
    int failed = call_number(call, "idle-timeout", 1, IDLE_SECONDS_MAX, 0, &idle_s, error);
    if (failed || (!call_flag(call, "autoscale") && !idle_s))
        return failed;
    json_set_bool(spec, "enableInTreeAutoscaling", true);
    if (idle_s)
        json_set_i64(json_object_in(spec, "autoscalerOptions"), "idleTimeoutSeconds", idle_s);
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

int ray_render_cluster(struct call *call, int64_t usual_workers, cJSON *spec, struct error *error)
{
    char image[RAY_IMAGE_SIZE], version[RAY_VERSION_SIZE];
    int failed = ray_choose_image(call, image, version, error);
    if (failed)
        return failed;
    json_set_text(spec, "rayVersion", version[0] ? version : NULL);
    if (call_flag(call, "fault-tolerance")) {
        const char *redis = call_option(call, "fault-tolerance");
        json_set_text(json_object_in(spec, "gcsFaultToleranceOptions"), "redisAddress",
                      redis && redis[0] ? redis : NULL);
    }
    failed = add_head(call, spec, image, call_flag(call, "schedule-on-head") || !usual_workers, error);
    if (!failed)
        failed = add_workers(call, spec, image, usual_workers, error);
    return failed ? failed : add_autoscaling(call, spec, error);
}

/* What becomes of it when nobody uses it (docs/idle.md). */
static void add_idle(const struct call *call, cJSON *metadata)
{
    static const char *const options[][2] = {{"idle-after", "atelier.dev/idle-after"},
                                             {"delete-after", "atelier.dev/delete-after"},
                                             {"resume-on-request", "atelier.dev/resume-on-request"}};
    for (size_t i = 0; i < COUNT_OF(options); i++)
        if (call_option(call, options[i][0]))
            json_set_text(json_object_in(metadata, "annotations"), options[i][1], call_option(call, options[i][0]));
}

int verb_ray_create(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *object = json_object();
    json_set_text(object, "apiVersion", "ray.io/v1");
    json_set_text(object, "kind", "RayCluster");
    cJSON *metadata = json_object_in(object, "metadata");
    json_set_text(metadata, "name", call->arguments[0]);
    add_idle(call, metadata);
    int failed = add_map(call, "label", metadata, "labels", error);
    if (!failed)
        failed = ray_render_cluster(call, 1, json_object_in(object, "spec"), error);
    return failed ? failed : create_object(call, resource_by_word("rayclusters"), object, error);
}
