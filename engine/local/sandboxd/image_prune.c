/* Which installed images go, because nobody has wanted them for long? */
#include "engine/local/sandboxd/image_prune.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "engine/local/sandboxd/image.h"
#include "engine/local/sandboxd/limits.h"

#define DESCRIPTION "image.json"
#define GOING ".image.json.going" /* its description while it is being removed: no pod starts with it any more */
#define USED ".used"              /* its time is when the image was last wanted */
#define LOCK ".lock"              /* held by scripts/image-build.sh */

struct images {
    const char *directory;
    char *names[BOX_IMAGES_MAX];
    int locks[BOX_IMAGES_MAX];
    size_t count;
};

static char *path_in(const struct images *images, size_t i, const char *file)
{
    return memory_format("%s/%s/%s", images->directory, images->names[i], file);
}

static void images_free(struct images *images)
{
    for (size_t i = 0; i < images->count; i++) {
        close(images->locks[i]);
        free(images->names[i]);
    }
}

/* Holding all locks, nothing is being built, and a build that begins now waits. */
static int hold(struct images *images, const char *name, bool *ret_building, struct error *error)
{
    struct stat status;
    AUTO_FREE char *directory = memory_format("%s/%s", images->directory, name);
    AUTO_FREE char *lock = memory_format("%s/" LOCK, directory);
    if (lstat(directory, &status) < 0 || !S_ISDIR(status.st_mode) || images->count == BOX_IMAGES_MAX)
        return 0;
    AUTO_CLOSE int fd = open(lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the lock of image \"%s\" cannot be opened", name);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        *ret_building = true;
        return 0;
    }
    images->names[images->count] = memory_text(name);
    images->locks[images->count++] = TAKE_FD(fd);
    return 0;
}

static int hold_all(struct images *images, bool *ret_building, struct error *error)
{
    DIR *folder = opendir(images->directory);
    int failed = 0;
    const struct dirent *entry;
    while (folder && !failed && (entry = readdir(folder)))
        if (box_image_name_ok(slice_of(entry->d_name)))
            failed = hold(images, entry->d_name, ret_building, error);
    if (folder)
        closedir(folder);
    return failed;
}

/* --- who is wanted ------------------------------------------------------------------------------------------------ */

static struct map *wanted_names(struct box_daemon *daemon, const cJSON *keep)
{
    struct map *wanted = map_new();
    const cJSON *at;
    size_t count;
    cJSON_ArrayForEach(at, keep) map_put(wanted, slice_of(at->valuestring), wanted);
    struct box_pod **pods = box_pods(daemon, NULL, &count);
    for (size_t i = 0; i < count; i++) {
        cJSON_ArrayForEach(at, json_member(pods[i]->spec, "containers"))
            map_put(wanted, slice_of(json_text_or("", at, "image", NULL)), wanted);
        box_pod_put(daemon, pods[i]);
    }
    free(pods);
    return wanted;
}

static void note_use(const struct images *images, size_t i)
{
    AUTO_FREE char *path = path_in(images, i, USED);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0 || futimens(fd, NULL) < 0)
        log_line(LOG_WARN, "an image's use could not be noted", LOG_TEXT("image", images->names[i]));
}

static int64_t time_of(const struct images *images, size_t i, const char *file)
{
    struct stat status;
    AUTO_FREE char *path = path_in(images, i, file);
    return lstat(path, &status) == 0 ? (int64_t)status.st_mtim.tv_sec : 0;
}

/* Its description, or what a removal that was killed left of it. */
static bool is_old(const struct images *images, size_t i, int64_t unused_s)
{
    int64_t built_s = time_of(images, i, DESCRIPTION), used_s = time_of(images, i, USED);
    int64_t last_s = built_s > used_s ? built_s : used_s;
    if (!built_s)
        return time_of(images, i, GOING) != 0;
    return clock_wall_ms() / 1000 - last_s >= unused_s;
}

/* --- removing ----------------------------------------------------------------------------------------------------- */

static bool pod_has(struct box_daemon *daemon, const char *image)
{
    struct map *pods = wanted_names(daemon, NULL);
    bool has = map_get(pods, slice_of(image)) != NULL;
    map_free(pods);
    return has;
}

/* Its folder and the lock in it stay: a build may be waiting for just that lock. */
static int remove_files(const struct images *images, size_t i, struct error *error)
{
    static const char *const files[] = {"venv", "build.log", USED, GOING};
    int failed = 0;
    for (size_t k = 0; !failed && k < COUNT_OF(files); k++) {
        AUTO_FREE char *path = path_in(images, i, files[k]);
        failed = file_remove_tree(path, error);
    }
    return failed ? error_wrap(error, "image \"%s\" is not removed yet", images->names[i]) : 0;
}

/* First its description goes, so that no further pod gets it; then whoever was quicker is looked for. */
static int remove_image(struct box_daemon *daemon, const struct images *images, size_t i, bool *ret_gone,
                        struct error *error)
{
    const char *name = images->names[i];
    AUTO_FREE char *description = path_in(images, i, DESCRIPTION);
    AUTO_FREE char *going = path_in(images, i, GOING);
    if (file_exists(description) && rename(description, going) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "image \"%s\" cannot be removed", name);
    if (pod_has(daemon, name)) {
        if (rename(going, description) < 0)
            return error_set(error, ERROR_UNAVAILABLE, NULL, "image \"%s\" cannot be restored", name);
        return 0;
    }
    int failed = remove_files(images, i, error);
    *ret_gone = !failed;
    return failed;
}

int box_images_prune(struct box_daemon *daemon, const cJSON *keep, int64_t unused_s, cJSON **ret, struct error *error)
{
    struct images images = {.directory = daemon->paths.images};
    bool building = false;
    int failed = hold_all(&images, &building, error);
    struct map *wanted = wanted_names(daemon, keep);
    cJSON *removed = json_array();
    for (size_t i = 0; !failed && i < images.count; i++) {
        bool gone = false;
        if (map_get(wanted, slice_of(images.names[i])))
            note_use(&images, i);
        else if (!building && is_old(&images, i, unused_s))
            failed = remove_image(daemon, &images, i, &gone, error);
        if (gone) {
            json_push_text(removed, images.names[i]);
            log_line(LOG_INFO, "image removed: nobody wanted it any more", LOG_TEXT("image", images.names[i]));
        }
    }
    map_free(wanted);
    images_free(&images);
    *ret = removed;
    return failed;
}
