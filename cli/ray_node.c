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

static cJSON *tolerations_of(cJSON *place)
{
    cJSON *there = json_member(place, "tolerations");
    return there ? there : json_set(place, "tolerations", json_array());
}

static void push_toleration(cJSON *place, const char *key, const char *value, const char *effect)
{
    cJSON *toleration = json_push(tolerations_of(place), json_object());
    json_set_text(toleration, "key", key);
    json_set_text(toleration, "operator", value ? "Equal" : "Exists");
    json_set_text(toleration, "value", value); /* NULL: none */
    json_set_text(toleration, "effect", effect);
}

int ray_add_selector(cJSON *place, const char *option, const char *text, struct error *error)
{
    struct slice value, name = slice_split(slice_of(text), '=', &value);
    if (!name.n || !text[name.n])
        return call_usage(error, "%s: expected NAME=VALUE", option);
    AUTO_FREE char *label = memory_text_n(name.p, name.n);
    json_set_text(json_object_in(place, "nodeSelector"), label, text + name.n + 1);
    return 0;
}

/* Without a value any is tolerated, without an effect every effect. */
int ray_add_toleration(cJSON *place, const char *option, const char *text, struct error *error)
{
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute"};
    struct slice effect, value, rest = slice_split(slice_of(text), ':', &effect);
    struct slice key = slice_split(rest, '=', &value);
    bool known = !effect.n;
    for (size_t i = 0; i < COUNT_OF(effects); i++)
        known = known || slice_is(effect, effects[i]);
    if (!key.n || !known)
        return call_usage(error, "%s: expected KEY[=VALUE][:EFFECT], such as gpu=a100:NoSchedule", option);
    AUTO_FREE char *key_text = memory_text_n(key.p, key.n);
    AUTO_FREE char *value_text = rest.n > key.n ? memory_text_n(value.p, value.n) : NULL;
    push_toleration(place, key_text, value_text, effect.n ? effect.p : NULL);
    return 0;
}

/* The nodes that the options name, then those of its own: of two values for one label its own counts. */
static int add_place(const struct call *call, cJSON *pod, const struct ray_size *size, struct error *error)
{
    const char *text;
    const cJSON *item;
    int failed = 0;
    for (unsigned i = 0; !failed && (text = call_option_at(call, "node-selector", i)); i++)
        failed = ray_add_selector(pod, "--node-selector", text, error);
    for (unsigned i = 0; !failed && (text = call_option_at(call, "toleration", i)); i++)
        failed = ray_add_toleration(pod, "--toleration", text, error);
    cJSON_ArrayForEach(item, json_member(size->place, "nodeSelector"))
        json_set(json_object_in(pod, "nodeSelector"), item->string, json_copy(item));
    cJSON_ArrayForEach(item, json_member(size->place, "tolerations")) json_push(tolerations_of(pod), json_copy(item));
    return failed;
}

/* GKE's nodes that may be taken back at any time: others are chosen with --node-selector and --toleration. */
static void add_spot(cJSON *pod)
{
    json_set_text(json_object_in(pod, "nodeSelector"), RAY_SPOT_LABEL, "true");
    push_toleration(pod, RAY_SPOT_LABEL, "true", "NoSchedule");
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
        failed = add_place(call, pod, size, error);
    if (!failed && size->spot)
        add_spot(pod);
    add_resources(container, size);
    return failed;
}
