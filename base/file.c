/* How are files read, replaced and removed in whole steps? */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct error *error, int number, const char *action, const char *path)
{
    enum error_code code = ERROR_INTERNAL;
    if (number == ENOENT || number == ENOTDIR)
        code = ERROR_NOT_FOUND;
    else if (number == EEXIST)
        code = ERROR_EXISTS;
    else if (number == ENOSPC || number == EDQUOT || number == EMFILE || number == ENFILE)
        code = ERROR_UNAVAILABLE;
    return error_set(error, code, NULL, "%s %s: %s", action, path, strerrordesc_np(number));
}

int file_read(const char *path, size_t max, struct buffer *ret, struct error *error)
{
    AUTO_BUFFER struct buffer content = {0};
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fail(error, errno, "open", path);
    char bytes[8192];
    for (;;) {
        ssize_t count = read(fd, bytes, sizeof(bytes));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return fail(error, errno, "read", path);
        if (count == 0)
            break;
        if ((size_t)count > max - content.n)
            return error_set(error, ERROR_TOO_LARGE, NULL, "read %s: longer than %zu bytes", path, max);
        buffer_add(&content, bytes, (size_t)count);
    }
    buffer_add(&content, NULL, 0); /* an empty file gives "", not NULL */
    size_t kept_max = ret->max;
    buffer_free(ret);
    *ret = content;
    ret->max = kept_max;
    content = (struct buffer){0};
    return 0;
}

static bool write_all(int fd, struct slice content)
{
    while (content.n) {
        ssize_t count = write(fd, content.p, content.n);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return false;
        content = slice_skip(content, (size_t)count);
    }
    return true;
}

/* A rename is only durable once its directory is. */
static bool sync_directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    AUTO_FREE char *directory =
        slash ? memory_text_n(path, slash == path ? 1 : (size_t)(slash - path)) : memory_text(".");
    AUTO_CLOSE int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0;
}

int file_write(const char *path, struct slice content, mode_t mode, struct error *error)
{
    AUTO_FREE char *temporary = memory_format("%s.XXXXXX", path);
    AUTO_CLOSE int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return fail(error, errno, "write", path);
    if (fchmod(fd, mode) == 0 && write_all(fd, content) && fsync(fd) == 0 && rename(temporary, path) == 0)
        return sync_directory_of(path) ? 0 : fail(error, errno, "sync the directory of", path);
    int number = errno;
    unlink(temporary);
    return fail(error, number, "write", path);
}

int file_make_directories(const char *path, mode_t mode, struct error *error)
{
    struct stat status;
    if (strlen(path) >= PATH_MAX)
        return fail(error, ENAMETOOLONG, "make directory", "(a path)");
    AUTO_FREE char *copy = memory_text(path);
    for (char *at = copy; *at;) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        char kept = *at;
        *at = '\0';
        if (copy[0] && mkdir(copy, mode) < 0 && errno != EEXIST)
            return fail(error, errno, "make directory", copy);
        *at = kept;
    }
    if (stat(path, &status) < 0)
        return fail(error, errno, "make directory", path);
    return S_ISDIR(status.st_mode) ? 0 : fail(error, EEXIST, "make directory", path);
}

bool file_exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}
