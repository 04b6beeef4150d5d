/*
 * Bytes on their way: buffers of two sizes, taken from a loop's own pool only while bytes are in flight.
 *
 * <start>..<end> is what waits. An idle connection or tunnel holds none. Threads: the loop that owns the pool.
 */
#ifndef ATELIER_GATEWAY_CHUNK_H
#define ATELIER_GATEWAY_CHUNK_H

#include <stdbool.h>

#include "base/text.h"
#include "gateway/limits.h"

struct chunk {
    struct chunk *next; /* in the pool */
    size_t capacity, start, end;
    bool full; /* a chunk_add did not fit; the content is then incomplete */
    char bytes[];
};
struct chunk_pool {
    struct chunk *small, *large;
    size_t small_count, large_count;
};
struct chunk *chunk_take(struct chunk_pool *pool, bool large);  /* never NULL; empty */
void chunk_give(struct chunk_pool *pool, struct chunk **chunk); /* *chunk becomes NULL; NULL is fine */
void chunk_pool_free(struct chunk_pool *pool);

static inline size_t chunk_waiting(const struct chunk *chunk)
{
    return chunk ? chunk->end - chunk->start : 0;
}
static inline size_t chunk_room(const struct chunk *chunk)
{
    return chunk->capacity - chunk->end;
}
static inline struct slice chunk_slice(const struct chunk *chunk)
{
    return (struct slice){chunk->bytes + chunk->start, chunk->end - chunk->start};
}
void chunk_add(struct chunk *chunk, struct slice bytes);
void chunk_add_text(struct chunk *chunk, const char *text);
void chunk_add_number(struct chunk *chunk, uint64_t number);
/* Frames what waits as one chunk of a chunked body, in place: needs CHUNK_HEADROOM before and CHUNK_TAILROOM behind it.
 * <last>: and ends the body. With nothing waiting only the end is written, if asked for. */
void chunk_frame(struct chunk *chunk, bool last);

#endif
