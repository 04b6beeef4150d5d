/* How does a container's terminal get out of it? */
#include "engine/local/sandboxd/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"

int box_terminal_listen(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
        return -1;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
        return -1;
    return TAKE_FD(fd);
}

static int receive_descriptor(int from)
{
    char name[256];
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {name, sizeof(name)};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) <= 0)
        return -1;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return -1;
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return fd;
}

int box_terminal_accept(int listener, pid_t runtime, int timeout_ms)
{
    AUTO_CLOSE int ended = (int)syscall(SYS_pidfd_open, runtime, 0u);
    struct pollfd polls[] = {{.fd = listener, .events = POLLIN}, {.fd = ended, .events = POLLIN}};
    if (poll(polls, COUNT_OF(polls), timeout_ms) <= 0 || !(polls[0].revents & POLLIN))
        return -1;
    AUTO_CLOSE int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int master = connection < 0 ? -1 : receive_descriptor(connection);
    if (master >= 0)
        fcntl(master, F_SETFL, O_NONBLOCK);
    return master;
}
