/* How does a directory that a daemon's user cannot reach by its path become reachable in the run directory? */
#include "supervisor/database.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/file.h"

#define STACKED_MOUNTS_MAX 16 /* more than this on one directory is not our doing */

static bool is_mount(const char *path)
{
    struct statx status;
    return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO, &status) == 0 &&
           (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static bool same_directory(const char *a, const char *b)
{
    struct stat first, second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

int mount_bind(const char *source, const char *target, bool read_only, struct error *error)
{
    int failed = file_make_directories(target, 0711, error);
    if (failed)
        return failed;
    if (is_mount(target) && same_directory(source, target))
        return 0;
    failed = mount_remove(target, error); /* of a data directory that has been replaced since */
    if (failed)
        return failed;
    if (mount(source, target, NULL, MS_BIND, NULL) < 0 || mount(NULL, target, NULL, MS_PRIVATE, NULL) < 0)
        return error_set(error, ERROR_INTERNAL, NULL,
                         "cannot bind-mount %s at %s: %s; this needs root with CAP_SYS_ADMIN", source, target,
                         strerrordesc_np(errno));
    unsigned long flags = MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV | (read_only ? MS_RDONLY : 0);
    if (mount(NULL, target, NULL, flags, NULL) < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "cannot restrict the mount %s: %s", target,
                         strerrordesc_np(errno));
    return 0;
}

int mount_remove(const char *target, struct error *error)
{
    for (int i = 0; is_mount(target); i++) {
        if (umount2(target, UMOUNT_NOFOLLOW) == 0)
            continue;
        if (i >= STACKED_MOUNTS_MAX || umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
            return error_set(error, ERROR_INTERNAL, NULL, "cannot unmount %s: %s", target, strerrordesc_np(errno));
    }
    return 0;
}
