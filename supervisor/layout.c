/* Where do the data, the run directory, the images and the programs of one installation lie? */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <libgen.h>

#include "base/file.h"
#include "base/random.h"

#define RUN_PARENT "/run"
#define INSTALLED_DATA "/var/lib/atelier"

/* realpath(3) for a path whose last parts need not exist yet. False if it cannot be resolved or is too long. */
static bool canonical(const char *path, char ret[PATH_MAX])
{
    if (realpath(path, ret))
        return true;
    if (errno != ENOENT)
        return false;
    AUTO_FREE char *head = memory_text(path);
    AUTO_FREE char *tail = memory_text(path);
    const char *name = basename(tail), *parent = dirname(head);
    char resolved[PATH_MAX];
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "/") == 0 || !canonical(parent, resolved))
        return false;
    int length = snprintf(ret, PATH_MAX, "%s/%s", strcmp(resolved, "/") == 0 ? "" : resolved, name);
    return length > 0 && length < PATH_MAX;
}

static int find_programs(struct layout *ret, struct error *error)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length <= 0)
        return error_set(error, ERROR_INTERNAL, NULL, "/proc/self/exe cannot be read: is /proc mounted?");
    self[length] = '\0';
    snprintf(ret->programs, sizeof(ret->programs), "%s", dirname(self));
    return 0;
}

/* In a source tree the data is the tree's var/, wherever the command is called from; otherwise the system's place. */
static char *default_data(const struct layout *layout)
{
    AUTO_FREE char *copy = memory_text(layout->programs);
    if (strcmp(basename(copy), "build") == 0)
        return memory_format("%s/../var", layout->programs);
    return memory_text(INSTALLED_DATA);
}

static const char *setting(const char *given, const char *variable)
{
    if (given && given[0])
        return given;
    const char *value = getenv(variable);
    return value && value[0] ? value : NULL;
}

int layout_find(const char *data, const char *images, struct layout *ret, struct error *error)
{
    struct layout layout = {0};
    int failed = find_programs(&layout, error);
    if (failed)
        return failed;
    data = setting(data, "ATELIER_DATA");
    AUTO_FREE char *data_path = data ? memory_text(data) : default_data(&layout);
    if (!canonical(data_path, layout.data))
        return error_set(error, ERROR_INVALID, "ATELIER_DATA", "the data directory %s cannot be resolved: %s",
                         data_path, strerrordesc_np(errno));
    images = setting(images, "ATELIER_IMAGES");
    AUTO_FREE char *images_path = images ? memory_text(images) : memory_format("%s/images", layout.data);
    if (!canonical(images_path, layout.images))
        return error_set(error, ERROR_INVALID, "ATELIER_IMAGES", "the images directory %s cannot be resolved: %s",
                         images_path, strerrordesc_np(errno));
    char digest[2 * DIGEST_SIZE + 1];
    digest_sha256_hex(slice_of(layout.data), digest);
    snprintf(layout.run, sizeof(layout.run), RUN_PARENT "/atelier-%.8s", digest);
    snprintf(layout.admin_socket, sizeof(layout.admin_socket), "%s/atelierd/admin.sock", layout.run);
    snprintf(layout.sandboxd_socket, sizeof(layout.sandboxd_socket), "%s/sandboxd.sock", layout.run);
    *ret = layout;
    return 0;
}

char *layout_run_path(const struct layout *layout, const char *name)
{
    return memory_format("%s/%s", layout->run, name);
}

char *layout_data_path(const struct layout *layout, const char *name)
{
    return memory_format("%s/%s", layout->data, name);
}
