/* May this Notebook be stored as it is, and what does it leave to the platform? */
#include "notebooks/internal.h"

#include "notebooks/render.h"
#include "tenancy/image.h"
#include "tenancy/shape.h"
#include "tenancy/status.h"
#include "tenancy/tpu.h"

#define DEFAULT_CPU "500m"
#define DEFAULT_MEMORY "1Gi"
#define TEMPLATE "spec.template"
#define CONTAINER "spec.template.spec.containers[0]"

/* --- its name, which becomes a Service's ----------------------------------------------------------------------------
 */

static int check_name(const cJSON *notebook, struct error *error)
{
    /* Names a service of ours may get, or that every pod's hosts file already gives another meaning. */
    static const char *const endings[] = {"-head-svc", "-serve-svc", "-headless"};
    static const char *const taken[] = {"localhost", "kubernetes", "ip6-localhost", "ip6-loopback"};
    const char *name = json_text(notebook, "metadata", "name", NULL);
    int r = shape_workload_name("Notebook", name, NOTEBOOKS_NAME_MAX, error);
    if (r < 0)
        return r;
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        if (slice_ends(slice_of(name), endings[i]))
            return error_set(error, ERROR_INVALID, "metadata.name",
                             "the name \"%s\" is not possible: names ending in \"%s\" are those of Ray's services",
                             name, endings[i]);
    }
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        if (strcmp(name, taken[i]) == 0)
            return error_set(error, ERROR_INVALID, "metadata.name", "the name \"%s\" is reserved; choose another",
                             name);
    }
    return 0;
}

static int check_service_free(struct engine *engine, const cJSON *notebook, struct error *error)
{
    const char *name = json_text_or("", notebook, "metadata", "name", NULL);
    AUTO_JSON cJSON *service = NULL;
    int r = engine_get(engine, KIND_SERVICE, json_text(notebook, "metadata", "namespace", NULL), name, &service, NULL);
    if (r < 0) /* absent; any other trouble shows when the notebook is stored */
        return 0;
    /* One of an earlier notebook of the same name is on its way out; the reconciler waits for that. */
    const char *earlier = json_text(service, "metadata", "labels", NOTEBOOK_LABEL, NULL);
    if (earlier && strcmp(earlier, name) == 0)
        return 0;
    return error_set(error, ERROR_INVALID, "metadata.name",
                     "a service named \"%s\" exists in this profile; choose another name", name);
}

/* --- its container --------------------------------------------------------------------------------------------------
 */

/* The newest there is where none is named; the platform's own names become what a pod must name. */
static int complete_image(struct engine *engine, cJSON *container, struct error *error)
{
    const char *image = json_text_or("", container, "image", NULL);
    AUTO_JSON cJSON *images = NULL;
    (void)engine_images(engine, &images, NULL); /* none: then only what the template says */
    if (!*image)
        image = json_text_or("", image_newest(images), "name", NULL);
    if (!*image)
        return error_set(error, ERROR_INVALID, CONTAINER ".image",
                         "say which image; none is installed here to choose from");
    const char *reference = image_reference(images, image);
    AUTO_FREE char *named = memory_text(reference ? reference : image);
    json_set_text(container, "image", named);
    return 0;
}

/* What is named stays as it was written, so that whoever applies it again finds it so; what follows from it, the pod is
 * given (render.c). An amount that is named nowhere is the platform's, and kept. */
static int default_resource(cJSON *resources, const char *key, const char *fallback, struct error *error)
{
    bool memory = strcmp(key, "memory") == 0;
    bool (*parse)(struct slice, int64_t *) = memory ? quantity_parse_bytes : quantity_parse_milli;
    const cJSON *limit = json_at(resources, "limits", key, NULL);
    const cJSON *request = json_at(resources, "requests", key, NULL);
    int64_t most = 0, asked = 0;
    if (!limit && !request) {
        json_set_text(json_object_in(resources, "limits"), key, fallback);
        json_set_text(json_object_in(resources, "requests"), key, fallback);
        return 0;
    }
    const char *field = memory ? CONTAINER ".resources.limits.memory" : CONTAINER ".resources.limits.cpu";
    if (limit && (!json_quantity(limit, parse, &most) || most <= 0))
        return error_set(error, ERROR_INVALID, field, "%s must be a quantity such as %s", field, fallback);
    field = memory ? CONTAINER ".resources.requests.memory" : CONTAINER ".resources.requests.cpu";
    if (request && (!json_quantity(request, parse, &asked) || asked <= 0))
        return error_set(error, ERROR_INVALID, field, "%s must be a quantity such as %s", field, fallback);
    if (limit && asked > most)
        return error_set(error, ERROR_INVALID, field, "%s must not be more than the limit", field);
    return 0;
}

static int default_resources(cJSON *container, struct error *error)
{
    static const char *const known[] = {"requests", "limits", "claims", NULL};
    cJSON *resources = NULL;
    cJSON *side = NULL;
    int r = shape_object(container, CONTAINER, "resources", &resources, error);
    if (r == 0 && resources)
        r = json_check_known(resources, CONTAINER ".resources", known, error);
    if (r == 0 && resources)
        r = shape_object(resources, CONTAINER ".resources", "requests", &side, error);
    if (r == 0 && resources)
        r = shape_object(resources, CONTAINER ".resources", "limits", &side, error);
    if (r < 0)
        return r;
    resources = json_object_in(container, "resources");
    r = default_resource(resources, "cpu", DEFAULT_CPU, error);
    return r < 0 ? r : default_resource(resources, "memory", DEFAULT_MEMORY, error);
}

static int admit_container(struct engine *engine, const char *notebook, cJSON *pod_spec, struct error *error)
{
    cJSON *containers = json_member(pod_spec, "containers");
    if (!containers) {
        containers = json_set(pod_spec, "containers", json_array());
        json_push(containers, json_object());
    }
    if (!cJSON_IsArray(containers) || cJSON_GetArraySize(containers) != NOTEBOOKS_CONTAINERS_MAX ||
        !cJSON_IsObject(containers->child))
        return error_set(error, ERROR_INVALID, TEMPLATE ".spec.containers", "a Notebook has exactly one container");
    cJSON *container = containers->child;
    if (!json_member(container, "name"))
        json_set_text(container, "name", notebook);
    int r = complete_image(engine, container, error);
    return r < 0 ? r : default_resources(container, error);
}

/* --- the whole ------------------------------------------------------------------------------------------------------
 */

static int admit_template(struct engine *engine, const char *notebook, cJSON *template, struct error *error)
{
    static const char *const known[] = {"metadata", "spec", NULL};
    cJSON *metadata = NULL;
    cJSON *spec = NULL;
    int r = json_check_known(template, TEMPLATE, known, error);
    if (r == 0)
        r = shape_object(template, TEMPLATE, "metadata", &metadata, error);
    if (r == 0)
        r = shape_texts(metadata, TEMPLATE ".metadata", "labels", error);
    if (r == 0)
        r = shape_texts(metadata, TEMPLATE ".metadata", "annotations", error);
    if (r == 0)
        r = shape_object(template, TEMPLATE, "spec", &spec, error);
    if (r < 0)
        return r;
    spec = json_object_in(template, "spec");
    r = shape_no_host_names(spec, TEMPLATE, error);
    if (r < 0)
        return r;
    const char *restart = json_text(spec, "restartPolicy", NULL);
    if (restart && strcmp(restart, "Always") != 0)
        return error_set(error, ERROR_INVALID, TEMPLATE ".spec.restartPolicy",
                         "a Notebook's restartPolicy is Always; stop it with the annotation " NOTEBOOK_STOPPED);
    r = admit_container(engine, notebook, spec, error);
    return r < 0 ? r : engine_check_pod_template(engine, template, TEMPLATE, error);
}

int notebook_admit(struct engine *engine, const cJSON *old, cJSON *notebook, struct error *error)
{
    static const char *const known[] = {"apiVersion", "kind", "metadata", "spec", "status", NULL};
    static const char *const known_spec[] = {"template", NULL};
    shape_drop_nulls(notebook);
    cJSON *metadata = NULL;
    cJSON *spec = NULL;
    cJSON *template = NULL;
    int r = json_check_known(notebook, "", known, error);
    if (r == 0)
        r = shape_object(notebook, "", "metadata", &metadata, error);
    if (r == 0)
        r = check_name(notebook, error);
    if (r == 0)
        r = shape_texts(metadata, "metadata", "labels", error);
    if (r == 0)
        r = shape_texts(metadata, "metadata", "annotations", error);
    if (r == 0)
        r = idle_check_annotations(notebook, error);
    if (r == 0)
        r = shape_finalizers(old, notebook, NULL, error);
    if (r == 0)
        r = shape_object(notebook, "", "spec", &spec, error);
    if (r < 0)
        return r;
    spec = json_object_in(notebook, "spec");
    r = json_check_known(spec, "spec", known_spec, error);
    if (r == 0)
        r = shape_object(spec, "spec", "template", &template, error);
    if (r < 0)
        return r;
    template = json_object_in(spec, "template");
    r = admit_template(engine, json_text_or("", notebook, "metadata", "name", NULL), template, error);
    if (r == 0 && !old)
        r = check_service_free(engine, notebook, error);
    return r;
}

void notebook_warn(const cJSON *object, cJSON *warnings)
{
    if (strcmp(json_text_or("", object, "kind", NULL), "Notebook") == 0)
        tpu_warn(TEMPLATE, json_at(object, "spec", "template", NULL), warnings);
}
