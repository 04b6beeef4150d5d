/* How is a notebook made, stopped, started and opened? */
#include "base/clock.h"
#include "cli/client.h"
#include "cli/object.h"
#include "cli/verbs.h"

#define CONTAINER "/spec/template/spec/containers/0"

static cJSON *render(const struct call *call, const char *name)
{
    const char *cpu = call_option(call, "cpu"), *memory = call_option(call, "memory");
    cJSON *object = json_object();
    json_set_text(object, "apiVersion", "kubeflow.org/v1");
    json_set_text(object, "kind", "Notebook");
    json_set_text(json_object_in(object, "metadata"), "name", name);
    cJSON *pod = json_object_in(json_object_in(json_object_in(object, "spec"), "template"), "spec");
    cJSON *container = json_push(json_set(pod, "containers", json_array()), json_object());
    json_set_text(container, "name", name);
    json_set_text(container, "image", call_option(call, "image"));
    static const char *const parts[] = {"requests", "limits"};
    for (size_t i = 0; (cpu || memory) && i < COUNT_OF(parts); i++) {
        cJSON *part = json_object_in(json_object_in(container, "resources"), parts[i]);
        json_set_text(part, "cpu", cpu); /* what is absent gets the service's default */
        json_set_text(part, "memory", memory);
    }
    return object;
}

/* --- verbs -------------------------------------------------------------------------------------------------------- */

int verb_notebook_create(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *object = render(call, call->arguments[0]);
    return create_object(call, resource_by_word("notebooks"), object, error);
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
    return open_url(call, "Notebook", false, error);
}

int verb_notebook_list(struct call *call, struct error *error)
{
    return list_objects(call, "notebooks", error);
}

int verb_notebook_delete(struct call *call, struct error *error)
{
    return delete_objects(call, "notebooks", error);
}
