/* How is a notebook made, stopped, started and opened? */
#include "base/clock.h"
#include "cli/client.h"
#include "cli/container.h"
#include "cli/object.h"
#include "cli/verbs.h"

#define CONTAINER "/spec/template/spec/containers/0"

static int add_resources(const struct call *call, cJSON *container, struct error *error)
{
    static const char *const parts[] = {"requests", "limits"};
    const char *key = call_option_or(call, "gpu-key", CONTAINER_GPU_KEY);
    const char *gpus = call_option(call, "gpus");
    const char *const sizes[][2] = {
        {"cpu", call_option(call, "cpu")}, {"memory", call_option(call, "memory")}, {key, gpus}};
    int64_t number;
    int failed = call_number(call, "gpus", 0, CONTAINER_GPUS_MAX, 0, &number, error);
    if (!failed)
        failed = container_check_gpu_key(key, error);
    for (size_t i = 0; !failed && i < COUNT_OF(sizes) * COUNT_OF(parts); i++) {
        const char *const *size = sizes[i / 2];
        if (size[1] && (size[0] != key || number)) /* what is absent gets the service's default */
            json_set_text(json_object_in(json_object_in(container, "resources"), parts[i % 2]), size[0], size[1]);
    }
    return failed;
}

static int render(const struct call *call, cJSON *object, struct error *error)
{
    const char *name = call->arguments[0], *idle = call_option(call, "idle-after");
    json_set_text(object, "apiVersion", "kubeflow.org/v1");
    json_set_text(object, "kind", "Notebook");
    cJSON *metadata = json_object_in(object, "metadata");
    json_set_text(metadata, "name", name);
    if (idle)
        json_set_text(json_object_in(metadata, "annotations"), "atelier.dev/idle-after", idle);
    cJSON *pod = json_object_in(json_object_in(json_object_in(object, "spec"), "template"), "spec");
    cJSON *container = json_push(json_set(pod, "containers", json_array()), json_object());
    json_set_text(container, "name", name);
    json_set_text(container, "image", call_option(call, "image"));
    int failed = option_add_map(call, "label", metadata, "labels", error);
    if (!failed)
        failed = add_resources(call, container, error);
    if (!failed)
        failed = container_add_environment(call, container, error);
    return failed ? failed : container_add_volumes(call, pod, container, error);
}

/* --- verbs -------------------------------------------------------------------------------------------------------- */

int verb_notebook_create(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *object = json_object();
    int failed = render(call, object, error);
    return failed ? failed : create_object(call, resource_by_word("notebooks"), object, error);
}

/* True as the annotation's value, or NULL to remove it. */
static int set_stopped(struct call *call, const char *since, const char *done, struct error *error)
{
    AUTO_JSON cJSON *patch = json_object();
    cJSON *annotations = json_object_in(json_object_in(patch, "metadata"), "annotations");
    if (since)
        json_set_text(annotations, NOTEBOOK_STOPPED, since);
    else
        json_set(annotations, NOTEBOOK_STOPPED, cJSON_CreateNull());
    return patch_object(call, resource_by_word("notebooks"), call->arguments[0], patch, done, error);
}

int verb_notebook_start(struct call *call, struct error *error)
{
    return set_stopped(call, NULL, "started", error);
}

int verb_notebook_stop(struct call *call, struct error *error)
{
    char now[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms(), now);
    return set_stopped(call, now, "stopped", error);
}

/* By index and checked by name, so that a concurrent edit cannot change another container. */
int verb_notebook_resize(struct call *call, struct error *error)
{
    static const char *const sizes[] = {"cpu", "memory"};
    static const char *const parts[] = {"requests", "limits"};
    const struct resource *resource = resource_by_word("notebooks");
    AUTO_JSON cJSON *notebook = NULL;
    if (!call_option(call, "cpu") && !call_option(call, "memory"))
        return call_usage(error, "notebook resize needs --cpu, --memory or both");
    int failed = object_get(call, resource, call->arguments[0], &notebook, error);
    const cJSON *containers = json_at(notebook, "spec", "template", "spec", "containers", NULL);
    if (failed)
        return failed;
    AUTO_JSON cJSON *patch = json_array();
    cJSON *test = json_push(patch, json_object());
    json_set_text(test, "op", "test");
    json_set_text(test, "path", CONTAINER "/name");
    json_set_text(test, "value", json_text_or("", containers ? containers->child : NULL, "name", NULL));
    cJSON *resources = json_copy(json_member(containers ? containers->child : NULL, "resources"));
    resources = resources ? resources : json_object();
    for (size_t i = 0; i < COUNT_OF(parts) * COUNT_OF(sizes); i++) {
        const char *wanted = call_option(call, sizes[i % 2]);
        if (wanted)
            json_set_text(json_object_in(resources, parts[i / 2]), sizes[i % 2], wanted);
    }
    cJSON *add = json_push(patch, json_object());
    json_set_text(add, "op", "add");
    json_set_text(add, "path", CONTAINER "/resources");
    json_set(add, "value", resources);
    return patch_object(call, resource, call->arguments[0], patch, "resized", error);
}

int verb_notebook_open(struct call *call, struct error *error)
{
    return open_url(call, "Notebook", call_flag(call, "browser"), error);
}

int verb_notebook_keep(struct call *call, struct error *error)
{
    return keep_object(call, "notebooks", error);
}

int verb_notebook_list(struct call *call, struct error *error)
{
    return list_objects(call, "notebooks", error);
}

int verb_notebook_delete(struct call *call, struct error *error)
{
    return delete_objects(call, "notebooks", error);
}
