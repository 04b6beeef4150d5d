/* How do connections to a pod's ports share one that speaks in numbered channels? */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "gateway/port_serve.h"

/* A port, and the connection to it: -1 once either side has ended it. */
struct channel {
    int fd;
    struct buffer up; /* for the pod */
};
struct channels {
    const struct port_serve *serve;
    struct channel at[LIMIT_FORWARD_PORTS];
    size_t up_bytes;               /* of all */
    char out[ENGINE_PACKET_BYTES]; /* a packet that the client has yet to take */
    size_t out_bytes;
    bool client_ended; /* it says and reads nothing more: what it has said still goes to the pods */
};

static bool is_for_later(ssize_t result)
{
    return result < 0 && (errno == EAGAIN || errno == EINTR);
}

static void drop(struct channels *channels, struct channel *channel)
{
    if (channel->fd >= 0)
        close(channel->fd);
    channel->fd = -1;
    channels->up_bytes -= channel->up.n;
    buffer_free(&channel->up);
}

/* --- towards the client ------------------------------------------------------------------------------------------- */

/* False: the client is gone. */
static bool flush(struct channels *channels)
{
    if (channels->out_bytes == 0)
        return true;
    ssize_t sent = send(channels->serve->fd, channels->out, channels->out_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (is_for_later(sent))
        return true;
    channels->out_bytes = 0;
    return sent >= 0;
}

/* Before anything else is said to the client, so that there is room for it. False: the client is gone. */
static bool say(struct channels *channels, size_t number, const void *bytes, size_t count)
{
    size_t most = sizeof(channels->out) - 1;
    struct pollfd room = {.fd = channels->serve->fd, .events = POLLOUT};
    while (channels->out_bytes > 0 && flush(channels) && channels->out_bytes > 0)
        if (poll(&room, 1, -1) < 0 && errno != EINTR)
            return false;
    channels->out[0] = (char)number;
    channels->out_bytes = 1 + (count < most ? count : most);
    memcpy(channels->out + 1, bytes, channels->out_bytes - 1);
    return flush(channels);
}

static bool greet(struct channels *channels)
{
    const struct port_list *ports = &channels->serve->ports;
    for (size_t i = 0; i < 2 * ports->count; i++) {
        unsigned char port[2] = {(unsigned char)(ports->at[i / 2] & 0xff), (unsigned char)(ports->at[i / 2] >> 8)};
        if (!say(channels, i, port, sizeof(port)))
            return false;
    }
    return true;
}

static bool reach(struct channels *channels)
{
    const struct port_serve *serve = channels->serve;
    for (size_t i = 0; i < serve->ports.count; i++) {
        struct error error = {0};
        if (port_reach(serve, serve->ports.at[i], &channels->at[i].fd, &error) == 0)
            continue;
        channels->at[i].fd = -1;
        AUTO_FREE char *why =
            memory_format("error forwarding port %u to pod %s: %s", serve->ports.at[i], serve->pod, error.message);
        if (!say(channels, 2 * i + 1, why, strlen(why)))
            return false;
    }
    return true;
}

/* Only while no packet waits. False: the client is gone. */
static bool read_pod(struct channels *channels, size_t index)
{
    struct channel *channel = &channels->at[index];
    ssize_t came = recv(channel->fd, channels->out + 1, sizeof(channels->out) - 1, MSG_DONTWAIT);
    if (is_for_later(came))
        return true;
    if (came <= 0) {
        drop(channels, channel);
        return true;
    }
    channels->out[0] = (char)(2 * index);
    channels->out_bytes = 1 + (size_t)came;
    return flush(channels);
}

/* --- towards the pod ---------------------------------------------------------------------------------------------- */

static void write_pod(struct channels *channels, struct channel *channel)
{
    ssize_t sent = send(channel->fd, channel->up.p, channel->up.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (is_for_later(sent))
        return;
    if (sent < 0) {
        drop(channels, channel);
        return;
    }
    buffer_drop(&channel->up, (size_t)sent);
    channels->up_bytes -= (size_t)sent;
}

/* What is for no port, or for one that has ended, is nobody's: as a kubelet has it. False: the client is gone. */
static bool read_client(struct channels *channels)
{
    char packet[ENGINE_PACKET_BYTES];
    ssize_t came = recv(channels->serve->fd, packet, sizeof(packet), MSG_DONTWAIT);
    if (is_for_later(came))
        return true;
    if (came < 0)
        return false;
    if (came == 0) {
        channels->client_ended = true;
        return true;
    }
    size_t number = (unsigned char)packet[0];
    if (number % 2 || number / 2 >= channels->serve->ports.count || channels->at[number / 2].fd < 0)
        return true;
    buffer_add(&channels->at[number / 2].up, packet + 1, (size_t)came - 1);
    channels->up_bytes += (size_t)came - 1;
    return true;
}

/* --- carrying ----------------------------------------------------------------------------------------------------- */

static bool is_over(const struct channels *channels)
{
    if (channels->client_ended)
        return channels->up_bytes == 0;
    for (size_t i = 0; i < channels->serve->ports.count; i++)
        if (channels->at[i].fd >= 0)
            return false;
    return channels->out_bytes == 0;
}

static void list_polls(const struct channels *channels, struct pollfd polls[])
{
    const struct port_serve *serve = channels->serve;
    bool says = channels->out_bytes > 0, hears = channels->up_bytes < LIMIT_FORWARD_BYTES;
    short events = channels->client_ended ? 0 : (short)((says ? POLLOUT : 0) | (hears ? POLLIN : 0));
    polls[serve->ports.count] = (struct pollfd){.fd = serve->fd, .events = events}; /* a hang-up is told in any case */
    for (size_t i = 0; i < serve->ports.count; i++) {
        const struct channel *channel = &channels->at[i];
        events = (short)((channel->up.n > 0 ? POLLOUT : 0) | (!says && !channels->client_ended ? POLLIN : 0));
        /* -1 leaves it out: whoever is not to be heard now would tell of a hang-up again and again. */
        polls[i] = (struct pollfd){.fd = events ? channel->fd : -1, .events = events};
    }
}

/* False: the client is gone. */
static bool serve_pod(struct channels *channels, size_t index, const struct pollfd *asked)
{
    struct channel *channel = &channels->at[index];
    if (asked->revents && channel->up.n > 0)
        write_pod(channels, channel);
    bool reads = asked->revents && asked->events & POLLIN && channel->fd >= 0 && channels->out_bytes == 0;
    return !reads || read_pod(channels, index);
}

/* False: the client is gone. */
static bool serve_client(struct channels *channels, short events)
{
    if (events & (POLLHUP | POLLERR))
        return false;
    if (events & POLLOUT && !flush(channels))
        return false;
    return !(events & POLLIN) || read_client(channels);
}

static void carry(struct channels *channels)
{
    size_t count = channels->serve->ports.count;
    struct pollfd polls[LIMIT_FORWARD_PORTS + 1];
    while (!is_over(channels)) {
        list_polls(channels, polls);
        if (poll(polls, count + 1, -1) < 0) {
            if (errno != EINTR)
                return;
            continue;
        }
        for (size_t i = 0; i < count; i++)
            if (!serve_pod(channels, i, &polls[i]))
                return;
        if (!serve_client(channels, polls[count].revents))
            return;
    }
}

void port_channels_serve(const struct port_serve *serve)
{
    struct channels *channels = memory_get(sizeof(*channels));
    channels->serve = serve;
    for (size_t i = 0; i < serve->ports.count; i++)
        channels->at[i].fd = -1;
    if (greet(channels) && reach(channels))
        carry(channels);
    for (size_t i = 0; i < serve->ports.count; i++)
        drop(channels, &channels->at[i]);
    free(channels);
}
