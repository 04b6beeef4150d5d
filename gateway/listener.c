/* Who is at the door, and is there room? */
#include "gateway/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/log.h"
#include "gateway/connection.h"
#include "gateway/internal.h"

enum { BACKLOG = 1024, ACCEPT_BATCH = 64 };

static struct metric accepted = METRIC_COUNTER("atelier_gateway_connections_accepted_total", "Connections accepted.");
static struct metric paused = METRIC_COUNTER("atelier_gateway_accept_pauses_total",
                                             "Times accepting paused for want of descriptors or connections.");

/* --- binding ------------------------------------------------------------------------------------------------------ */

static bool parse_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_size)
{
    const char *colon = strrchr(text, ':');
    int64_t port;
    char host[64];
    if (!colon || colon == text || !text_parse_i64(slice_of(colon + 1), 0, 65535, &port))
        return false;
    size_t length = (size_t)(colon - text);
    bool six = text[0] == '[' && colon[-1] == ']';
    snprintf(host, sizeof(host), "%.*s", (int)(six ? length - 2 : length), six ? text + 1 : text);
    memset(ret, 0, sizeof(*ret));
    if (six) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
        *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
        *ret_size = sizeof(*in6);
        return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)ret;
    *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    *ret_size = sizeof(*in);
    return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &in->sin_addr) == 1;
}

int listener_bind_tcp(struct listener *listener, const char *address, struct error *error)
{
    struct sockaddr_storage storage;
    socklen_t size;
    if (!parse_address(address, &storage, &size))
        return error_set(error, ERROR_INVALID, "listen", "\"%s\" is not of the form 127.0.0.1:8080", address);
    AUTO_CLOSE int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "cannot make a socket: %s", strerror(errno));
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&storage, size) < 0 || listen(fd, BACKLOG) < 0) {
        if (errno == EADDRINUSE)
            return error_set(error, ERROR_EXISTS, "listen", "%s is in use by another process", address);
        return error_set(error, ERROR_INTERNAL, "listen", "cannot listen on %s: %s", address, strerror(errno));
    }
    listener->fd = TAKE_FD(fd);
    return 0;
}

static bool is_live(const struct sockaddr_un *address)
{
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN);
}

/* A data folder may be new, as a container's empty volume is. */
static int make_folder_of(const char *path, struct error *error)
{
    AUTO_FREE char *folder = memory_text(path);
    char *name = strrchr(folder, '/');
    if (!name || name == folder)
        return 0;
    *name = '\0';
    return file_make_directories(folder, 0700, error);
}

int listener_bind_unix(struct listener *listener, const char *path, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path))
        return error_set(error, ERROR_INVALID, "admin_socket", "a socket's path has at most %zu bytes: %s",
                         sizeof(address.sun_path) - 1, path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int made = make_folder_of(path, error);
    if (made < 0)
        return made;
    if (is_live(&address))
        return error_set(error, ERROR_EXISTS, "admin_socket", "%s is in use by another process", path);
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "cannot make a socket: %s", strerror(errno));
    unlink(path);
    /* The mode is set before the name exists, so there is no moment at which others could connect. */
    fchmod(fd, 0600);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0600) < 0 || listen(fd, 64) < 0)
        return error_set(error, ERROR_INTERNAL, "admin_socket", "cannot listen on %s: %s", path, strerror(errno));
    memcpy(listener->path, path, strlen(path) + 1);
    listener->fd = TAKE_FD(fd);
    return 0;
}

bool listener_peer_is_local_admin(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == geteuid());
}

/* --- accepting ---------------------------------------------------------------------------------------------------- */

static struct listener *owner_of(struct io *io)
{
    return OWNER_OF(io, __typeof__(((struct listener *)0)->on_loop[0]), io)->listener;
}

static void set_watched(struct listener *listener, struct loop *loop, bool watched)
{
    struct io *io = &listener->on_loop[loop->number].io;
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = io};
    if (listener->on_loop[loop->number].watched == watched)
        return;
    epoll_ctl(loop->epoll, watched ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, listener->fd, &event);
    listener->on_loop[loop->number].watched = watched;
}

static void resume(struct timer *timer)
{
    struct io *io = &OWNER_OF(timer, __typeof__(((struct listener *)0)->on_loop[0]), pause)->io;
    set_watched(owner_of(io), io->loop, true);
}

/* Without descriptors a level-triggered listener would spin: look away for a moment, and let the longest idle one go.
 */
static void pause_accepting(struct listener *listener, struct loop *loop)
{
    metric_add(&paused, 1);
    set_watched(listener, loop, false);
    timer_set(loop, &listener->on_loop[loop->number].pause, gateway_limits.accept_pause_ms);
}

static void listener_run(struct io *io)
{
    struct listener *listener = owner_of(io);
    struct loop *loop = io->loop;
    struct gateway *gateway = loop->gateway;
    io->readable = io->ended = io->broken = false;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        if (atomic_load(&gateway->connections) >= gateway->connections_max && !connection_evict_idle(loop)) {
            pause_accepting(listener, loop);
            return;
        }
        struct sockaddr_storage peer;
        socklen_t size = sizeof(peer);
        int fd = accept4(listener->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                connection_evict_idle(loop);
                pause_accepting(listener, loop);
            }
            return;
        }
        metric_add(&accepted, 1);
        connection_open(loop, listener, fd, &peer);
    }
}

void listener_watch(struct listener *listener, struct loop *loop)
{
    __typeof__(&listener->on_loop[0]) here = &listener->on_loop[loop->number];
    here->listener = listener;
    here->io = (struct io){.loop = loop, .fd = listener->fd, .run = listener_run};
    here->pause = (struct timer){.fire = resume};
    set_watched(listener, loop, true);
}

void listener_unwatch(struct listener *listener, struct loop *loop)
{
    if (listener->fd < 0)
        return;
    timer_clear(loop, &listener->on_loop[loop->number].pause);
    set_watched(listener, loop, false);
}

void listener_refuse(struct listener *listener)
{
    if (listener->fd >= 0)
        shutdown(listener->fd, SHUT_RDWR);
}

void listener_close(struct listener *listener)
{
    if (listener->fd < 0)
        return;
    if (listener->path[0])
        unlink(listener->path);
    close(listener->fd);
    listener->fd = -1;
}
