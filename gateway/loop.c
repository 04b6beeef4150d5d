/* What happens next on this loop? */
#include "gateway/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/random.h"
#include "gateway/tls.h"

int timer_run(struct loop *loop, int wait_ms);

/* --- lists -------------------------------------------------------------------------------------------------------- */

void link_init(struct link *head)
{
    head->next = head->previous = head;
}

void link_append(struct link *head, struct link *node)
{
    node->previous = head->previous;
    node->next = head;
    head->previous->next = node;
    head->previous = node;
}

void link_remove(struct link *node)
{
    if (!node->next)
        return;
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->next = node->previous = NULL;
}

/* --- sockets ------------------------------------------------------------------------------------------------------ */

bool io_open(struct io *io, struct loop *loop, int fd, void (*run)(struct io *io))
{
    *io = (struct io){.loop = loop, .fd = fd, .run = run, .writable = true};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = io};
    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

void io_close(struct io *io)
{
    tls_end(io);
    if (io->fd >= 0)
        close(io->fd);
    io->fd = -1;
    io->readable = io->writable = false;
    link_remove(&io->queue);
}

ssize_t io_read(struct io *io, void *into, size_t count)
{
    if (io->tls)
        return tls_read(io, into, count);
    ssize_t got;
    do
        got = recv(io->fd, into, count, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        /* A short read has emptied the socket, unless the end is already there: its edge will not come again. */
        if ((size_t)got < count && !io->ended && !io->broken)
            io->readable = false;
        return got;
    }
    if (got == 0)
        return IO_END;
    io->readable = false;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return IO_AGAIN;
    io->broken = true;
    return IO_BROKEN;
}

ssize_t io_write(struct io *io, const struct iovec *parts, int count)
{
    if (io->tls)
        return tls_write(io, parts, count);
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)count};
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += parts[i].iov_len;
    ssize_t sent;
    do
        sent = sendmsg(io->fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        if ((size_t)sent < total)
            io->writable = false;
        return sent > 0 ? sent : IO_AGAIN;
    }
    io->writable = false;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return IO_AGAIN;
    io->broken = true;
    return IO_BROKEN;
}

void io_shut_down(struct io *io)
{
    if (io->tls)
        tls_shut_down(io);
    else
        shutdown(io->fd, SHUT_WR);
}

void io_again(struct io *io)
{
    if (!io->queue.next)
        link_append(&io->loop->queue, &io->queue);
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

void loop_post(struct loop *loop, struct message *message)
{
    struct message *head = atomic_load_explicit(&loop->inbox, memory_order_relaxed);
    do
        message->next = head;
    while (!atomic_compare_exchange_weak_explicit(&loop->inbox, &head, message, memory_order_release,
                                                  memory_order_relaxed));
    if (head)
        return; /* whoever made the inbox non-empty has rung */
    uint64_t one = 1;
    while (write(loop->event, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

static void run_messages(struct loop *loop)
{
    struct message *taken = atomic_exchange_explicit(&loop->inbox, NULL, memory_order_acquire), *ordered = NULL;
    while (taken) {
        struct message *next = taken->next;
        taken->next = ordered;
        ordered = taken;
        taken = next;
    }
    while (ordered) {
        struct message *next = ordered->next;
        ordered->run(loop, ordered);
        ordered = next;
    }
}

static void inbox_run(struct io *io)
{
    uint64_t count;
    io->readable = false;
    /* One read empties it; it can only fail if somebody else has read, which is as good. */
    ssize_t got = read(io->fd, &count, sizeof(count));
    (void)got;
    run_messages(io->loop);
}

/* --- turns -------------------------------------------------------------------------------------------------------- */

void loop_bury(struct loop *loop, struct grave *grave)
{
    grave->next = loop->graves;
    loop->graves = grave;
}

static void empty_graves(struct loop *loop)
{
    while (loop->graves) {
        struct grave *grave = loop->graves;
        loop->graves = grave->next;
        grave->release(loop, grave);
    }
}

static void deliver(const struct epoll_event *event)
{
    struct io *io = event->data.ptr;
    if (io->fd < 0)
        return; /* closed earlier this turn */
    bool readable = event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR), writable = event->events & EPOLLOUT;
    io->ended = io->ended || (event->events & (EPOLLRDHUP | EPOLLHUP));
    io->broken = io->broken || (event->events & (EPOLLHUP | EPOLLERR));
    if (io->tls) {
        if (tls_news(io, readable, writable))
            io->run(io);
        return;
    }
    io->readable = io->readable || readable;
    io->writable = io->writable || writable;
    io->run(io);
}

/* Runs what is queued now; what queues itself again meanwhile waits for the next turn. */
static void run_queue(struct loop *loop)
{
    struct link now;
    link_init(&now);
    while (!link_is_empty(&loop->queue)) {
        struct link *first = loop->queue.next;
        link_remove(first);
        link_append(&now, first);
    }
    while (!link_is_empty(&now)) {
        struct io *io = OWNER_OF(now.next, struct io, queue);
        link_remove(&io->queue);
        if (!io->tls || tls_news(io, false, false))
            io->run(io);
    }
}

void loop_turn(struct loop *loop, int wait_ms)
{
    struct epoll_event events[LOOP_EVENTS];
    int wait = timer_run(loop, wait_ms);
    int count = epoll_wait(loop->epoll, events, LOOP_EVENTS, link_is_empty(&loop->queue) ? wait : 0);
    loop->now_ms = clock_monotonic_ms();
    for (int i = 0; i < count; i++)
        deliver(&events[i]);
    run_queue(loop);
    empty_graves(loop);
}

static void *loop_main(void *context)
{
    struct loop *loop = context;
    char name[16];
    snprintf(name, sizeof(name), "gateway-%u", loop->number % 100);
    pthread_setname_np(pthread_self(), name);
    while (!atomic_load_explicit(&loop->stopping, memory_order_acquire))
        loop_turn(loop, 1000);
    return NULL;
}

int loop_init(struct loop *loop, struct gateway *gateway, unsigned number, struct error *error)
{
    *loop =
        (struct loop){.gateway = gateway, .number = number, .now_ms = clock_monotonic_ms(), .epoll = -1, .event = -1};
    link_init(&loop->queue);
    link_init(&loop->connections);
    link_init(&loop->idle);
    link_init(&loop->permits);
    link_init(&loop->pooled);
    loop->pools = map_new();
    random_bytes(&loop->random, sizeof(loop->random));
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll < 0 || loop->event < 0 || !io_open(&loop->inbox_io, loop, loop->event, inbox_run))
        return error_set(error, ERROR_INTERNAL, NULL, "cannot make an event loop: %s", strerror(errno));
    return 0;
}

int loop_start(struct loop *loop, struct error *error)
{
    int failed = pthread_create(&loop->thread, NULL, loop_main, loop);
    if (failed)
        return error_set(error, ERROR_INTERNAL, NULL, "cannot start a thread: %s", strerror(failed));
    loop->started = true;
    return 0;
}

static void stop_message(struct loop *loop, struct message *message)
{
    (void)message;
    atomic_store_explicit(&loop->stopping, true, memory_order_release);
}

void loop_stop(struct loop *loop)
{
    if (!loop->started)
        return;
    struct message message = {.run = stop_message};
    loop_post(loop, &message);
    pthread_join(loop->thread, NULL);
    loop->started = false;
}

void loop_destroy(struct loop *loop)
{
    empty_graves(loop);
    chunk_pool_free(&loop->chunks);
    map_free(loop->pools);
    free(loop->heap);
    if (loop->event >= 0)
        close(loop->event);
    if (loop->epoll >= 0)
        close(loop->epoll);
}
