/* How does one TCP stream reach a service in a profile, and what ends it? */
#include "cli/pipe.h"

#include <errno.h>
#include <poll.h>

#include "cli/client.h"
#include "cli/websocket.h"

#define CHUNK 65536

struct pipe {
    struct websocket *socket;
    bool ended; /* the local side */
};

void pipe_free(struct pipe *pipe)
{
    if (!pipe)
        return;
    websocket_free(pipe->socket);
    free(pipe);
}

int pipe_open(const struct client *client, const char *namespace, const char *service, const char *port,
              struct pipe **ret, struct error *error)
{
    struct websocket *socket = NULL;
    AUTO_FREE char *path = client_path("/tunnel", namespace, service, port, NULL);
    int failed = websocket_open(client, path, NULL, &socket, error);
    if (failed)
        return failed;
    *ret = memory_get(sizeof(**ret));
    (*ret)->socket = socket;
    return 0;
}

int pipe_write(int fd, struct slice bytes, struct error *error)
{
    while (bytes.n) {
        ssize_t count = write(fd, bytes.p, bytes.n);
        if (count < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
            continue;
        }
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_set(error, ERROR_UPSTREAM, NULL, "the local side has gone: %s", strerrordesc_np(errno));
        bytes = slice_skip(bytes, (size_t)count);
    }
    return 0;
}

static int take_message(void *context, struct slice message, struct error *error)
{
    const int *fd = context;
    return pipe_write(*fd, message, error);
}

/* What the local side wrote; its end becomes a Close, after which the workload's bytes still come. */
static int take_local(struct pipe *pipe, int fd_in, struct error *error)
{
    char chunk[CHUNK];
    ssize_t count = read(fd_in, chunk, sizeof(chunk));
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (count > 0)
        return websocket_send(pipe->socket, chunk, (size_t)count, error);
    pipe->ended = true;
    return websocket_end(pipe->socket, error);
}

int pipe_pump(struct pipe *pipe, int fd_in, int fd_out, struct error *error)
{
    int failed = websocket_receive(pipe->socket, take_message, &fd_out, error);
    while (!failed && !websocket_closed(pipe->socket)) {
        struct pollfd fds[2] = {{.fd = websocket_fd(pipe->socket), .events = POLLIN},
                                {.fd = pipe->ended ? -1 : fd_in, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return error_set(error, ERROR_INTERNAL, NULL, "poll: %s", strerrordesc_np(errno));
        if (fds[1].revents)
            failed = take_local(pipe, fd_in, error);
        if (!failed)
            failed = websocket_receive(pipe->socket, take_message, &fd_out, error);
    }
    return failed;
}
