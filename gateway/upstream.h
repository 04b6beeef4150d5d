/*
 * Connections to workloads, pooled for each target on the loop that dialled them.
 *
 * A pooled one that becomes readable has either been closed or says something nobody asked for; both end it.
 * Threads: the loop's.
 */
#ifndef ATELIER_GATEWAY_UPSTREAM_H
#define ATELIER_GATEWAY_UPSTREAM_H

#include "gateway/connection.h"

struct pool; /* the idle connections of one target */
struct upstream {
    struct io io;
    struct connection *owner; /* who is told of events; NULL while pooled */
    struct pool *pool;
    struct link in_pool, in_loop;
    struct grave grave;
    int64_t used_ms; /* when it was last given back */
};
/* Takes over a connected socket. NULL if the kernel refuses (the fd is closed). */
struct upstream *upstream_new(struct connection *owner, const char *namespace, const struct target *target, int fd);
/* An idle one for this target, used at most max_idle_ms ago; NULL if there is none. */
struct upstream *upstream_take(struct connection *owner, const char *namespace, const struct target *target,
                               int64_t max_idle_ms);
void upstream_give(struct upstream *upstream); /* back to the pool */
void upstream_close(struct upstream *upstream);
void upstreams_expire(struct loop *loop); /* closes those that were idle too long */
void upstreams_close_idle(struct loop *loop);

#endif
