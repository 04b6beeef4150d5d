/* Who acts in the machine's own network namespace, and what can it do there? */
#include "engine/local/sandboxd/outside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/local/sandboxd/firewall.h"
#include "engine/local/sandboxd/runtime.h"

#define TUN_MAJOR 10 /* Documentation/admin-guide/devices.txt */
#define TUN_MINOR 200

struct task {
    const char *pasta;
    int netns_fd;
    uid_t uid;
    pid_t result;
    bool done;
};
static struct outside {
    bool running, own_device;
    int wake, news; /* an eventfd; a netlink socket that hears of addresses */
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t finished;
    struct task *task; /* one at a time */
    bool stopping;
    uint32_t addresses[BOX_OWN_ADDRESSES_MAX];
    ssize_t count;
    void (*changed)(void *context);
    void *context;
} outside = {.lock = PTHREAD_MUTEX_INITIALIZER, .finished = PTHREAD_COND_INITIALIZER};

/* --- the machine's addresses -------------------------------------------------------------------------------------- */

static ssize_t list_addresses(uint32_t ret[BOX_OWN_ADDRESSES_MAX])
{
    struct ifaddrs *all = NULL;
    ssize_t count = 0;
    if (getifaddrs(&all) < 0)
        return -1;
    for (const struct ifaddrs *at = all; at && count >= 0; at = at->ifa_next) {
        if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET)
            continue;
        uint32_t address = ntohl(((const struct sockaddr_in *)(const void *)at->ifa_addr)->sin_addr.s_addr);
        if (count == BOX_OWN_ADDRESSES_MAX)
            count = -1;
        else
            ret[count++] = address;
    }
    freeifaddrs(all);
    return count;
}

static void look(void)
{
    static uint32_t seen[BOX_OWN_ADDRESSES_MAX]; /* of the one thread */
    ssize_t count = list_addresses(seen);
    pthread_mutex_lock(&outside.lock);
    bool same =
        count == outside.count && (count <= 0 || !memcmp(seen, outside.addresses, (size_t)count * sizeof(seen[0])));
    outside.count = count;
    memcpy(outside.addresses, seen, sizeof(seen));
    void (*changed)(void *) = same ? NULL : outside.changed;
    void *context = outside.context;
    pthread_mutex_unlock(&outside.lock);
    if (changed)
        changed(context);
}

void box_outside_follow(void (*changed)(void *context), void *context)
{
    pthread_mutex_lock(&outside.lock);
    outside.changed = changed;
    outside.context = context;
    pthread_mutex_unlock(&outside.lock);
}

ssize_t box_outside_addresses(uint32_t ret[BOX_OWN_ADDRESSES_MAX])
{
    pthread_mutex_lock(&outside.lock);
    ssize_t count = outside.running ? outside.count : -1;
    memcpy(ret, outside.addresses, sizeof(outside.addresses));
    pthread_mutex_unlock(&outside.lock);
    return count;
}

/* --- starting pasta ----------------------------------------------------------------------------------------------- */

/* Some machines keep /dev/net/tun for root: pasta gets a device of its own, seen by nobody else. After fork. */
static bool make_device(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", "/dev/net", "tmpfs", MS_NOSUID | MS_NOEXEC, "size=4k") == 0 &&
           mknod("/dev/net/tun", S_IFCHR | 0666, makedev(TUN_MAJOR, TUN_MINOR)) == 0 &&
           chmod("/dev/net/tun", 0666) == 0;
}

/* pasta enters the sandbox's namespace and makes a tap there; then it confines itself. After fork: plain system calls.
 */
static bool drop_to(uid_t uid)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const uint32_t kept = 1u << CAP_SYS_ADMIN | 1u << CAP_NET_ADMIN;
    struct __user_cap_data_struct data[2] = {{.effective = kept, .permitted = kept, .inheritable = kept}};
    for (unsigned long one = 0; one <= CAP_LAST_CAP; one++)
        if (one != CAP_SYS_ADMIN && one != CAP_NET_ADMIN && prctl(PR_CAPBSET_DROP, one, 0, 0, 0) < 0 && errno != EINVAL)
            return false;
    return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && syscall(SYS_setgroups, 0, NULL) == 0 &&
           syscall(SYS_setresgid, uid, uid, uid) == 0 && syscall(SYS_setresuid, uid, uid, uid) == 0 &&
           syscall(SYS_capset, &header, data) == 0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0) == 0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) == 0;
}

static bool prepare(void *context)
{
    const struct task *task = context;
    return (!outside.own_device || make_device()) && drop_to(task->uid);
}

/* No port of the machine leads in, none of the sandbox's loopback leads out (-t -u -T -U), and the gateway's address is
 * not the machine (--no-map-gw). BOX_LAUNCH_FD is the sandbox's namespace. */
static pid_t launch(struct task *task)
{
    const char *const argv[] = {task->pasta,
                                "--foreground",
                                "--quiet",
                                "--netns",
                                "/proc/self/fd/3",
                                "--no-netns-quit",
                                "--config-net",
                                "--ipv4-only",
                                "--address",
                                BOX_OUTSIDE_ADDRESS,
                                "--netmask",
                                BOX_OUTSIDE_PREFIX,
                                "--gateway",
                                BOX_OUTSIDE_GATEWAY,
                                "--ns-ifname",
                                BOX_OUTSIDE_LINK,
                                "--dns-forward",
                                BOX_OUTSIDE_GATEWAY,
                                "--no-map-gw",
                                "--tcp-ports",
                                "none",
                                "--udp-ports",
                                "none",
                                "--tcp-ns",
                                "none",
                                "--udp-ns",
                                "none",
                                "--no-dhcp",
                                "--no-dhcpv6",
                                "--no-ndp",
                                "--no-ra",
                                NULL};
    static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", NULL};
    const struct box_launch how = {
        .argv = argv, .environment = environment, .fd = task->netns_fd, .prepare = prepare, .prepare_context = task};
    return box_launch(&how);
}

pid_t box_outside_launch(const char *pasta, int netns_fd, uid_t uid)
{
    struct task task = {.pasta = pasta, .netns_fd = netns_fd, .uid = uid};
    pthread_mutex_lock(&outside.lock);
    while (outside.task && outside.running)
        pthread_cond_wait(&outside.finished, &outside.lock);
    task.result = -ESHUTDOWN;
    if (outside.running && !outside.stopping) {
        outside.task = &task;
        eventfd_write(outside.wake, 1);
        while (!task.done)
            pthread_cond_wait(&outside.finished, &outside.lock);
    }
    pthread_mutex_unlock(&outside.lock);
    return task.result;
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

/* False once it is to stop. */
static bool serve(void)
{
    eventfd_t ignored;
    eventfd_read(outside.wake, &ignored);
    pthread_mutex_lock(&outside.lock);
    if (outside.task) {
        outside.task->result = launch(outside.task);
        outside.task->done = true;
        outside.task = NULL;
        pthread_cond_broadcast(&outside.finished);
    }
    bool go_on = !outside.stopping;
    pthread_mutex_unlock(&outside.lock);
    return go_on;
}

static void drain(int socket)
{
    char bytes[8192]; /* what changed is asked for afresh: overruns (ENOBUFS) lose nothing */
    while (recv(socket, bytes, sizeof(bytes), MSG_DONTWAIT) > 0 || errno == ENOBUFS)
        errno = 0;
}

static void *run(void *context)
{
    (void)context;
    for (;;) {
        struct pollfd waiting[] = {{.fd = outside.wake, .events = POLLIN}, {.fd = outside.news, .events = POLLIN}};
        if (poll(waiting, COUNT_OF(waiting), -1) < 0)
            continue;
        if (waiting[1].revents) {
            drain(outside.news);
            look();
        }
        if (waiting[0].revents && !serve())
            return NULL;
    }
}

static int open_news(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd < 0 || bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

int box_outside_start(struct error *error)
{
    outside.own_device = !process_is_in_user_namespace();
    outside.wake = eventfd(0, EFD_CLOEXEC);
    outside.news = open_news();
    look();
    outside.stopping = false;
    outside.running = outside.wake >= 0 && outside.news >= 0 && pthread_create(&outside.thread, NULL, run, NULL) == 0;
    return outside.running ? 0 : error_set(error, ERROR_INTERNAL, NULL, "a thread cannot be started");
}

void box_outside_stop(void)
{
    if (!outside.running)
        return;
    pthread_mutex_lock(&outside.lock);
    outside.stopping = true;
    eventfd_write(outside.wake, 1);
    pthread_mutex_unlock(&outside.lock);
    pthread_join(outside.thread, NULL);
    outside.running = false;
    close(outside.wake);
    close(outside.news);
}
