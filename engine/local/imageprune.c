/* Which images does anything here still need? */
#include "engine/local/imageprune.h"

#include "base/map.h"
#include "engine/local/images.h"

/* Every "image" at any depth: containers of templates, and of the templates in a RayJob's cluster. */
static void add_named(struct local *local, const cJSON *value, struct map *ret)
{
    const cJSON *part;
    cJSON_ArrayForEach(part, value)
    {
        AUTO_FREE char *name = NULL;
        struct error error = {0};
        if (part->string && strcmp(part->string, "image") == 0 && cJSON_IsString(part) &&
            image_resolve(local->images, part->valuestring, "image", &name, &error) == 0)
            map_put(ret, slice_of(name), ret);
        else if (part->child)
            add_named(local, part, ret);
    }
}

static void add_of_objects(struct local *local, struct map *ret)
{
    for (enum engine_kind kind = 0; kind < KIND_COUNT; kind++) {
        AUTO_OBJECT_LIST struct object_list all = {0};
        if (!engine_has(&local->base, kind))
            continue;
        objects_select(local->objects, kind, NULL, NULL, &all);
        for (size_t i = 0; i < all.count; i++)
            add_named(local, all.items[i]->body, ret);
    }
}

static void add_offered(const char *offered, struct map *ret)
{
    struct slice rest = slice_of(offered);
    while (rest.n) {
        struct slice name = slice_trim(slice_split(rest, ',', &rest));
        if (name.n)
            map_put(ret, name, ret);
    }
}

/* An image is made from its base each time it is built. */
static void add_bases(const cJSON *installed, struct map *ret)
{
    size_t before;
    do {
        const cJSON *image;
        before = map_count(ret);
        cJSON_ArrayForEach(image, installed)
        {
            const char *base = json_text(image, "base", NULL);
            if (base && map_get(ret, slice_of(json_text_or("", image, "name", NULL))))
                map_put(ret, slice_of(base), ret);
        }
    } while (map_count(ret) > before);
}

/* Only of installed images: sandboxd refuses what cannot be the name of one. */
static cJSON *names_of(const cJSON *installed, const struct map *needed)
{
    cJSON *names = json_array();
    const cJSON *image;
    cJSON_ArrayForEach(image, installed)
    {
        const char *name = json_text_or("", image, "name", NULL);
        if (map_get(needed, slice_of(name)))
            json_push_text(names, name);
    }
    return names;
}

int image_prune(struct engine *engine, const char *offered, int64_t unused_s, cJSON **ret, struct error *error)
{
    struct local *local = local_of(engine);
    AUTO_JSON cJSON *installed = NULL, *names = NULL;
    int r = image_list(local->images, &installed, error);
    if (r < 0)
        return r;
    struct map *needed = map_new();
    add_offered(offered, needed);
    add_of_objects(local, needed);
    add_bases(installed, needed);
    names = names_of(installed, needed);
    map_free(needed);
    return sandbox_images_prune(local->sandbox, names, unused_s, ret, error);
}
