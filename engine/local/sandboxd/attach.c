/* What does a container's own program write while somebody looks on? */
#include "engine/local/sandboxd/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/text.h"
#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/runtime.h"
#include "engine/local/sandboxd/session.h"

/* conmon's packets: a byte that names the pipe, then what was read from it. */
enum pipe { PIPE_STDOUT = 2, PIPE_STDERR = 3 };
enum outcome { GOES_ON, ENDED, LEFT, TOO_SLOW };

/* The path of the socket may be longer than an address holds: it is named from its directory. */
static int connect_monitor(const char *directory)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "attach"};
    int fd = chdir(directory) < 0 ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static enum outcome pass_on(const char *packet, size_t length)
{
    struct pollfd caller = {.fd = BOX_LAUNCH_FD, .events = POLLOUT};
    for (;;) {
        if (send(BOX_LAUNCH_FD, packet, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return GOES_ON;
        if (errno != EAGAIN && errno != EINTR)
            return LEFT;
        if (errno == EAGAIN && poll(&caller, 1, BOX_ATTACH_PATIENCE_MS) == 0)
            return TOO_SLOW;
    }
}

static enum outcome take_output(int monitor, bool out, bool err)
{
    char packet[BOX_EXEC_PACKET_BYTES];
    ssize_t count = recv(monitor, packet, sizeof(packet), MSG_DONTWAIT);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR ? GOES_ON : ENDED;
    if (count == 0)
        return ENDED;
    bool wanted = packet[0] == PIPE_STDOUT ? out : packet[0] == PIPE_STDERR && err;
    if (!wanted || count == 1)
        return GOES_ON;
    packet[0] = packet[0] == PIPE_STDOUT ? 1 : 2;
    return pass_on(packet, (size_t)count);
}

static enum outcome take_message(void)
{
    char ignored[BOX_EXEC_PACKET_BYTES];
    ssize_t count = recv(BOX_LAUNCH_FD, ignored, sizeof(ignored), MSG_DONTWAIT);
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR)) ? GOES_ON : LEFT;
}

static enum outcome pass(int monitor, bool out, bool err)
{
    enum outcome outcome = GOES_ON;
    while (outcome == GOES_ON) {
        struct pollfd polls[] = {{.fd = BOX_LAUNCH_FD, .events = POLLIN | POLLRDHUP},
                                 {.fd = monitor, .events = POLLIN}};
        poll(polls, COUNT_OF(polls), -1);
        if (polls[0].revents)
            outcome = take_message();
        if (outcome == GOES_ON && polls[1].revents)
            outcome = take_output(monitor, out, err);
    }
    return outcome;
}

int box_attach_run(char *const argv[ATTACH_ARGUMENTS])
{
    signal(SIGPIPE, SIG_IGN);
    int monitor = connect_monitor(argv[1]);
    if (monitor < 0) {
        box_session_tell_failure("the container does not run any more");
        box_session_linger();
        return 1;
    }
    enum outcome outcome = pass(monitor, strchr(argv[2], 'o') != NULL, strchr(argv[2], 'e') != NULL);
    close(monitor);
    if (outcome == ENDED)
        box_session_tell_exit(0);
    else if (outcome == TOO_SLOW)
        box_session_tell_failure("the output came faster than it was read: it is all in the container's log");
    if (outcome != LEFT)
        box_session_linger();
    return 0;
}
