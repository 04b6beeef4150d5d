/* What is mounted below our directories, and how is a tenant's path opened without following the tenant? */
#include "engine/local/sandboxd/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/text.h"

#define MOUNTINFO_BYTES_MAX ((size_t)16 << 20)

void box_mountinfo_unescape(char *field)
{
    char *out = field;
    for (const char *in = field; *in; in++) {
        if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' && in[3] >= '0' &&
            in[3] <= '7') {
            *out++ = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
            in += 3;
        } else {
            *out++ = *in;
        }
    }
    *out = 0;
}

struct entry {
    char *target, *source;
};

/* Fields: id parent major:minor root target options optional… - type source superoptions */
static bool parse_line(struct slice line, struct entry *ret)
{
    struct slice rest = line, target = {0};
    for (int field = 0; field < 5; field++)
        target = slice_split(rest, ' ', &rest);
    struct slice word;
    do
        word = slice_split(rest, ' ', &rest);
    while (rest.n && !slice_is(word, "-"));
    slice_split(rest, ' ', &rest);
    struct slice source = slice_split(rest, ' ', &rest);
    if (!target.n || !source.n)
        return false;
    ret->target = memory_text_n(target.p, target.n);
    ret->source = memory_text_n(source.p, source.n);
    box_mountinfo_unescape(ret->target);
    box_mountinfo_unescape(ret->source);
    return true;
}

/* Calls <see> for each mount in the order they were made; it takes the entry's texts. */
static void each_mount(void (*see)(void *context, struct entry *entry), void *context)
{
    AUTO_BUFFER struct buffer text = {0};
    if (file_read("/proc/self/mountinfo", MOUNTINFO_BYTES_MAX, &text, NULL))
        return;
    struct slice rest = buffer_slice(&text);
    while (rest.n) {
        struct slice line = slice_split(rest, '\n', &rest);
        struct entry entry = {0};
        if (!parse_line(line, &entry))
            continue;
        see(context, &entry);
        free(entry.target);
        free(entry.source);
    }
}

struct search {
    const char *path;
    char *source;
};

static void match(void *context, struct entry *entry)
{
    struct search *search = context;
    if (strcmp(entry->target, search->path))
        return;
    free(search->source);
    search->source = TAKE_POINTER(entry->source);
}

char *box_mount_source(const char *path)
{
    struct search search = {.path = path};
    each_mount(match, &search);
    return search.source;
}

bool box_mount_exists(const char *path)
{
    AUTO_FREE char *source = box_mount_source(path);
    return source != NULL;
}

int box_mount_tmpfs(const char *path, int64_t bytes, mode_t mode, bool executable, struct error *error)
{
    char options[96];
    snprintf(options, sizeof(options), "mode=%o,size=%lld", (unsigned)mode, (long long)bytes);
    unsigned long flags = MS_NOSUID | MS_NODEV | (executable ? 0ul : (unsigned long)MS_NOEXEC);
    if (mount("tmpfs", path, "tmpfs", flags, options) < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "mount tmpfs %s: %s", path, strerrordesc_np(errno));
    return 0;
}

int box_mount_image(const char *image, const char *path, struct error *error)
{
    const char *const argv[] = {"mount", "-t",  "ext4", "-o", "loop,discard,nosuid,nodev,noatime",
                                "--",    image, path,   NULL};
    return process_run(argv, 60000, NULL, error);
}

int box_mount_bind_fd(int fd, const char *path, bool directory, struct error *error)
{
    char from[64];
    snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
    int made = directory ? mkdir(path, 0700) : mknod(path, S_IFREG | 0600, 0);
    if (made < 0 && errno != EEXIST)
        return error_set(error, ERROR_INTERNAL, NULL, "%s: %s", path, strerrordesc_np(errno));
    if (mount(from, path, NULL, MS_BIND, NULL) < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "bind %s: %s", path, strerrordesc_np(errno));
    return 0;
}

struct targets {
    const char *path;
    char **list;
    size_t count, capacity;
};

static void collect_below(void *context, struct entry *entry)
{
    struct targets *targets = context;
    size_t length = strlen(targets->path);
    if (strncmp(entry->target, targets->path, length) || (entry->target[length] && entry->target[length] != '/'))
        return;
    if (targets->count == targets->capacity) {
        targets->capacity = targets->capacity ? 2 * targets->capacity : 16;
        targets->list = memory_resize(targets->list, targets->capacity * sizeof(*targets->list));
    }
    targets->list[targets->count++] = TAKE_POINTER(entry->target);
}

bool box_mounts_detach(const char *path)
{
    struct targets targets = {.path = path};
    each_mount(collect_below, &targets);
    bool all = true;
    while (targets.count) { /* the newest first: it may lie inside an older one */
        char *target = targets.list[--targets.count];
        if (umount2(target, UMOUNT_NOFOLLOW) < 0 && umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 &&
            errno != EINVAL && errno != ENOENT)
            all = false;
        free(target);
    }
    free(targets.list);
    return all;
}

static int open_step(int parent, const char *name)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, /* with O_NOFOLLOW a link itself would open */
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, parent, name, &how, sizeof(how));
    return fd < 0 ? -errno : fd;
}

static int open_or_make(int parent, const char *name, uid_t uid)
{
    int fd = open_step(parent, name);
    if (fd != -ENOENT)
        return fd;
    if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
        return -errno;
    fd = open_step(parent, name);
    /* Only what was empty a moment ago and still is ours: a directory a tenant put there meanwhile is the tenant's. */
    struct stat status;
    if (fd >= 0 && fstat(fd, &status) == 0 && status.st_uid == 0 && S_ISDIR(status.st_mode) &&
        fchownat(fd, "", uid, uid, AT_EMPTY_PATH) < 0) {
        int reason = errno;
        close(fd);
        return -reason;
    }
    return fd;
}

int box_open_beneath(const char *root, const char *subpath, uid_t uid, int *ret_fd, struct error *error)
{
    AUTO_CLOSE int at = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "%s: %s", root, strerrordesc_np(errno));
    struct slice rest = slice_of(subpath);
    while (rest.n) {
        struct slice part = slice_split(rest, '/', &rest);
        if (!part.n || slice_is(part, "."))
            continue;
        AUTO_FREE char *name = memory_text_n(part.p, part.n);
        int next = slice_is(part, "..") ? -EXDEV : open_or_make(at, name, uid);
        if (next < 0)
            return error_set(error, ERROR_INVALID, "subpath", "%s: %s", subpath,
                             next == -ELOOP ? "symbolic links are not followed" : strerrordesc_np(-next));
        close(at);
        at = next;
    }
    *ret_fd = TAKE_FD(at);
    return 0;
}
