/* Is there a connection to this workload that can be used again? */
#include "gateway/upstream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/map.h"
#include "gateway/internal.h"

struct pool {
    struct link idle; /* longest first */
    size_t idle_count, references;
    size_t key_length;
    char key[];
};

static struct metric dialled = METRIC_COUNTER("atelier_gateway_upstreams_total", "Connections made to workloads.");
static struct metric reused =
    METRIC_COUNTER("atelier_gateway_upstream_reuses_total", "Requests sent on a pooled connection.");

#define POOL_KEY_SIZE 384 /* four names of at most 63 bytes and a kind; the namespace is a label */

/* --- pools -------------------------------------------------------------------------------------------------------- */

/* The owner, too: a service that leads to another Ray cluster from now on must not find connections to the one before.
 */
static size_t key_of(char key[POOL_KEY_SIZE], const char *namespace, const struct target *target)
{
    return (size_t)snprintf(key, POOL_KEY_SIZE, "%s/%s/%s/%s/%s", namespace, target->service, target->port,
                            target->owner_kind, target->owner_name);
}

static struct pool *pool_find(struct loop *loop, const char *namespace, const struct target *target, bool make)
{
    char key[POOL_KEY_SIZE];
    size_t length = key_of(key, namespace, target);
    struct pool *pool = map_get(loop->pools, (struct slice){key, length});
    if (pool || !make)
        return pool;
    pool = memory_get(sizeof(*pool) + length + 1);
    memcpy(pool->key, key, length);
    pool->key_length = length;
    link_init(&pool->idle);
    map_put(loop->pools, (struct slice){pool->key, length}, pool);
    return pool;
}

static void pool_release(struct loop *loop, struct pool *pool)
{
    if (--pool->references > 0)
        return;
    map_remove(loop->pools, (struct slice){pool->key, pool->key_length});
    free(pool);
}

/* --- connections -------------------------------------------------------------------------------------------------- */

static void run_io(struct io *io)
{
    struct upstream *upstream = OWNER_OF(io, struct upstream, io);
    if (upstream->owner)
        connection_run(upstream->owner);
    else if (io->readable)
        upstream_close(upstream);
}

static void release(struct loop *loop, struct grave *grave)
{
    (void)loop;
    free(OWNER_OF(grave, struct upstream, grave));
}

struct upstream *upstream_new(struct connection *owner, const char *namespace, const struct target *target, int fd)
{
    struct loop *loop = owner->io.loop;
    struct upstream *upstream = memory_get(sizeof(*upstream));
    if (!io_open(&upstream->io, loop, fd, run_io)) {
        close(fd);
        free(upstream);
        return NULL;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    upstream->owner = owner;
    upstream->pool = pool_find(loop, namespace, target, true);
    upstream->pool->references++;
    metric_add(&dialled, 1);
    return upstream;
}

static void unpool(struct upstream *upstream)
{
    if (!upstream->in_pool.next)
        return;
    link_remove(&upstream->in_pool);
    link_remove(&upstream->in_loop);
    upstream->pool->idle_count--;
    upstream->io.loop->pooled_count--;
}

void upstream_close(struct upstream *upstream)
{
    struct loop *loop = upstream->io.loop;
    unpool(upstream);
    io_close(&upstream->io);
    upstream->owner = NULL;
    pool_release(loop, upstream->pool);
    upstream->grave.release = release;
    loop_bury(loop, &upstream->grave);
}

struct upstream *upstream_take(struct connection *owner, const char *namespace, const struct target *target,
                               int64_t max_idle_ms)
{
    struct loop *loop = owner->io.loop;
    struct pool *pool = pool_find(loop, namespace, target, false);
    if (!pool || link_is_empty(&pool->idle))
        return NULL;
    struct upstream *upstream = OWNER_OF(pool->idle.previous, struct upstream, in_pool);
    if (loop->now_ms - upstream->used_ms > max_idle_ms)
        return NULL;
    unpool(upstream);
    upstream->owner = owner;
    metric_add(&reused, 1);
    return upstream;
}

void upstream_give(struct upstream *upstream)
{
    struct loop *loop = upstream->io.loop;
    struct pool *pool = upstream->pool;
    if (upstream->io.readable || upstream->io.ended || upstream->io.broken ||
        pool->idle_count >= (size_t)gateway_limits.pool_per_target ||
        loop->pooled_count >= (size_t)gateway_limits.pool_per_loop || loop->draining) {
        upstream_close(upstream);
        return;
    }
    upstream->owner = NULL;
    upstream->used_ms = loop->now_ms;
    link_append(&pool->idle, &upstream->in_pool);
    link_append(&loop->pooled, &upstream->in_loop);
    pool->idle_count++;
    loop->pooled_count++;
}

void upstreams_expire(struct loop *loop)
{
    while (!link_is_empty(&loop->pooled)) {
        struct upstream *oldest = OWNER_OF(loop->pooled.next, struct upstream, in_loop);
        if (loop->now_ms - oldest->used_ms < gateway_limits.upstream_idle_ms)
            return;
        upstream_close(oldest);
    }
}

void upstreams_close_idle(struct loop *loop)
{
    while (!link_is_empty(&loop->pooled))
        upstream_close(OWNER_OF(loop->pooled.next, struct upstream, in_loop));
}
