/* Which image does a name stand for? */
#include "tenancy/image.h"

/* An alias stands for its variants too: the engine has already accepted the image, so what is left is to find which one
 * it took. */
static bool names_image(const char *alias, struct slice image)
{
    return slice_starts(image, alias) && (image.n == strlen(alias) || image.p[strlen(alias)] == '-');
}

const cJSON *image_find(const cJSON *images, const char *name)
{
    struct slice wanted = slice_of(name);
    if (slice_starts(wanted, "docker.io/"))
        wanted = slice_skip(wanted, strlen("docker.io/"));
    for (const cJSON *entry = images && wanted.n ? images->child : NULL; entry; entry = entry->next) {
        if (slice_is(wanted, json_text_or("", entry, "name", NULL)))
            return entry;
        const cJSON *aliases = json_member(entry, "aliases");
        for (const cJSON *alias = aliases ? aliases->child : NULL; alias; alias = alias->next) {
            if (cJSON_IsString(alias) && names_image(alias->valuestring, wanted))
                return entry;
        }
    }
    return NULL;
}

const char *image_reference(const cJSON *images, const char *name)
{
    const cJSON *entry = image_find(images, name);
    const char *reference = json_text(entry, "reference", NULL);
    bool own = name && strcmp(json_text_or("", entry, "name", NULL), name) == 0;
    return own && reference && *reference ? reference : NULL;
}

int image_version_compare(const char *a, const char *b)
{
    while (*a || *b) {
        char *a_end = NULL;
        char *b_end = NULL;
        unsigned long a_number = strtoul(a, &a_end, 10);
        unsigned long b_number = strtoul(b, &b_end, 10);
        if (a_end == a && b_end == b)
            return 0; /* "rc1" and its like */
        if (a_number != b_number)
            return a_number < b_number ? -1 : 1;
        a = a_end + (*a_end == '.');
        b = b_end + (*b_end == '.');
    }
    return 0;
}

const cJSON *image_newest(const cJSON *images)
{
    const cJSON *best = NULL;
    for (const cJSON *image = images ? images->child : NULL; image; image = image->next) {
        bool ready = json_true(image, "ready", NULL);
        bool best_ready = json_true(best, "ready", NULL);
        int newer = image_version_compare(json_text_or("", image, "rayVersion", NULL),
                                          json_text_or("", best, "rayVersion", NULL));
        if (!best || (ready && !best_ready) || (ready == best_ready && newer > 0))
            best = image;
    }
    return best;
}
