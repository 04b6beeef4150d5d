/* How do we learn that a process which is not our child has ended? (pidfd_open(2)) */
#include "engine/local/sandboxd/monitor.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "base/file.h"

struct watch {
    int pidfd;
    char *tenant, *key;
    struct watch *next, **link;
};

struct box_monitor {
    struct queue *queue;
    int epoll, stop;
    pthread_t thread;
    pthread_mutex_t lock; /* guards <watches> */
    struct watch *watches;
};

static void watch_free(struct box_monitor *monitor, struct watch *watch)
{
    pthread_mutex_lock(&monitor->lock);
    *watch->link = watch->next;
    if (watch->next)
        watch->next->link = watch->link;
    pthread_mutex_unlock(&monitor->lock);
    close(watch->pidfd);
    free(watch->tenant);
    free(watch->key);
    free(watch);
}

static void *run(void *context)
{
    struct box_monitor *monitor = context;
    for (;;) {
        struct epoll_event events[32];
        int count = epoll_wait(monitor->epoll, events, (int)COUNT_OF(events), -1);
        for (int i = 0; i < count; i++) {
            struct watch *watch = events[i].data.ptr;
            if (!watch) /* told to stop */
                return NULL;
            queue_add(monitor->queue, watch->tenant, watch->key);
            watch_free(monitor, watch);
        }
    }
}

struct box_monitor *box_monitor_new(struct queue *queue)
{
    struct box_monitor *monitor = memory_get(sizeof(*monitor));
    monitor->queue = queue;
    pthread_mutex_init(&monitor->lock, NULL);
    monitor->epoll = epoll_create1(EPOLL_CLOEXEC);
    monitor->stop = eventfd(0, EFD_CLOEXEC);
    struct epoll_event stop = {.events = EPOLLIN, .data.ptr = NULL};
    if (monitor->epoll >= 0 && monitor->stop >= 0 &&
        epoll_ctl(monitor->epoll, EPOLL_CTL_ADD, monitor->stop, &stop) == 0 &&
        pthread_create(&monitor->thread, NULL, run, monitor) == 0)
        return monitor;
    if (monitor->epoll >= 0)
        close(monitor->epoll);
    if (monitor->stop >= 0)
        close(monitor->stop);
    free(monitor);
    return NULL;
}

void box_monitor_free(struct box_monitor *monitor)
{
    if (!monitor)
        return;
    eventfd_write(monitor->stop, 1);
    pthread_join(monitor->thread, NULL);
    while (monitor->watches)
        watch_free(monitor, monitor->watches);
    close(monitor->epoll);
    close(monitor->stop);
    pthread_mutex_destroy(&monitor->lock);
    free(monitor);
}

void box_monitor_watch(struct box_monitor *monitor, const struct box_process *process, const char *tenant,
                       const char *key)
{
    uint64_t start;
    int pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0u);
    if (pidfd < 0 || !process_start_time(process->pid, &start) || start != process->start) {
        if (pidfd >= 0)
            close(pidfd);
        queue_add(monitor->queue, tenant, key);
        return;
    }
    struct watch *watch = memory_get(sizeof(*watch));
    watch->pidfd = pidfd;
    watch->tenant = memory_text(tenant);
    watch->key = memory_text(key);
    pthread_mutex_lock(&monitor->lock);
    watch->next = monitor->watches;
    watch->link = &monitor->watches;
    if (watch->next)
        watch->next->link = &watch->next;
    monitor->watches = watch;
    pthread_mutex_unlock(&monitor->lock);
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = watch};
    if (epoll_ctl(monitor->epoll, EPOLL_CTL_ADD, pidfd, &event) == 0)
        return;
    watch_free(monitor, watch); /* out of descriptors: look again soon */
    queue_add_after(monitor->queue, tenant, key, 1000);
}
