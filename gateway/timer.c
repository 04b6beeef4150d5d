/* Whose deadline passes next? A binary heap; moving a deadline later, which is what traffic does, costs nothing. */
#include "gateway/loop.h"

static void place(struct loop *loop, size_t at, struct timer *timer)
{
    loop->heap[at] = timer;
    timer->slot = at + 1;
}

static void sift_up(struct loop *loop, size_t at)
{
    struct timer *timer = loop->heap[at];
    while (at > 0 && loop->heap[(at - 1) / 2]->at > timer->at) {
        place(loop, at, loop->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(loop, at, timer);
}

static void sift_down(struct loop *loop, size_t at)
{
    struct timer *timer = loop->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= loop->heap_count)
            break;
        if (child + 1 < loop->heap_count && loop->heap[child + 1]->at < loop->heap[child]->at)
            child++;
        if (loop->heap[child]->at >= timer->at)
            break;
        place(loop, at, loop->heap[child]);
        at = child;
    }
    place(loop, at, timer);
}

void timer_set(struct loop *loop, struct timer *timer, int64_t delay_ms)
{
    timer->deadline = loop->now_ms + delay_ms;
    if (timer->slot) {
        if (timer->deadline < timer->at) {
            timer->at = timer->deadline;
            sift_up(loop, timer->slot - 1);
        }
        return; /* later: found out when the old time comes */
    }
    if (loop->heap_count == loop->heap_capacity) {
        loop->heap_capacity = loop->heap_capacity ? 2 * loop->heap_capacity : 64;
        loop->heap = memory_resize(loop->heap, loop->heap_capacity * sizeof(*loop->heap));
    }
    timer->at = timer->deadline;
    place(loop, loop->heap_count++, timer);
    sift_up(loop, loop->heap_count - 1);
}

void timer_clear(struct loop *loop, struct timer *timer)
{
    if (!timer->slot)
        return;
    size_t at = timer->slot - 1;
    timer->slot = 0;
    struct timer *last = loop->heap[--loop->heap_count];
    if (last == timer)
        return;
    place(loop, at, last);
    sift_up(loop, at);
    sift_down(loop, last->slot - 1);
}

/* Runs what is due. Returns how long until the next one, at most <wait_ms>. */
int timer_run(struct loop *loop, int wait_ms);
int timer_run(struct loop *loop, int wait_ms)
{
    while (loop->heap_count > 0 && loop->heap[0]->at <= loop->now_ms) {
        struct timer *timer = loop->heap[0];
        if (timer->deadline > loop->now_ms) {
            timer->at = timer->deadline;
            sift_down(loop, 0);
            continue;
        }
        timer_clear(loop, timer);
        timer->fire(timer);
    }
    if (loop->heap_count == 0)
        return wait_ms;
    int64_t left = loop->heap[0]->at - loop->now_ms;
    return left < wait_ms || wait_ms < 0 ? (int)left : wait_ms;
}
