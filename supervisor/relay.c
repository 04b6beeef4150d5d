/* How do the daemons' lines reach whoever supervises them now? */
#include "supervisor/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#define PIPE_BYTES (1024 * 1024) /* what fits while no supervisor reads */
#define LINE_BYTES_MAX 4096
#define SIGN_IN "Sign in: "

static int open_fifo(const struct layout *layout, const char *name, int *ret, struct error *error)
{
    AUTO_FREE char *path = layout_run_path(layout, name);
    struct stat status;
    if (lstat(path, &status) == 0 && !S_ISFIFO(status.st_mode))
        unlink(path);
    if (mkfifo(path, 0600) < 0 && errno != EEXIST)
        return error_set(error, ERROR_INTERNAL, NULL, "%s: %s", path, strerrordesc_np(errno));
    /* Read-write: it never reports the end of file between two daemons, and a daemon's write never fails for want of
     * us. */
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "%s: %s", path, strerrordesc_np(errno));
    fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES); /* the default size does as well, only for a shorter absence */
    *ret = fd;
    return 0;
}

int relay_open(const struct layout *layout, struct relay *ret, struct error *error)
{
    *ret = (struct relay){.output = -1, .errors = -1};
    int failed = open_fifo(layout, "out", &ret->output, error);
    if (!failed)
        failed = open_fifo(layout, "log", &ret->errors, error);
    if (failed)
        relay_close(ret);
    return failed;
}

void relay_close(struct relay *relay)
{
    if (relay->output >= 0)
        close(relay->output);
    if (relay->errors >= 0)
        close(relay->errors);
    buffer_free(&relay->line);
    *relay = (struct relay){.output = -1, .errors = -1};
}

static bool can_write(int fd)
{
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    return poll(&writable, 1, 0) == 1;
}

static void write_all(int fd, struct slice text)
{
    while (text.n) {
        ssize_t count = write(fd, text.p, text.n);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return; /* our own stderr is gone: supervising goes on without a log */
        text = slice_skip(text, (size_t)count);
    }
}

static void pass_line(struct slice line)
{
    char printable[LINE_BYTES_MAX];
    text_printable(line, printable, sizeof(printable) - 1);
    AUTO_FREE char *text = memory_format("%s\n", printable);
    write_all(slice_starts(line, SIGN_IN) ? STDOUT_FILENO : STDERR_FILENO, slice_of(text));
}

void relay_run(struct relay *relay)
{
    char bytes[LINE_BYTES_MAX];
    ssize_t count;
    while (can_write(STDERR_FILENO) && (count = read(relay->errors, bytes, sizeof(bytes))) > 0)
        write_all(STDERR_FILENO, (struct slice){bytes, (size_t)count});
    while ((count = read(relay->output, bytes, sizeof(bytes))) > 0) {
        buffer_add(&relay->line, bytes, (size_t)count);
        const char *end;
        while ((end = memchr(relay->line.p, '\n', relay->line.n))) {
            size_t length = (size_t)(end - relay->line.p);
            pass_line((struct slice){relay->line.p, length});
            buffer_drop(&relay->line, length + 1);
        }
        if (relay->line.n >= LINE_BYTES_MAX)
            buffer_clear(&relay->line);
    }
}
