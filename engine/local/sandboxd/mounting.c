/* Where do the directories that a container's volumes show come from? */
#include "engine/local/sandboxd/pod.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "engine/local/sandboxd/bundle.h"
#include "engine/local/sandboxd/etc.h"
#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/mounts.h"
#include "engine/local/sandboxd/volume.h"

static int make_owned(const char *path, mode_t mode, uint32_t uid, struct error *error)
{
    if ((mkdir(path, 0700) < 0 && errno != EEXIST) || chown(path, uid, uid) < 0 || chmod(path, mode) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "%s: %s", path, strerrordesc_np(errno));
    return 0;
}

static int write_volume_file(const char *directory, const cJSON *file, mode_t mode, uint32_t uid, struct error *error)
{
    AUTO_FREE char *path = memory_format("%s/%s", directory, file->string);
    AUTO_BUFFER struct buffer content = {0};
    text_unbase64(slice_of(file->valuestring), &content); /* checked with the spec */
    int failed = box_write_file(path, buffer_slice(&content), mode, error);
    if (!failed && chown(path, uid, uid) < 0)
        failed = error_set(error, ERROR_UNAVAILABLE, NULL, "%s: %s", path, strerrordesc_np(errno));
    return failed;
}

static int make_files(const struct box_pod *pod, const char *directory, const cJSON *volume, struct error *error)
{
    mode_t mode = (mode_t)json_i64_or(0644, volume, "mode", NULL);
    const cJSON *file;
    int failed = file_make_directories(directory, 0755, error);
    cJSON_ArrayForEach(file, json_member(volume, "files"))
    {
        if (!failed)
            failed = write_volume_file(directory, file, mode, pod->sandbox->uid, error);
    }
    return failed;
}

static int make_memory(const struct box_pod *pod, const char *directory, int64_t bytes, struct error *error)
{
    int failed = file_make_directories(directory, 0700, error);
    if (!failed)
        failed = box_mount_tmpfs(directory, bytes, 0777, true, error);
    return failed ? failed : make_owned(directory, 0777, pod->sandbox->uid, error);
}

static char *volume_directory(struct box_daemon *daemon, const struct box_pod *pod, const cJSON *volume)
{
    const char *type = json_text_or("", volume, "type", NULL);
    if (!strcmp(type, "empty") && !json_true(volume, "memory", NULL)) {
        AUTO_FREE char *scratch = box_path_scratch(&daemon->paths, pod->sandbox->name, pod->name);
        return memory_format("%s/empty.%s", scratch, volume->string);
    }
    AUTO_FREE char *directory = box_path_pod(&daemon->paths, pod->sandbox->name, pod->name);
    return memory_format("%s/%s/%s", directory, strcmp(type, "files") ? "memory" : "files", volume->string);
}

static int make_volume(struct box_daemon *daemon, struct box_pod *pod, const cJSON *volume, struct error *error)
{
    const char *type = json_text_or("", volume, "type", NULL);
    AUTO_FREE char *directory = volume_directory(daemon, pod, volume);
    if (!strcmp(type, "files"))
        return make_files(pod, directory, volume, error);
    if (!strcmp(type, "empty") && json_true(volume, "memory", NULL)) {
        int64_t bytes = json_i64_or(0, volume, "bytes", NULL);
        return make_memory(pod, directory, bytes ? bytes : BOX_SHM_DEFAULT, error);
    }
    if (!strcmp(type, "empty"))
        return make_owned(directory, 0777, pod->sandbox->uid, error);
    /* Named: it must be there; it is opened again for each container. */
    AUTO_FREE char *path = NULL;
    pthread_mutex_lock(&pod->sandbox->volume_lock);
    int failed = box_volume_open(&daemon->paths, pod->sandbox->name, json_text(volume, "volume", NULL), &path, error);
    pthread_mutex_unlock(&pod->sandbox->volume_lock);
    return failed;
}

int box_pod_make_volumes(struct box_daemon *daemon, struct box_pod *pod, struct error *error)
{
    AUTO_FREE char *directory = box_path_pod(&daemon->paths, pod->sandbox->name, pod->name);
    AUTO_FREE char *shm = memory_format("%s/shm", directory);
    int64_t shm_bytes = json_i64_or(0, pod->spec, "shm_bytes", NULL);
    int failed = file_make_directories(shm, 0700, error);
    if (!failed)
        failed = box_mount_tmpfs(shm, shm_bytes ? shm_bytes : BOX_SHM_DEFAULT, 01777, false, error);
    if (!failed)
        failed = box_scratch_make(&daemon->paths, pod->sandbox->name, pod->name, error);
    const cJSON *volume;
    cJSON_ArrayForEach(volume, json_member(pod->spec, "volumes"))
    {
        if (!failed)
            failed = make_volume(daemon, pod, volume, error);
    }
    return failed;
}

/* --- binds ---------------------------------------------------------------------------------------------------------
 */

/* The subpath is resolved and pinned by a bind mount of our own: whoever shares the volume cannot exchange it between
 * our look and the runtime's. */
static int pin_subpath(struct box_daemon *daemon, struct box_pod *pod, const cJSON *container, const char *root,
                       const char *subpath, size_t index, char **ret, struct error *error)
{
    AUTO_FREE char *directory =
        box_path_container(&daemon->paths, pod->sandbox->name, pod->name, json_text(container, "name", NULL));
    AUTO_FREE char *binds = memory_format("%s/binds", directory);
    AUTO_FREE char *target = memory_format("%s/%zu", binds, index);
    AUTO_CLOSE int fd = -1;
    struct stat status;
    int failed = box_open_beneath(root, subpath, pod->sandbox->uid, &fd, error);
    if (!failed)
        failed = file_make_directories(binds, 0700, error);
    if (!failed && fstat(fd, &status) < 0)
        failed = error_set(error, ERROR_INTERNAL, "subpath", "%s: %s", subpath, strerrordesc_np(errno));
    if (!failed && !S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
        failed = error_set(error, ERROR_INVALID, "subpath", "%s: expected a directory or a file", subpath);
    if (failed)
        return failed;
    box_mounts_detach(target); /* of an earlier start */
    failed = box_mount_bind_fd(fd, target, S_ISDIR(status.st_mode), error);
    if (!failed)
        *ret = TAKE_POINTER(target);
    return failed;
}

/* /etc is a read-only bind: what is mounted below it needs its mount point made on our side. */
static int make_etc_point(struct box_daemon *daemon, const struct box_pod *pod, const struct box_bind *bind,
                          struct error *error)
{
    struct stat status;
    if (strncmp(bind->destination, "/etc/", 5))
        return 0;
    AUTO_FREE char *directory = box_path_pod(&daemon->paths, pod->sandbox->name, pod->name);
    AUTO_FREE char *point = memory_format("%s%s", directory, bind->destination);
    if (stat(bind->source, &status) == 0 && S_ISDIR(status.st_mode))
        return file_make_directories(point, 0755, error);
    AUTO_FREE char *parent = memory_text(point);
    *strrchr(parent, '/') = 0;
    int failed = file_make_directories(parent, 0755, error);
    return failed || file_exists(point) ? failed : box_write_file(point, SLICE(""), 0644, error);
}

static int resolve(struct box_daemon *daemon, struct box_pod *pod, const cJSON *container, const cJSON *mount,
                   size_t index, struct box_bind *ret, struct error *error)
{
    const cJSON *volume = json_member(json_member(pod->spec, "volumes"), json_text(mount, "volume", NULL));
    const char *type = json_text_or("", volume, "type", NULL), *subpath = json_text_or("", mount, "subpath", NULL);
    AUTO_FREE char *root = NULL;
    int failed = 0;
    if (!strcmp(type, "named")) {
        pthread_mutex_lock(&pod->sandbox->volume_lock);
        failed = box_volume_open(&daemon->paths, pod->sandbox->name, json_text(volume, "volume", NULL), &root, error);
        pthread_mutex_unlock(&pod->sandbox->volume_lock);
    } else {
        root = volume_directory(daemon, pod, volume);
    }
    if (failed)
        return failed;
    ret->destination = json_text(mount, "path", NULL);
    ret->readonly = json_true(mount, "readonly", NULL) || !strcmp(type, "files");
    if (*subpath)
        failed = pin_subpath(daemon, pod, container, root, subpath, index, &ret->source, error);
    else
        ret->source = TAKE_POINTER(root);
    return failed ? failed : make_etc_point(daemon, pod, ret, error);
}

void box_binds_free(struct box_bind *binds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(binds[i].source);
    free(binds);
}

int box_container_binds(struct box_daemon *daemon, struct box_pod *pod, const cJSON *container, struct box_bind **ret,
                        size_t *ret_count, struct error *error)
{
    const cJSON *mounts = json_member(container, "mounts"), *mount;
    size_t count = 0;
    struct box_bind *binds = memory_get(((size_t)cJSON_GetArraySize(mounts) + 1) * sizeof(*binds));
    cJSON_ArrayForEach(mount, mounts)
    {
        int failed = resolve(daemon, pod, container, mount, count, &binds[count], error);
        count++;
        if (failed) {
            box_binds_free(binds, count);
            return failed;
        }
    }
    *ret = binds;
    *ret_count = count;
    return 0;
}
