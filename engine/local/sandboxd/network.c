/* How is a network namespace made, reached and removed? */
#include "engine/local/sandboxd/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/local/sandboxd/address.h"
#include "engine/local/sandboxd/netlink.h"

#ifndef NSFS_MAGIC
#define NSFS_MAGIC 0x6e736673
#endif

#define LINK_NAME_SIZE 16 /* IFNAMSIZ */

/* An empty one of our own: the daemon needs no network, and in a user namespace the host's could not be returned to. */
static int home_netns = -1;

int box_network_start(struct error *error)
{
    if (home_netns >= 0)
        return 0;
    if (unshare(CLONE_NEWNET) < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "a network namespace cannot be made: %s", strerrordesc_np(errno));
    home_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home_netns < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "/proc/self/ns/net: %s", strerrordesc_np(errno));
    return 0;
}

static void go_home(void)
{
    if (setns(home_netns, CLONE_NEWNET) == 0)
        return;
    log_line(LOG_ERROR, "cannot return to the daemon's network namespace", LOG_NUMBER("errno", errno));
    abort();
}

/* /proc/sys/net is that of the calling thread's namespace. Absent without IPv6 in the kernel. */
static void set_sysctl(const char *path, const char *value)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, value, strlen(value)) < 0)
        log_line(LOG_WARN, "sysctl not set", LOG_TEXT("path", path), LOG_NUMBER("errno", errno));
}

/* Nobody speaks IPv6 in a sandbox: an address nobody planned for is a way nobody guards. */
static int configure_loopback(int *ret_netlink)
{
    set_sysctl("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    set_sysctl("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    set_sysctl("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"); /* port 80 is nobody's privilege in here */
    int netlink = box_netlink_open();
    if (netlink < 0)
        return netlink;
    int failed = box_link_up(netlink, "lo");
    if (failed) {
        close(netlink);
        return failed;
    }
    *ret_netlink = netlink;
    return 0;
}

static int configure_bridge(void)
{
    AUTO_CLOSE int netlink = -1;
    int failed = configure_loopback(&netlink);
    if (!failed)
        failed = box_bridge_add(netlink, "br0");
    if (!failed)
        failed = box_address_add(netlink, "br0", BOX_BRIDGE_ADDRESS, BOX_NETWORK_PREFIX);
    return failed ? failed : box_link_up(netlink, "br0");
}

static int pin(const char *path)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    return mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

/* A new namespace, configured, then pinned: what is seen at <path> is whole. */
static int make(const char *path, int (*configure)(void))
{
    if (unshare(CLONE_NEWNET) < 0)
        return -errno;
    int failed = configure();
    if (!failed)
        failed = pin(path);
    go_home();
    return failed;
}

static int make_parent(const char *path, struct error *error)
{
    AUTO_FREE char *parent = memory_text(path);
    *strrchr(parent, '/') = 0;
    return file_make_directories(parent, 0700, error);
}

bool box_network_exists(const char *path)
{
    struct statfs what;
    return statfs(path, &what) == 0 && what.f_type == NSFS_MAGIC;
}

int box_network_make_bridge(const char *path, struct error *error)
{
    if (box_network_exists(path))
        return 0;
    int failed = make_parent(path, error);
    if (failed)
        return failed;
    failed = make(path, configure_bridge);
    return failed ? error_set(error, ERROR_UNAVAILABLE, NULL, "sandbox network: %s", strerrordesc_np(-failed)) : 0;
}

static int configure_lo_only(void)
{
    AUTO_CLOSE int netlink = -1;
    return configure_loopback(&netlink);
}

static void link_name(uint32_t address, char ret[LINK_NAME_SIZE])
{
    snprintf(ret, LINK_NAME_SIZE, "v%04x", address & 0xFFFF);
}

static int plug(const char *bridge_path, int pod_netns, uint32_t address)
{
    AUTO_CLOSE int bridge_netns = open(bridge_path, O_RDONLY | O_CLOEXEC);
    if (bridge_netns < 0 || setns(bridge_netns, CLONE_NEWNET) < 0)
        return -errno;
    AUTO_CLOSE int netlink = box_netlink_open();
    char name[LINK_NAME_SIZE];
    link_name(address, name);
    int failed = netlink < 0 ? netlink : box_link_delete(netlink, name); /* a removed pod's, not yet collected */
    if (!failed)
        failed = box_veth_add(netlink, name, "br0", "eth0", pod_netns);
    go_home();
    return failed;
}

static int configure_eth0(int pod_netns, uint32_t address)
{
    if (setns(pod_netns, CLONE_NEWNET) < 0)
        return -errno;
    AUTO_CLOSE int netlink = box_netlink_open();
    int failed = netlink < 0 ? netlink : box_address_add(netlink, "eth0", address, BOX_NETWORK_PREFIX);
    if (!failed)
        failed = box_link_up(netlink, "eth0");
    go_home();
    return failed;
}

int box_network_make_pod(const char *path, const char *bridge_path, uint32_t address, struct error *error)
{
    int failed = make_parent(path, error);
    if (failed)
        return failed;
    box_network_remove(path); /* half of an earlier attempt */
    failed = make(path, configure_lo_only);
    AUTO_CLOSE int pod_netns = failed ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (!failed && pod_netns < 0)
        failed = -errno;
    if (!failed)
        failed = plug(bridge_path, pod_netns, address);
    if (!failed)
        failed = configure_eth0(pod_netns, address);
    return failed ? error_set(error, ERROR_UNAVAILABLE, NULL, "pod network: %s", strerrordesc_np(-failed)) : 0;
}

void box_network_unplug(const char *bridge_path, uint32_t address)
{
    AUTO_CLOSE int bridge_netns = open(bridge_path, O_RDONLY | O_CLOEXEC);
    if (bridge_netns < 0 || setns(bridge_netns, CLONE_NEWNET) < 0)
        return;
    AUTO_CLOSE int netlink = box_netlink_open();
    char name[LINK_NAME_SIZE];
    link_name(address, name);
    if (netlink >= 0)
        box_link_delete(netlink, name);
    go_home();
}

int box_network_route_pod(const char *path, bool wanted, struct error *error)
{
    AUTO_CLOSE int netns = open(path, O_RDONLY | O_CLOEXEC);
    if (netns < 0 || setns(netns, CLONE_NEWNET) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "pod network: %s", strerrordesc_np(errno));
    AUTO_CLOSE int netlink = box_netlink_open();
    int failed = netlink < 0 ? netlink : box_default_route(netlink, BOX_BRIDGE_ADDRESS, wanted);
    go_home();
    return failed ? error_set(error, ERROR_UNAVAILABLE, NULL, "pod network: %s", strerrordesc_np(-failed)) : 0;
}

int box_network_forward(int netns_fd, bool wanted, const char *link, struct error *error)
{
    int failed = 0;
    if (setns(netns_fd, CLONE_NEWNET) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "sandbox network: %s", strerrordesc_np(errno));
    set_sysctl("/proc/sys/net/ipv4/conf/all/rp_filter", "1"); /* a source address is answered where it came from */
    set_sysctl("/proc/sys/net/ipv4/conf/all/send_redirects", "0");
    set_sysctl("/proc/sys/net/ipv4/ip_forward", wanted ? "1" : "0");
    if (!wanted) {
        AUTO_CLOSE int netlink = box_netlink_open();
        failed = netlink < 0 ? netlink : box_link_delete(netlink, link);
    }
    go_home();
    return failed ? error_set(error, ERROR_UNAVAILABLE, NULL, "sandbox network: %s", strerrordesc_np(-failed)) : 0;
}

int box_network_run(int netns_fd, const char *const *argv, int64_t timeout_ms, struct error *error)
{
    if (setns(netns_fd, CLONE_NEWNET) < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "sandbox network: %s", strerrordesc_np(errno));
    int failed = process_run(argv, timeout_ms, NULL, error);
    go_home();
    return failed;
}

void box_network_remove(const char *path)
{
    while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
        ;
    unlink(path);
}

static int socket_in(int netns_fd, int type)
{
    if (setns(netns_fd, CLONE_NEWNET) < 0)
        return -errno;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    int reason = errno;
    go_home();
    return fd < 0 ? -reason : fd;
}

static struct sockaddr_in endpoint(uint32_t address, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
}

static int finish_connect(int fd, int64_t timeout_ms)
{
    int64_t end = clock_monotonic_ms() + timeout_ms;
    struct pollfd waiting = {.fd = fd, .events = POLLOUT};
    for (;;) {
        int64_t left = end - clock_monotonic_ms();
        int ready = left <= 0 ? 0 : poll(&waiting, 1, (int)left);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0)
            return -errno;
        if (ready == 0)
            return -ETIMEDOUT;
        int failed = 0;
        socklen_t size = sizeof(failed);
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size);
        return -failed;
    }
}

int box_network_dial(int netns_fd, uint32_t address, uint16_t port, int64_t timeout_ms, int *ret_fd,
                     struct error *error)
{
    AUTO_CLOSE int fd = socket_in(netns_fd, SOCK_STREAM | SOCK_NONBLOCK);
    if (fd < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "socket: %s", strerrordesc_np(-fd));
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct sockaddr_in to = endpoint(address, port);
    int failed = connect(fd, (const struct sockaddr *)(const void *)&to, sizeof(to)) < 0 ? -errno : 0;
    if (failed == -EINPROGRESS)
        failed = finish_connect(fd, timeout_ms);
    if (failed == -ETIMEDOUT)
        return error_set(error, ERROR_TIMEOUT, NULL, "port %u did not answer within %lld ms", port,
                         (long long)timeout_ms);
    if (failed)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "port %u: %s", port, strerrordesc_np(-failed));
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int box_network_listen(int netns_fd, uint32_t address, uint16_t port, int *ret_fd, struct error *error)
{
    AUTO_CLOSE int fd = socket_in(netns_fd, SOCK_STREAM | SOCK_NONBLOCK);
    if (fd < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "socket: %s", strerrordesc_np(-fd));
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    struct sockaddr_in at = endpoint(address, port);
    if (bind(fd, (const struct sockaddr *)(const void *)&at, sizeof(at)) < 0 || listen(fd, 128) < 0)
        return error_set(error, errno == EADDRINUSE ? ERROR_EXISTS : ERROR_UNAVAILABLE, "port", "port %u: %s", port,
                         strerrordesc_np(errno));
    *ret_fd = TAKE_FD(fd);
    return 0;
}
