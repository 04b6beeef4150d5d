/* Who supervises this data directory now? */
#include "supervisor/services.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"

static bool read_holder(int fd, pid_t *ret_pid, uint64_t *ret_start_time)
{
    char text[64] = {0};
    int64_t pid, start_time;
    if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
        return false;
    struct slice rest = slice_of(text), first = slice_split(rest, ' ', &rest);
    if (!text_parse_i64(first, 1, INT32_MAX, &pid) ||
        !text_parse_i64(slice_split(rest, '\n', &rest), 0, INT64_MAX, &start_time))
        return false;
    *ret_pid = (pid_t)pid;
    *ret_start_time = (uint64_t)start_time;
    return true;
}

static int write_holder(int fd, const char *path, struct error *error)
{
    uint64_t start_time = 0;
    process_start_time(getpid(), &start_time);
    AUTO_FREE char *text = memory_format("%d %llu\n", (int)getpid(), (unsigned long long)start_time);
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text))
        return 0;
    return error_set(error, ERROR_INTERNAL, NULL, "%s: %s", path, strerrordesc_np(errno));
}

int lock_take(const struct layout *layout, int *ret_fd, struct error *error)
{
    AUTO_FREE char *path = layout_data_path(layout, "lock");
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "%s: %s", path, strerrordesc_np(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        pid_t pid = 0;
        uint64_t start_time;
        read_holder(fd, &pid, &start_time);
        return error_set(
            error, ERROR_EXISTS, "ATELIER_DATA",
            "atelier already runs on %s (pid %d); end it with Ctrl-C there or `atelier local down`, or choose "
            "another data directory with ATELIER_DATA",
            layout->data, (int)pid);
    }
    int failed = write_holder(fd, path, error);
    if (!failed)
        *ret_fd = TAKE_FD(fd);
    return failed;
}

bool lock_holder(const struct layout *layout, pid_t *ret_pid, uint64_t *ret_start_time)
{
    AUTO_FREE char *path = layout_data_path(layout, "lock");
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    if (flock(fd, LOCK_SH | LOCK_NB) == 0) /* released with the descriptor */
        return false;
    return read_holder(fd, ret_pid, ret_start_time);
}

static char *record_path(const struct layout *layout)
{
    return layout_run_path(layout, "supervisor.pid");
}

int lock_record(const struct layout *layout, struct error *error)
{
    AUTO_FREE char *path = record_path(layout);
    uint64_t start_time = 0;
    process_start_time(getpid(), &start_time);
    AUTO_FREE char *text = memory_format("%d %llu -\n", (int)getpid(), (unsigned long long)start_time);
    return file_write(path, slice_of(text), 0644, error);
}

bool lock_find_stray(const struct layout *layout, struct child *ret)
{
    AUTO_FREE char *path = record_path(layout);
    char fingerprint[CHILD_FINGERPRINT_SIZE];
    pid_t pid;
    uint64_t start_time;
    return child_recall(path, &pid, &start_time, fingerprint) && pid != getpid() && child_hold(pid, start_time, ret);
}
