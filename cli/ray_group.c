/* Which worker groups do the options of `ray create` and `job create` describe? */
#include "cli/container.h"
#include "cli/ray.h"

#define REPLICAS_MAX 1000 /* of one group; the service has its own limits */
#define TPU "google.com/tpu"

struct worker_group {
    const char *name;
    struct ray_size size;
    int64_t least, replicas, most;
};

/* --- what is asked for that could not start ----------------------------------------------------------------------- */

static bool selects(const struct call *call, const struct worker_group *group, const char *label)
{
    const char *text;
    if (json_at(group->size.place, "nodeSelector", label, NULL))
        return true;
    for (unsigned i = 0; (text = call_option_at(call, "node-selector", i)); i++)
        if (strncmp(text, label, strlen(label)) == 0 && text[strlen(label)] == '=')
            return true;
    return false;
}

static int check_group(const struct call *call, const struct worker_group *group, struct error *error)
{
    if (group->least > group->replicas || group->replicas > group->most)
        return call_usage(error,
                          "--min, --replicas and --max, or those of a --worker-group, must rise in that order: "
                          "%lld, %lld, %lld",
                          (long long)group->least, (long long)group->replicas, (long long)group->most);
    int failed = container_check_gpu_key(group->size.gpu_key, error);
    if (failed)
        return failed;
    if (group->size.gpus && strcmp(group->size.gpu_key, TPU) == 0 &&
        !selects(call, group, "cloud.google.com/compute-class") &&
        !(selects(call, group, "cloud.google.com/gke-tpu-accelerator") &&
          selects(call, group, "cloud.google.com/gke-tpu-topology")))
        return call_usage(error, TPU " needs both --node-selector cloud.google.com/gke-tpu-accelerator=TYPE and "
                                     "--node-selector cloud.google.com/gke-tpu-topology=TOPOLOGY, or those in its "
                                     "--worker-group");
    return 0;
}

static int add_group(const struct call *call, cJSON *spec, const char *image, const struct worker_group *group,
                     struct error *error)
{
    cJSON *there = json_member(spec, "workerGroupSpecs"), *container;
    int failed = check_group(call, group, error);
    if (failed)
        return failed;
    cJSON *object = json_push(there ? there : json_set(spec, "workerGroupSpecs", json_array()), json_object());
    json_set_text(object, "groupName", group->name);
    json_set_i64(object, "minReplicas", group->least);
    json_set_i64(object, "replicas", group->replicas);
    json_set_i64(object, "maxReplicas", group->most);
    json_object_in(object, "rayStartParams");
    return ray_add_container(call, object, "ray-worker", image, &group->size, &container, error);
}

/* --- a group of the options --------------------------------------------------------------------------------------- */

/* False where the options describe none: a job whose head does it all. */
static int read_options(const struct call *call, int64_t usual, struct worker_group *ret, bool *ret_any,
                        struct error *error)
{
    int failed = call_number(call, "replicas", 0, REPLICAS_MAX, usual, &ret->replicas, error);
    if (!failed)
        failed = call_number(call, "min", 0, REPLICAS_MAX, 0, &ret->least, error);
    if (!failed)
        failed = call_number(call, "max", 0, REPLICAS_MAX, ret->replicas > 10 ? ret->replicas : 10, &ret->most, error);
    if (!failed)
        failed = call_number(call, "worker-gpus", 0, CONTAINER_GPUS_MAX, 0, &ret->size.gpus, error);
    ret->name = call_option_or(call, "group-name", "workers");
    ret->size.cpu = call_option_or(call, "worker-cpu", "4");
    ret->size.memory = call_option_or(call, "worker-memory", "8Gi");
    ret->size.gpu_key = call_option_or(call, "gpu-key", CONTAINER_GPU_KEY);
    ret->size.spot = call_flag(call, "spot");
    *ret_any = usual || ret->replicas || call_option(call, "max");
    return failed;
}

/* --- one written as "name=gpu,replicas=1,max=4,gpus=1,spot,node-selector=pool=gpu" -------------------------------- */

static int read_word(char *word, struct worker_group *ret, cJSON *place, bool *ret_most, struct error *error)
{
    char *equals = strchr(word, '=');
    const char *value = equals ? equals + 1 : "";
    const struct {
        const char *key;
        const char **text;
        int64_t *number;
    } keys[] = {{"name", &ret->name, NULL},          {"cpu", &ret->size.cpu, NULL},
                {"memory", &ret->size.memory, NULL}, {"gpu-key", &ret->size.gpu_key, NULL},
                {"gpus", NULL, &ret->size.gpus},     {"min", NULL, &ret->least},
                {"replicas", NULL, &ret->replicas},  {"max", NULL, &ret->most}};
    if (strcmp(word, "spot") == 0) {
        ret->size.spot = true;
        return 0;
    }
    if (equals)
        *equals = '\0';
    if (equals && strcmp(word, "node-selector") == 0)
        return ray_add_selector(place, "--worker-group: node-selector", value, error);
    if (equals && strcmp(word, "toleration") == 0)
        return ray_add_toleration(place, "--worker-group: toleration", value, error);
    for (size_t i = 0; equals && i < COUNT_OF(keys); i++) {
        if (strcmp(keys[i].key, word) != 0)
            continue;
        *ret_most = *ret_most || keys[i].number == &ret->most;
        if (keys[i].text)
            *keys[i].text = value;
        else if (!text_parse_i64(slice_of(value), 0,
                                 keys[i].number == &ret->size.gpus ? CONTAINER_GPUS_MAX : REPLICAS_MAX, keys[i].number))
            return call_usage(error, "--worker-group: %s: expected a whole number", word);
        if (*value)
            return 0;
    }
    return call_usage(error, "--worker-group: expected name=NAME and any of cpu=, memory=, gpus=, gpu-key=, replicas=, "
                             "min=, max=, node-selector=, toleration= and spot, with commas between");
}

static int add_written(const struct call *call, cJSON *spec, const char *image, const char *text, struct error *error)
{
    AUTO_FREE char *copy = memory_text(text);
    AUTO_JSON cJSON *place = json_object();
    struct worker_group group = {
        .replicas = 1, .most = 10, .size = {.cpu = "4", .memory = "8Gi", .gpu_key = CONTAINER_GPU_KEY, .place = place}};
    bool most = false;
    char *rest = copy, *word;
    while ((word = strsep(&rest, ","))) {
        int failed = read_word(word, &group, place, &most, error);
        if (failed)
            return failed;
    }
    if (!group.name)
        return call_usage(error, "--worker-group: a group needs name=NAME");
    if (!most && group.replicas > group.most)
        group.most = group.replicas;
    return add_group(call, spec, image, &group, error);
}

int ray_add_workers(const struct call *call, cJSON *spec, const char *image, int64_t usual, struct error *error)
{
    struct worker_group group = {0};
    bool any = false;
    const char *text;
    int failed = read_options(call, usual, &group, &any, error);
    if (!failed && any)
        failed = add_group(call, spec, image, &group, error);
    for (unsigned i = 0; !failed && (text = call_option_at(call, "worker-group", i)); i++)
        failed = add_written(call, spec, image, text, error);
    return failed;
}
