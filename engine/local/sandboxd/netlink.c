/* How are links and addresses made without a helper program? (rtnetlink(7)) */
#include "engine/local/sandboxd/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include "base/memory.h"

#define REPLY_TIMEOUT_S 10 /* rtnl_lock is shared by the whole machine */

union request {
    struct nlmsghdr header;
    char bytes[1024];
};

int box_netlink_open(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return -errno;
    struct timeval limit = {.tv_sec = REPLY_TIMEOUT_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static void begin(union request *request, uint16_t type, uint16_t flags, const void *body, size_t size)
{
    memset(request, 0, sizeof(*request));
    request->header.nlmsg_type = type;
    request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
    memcpy(NLMSG_DATA(&request->header), body, size);
}

/* Names here are our own short constants: the fixed body always has room for the few attributes. */
static struct rtattr *attribute(union request *request, unsigned short type, const void *value, size_t size)
{
    struct rtattr *added = (struct rtattr *)(void *)(request->bytes + NLMSG_ALIGN(request->header.nlmsg_len));
    added->rta_type = type;
    added->rta_len = (unsigned short)RTA_LENGTH(size);
    if (size)
        memcpy(RTA_DATA(added), value, size);
    request->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(added->rta_len));
    return added;
}

static void text_attribute(union request *request, unsigned short type, const char *text)
{
    attribute(request, type, text, strlen(text) + 1);
}

static void close_nest(union request *request, struct rtattr *nest)
{
    nest->rta_len = (unsigned short)(request->bytes + request->header.nlmsg_len - (char *)nest);
}

static int talk(int netlink, union request *request)
{
    static _Thread_local uint32_t sequence;
    request->header.nlmsg_seq = ++sequence;
    if (send(netlink, request, request->header.nlmsg_len, 0) < 0)
        return -errno;
    union {
        struct nlmsghdr header;
        char bytes[4096];
    } reply;
    for (;;) {
        ssize_t count = recv(netlink, &reply, sizeof(reply), 0);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        if ((size_t)count < NLMSG_LENGTH(sizeof(struct nlmsgerr)) || reply.header.nlmsg_type != NLMSG_ERROR ||
            reply.header.nlmsg_seq != request->header.nlmsg_seq)
            continue;
        return ((const struct nlmsgerr *)NLMSG_DATA(&reply.header))->error;
    }
}

int box_link_up(int netlink, const char *name)
{
    struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    union request request;
    begin(&request, RTM_NEWLINK, 0, &link, sizeof(link));
    text_attribute(&request, IFLA_IFNAME, name);
    return talk(netlink, &request);
}

int box_link_delete(int netlink, const char *name)
{
    struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
    union request request;
    begin(&request, RTM_DELLINK, 0, &link, sizeof(link));
    text_attribute(&request, IFLA_IFNAME, name);
    int failed = talk(netlink, &request);
    return failed == -ENODEV ? 0 : failed;
}

int box_bridge_add(int netlink, const char *name)
{
    struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
    union request request;
    begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof(link));
    text_attribute(&request, IFLA_IFNAME, name);
    struct rtattr *info = attribute(&request, IFLA_LINKINFO | NLA_F_NESTED, NULL, 0);
    attribute(&request, IFLA_INFO_KIND, "bridge", 6);
    close_nest(&request, info);
    return talk(netlink, &request);
}

static int index_of(const char *name, int *ret)
{
    unsigned index = if_nametoindex(name); /* opens its socket in the calling thread's namespace, too */
    if (!index)
        return -errno;
    *ret = (int)index;
    return 0;
}

int box_veth_add(int netlink, const char *name, const char *bridge, const char *peer, int peer_netns)
{
    int bridge_index = 0;
    int failed = index_of(bridge, &bridge_index);
    if (failed)
        return failed;
    struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    struct ifinfomsg other = {.ifi_family = AF_UNSPEC};
    union request request;
    begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof(link));
    text_attribute(&request, IFLA_IFNAME, name);
    attribute(&request, IFLA_MASTER, &bridge_index, sizeof(bridge_index));
    struct rtattr *info = attribute(&request, IFLA_LINKINFO | NLA_F_NESTED, NULL, 0);
    attribute(&request, IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = attribute(&request, IFLA_INFO_DATA | NLA_F_NESTED, NULL, 0);
    struct rtattr *end = attribute(&request, VETH_INFO_PEER | NLA_F_NESTED, &other, sizeof(other));
    text_attribute(&request, IFLA_IFNAME, peer);
    attribute(&request, IFLA_NET_NS_FD, &peer_netns, sizeof(peer_netns));
    close_nest(&request, end);
    close_nest(&request, data);
    close_nest(&request, info);
    return talk(netlink, &request);
}

int box_address_add(int netlink, const char *name, uint32_t address, unsigned prefix)
{
    int link_index = 0;
    int failed = index_of(name, &link_index);
    if (failed)
        return failed;
    struct ifaddrmsg body = {
        .ifa_family = AF_INET, .ifa_prefixlen = (uint8_t)prefix, .ifa_index = (uint32_t)link_index};
    uint32_t network = htonl(address), broadcast = htonl(address | (uint32_t)((1ull << (32 - prefix)) - 1));
    union request request;
    begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
    attribute(&request, IFA_LOCAL, &network, sizeof(network));
    attribute(&request, IFA_ADDRESS, &network, sizeof(network));
    attribute(&request, IFA_BROADCAST, &broadcast, sizeof(broadcast));
    return talk(netlink, &request);
}

int box_default_route(int netlink, uint32_t gateway, bool wanted)
{
    struct rtmsg body = {.rtm_family = AF_INET,
                         .rtm_table = RT_TABLE_MAIN,
                         .rtm_protocol = RTPROT_STATIC,
                         .rtm_scope = RT_SCOPE_UNIVERSE,
                         .rtm_type = RTN_UNICAST};
    uint32_t network = htonl(gateway);
    union request request;
    begin(&request, wanted ? RTM_NEWROUTE : RTM_DELROUTE, wanted ? NLM_F_CREATE | NLM_F_EXCL : 0, &body, sizeof(body));
    attribute(&request, RTA_GATEWAY, &network, sizeof(network));
    int failed = talk(netlink, &request);
    return failed == -EEXIST || failed == -ESRCH ? 0 : failed;
}
