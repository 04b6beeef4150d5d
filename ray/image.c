/* Which image do Ray's pods run, and which Ray is in it? */
#include "ray/internal.h"

#include <ctype.h>

#include "tenancy/image.h"
#include "tenancy/shape.h"

const char *ray_head_image(const cJSON *spec)
{
    const cJSON *containers = json_at(spec, "headGroupSpec", "template", "spec", "containers", NULL);
    return json_text(containers ? containers->child : NULL, "image", NULL);
}

/* --- names of the platform ---------------------------------------------------------------------------------------- */

static void resolve_containers(const cJSON *images, const cJSON *group, const char *list)
{
    const cJSON *containers = json_at(group, "template", "spec", list, NULL);
    for (cJSON *c = containers ? containers->child : NULL; c; c = c->next) {
        const char *name = json_text_or("", c, "image", NULL);
        const char *reference = image_reference(images, name);
        if (reference) {
            AUTO_FREE char *copy = memory_text(reference);
            json_set_text(c, "image", copy);
        }
    }
}

static void resolve_all(const cJSON *images, const cJSON *spec)
{
    const cJSON *head = json_member(spec, "headGroupSpec");
    const cJSON *groups = json_member(spec, "workerGroupSpecs");
    resolve_containers(images, head, "containers");
    resolve_containers(images, head, "initContainers");
    for (const cJSON *group = groups ? groups->child : NULL; group; group = group->next) {
        resolve_containers(images, group, "containers");
        resolve_containers(images, group, "initContainers");
    }
}

/* --- Ray's version ------------------------------------------------------------------------------------------------ */

/* "2.60.0" of "rayproject/ray:2.60.0-py311-gpu@sha256:…"; empty if the tag does not begin with one. */
static struct slice tag_version(const char *image)
{
    struct slice rest;
    struct slice name = slice_split(slice_of(image), '@', &rest);
    const char *slash = NULL;
    for (size_t i = 0; i < name.n; i++)
        slash = name.p[i] == '/' ? name.p + i : slash;
    if (slash)
        name = slice_skip(name, (size_t)(slash - name.p) + 1);
    struct slice tag = {0};
    (void)slice_split(name, ':', &tag);
    size_t length = 0;
    int dots = 0;
    while (length < tag.n && (isdigit((unsigned char)tag.p[length]) || tag.p[length] == '.'))
        dots += tag.p[length++] == '.';
    bool ends = length == tag.n || tag.p[length] == '-' || tag.p[length] == '_';
    return dots == 2 && ends && isdigit((unsigned char)tag.p[0]) ? (struct slice){tag.p, length} : (struct slice){0};
}

/* "3.11" of "rayproject/ray:2.60.0-py311-gpu"; empty if the tag has none. */
static void tag_python(const char *image, char ret[RAY_IMAGE_VERSION_SIZE])
{
    const char *colon = strrchr(image, ':');
    const char *found = colon ? strstr(colon, "-py3") : NULL;
    const char *minor = found ? found + strlen("-py3") : "";
    size_t n = strspn(minor, "0123456789");
    ret[0] = '\0';
    if (n >= 1 && n <= 3)
        snprintf(ret, RAY_IMAGE_VERSION_SIZE, "3.%.*s", (int)n, minor);
}

void ray_image_version(const cJSON *images, const char *image, struct ray_image_version *ret)
{
    const cJSON *entry = image_find(images, image);
    const char *ray = json_text(entry, "rayVersion", NULL);
    struct slice tagged = tag_version(image ? image : "");
    const char *python = json_text(entry, "pythonVersion", NULL);
    tag_python(image ? image : "", ret->python);
    /* Where the list's entry is what runs, whatever the name was, it knows; a reference is pulled as it is named. */
    if (python && (!ret->python[0] || !json_text(entry, "reference", NULL)))
        snprintf(ret->python, sizeof(ret->python), "%s", python);
    if (ray)
        snprintf(ret->ray, sizeof(ret->ray), "%s", ray);
    else
        snprintf(ret->ray, sizeof(ret->ray), "%.*s", (int)tagged.n, tagged.n ? tagged.p : "");
}

static int check_version(const struct ray_context *context, const char *version, struct error *error)
{
    char field[RAY_PATH_MAX];
    ray_path(field, context->base, "rayVersion");
    size_t major = strspn(version, "0123456789"); /* KubeRay wants a minor version too */
    bool padded = version[0] == '0' && major > 1; /* KubeRay's parser takes no such */
    if (strlen(version) > 32 || major == 0 || padded || version[major] != '.' ||
        !isdigit((unsigned char)version[major + 1]) ||
        version[strspn(version, "0123456789abcdefghijklmnopqrstuvwxyz.+-")])
        return error_set(error, ERROR_INVALID, field, "%s must be a version such as 2.60.0", field);
    if (context->traits->ray_by_kuberay && image_version_compare(version, RAY_TOKEN_VERSION) < 0)
        return error_set(error, ERROR_INVALID, field,
                         "%s must be at least " RAY_TOKEN_VERSION ": before it Ray ran anybody's code", field);
    return 0;
}

int ray_complete_images(const struct ray_context *context, cJSON *spec, struct error *error)
{
    const char *version = NULL;
    char field[RAY_PATH_MAX];
    int r = shape_text(spec, context->base, "rayVersion", &version, error);
    if (r < 0)
        return r;
    AUTO_JSON cJSON *images = NULL;
    (void)engine_images(context->engine, &images, NULL); /* none: then only what the manifest says */
    const char *image = ray_head_image(spec);
    if (version && *version) {
        resolve_all(images, spec);
        return check_version(context, version, error);
    }
    struct ray_image_version has;
    ray_image_version(images, image, &has);
    resolve_all(images, spec);
    if (!has.ray[0] && context->traits->ray_by_kuberay) {
        ray_path(field, context->base, "rayVersion");
        return error_set(error, ERROR_INVALID, field,
                         "say which Ray is in the image, in %s: its name does not tell, and KubeRay must know", field);
    }
    json_set_text(spec, "rayVersion", has.ray[0] ? has.ray : NULL);
    return has.ray[0] ? check_version(context, has.ray, error) : 0;
}
