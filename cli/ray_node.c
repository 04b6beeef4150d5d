/* What has one node of a Ray cluster: its size, its environment and volumes, the machines it may stand on? */
#include "cli/container.h"
#include "cli/ray.h"

/* Requests equal limits: Ray counts a node's CPUs and memory from the limits (KubeRay's pod builder). */
static void add_resources(cJSON *container, const struct ray_size *size)
{
    static const char *const parts[] = {"requests", "limits"};
    char gpus[24];
    snprintf(gpus, sizeof(gpus), "%lld", (long long)size->gpus);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        cJSON *part = json_object_in(json_object_in(container, "resources"), parts[i]);
        json_set_text(part, "cpu", size->cpu);
        json_set_text(part, "memory", size->memory);
        if (size->gpus)
            json_set_text(part, size->gpu_key, gpus);
    }
}

/* --- where it may stand ------------------------------------------------------------------------------------------- */

static void add_toleration(cJSON *pod, const char *key, const char *value, const char *effect)
{
    cJSON *there = json_member(pod, "tolerations");
    cJSON *list = there ? there : json_set(pod, "tolerations", json_array());
    cJSON *toleration = json_push(list, json_object());
    json_set_text(toleration, "key", key);
    json_set_text(toleration, "operator", value ? "Equal" : "Exists");
    json_set_text(toleration, "value", value); /* NULL: none */
    json_set_text(toleration, "effect", effect);
}

/* "key=value:Effect" as kubectl writes a taint; without a value any is tolerated, without an effect every effect. */
static int add_tolerations(const struct call *call, cJSON *pod, struct error *error)
{
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute"};
    const char *text;
    for (unsigned i = 0; (text = call_option_at(call, "toleration", i)); i++) {
        struct slice effect, value, rest = slice_split(slice_of(text), ':', &effect);
        struct slice key = slice_split(rest, '=', &value);
        bool known = !effect.n;
        for (size_t k = 0; k < COUNT_OF(effects); k++)
            known = known || slice_is(effect, effects[k]);
        if (!key.n || !known)
            return call_usage(error, "--toleration: expected KEY[=VALUE][:EFFECT], such as gpu=a100:NoSchedule");
        AUTO_FREE char *key_text = memory_text_n(key.p, key.n);
        AUTO_FREE char *value_text = rest.n > key.n ? memory_text_n(value.p, value.n) : NULL;
        add_toleration(pod, key_text, value_text, effect.n ? effect.p : NULL);
    }
    return 0;
}

/* GKE's nodes that may be taken back at any time: others are chosen with --node-selector and --toleration. */
static void add_spot(cJSON *pod)
{
    json_set_text(json_object_in(pod, "nodeSelector"), RAY_SPOT_LABEL, "true");
    add_toleration(pod, RAY_SPOT_LABEL, "true", "NoSchedule");
}

int ray_add_container(const struct call *call, cJSON *group, const char *name, const char *image,
                      const struct ray_size *size, cJSON **ret, struct error *error)
{
    cJSON *pod = json_object_in(json_object_in(group, "template"), "spec");
    cJSON *container = json_push(json_set(pod, "containers", json_array()), json_object());
    json_set_text(container, "name", name);
    json_set_text(container, "image", image);
    *ret = container;
    int failed = container_add_environment(call, container, error);
    if (!failed)
        failed = container_add_volumes(call, pod, container, error);
    if (!failed)
        failed = option_add_map(call, "node-selector", pod, "nodeSelector", error);
    if (!failed)
        failed = add_tolerations(call, pod, error);
    if (!failed && size->spot)
        add_spot(pod);
    add_resources(container, size);
    return failed;
}
