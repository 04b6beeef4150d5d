/* How is a page shown in this machine's browser, and how does its answer come back? */
#include "cli/browser.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define REQUEST_MAX 8192     /* of a browser: its headers are not looked at */
#define REQUEST_WAIT_MS 5000 /* a connection that says nothing holds up no other for longer */

bool browser_open(const char *url)
{
    const char *program = getenv("BROWSER");
    const char *display = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    if (!program || !program[0]) {
        if ((!display || !display[0]) && (!wayland || !wayland[0]))
            return false;
        program = "xdg-open";
    }
    pid_t pid;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID); /* Ctrl-C here is not meant for it */
    char *const argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)url, NULL};
    int failed = posix_spawnp(&pid, program, &files, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return failed == 0;
}

/* --- what comes back ---------------------------------------------------------------------------------------------- */

/* The value of one parameter as it stands: codes and states are base64url and need no decoding. */
static struct slice parameter(struct slice query, const char *name)
{
    while (query.n) {
        struct slice value, pair = slice_split(query, '&', &query);
        if (slice_is(slice_split(pair, '=', &value), name))
            return value;
    }
    return (struct slice){0};
}

enum loopback loopback_read(struct slice request, const char *state, char ret_code[LOOPBACK_CODE_SIZE])
{
    struct slice rest, line = slice_split(request, '\r', &rest);
    if (!slice_starts(line, "GET /?"))
        return LOOPBACK_OTHER;
    struct slice query = slice_split(slice_skip(line, strlen("GET /?")), ' ', &rest);
    if (!slice_is(parameter(query, "state"), state) || !slice_starts(rest, "HTTP/1."))
        return LOOPBACK_OTHER;
    struct slice code = parameter(query, "code");
    if (parameter(query, "error").n)
        return LOOPBACK_DENIED;
    if (code.n == 0 || code.n >= LOOPBACK_CODE_SIZE)
        return LOOPBACK_OTHER;
    memcpy(ret_code, code.p, code.n);
    ret_code[code.n] = '\0';
    return LOOPBACK_CODE;
}

int loopback_listen(int *ret_fd, uint16_t *ret_port, struct error *error)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        int failed = error_set(error, ERROR_UNAVAILABLE, NULL, "no port of 127.0.0.1 can be listened on: %s",
                               strerrordesc_np(errno));
        if (fd >= 0)
            close(fd);
        return failed;
    }
    *ret_fd = fd;
    *ret_port = ntohs(address.sin_port);
    return 0;
}

/* One request's head, or as much as comes of it in time. */
static void read_head(int fd, struct buffer *ret)
{
    char chunk[1024];
    int64_t end_ms = clock_monotonic_ms() + REQUEST_WAIT_MS;
    while (ret->n < REQUEST_MAX && !(ret->n && memmem(ret->p, ret->n, "\r\n\r\n", 4))) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int64_t left_ms = end_ms - clock_monotonic_ms();
        if (left_ms <= 0 || poll(&poll_fd, 1, (int)left_ms) <= 0)
            return;
        ssize_t count = recv(fd, chunk, sizeof(chunk), 0);
        if (count <= 0)
            return;
        buffer_add(ret, chunk, (size_t)count);
    }
}

static void answer(int fd, int status, const char *sentence)
{
    AUTO_FREE char *page =
        memory_format("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Atelier</title>"
                      "<meta name=\"color-scheme\" content=\"light dark\"><h1>%s</h1>\n",
                      sentence);
    AUTO_FREE char *text = memory_format(
        "HTTP/1.1 %d %s\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
        "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n"
        "Connection: close\r\n\r\n%s",
        status, status == 200 ? "OK" : "Not Found", strlen(page), page);
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) > 0)
        shutdown(fd, SHUT_WR);
}

static enum loopback take_one(int listener, const char *state, char ret_code[LOOPBACK_CODE_SIZE])
{
    AUTO_BUFFER struct buffer head = {0};
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return LOOPBACK_OTHER;
    read_head(fd, &head);
    enum loopback said = loopback_read(buffer_slice(&head), state, ret_code);
    if (said == LOOPBACK_CODE)
        answer(fd, 200, "You are signed in. You may close this tab.");
    else if (said == LOOPBACK_DENIED)
        answer(fd, 200, "Nothing was allowed. You may close this tab.");
    else
        answer(fd, 404, "There is nothing here.");
    close(fd);
    return said;
}

int loopback_wait(int fd, const char *state, int64_t timeout_ms, char ret_code[LOOPBACK_CODE_SIZE], struct error *error)
{
    int64_t end_ms = clock_monotonic_ms() + timeout_ms;
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int64_t left_ms = end_ms - clock_monotonic_ms();
        if (left_ms <= 0 || poll(&poll_fd, 1, (int)left_ms) == 0)
            return error_set(error, ERROR_TIMEOUT, NULL, "nobody answered in the browser within %lld minutes",
                             (long long)(timeout_ms / 60000));
        if (!(poll_fd.revents & POLLIN))
            continue;
        enum loopback said = take_one(fd, state, ret_code);
        if (said == LOOPBACK_CODE)
            return 0;
        if (said == LOOPBACK_DENIED)
            return error_set(error, ERROR_FORBIDDEN, NULL, "it was refused in the browser");
    }
}
