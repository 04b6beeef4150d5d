/* How does a message cross the socket? (unix(7), memfd_create(2)) */
#include "engine/local/sandboxd/wire.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "engine/local/sandboxd/limits.h"

/* An environment or a list of hosts has more members than a document of a stranger may have. */
static const struct json_limits limits = {
    .bytes = BOX_ATTACHED_BYTES_MAX, .depth = 16, .values = 200000, .keys = BOX_ENVS_MAX + BOX_VOLUME_FILES_MAX};

static const char *const code_names[] = {[ERROR_NONE] = "NONE",
#define X(id, status, reason, text) [ERROR_##id] = #id,
                                         ERROR_TABLE(X)
#undef X
};

const char *box_error_name(enum error_code code)
{
    return code < ERROR_CODE_COUNT ? code_names[code] : "INTERNAL";
}

enum error_code box_error_code(const char *name)
{
    for (size_t i = 1; name && i < COUNT_OF(code_names); i++)
        if (!strcmp(code_names[i], name))
            return (enum error_code)i;
    return ERROR_INTERNAL;
}

static int send_packet(int socket, const char *bytes, size_t count, int fd, int flags)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = count};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    }
    ssize_t sent;
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL | flags);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

static int send_attached(int socket, const char *text, size_t length, int flags)
{
    AUTO_CLOSE int memory = memfd_create("atelier-message", MFD_CLOEXEC);
    char packet[64];
    if (memory < 0)
        return -errno;
    for (size_t at = 0; at < length;) {
        ssize_t count = write(memory, text + at, length - at);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return -EIO;
        at += (size_t)count;
    }
    int size = snprintf(packet, sizeof(packet), "{\"attached\":%zu}", length);
    return send_packet(socket, packet, (size_t)size, memory, flags);
}

int box_wire_send(int socket, const cJSON *message, int fd, int flags)
{
    AUTO_FREE char *text = json_print(message);
    size_t length = strlen(text);
    int failed;
    if (length > BOX_ATTACHED_BYTES_MAX || (length > BOX_PACKET_BYTES_MAX && fd >= 0))
        failed = -EMSGSIZE;
    else if (length > BOX_PACKET_BYTES_MAX)
        failed = send_attached(socket, text, length, flags);
    else
        failed = send_packet(socket, text, length, fd, flags);
    memory_wipe(text, length); /* environments hold tokens */
    return failed;
}

static int receive_packet(int socket, char *bytes, size_t size, ssize_t *ret_count, int *ret_fd)
{
    struct iovec part = {.iov_base = bytes, .iov_len = size};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(8 * sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    do
        *ret_count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (*ret_count < 0 && errno == EINTR);
    if (*ret_count < 0)
        return -errno;
    int kept = -1;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at; at = CMSG_NXTHDR(&message, at)) {
        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < (at->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(at) + i * sizeof(int), sizeof(fd));
            if (kept < 0)
                kept = fd;
            else
                close(fd);
        }
    }
    *ret_fd = kept;
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        return -EMSGSIZE;
    return *ret_count == 0 ? -EPIPE : 0;
}

/* Read, never mapped: the sender may still hold and shrink it. */
static int read_attached(int memory, size_t length, cJSON **ret, struct error *error)
{
    char *text = memory_get(length + 1);
    size_t have = 0;
    while (have < length) {
        ssize_t count = pread(memory, text + have, length - have, (off_t)have);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            break;
        have += (size_t)count;
    }
    int failed = have == length ? json_parse((struct slice){text, length}, &limits, ret, error)
                                : error_set(error, ERROR_BAD_REQUEST, "attached", "the attachment is too short");
    memory_wipe(text, length);
    free(text);
    return failed ? -EBADMSG : 0;
}

static int follow_attachment(cJSON *envelope, int *fd, cJSON **ret, struct error *error)
{
    int64_t length = 0;
    if (!json_member(envelope, "attached")) {
        *ret = envelope;
        return 0;
    }
    bool good = json_i64(json_member(envelope, "attached"), &length) && length > 0 &&
                length <= BOX_ATTACHED_BYTES_MAX && *fd >= 0;
    cJSON_Delete(envelope);
    if (!good) {
        error_set(error, ERROR_BAD_REQUEST, "attached", "expected 1 to %d bytes in a memfd", BOX_ATTACHED_BYTES_MAX);
        return -EBADMSG;
    }
    int failed = read_attached(*fd, (size_t)length, ret, error);
    close(*fd);
    *fd = -1;
    return failed;
}

int box_wire_receive(int socket, cJSON **ret, int *ret_fd, struct error *error)
{
    AUTO_FREE char *bytes = memory_get(BOX_PACKET_BYTES_MAX);
    AUTO_CLOSE int fd = -1;
    ssize_t count = 0;
    cJSON *envelope = NULL, *message = NULL;
    int failed = receive_packet(socket, bytes, BOX_PACKET_BYTES_MAX, &count, &fd);
    if (failed == -EMSGSIZE) {
        error_set(error, ERROR_TOO_LARGE, NULL, "a packet holds at most %d bytes", BOX_PACKET_BYTES_MAX);
        return -EBADMSG;
    }
    if (failed)
        return failed;
    failed = json_parse((struct slice){bytes, (size_t)count}, &limits, &envelope, error);
    memory_wipe(bytes, (size_t)count);
    if (failed)
        return -EBADMSG;
    failed = follow_attachment(envelope, &fd, &message, error);
    if (failed)
        return failed;
    *ret = message;
    *ret_fd = TAKE_FD(fd);
    return 0;
}
