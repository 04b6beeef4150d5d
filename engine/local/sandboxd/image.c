/* Which directory of the host is an image, and where may things be mounted in a container? */
#include "engine/local/sandboxd/image.h"

#include "base/file.h"
#include "base/json.h"
#include "engine/local/sandboxd/limits.h"

bool box_image_name_ok(struct slice name)
{
    if (!name.n || name.n > 63)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter && (i == 0 || (c != '.' && c != '_' && c != '-')))
            return false;
    }
    return true;
}

static bool normalised(const char *path)
{
    size_t length = strlen(path);
    if (length < 2 || length > BOX_PATH_BYTES_MAX || path[0] != '/' || path[length - 1] == '/')
        return false;
    struct slice rest = slice_of(path + 1);
    while (rest.n) {
        struct slice part = slice_split(rest, '/', &rest);
        if (!part.n || slice_is(part, ".") || slice_is(part, "..") || part.n > 255)
            return false;
    }
    for (const char *c = path; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return true;
}

static bool lies_below(const char *path, const char *directory)
{
    size_t length = strlen(directory);
    return !strncmp(path, directory, length) && (!path[length] || path[length] == '/');
}

bool box_mount_point_ok(const char *path)
{
    static const char *const ours[] = {"/proc", "/sys",   "/dev",   "/usr",    "/bin",         "/sbin",
                                       "/lib",  "/lib32", "/lib64", "/libx32", "/run/.atelier"};
    /* Directories of our own making; below them a mount is fine. */
    static const char *const whole[] = {"/etc", "/run", "/var", "/home", "/tmp", "/root", "/opt", "/mnt", "/srv"};
    if (!normalised(path))
        return false;
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        if (lies_below(path, ours[i]) && strcmp(path, "/dev/shm"))
            return false;
    for (size_t i = 0; i < COUNT_OF(whole); i++)
        if (!strcmp(path, whole[i]) && strcmp(path, "/tmp"))
            return false;
    return true;
}

bool box_workdir_ok(const char *path)
{
    return !strcmp(path, "/") ||
           (normalised(path) && !lies_below(path, "/proc") && !lies_below(path, "/sys") && !lies_below(path, "/dev"));
}

int box_image_path(const char *images, const char *image, char **ret_path, struct error *error)
{
    AUTO_FREE char *description = memory_format("%s/%s/image.json", images, image);
    AUTO_BUFFER struct buffer text = {0};
    AUTO_JSON cJSON *json = NULL;
    int failed = file_read(description, 65536, &text, NULL);
    if (failed)
        return error_set(error, ERROR_NOT_FOUND, "image", "no image \"%s\" is installed", image);
    failed = json_parse(buffer_slice(&text), &json_limits_default, &json, error);
    if (failed)
        return error_wrap(error, "image \"%s\": image.json", image);
    const char *path = json_text(json, "path", NULL);
    AUTO_FREE char *fallback = memory_format("%s/%s/venv", images, image);
    if (!path)
        path = fallback;
    if (!box_mount_point_ok(path))
        return error_set(error, ERROR_INVALID, "image", "image \"%s\": path \"%s\" cannot be mounted in a container",
                         image, path);
    AUTO_FREE char *program = memory_format("%s/bin/python3", path);
    if (!file_exists(program))
        return error_set(error, ERROR_NOT_FOUND, "image", "image \"%s\" is not built: %s is missing", image, program);
    *ret_path = memory_text(path);
    return 0;
}
