/* Where do the bytes of a volume lie, and what stops them from growing? */
#include "engine/local/sandboxd/volume.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/mounts.h"

#define MKFS_TIMEOUT_MS 120000

static bool enforced;

static bool program_exists(const char *name)
{
    static const char *const directories[] = {"/usr/sbin", "/sbin", "/usr/bin", "/bin"};
    for (size_t i = 0; i < COUNT_OF(directories); i++) {
        AUTO_FREE char *path = memory_format("%s/%s", directories[i], name);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

static bool loop_works(void)
{
    AUTO_CLOSE int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int index = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
    if (index < 0)
        return false;
    char name[32];
    snprintf(name, sizeof(name), "/dev/loop%d", index);
    AUTO_CLOSE int device = open(name, O_RDWR | O_CLOEXEC); /* containers often have the control but not the devices */
    return device >= 0;
}

void box_volume_start(void)
{
    enforced = program_exists("mkfs.ext4") && program_exists("mount") && loop_works();
}

bool box_volume_enforced(void)
{
    return enforced;
}

static char *image_path(const struct box_paths *paths, const char *sandbox, const char *volume)
{
    return memory_format("%s/sandboxes/%s/volumes/%s.img", paths->data, sandbox, volume);
}

static char *plain_path(const struct box_paths *paths, const char *sandbox, const char *volume)
{
    return memory_format("%s/sandboxes/%s/volumes/%s.d", paths->data, sandbox, volume);
}

static char *mount_path(const struct box_paths *paths, const char *sandbox, const char *volume)
{
    return memory_format("%s/sandboxes/%s/volumes/%s", paths->state, sandbox, volume);
}

static int make_sparse(const char *path, int64_t bytes, struct error *error)
{
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, bytes) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "%s: %s", path, strerrordesc_np(errno));
    return 0;
}

/* Formatted under another name first: an image that has its name is whole. */
static int make_image(const char *path, int64_t bytes, uid_t uid, bool journal, struct error *error)
{
    AUTO_FREE char *fresh = memory_format("%s.new", path);
    int failed = make_sparse(fresh, bytes, error);
    if (failed)
        return failed;
    AUTO_FREE char *options =
        memory_format("lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=%u:%u", uid, uid);
    const char *const argv[] = {"mkfs.ext4", "-q",    "-F", "-m",  "0", "-O", journal ? "has_journal" : "^has_journal",
                                "-E",        options, "--", fresh, NULL};
    failed = process_run(argv, MKFS_TIMEOUT_MS, NULL, error);
    if (!failed && rename(fresh, path) < 0)
        failed = error_set(error, ERROR_INTERNAL, NULL, "%s: %s", path, strerrordesc_np(errno));
    if (failed)
        unlink(fresh);
    return failed;
}

static int mount_image(const char *image, const char *target, struct error *error)
{
    int failed = file_make_directories(target, 0700, error);
    if (failed || box_mount_exists(target))
        return failed;
    failed = box_mount_image(image, target, error);
    AUTO_FREE char *lost = memory_format("%s/lost+found", target);
    if (!failed)
        rmdir(lost); /* a person's home begins empty; fsck makes it again when it needs it */
    return failed;
}

/* True while any mount anywhere, also in a container's namespace alone, still holds the image's loop device. */
static bool loop_holds(const char *device, const struct stat *image)
{
    struct loop_info64 info;
    AUTO_CLOSE int loop = open(device, O_RDONLY | O_CLOEXEC);
    return loop >= 0 && ioctl(loop, LOOP_GET_STATUS64, &info) == 0 && info.lo_inode == image->st_ino &&
           info.lo_device == image->st_dev;
}

/* Growing a mounted ext4 needs CAP_SYS_RESOURCE, which containers and some machines withhold: then only a volume that
 * no pod uses can grow. */
static int grow_offline(const char *image, const char *target, const char *device, struct error *error)
{
    struct stat status;
    if (stat(image, &status) < 0 || umount2(target, UMOUNT_NOFOLLOW) < 0)
        return error_set(error, ERROR_CONFLICT, "bytes", "the volume is in use and can grow only while no pod uses it");
    bool held = true;
    for (int i = 0; held && i < 20; i++) { /* the kernel lets go of a loop device a moment after the unmount */
        held = loop_holds(device, &status);
        if (held)
            clock_sleep_ms(25);
    }
    int failed =
        held ? error_set(error, ERROR_CONFLICT, "bytes", "the volume is in use and can grow only while no pod uses it")
             : 0;
    if (!failed) {
        const char *const check[] = {"e2fsck", "-f", "-p", image, NULL};
        const char *const grow[] = {"resize2fs", image, NULL};
        if (process_run(check, MKFS_TIMEOUT_MS, NULL, NULL)) /* 1: something was put right; then it is clean now */
            failed = process_run(check, MKFS_TIMEOUT_MS, NULL, error);
        if (!failed)
            failed = process_run(grow, MKFS_TIMEOUT_MS, NULL, error);
    }
    int mounted = mount_image(image, target, failed ? NULL : error);
    return failed ? failed : mounted;
}

/* The file grows first, then the loop device, then the filesystem: each step alone is harmless and done again next
 * time. */
static int grow_image(const char *image, const char *target, int64_t bytes, struct error *error)
{
    AUTO_CLOSE int fd = open(image, O_RDWR | O_CLOEXEC);
    if (fd < 0 || ftruncate(fd, bytes) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "%s: %s", image, strerrordesc_np(errno));
    AUTO_FREE char *device = box_mount_source(target);
    AUTO_CLOSE int loop = device ? open(device, O_RDWR | O_CLOEXEC) : -1;
    if (loop < 0 || ioctl(loop, LOOP_SET_CAPACITY, 0) < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "%s: the loop device does not grow: %s", image,
                         strerrordesc_np(errno));
    const char *const argv[] = {"resize2fs", device, NULL};
    if (process_run(argv, MKFS_TIMEOUT_MS, NULL, NULL) == 0)
        return 0;
    close(TAKE_FD(loop));
    return grow_offline(image, target, device, error);
}

/* How many bytes the filesystem believes it has: what was grown half must be grown again. */
static int64_t filesystem_bytes(const char *image)
{
    unsigned char block[1024]; /* the superblock lies at byte 1024 (ext4, "Layout of the superblock") */
    AUTO_CLOSE int fd = open(image, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || pread(fd, block, sizeof(block), 1024) != (ssize_t)sizeof(block))
        return 0;
    uint32_t low, high, log_size;
    memcpy(&low, block + 0x04, sizeof(low));
    memcpy(&log_size, block + 0x18, sizeof(log_size));
    memcpy(&high, block + 0x150, sizeof(high));
    return log_size > 6 ? 0 : (int64_t)((uint64_t)le32toh(high) << 32 | le32toh(low)) << (10 + le32toh(log_size));
}

static int ensure_image(const char *image, const char *target, int64_t bytes, uid_t uid, int64_t *ret_bytes,
                        struct error *error)
{
    bytes = (bytes + 4095) / 4096 * 4096;
    struct stat status;
    int failed = 0;
    if (stat(image, &status) < 0) {
        failed = make_image(image, bytes, uid, true, error);
        status.st_size = bytes;
    }
    if (!failed)
        failed = mount_image(image, target, error);
    int64_t held = filesystem_bytes(image);
    if (!failed && (status.st_size < bytes || held < bytes)) {
        failed = grow_image(image, target, bytes, error);
        held = filesystem_bytes(image);
    }
    if (!failed)
        *ret_bytes = held;
    return failed;
}

static int ensure_plain(const char *path, uid_t uid, struct error *error)
{
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "%s: %s", path, strerrordesc_np(errno));
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchown(fd, uid, uid) < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "%s: %s", path, strerrordesc_np(errno));
    return 0;
}

int box_volume_ensure(const struct box_paths *paths, const char *sandbox, const char *volume, int64_t bytes, uid_t uid,
                      bool *ret_enforced, int64_t *ret_bytes, struct error *error)
{
    AUTO_FREE char *image = image_path(paths, sandbox, volume);
    AUTO_FREE char *plain = plain_path(paths, sandbox, volume);
    AUTO_FREE char *target = mount_path(paths, sandbox, volume);
    AUTO_FREE char *parent = memory_format("%s/sandboxes/%s/volumes", paths->data, sandbox);
    int failed = file_make_directories(parent, 0700, error);
    if (failed)
        return failed;
    if (file_exists(image) || (enforced && !file_exists(plain))) {
        int64_t held = bytes;
        failed = ensure_image(image, target, bytes, uid, &held, error);
        if (failed)
            return failed;
        *ret_enforced = true;
        *ret_bytes = held;
        return 0;
    }
    failed = ensure_plain(plain, uid, error);
    if (failed)
        return failed;
    *ret_enforced = false;
    *ret_bytes = bytes;
    return 0;
}

int box_volume_open(const struct box_paths *paths, const char *sandbox, const char *volume, char **ret,
                    struct error *error)
{
    AUTO_FREE char *image = image_path(paths, sandbox, volume);
    AUTO_FREE char *plain = plain_path(paths, sandbox, volume);
    AUTO_FREE char *target = mount_path(paths, sandbox, volume);
    if (file_exists(image)) {
        int failed = mount_image(image, target, error);
        if (!failed)
            *ret = TAKE_POINTER(target);
        return failed;
    }
    if (!file_exists(plain))
        return error_set(error, ERROR_NOT_FOUND, "volume", "the sandbox has no volume \"%s\"", volume);
    *ret = TAKE_POINTER(plain);
    return 0;
}

int box_volume_remove(const struct box_paths *paths, const char *sandbox, const char *volume, struct error *error)
{
    AUTO_FREE char *image = image_path(paths, sandbox, volume);
    AUTO_FREE char *fresh = memory_format("%s.new", image);
    AUTO_FREE char *plain = plain_path(paths, sandbox, volume);
    AUTO_FREE char *target = mount_path(paths, sandbox, volume);
    if (!box_mounts_detach(target))
        return error_set(error, ERROR_UNAVAILABLE, NULL, "volume \"%s\" cannot be unmounted", volume);
    rmdir(target);
    unlink(fresh);
    if (unlink(image) < 0 && errno != ENOENT)
        return error_set(error, ERROR_INTERNAL, NULL, "%s: %s", image, strerrordesc_np(errno));
    return file_remove_tree(plain, error);
}

/* Where a filesystem is mounted only: another directory would answer for all of the machine's. */
static int64_t used_bytes(const char *path)
{
    struct stat own, above;
    struct statvfs disk;
    AUTO_FREE char *parent = memory_format("%s/..", path);
    if (stat(path, &own) < 0 || stat(parent, &above) < 0 || own.st_dev == above.st_dev || statvfs(path, &disk) < 0)
        return 0;
    return (int64_t)((disk.f_blocks - disk.f_bfree) * disk.f_frsize);
}

int64_t box_volume_used(const struct box_paths *paths, const char *sandbox, const char *volume)
{
    AUTO_FREE char *target = mount_path(paths, sandbox, volume);
    return used_bytes(target);
}

int64_t box_scratch_used(const struct box_paths *paths, const char *sandbox, const char *pod)
{
    AUTO_FREE char *path = box_path_scratch(paths, sandbox, pod);
    return used_bytes(path);
}

/* A pod's name may be as long as a file name: the image has a short one, which no pod has. */
static char *scratch_image(const struct box_paths *paths, const char *sandbox, const char *pod)
{
    char hex[2 * DIGEST_SIZE + 1];
    digest_sha256_hex(slice_of(pod), hex);
    return memory_format("%s/scratch/%s/+%.32s", paths->data, sandbox, hex);
}

int box_scratch_make(const struct box_paths *paths, const char *sandbox, const char *pod, struct error *error)
{
    AUTO_FREE char *path = box_path_scratch(paths, sandbox, pod);
    AUTO_FREE char *image = scratch_image(paths, sandbox, pod);
    box_scratch_remove(paths, sandbox, pod);
    int failed = file_make_directories(path, 0700, error);
    if (failed || !enforced)
        return failed;
    failed = make_image(image, BOX_SCRATCH_BYTES, 0, false, error);
    if (!failed)
        failed = mount_image(image, path, error);
    /* The loop device holds the file: without a name it vanishes with the mount, whatever happens to us. */
    unlink(image);
    return failed;
}

void box_scratch_remove(const struct box_paths *paths, const char *sandbox, const char *pod)
{
    AUTO_FREE char *path = box_path_scratch(paths, sandbox, pod);
    AUTO_FREE char *image = scratch_image(paths, sandbox, pod);
    AUTO_FREE char *fresh = memory_format("%s.new", image);
    box_mounts_detach(path);
    unlink(image);
    unlink(fresh);
    file_remove_tree(path, NULL);
}
