/* Which GPU is whose? */
#include "engine/local/gpus.h"

#include "base/map.h"
#include "engine/local/schedule.h"

enum { HOLDERS_MAX = 400 }; /* bytes of a message that name them */

cJSON *gpus_of_pod(const struct object *pod)
{
    cJSON *names = json_array();
    struct slice rest = slice_of(json_text_or("", json_condition(pod->body, CONDITION_GPUS), "message", NULL));
    while (rest.n) {
        struct slice name = slice_split(rest, ' ', &rest);
        AUTO_FREE char *text = memory_text_n(name.p, name.n);
        json_push_text(names, text);
    }
    return names;
}

static int names_of_machine(struct local *local, cJSON **ret, struct error *error)
{
    AUTO_JSON cJSON *hello = NULL;
    int r = sandbox_hello(local->sandbox, &hello, error);
    if (r < 0)
        return r;
    const cJSON *names = json_member(hello, "gpus");
    *ret = names ? json_copy(names) : json_array();
    return 0;
}

int64_t gpus_of_machine(struct local *local)
{
    AUTO_JSON cJSON *names = NULL;
    struct error error = {0};
    return names_of_machine(local, &names, &error) == 0 ? cJSON_GetArraySize(names) : 0;
}

static void add_holder(const struct object *holder, int count, struct buffer *ret)
{
    if (ret->n > HOLDERS_MAX)
        return;
    buffer_add_format(ret, "%s%s has %d", ret->n ? ", " : "", holder->name, count);
}

/* What is held by anybody, and who of <namespace> holds it: other profiles are nobody's business. */
static struct map *held_gpus(struct local *local, const char *namespace, struct buffer *ret_holders)
{
    AUTO_OBJECT_LIST struct object_list pods = {0};
    struct map *held = map_new();
    objects_select(local->objects, KIND_POD, NULL, NULL, &pods);
    for (size_t i = 0; i < pods.count; i++) {
        const cJSON *name;
        if (!pod_holds_resources(pods.items[i]))
            continue;
        AUTO_JSON cJSON *names = gpus_of_pod(pods.items[i]);
        cJSON_ArrayForEach(name, names) map_put(held, slice_of(name->valuestring), held);
        if (cJSON_GetArraySize(names) > 0 && strcmp(pods.items[i]->namespace, namespace) == 0)
            add_holder(pods.items[i], cJSON_GetArraySize(names), ret_holders);
    }
    return held;
}

int gpus_choose(struct local *local, const struct object *pod, int64_t count, char **ret, struct error *error)
{
    AUTO_JSON cJSON *names = NULL;
    AUTO_BUFFER struct buffer holders = {0}, chosen = {0};
    const cJSON *name;
    int64_t unused = 0;
    int r = names_of_machine(local, &names, error);
    if (r < 0)
        return r;
    struct map *held = held_gpus(local, pod->namespace, &holders);
    cJSON_ArrayForEach(name, names)
    {
        if (map_get(held, slice_of(name->valuestring)))
            continue;
        if (unused++ < count)
            buffer_add_format(&chosen, "%s%s", chosen.n ? " " : "", name->valuestring);
    }
    map_free(held);
    if (unused < count)
        return error_set(error, ERROR_LIMITED, NULL,
                         "not enough " RESOURCE_GPU ": the pod needs %lld, %lld of %d are free%s%s", (long long)count,
                         (long long)unused, cJSON_GetArraySize(names), holders.n ? "; of this profile, " : "",
                         holders.n ? holders.p : "");
    *ret = buffer_take(&chosen);
    return 0;
}
