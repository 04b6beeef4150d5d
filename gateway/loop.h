/*
 * One event loop: edge-triggered epoll, deadlines, and messages from other threads.
 *
 * Everything that belongs to a loop is touched by its thread only. Other threads speak to it through loop_post. Memory
 * of closed things is freed at the end of a turn (`bury`), because the kernel may already have reported an event for
 * them.
 */
#ifndef ATELIER_GATEWAY_LOOP_H
#define ATELIER_GATEWAY_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "gateway/chunk.h"
#include "gateway/http1.h"

struct loop;
struct gateway;

/* --- intrusive lists ---------------------------------------------------------------------------------------------- */
struct link {
    struct link *next, *previous; /* both NULL: in no list */
};
void link_init(struct link *head); /* a list's head points to itself */
void link_append(struct link *head, struct link *node);
void link_remove(struct link *node); /* fine when in no list */
static inline bool link_is_empty(const struct link *head)
{
    return head->next == head;
}
#define OWNER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* --- sockets ------------------------------------------------------------------------------------------------------ */
/*
 * A non-blocking socket with what is known of it. `run` is called after `readable`, `writable`, `ended` (the peer has
 * shut its side down) or `broken` became true; a short read or write clears the first two. TLS sits behind these calls
 * (tls.h).
 */
struct tls;
struct io {
    struct loop *loop;
    int fd; /* -1 once closed */
    bool readable, writable, ended, broken;
    void (*run)(struct io *io);
    struct tls *tls;   /* NULL: bytes travel as they are */
    struct link queue; /* in the loop's queue while it is to run again */
};
enum { IO_END = 0, IO_AGAIN = -1, IO_BROKEN = -2 };
/* Takes over <fd>. False if the kernel refuses to watch it (the fd stays the caller's). */
bool io_open(struct io *io, struct loop *loop, int fd, void (*run)(struct io *io));
void io_close(struct io *io);
ssize_t io_read(struct io *io, void *into, size_t count);              /* > 0, or one of the above */
ssize_t io_write(struct io *io, const struct iovec *parts, int count); /* > 0, IO_AGAIN or IO_BROKEN */
void io_shut_down(struct io *io);                                      /* no more from us */
void io_again(struct io *io); /* run it once more this turn, after the others */

/* --- deadlines ---------------------------------------------------------------------------------------------------- */
struct timer {
    size_t slot; /* position in the heap plus one; 0: not set */
    int64_t at, deadline;
    void (*fire)(struct timer *timer);
};
void timer_set(struct loop *loop, struct timer *timer, int64_t delay_ms);
void timer_clear(struct loop *loop, struct timer *timer);

/* --- messages and ends -------------------------------------------------------------------------------------------- */
struct message {
    struct message *next;
    void (*run)(struct loop *loop, struct message *message);
};
/* Any thread. <message> belongs to the loop until it runs. Runs in the order posted by one thread. */
void loop_post(struct loop *loop, struct message *message);

struct grave {
    struct grave *next;
    void (*release)(struct loop *loop, struct grave *grave);
};
void loop_bury(struct loop *loop, struct grave *grave);

struct loop {
    struct gateway *gateway;
    unsigned number;
    int epoll, event;
    int64_t now_ms; /* monotonic, as of this turn */
    pthread_t thread;
    bool started;
    _Atomic bool stopping;
    _Atomic(struct message *) inbox;
    struct io inbox_io;
    struct link queue; /* of io */
    struct grave *graves;
    struct timer **heap;
    size_t heap_count, heap_capacity;
    struct chunk_pool chunks;
    uint64_t random; /* for request ids */

    /* What the other files keep a loop. */
    struct link connections, idle; /* all; those between requests, longest first */
    struct link permits;           /* what is open by somebody's leave */
    struct link pooled;            /* idle upstream connections, oldest first */
    size_t pooled_count;
    struct map *pools;
    size_t connection_count;
    struct timer sweep;
    bool draining;
    int64_t last_warning_ms, denial_second;
    unsigned denials_this_second;
    void *spare_exchanges, *spare_connections; /* freed ones, to take again */
    size_t spare_exchange_count, spare_connection_count;
    struct http_response response; /* scratch: a parsed head is used at once */
};
int loop_init(struct loop *loop, struct gateway *gateway, unsigned number, struct error *error);
int loop_start(struct loop *loop, struct error *error);
void loop_stop(struct loop *loop); /* ends after this turn; joins. Messages that came in time have run. */
void loop_destroy(struct loop *loop);
/* Runs one turn, waiting at most wait_ms; for tests and for the last turns after loop_stop. */
void loop_turn(struct loop *loop, int wait_ms);

#endif
