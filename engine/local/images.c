/* Which installed image does a name mean? */
#include "engine/local/images.h"

#include <ctype.h>
#include <dirent.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

enum { READ_AGAIN_MS = 2000, IMAGE_JSON_MAX = 64 * 1024, IMAGES_MAX = 256 };

struct image_store {
    char *directory;
    pthread_mutex_t lock; /* guards what follows */
    cJSON *images;
    int64_t read_ms;
};

struct image_store *image_store_new(const char *directory)
{
    struct image_store *store = memory_get(sizeof(*store));
    store->directory = memory_text(directory);
    pthread_mutex_init(&store->lock, NULL);
    return store;
}

void image_store_free(struct image_store *store)
{
    if (!store)
        return;
    cJSON_Delete(store->images);
    free(store->directory);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static void read_image(cJSON *images, const char *directory, const char *name)
{
    AUTO_FREE char *path = memory_format("%s/%s/image.json", directory, name);
    AUTO_BUFFER struct buffer text = {0};
    AUTO_JSON cJSON *image = NULL;
    struct error error = {0};
    if (!file_exists(path))
        return;
    if (file_read(path, IMAGE_JSON_MAX, &text, &error) < 0 ||
        json_parse(buffer_slice(&text), &json_limits_default, &image, &error) < 0 || !cJSON_IsObject(image)) {
        log_line(LOG_WARN, "an image's image.json cannot be read", LOG_TEXT("image", name), LOG_FAULT(&error));
        return;
    }
    json_set_text(image, "name", name); /* whatever the file says: sandboxd looks it up by its directory */
    if (!cJSON_IsArray(json_member(image, "aliases")))
        json_set(image, "aliases", json_array());
    AUTO_FREE char *fallback = memory_format("%s/%s/venv", directory, name);
    json_set_bool(image, "ready", file_exists(json_text_or(fallback, image, "path", NULL)));
    json_push(images, TAKE_POINTER(image));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static cJSON *read_images(const char *directory)
{
    cJSON *images = json_array();
    char *names[IMAGES_MAX];
    size_t count = 0;
    DIR *folder = opendir(directory);
    if (!folder)
        return images;
    struct dirent *entry;
    while (count < IMAGES_MAX && (entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            names[count++] = memory_text(entry->d_name);
    closedir(folder);
    qsort(names, count, sizeof(names[0]), by_name);
    for (size_t i = 0; i < count; i++) {
        read_image(images, directory, names[i]);
        free(names[i]);
    }
    return images;
}

/* With the lock held. */
static const cJSON *current_images(struct image_store *store)
{
    int64_t now = clock_monotonic_ms();
    if (!store->images || now - store->read_ms >= READ_AGAIN_MS) {
        cJSON_Delete(store->images);
        store->images = read_images(store->directory);
        store->read_ms = now;
    }
    return store->images;
}

/* "-py311", "-cpu", one after the other. */
static bool only_variants(struct slice rest)
{
    while (rest.n) {
        if (slice_starts(rest, "-cpu")) {
            rest = slice_skip(rest, 4);
        } else if (slice_starts(rest, "-py3") && rest.n > 4) {
            size_t n = 4;
            while (n < rest.n && isdigit((unsigned char)rest.p[n]))
                n++;
            rest = slice_skip(rest, n);
        } else {
            return false;
        }
        if (rest.n && rest.p[0] != '-')
            return false;
    }
    return true;
}

static bool alias_matches(const char *alias, struct slice image)
{
    size_t n = strlen(alias);
    return slice_starts(image, alias) && only_variants(slice_skip(image, n));
}

static bool image_matches(const cJSON *entry, struct slice image)
{
    const cJSON *alias;
    if (slice_is(image, json_text_or("", entry, "name", NULL)))
        return true;
    cJSON_ArrayForEach(alias, json_member(entry, "aliases"))
    {
        if (cJSON_IsString(alias) && alias_matches(alias->valuestring, image))
            return true;
    }
    return false;
}

static int not_installed(const cJSON *images, const char *image, const char *field, struct error *error)
{
    AUTO_BUFFER struct buffer names = {0};
    const cJSON *entry;
    cJSON_ArrayForEach(entry, images)
    {
        if (names.n)
            buffer_add_text(&names, ", ");
        buffer_add_text(&names, json_text_or("", entry, "name", NULL));
    }
    char shown[128];
    text_printable(slice_of(image), shown, sizeof(shown));
    return error_set(error, ERROR_INVALID, field, "image \"%s\" is not installed on this machine; installed: %s", shown,
                     names.n ? names.p : "none");
}

int image_resolve(struct image_store *store, const char *image, const char *field, char **ret, struct error *error)
{
    struct slice text = slice_of(image);
    if (slice_starts(text, "docker.io/"))
        text = slice_skip(text, strlen("docker.io/"));
    pthread_mutex_lock(&store->lock);
    const cJSON *images = current_images(store), *entry;
    char *name = NULL;
    cJSON_ArrayForEach(entry, images)
    {
        if (!name && text.n && image_matches(entry, text))
            name = memory_text(json_text(entry, "name", NULL));
    }
    int r = name ? 0 : not_installed(images, image ? image : "", field, error);
    pthread_mutex_unlock(&store->lock);
    if (r == 0)
        *ret = name;
    return r;
}

int image_list(struct image_store *store, cJSON **ret, struct error *error)
{
    (void)error;
    pthread_mutex_lock(&store->lock);
    *ret = json_copy(current_images(store));
    pthread_mutex_unlock(&store->lock);
    cJSON *entry;
    cJSON_ArrayForEach(entry, *ret)
    {
        json_remove(entry, "path"); /* of this machine, and nobody's business outside it */
        json_remove(entry, "requirements");
    }
    return 0;
}
