/* How is a directory tree removed that a stranger filled, without leaving it? */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/random.h"

/* A tree may be deeper than there are descriptors or stack; what lies deeper than this is moved up to the root first.
 */
#define DEPTH_MAX 24
/* A directory that still has entries after so many passes without progress is being filled by a live process. */
#define PASSES_MAX 64
/* Each move shortens the tree by DEPTH_MAX levels; only a live process that keeps deepening it needs this many. */
#define MOVES_MAX 1000000

struct removal {
    int root;       /* the directory that is removed */
    dev_t device;   /* of the root; nothing else is touched */
    bool moved;     /* this pass moved something up */
    int moves;      /* in all passes */
    char what[256]; /* name of the entry that failed */
};

static int empty_directory(struct removal *removal, int directory, int depth);

/* Opens the directory <name>, never through a link and never across a mount (bind mounts of one device included). */
static int open_child(int parent, const char *name, int flags)
{
    struct open_how how = {.flags = (unsigned)(flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                           .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};
    int fd = (int)syscall(SYS_openat2, parent, name, &how, sizeof(how));
    if (fd < 0 && errno == ENOSYS) /* Linux before 5.6, or a seccomp filter: st_dev remains as the check */
        fd = openat(parent, name, flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd;
}

/* A directory of ours that lost its mode bits is given them back; through its descriptor, so not through a link. */
static int open_to_empty(int parent, const char *name)
{
    int fd = open_child(parent, name, O_RDONLY);
    if (fd >= 0 || errno != EACCES)
        return fd;
    AUTO_CLOSE int handle = open_child(parent, name, O_PATH);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", handle);
    if (handle < 0 || chmod(path, 0700) < 0)
        return -1;
    return open_child(parent, name, O_RDONLY);
}

static int move_up(struct removal *removal, int parent, const char *name)
{
    char suffix[RANDOM_UUID_SIZE], target[64];
    if (removal->moves++ >= MOVES_MAX)
        return -EBUSY;
    random_uuid(suffix);
    snprintf(target, sizeof(target), ".removed-%s", suffix);
    if (renameat2(parent, name, removal->root, target, RENAME_NOREPLACE) < 0)
        return -errno;
    removal->moved = true;
    return 0;
}

static int remove_directory(struct removal *removal, int parent, const char *name, int depth)
{
    if (depth >= DEPTH_MAX)
        return move_up(removal, parent, name);
    AUTO_CLOSE int fd = open_to_empty(parent, name);
    if (fd < 0)
        return -errno;
    int failed = empty_directory(removal, fd, depth + 1);
    if (failed)
        return failed;
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    return errno == ENOTEMPTY || errno == EEXIST ? 0 : -errno; /* not empty: the next pass looks again */
}

static int remove_entry(struct removal *removal, int parent, const char *name, int depth)
{
    struct stat status;
    if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (status.st_dev != removal->device)
        return -EXDEV;
    if (S_ISDIR(status.st_mode))
        return remove_directory(removal, parent, name, depth);
    return unlinkat(parent, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

static int empty_directory(struct removal *removal, int directory, int depth)
{
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = copy < 0 ? NULL : fdopendir(copy);
    int failed = 0;
    if (!entries) {
        failed = -errno;
        if (copy >= 0)
            close(copy);
        return failed;
    }
    while (!failed) {
        errno = 0;
        const struct dirent *entry = readdir(entries);
        if (!entry) {
            failed = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        failed = remove_entry(removal, directory, entry->d_name, depth);
        if (failed && !removal->what[0])
            text_printable(slice_of(entry->d_name), removal->what, sizeof(removal->what));
    }
    closedir(entries);
    return failed;
}

static int remove_root(struct removal *removal, int parent, const char *name)
{
    for (int passes = 0; passes < PASSES_MAX; passes++) {
        removal->moved = false;
        int failed = empty_directory(removal, removal->root, 0);
        if (failed)
            return failed;
        if (removal->moved)
            passes = 0; /* each move shortens the tree: progress */
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return 0;
        if (errno != ENOTEMPTY && errno != EEXIST)
            return -errno;
    }
    return -EBUSY;
}

static int fail(struct error *error, int number, const char *path, const char *what)
{
    const char *reason =
        number == EXDEV ? "is on another mount, which must be unmounted first" : strerrordesc_np(number);
    return error_set(error, number == EBUSY || number == EXDEV ? ERROR_CONFLICT : ERROR_INTERNAL, NULL,
                     "remove %s: %s%s%s", path, what, what[0] ? ": " : "", reason);
}

static int remove_in(int parent, const char *name, const char *path, struct error *error)
{
    struct removal removal = {.root = -1};
    struct stat status;
    if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : fail(error, errno, path, "");
    if (!S_ISDIR(status.st_mode))
        return unlinkat(parent, name, 0) == 0 || errno == ENOENT ? 0 : fail(error, errno, path, "");
    removal.device = status.st_dev;
    removal.root = open_to_empty(parent, name);
    if (removal.root < 0)
        return fail(error, errno, path, "");
    int failed = remove_root(&removal, parent, name);
    close(removal.root);
    return failed ? fail(error, -failed, path, removal.what) : 0;
}

int file_remove_tree(const char *path, struct error *error)
{
    size_t count = strlen(path);
    while (count > 1 && path[count - 1] == '/')
        count--;
    AUTO_FREE char *copy = memory_text_n(path, count);
    char *slash = strrchr(copy, '/');
    const char *name = slash ? slash + 1 : copy;
    if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return error_set(error, ERROR_INTERNAL, NULL, "remove %s: a path that ends in a name is expected", path);
    AUTO_FREE char *directory =
        slash ? memory_text_n(copy, slash == copy ? 1 : (size_t)(slash - copy)) : memory_text(".");
    AUTO_CLOSE int parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return errno == ENOENT ? 0 : fail(error, errno, path, "");
    return remove_in(parent, name, path, error);
}
