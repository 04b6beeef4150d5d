/* Which buffer do these bytes wait in? */
#include "gateway/chunk.h"

enum { POOL_SMALL_KEEP = 256, POOL_LARGE_KEEP = 64 };

struct chunk *chunk_take(struct chunk_pool *pool, bool large)
{
    struct chunk **head = large ? &pool->large : &pool->small;
    size_t *count = large ? &pool->large_count : &pool->small_count;
    size_t capacity = large ? CHUNK_LARGE_BYTES : CHUNK_SMALL_BYTES;
    struct chunk *chunk = *head;
    if (chunk) {
        *head = chunk->next;
        (*count)--;
    } else {
        /* Not zeroed: every byte is written before it is read, and clearing 64 KiB costs more than the rest. */
        chunk = malloc(sizeof(*chunk) + capacity);
        if (!chunk)
            memory_oom(sizeof(*chunk) + capacity);
    }
    chunk->next = NULL;
    chunk->capacity = capacity;
    chunk->start = chunk->end = 0;
    chunk->full = false;
    return chunk;
}

void chunk_give(struct chunk_pool *pool, struct chunk **chunk)
{
    struct chunk *given = *chunk;
    if (!given)
        return;
    *chunk = NULL;
    bool large = given->capacity == CHUNK_LARGE_BYTES;
    size_t *count = large ? &pool->large_count : &pool->small_count;
    if (*count >= (large ? POOL_LARGE_KEEP : POOL_SMALL_KEEP)) {
        free(given);
        return;
    }
    struct chunk **head = large ? &pool->large : &pool->small;
    given->next = *head;
    *head = given;
    (*count)++;
}

static void free_all(struct chunk *chunk)
{
    while (chunk) {
        struct chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void chunk_pool_free(struct chunk_pool *pool)
{
    free_all(pool->small);
    free_all(pool->large);
    *pool = (struct chunk_pool){0};
}

void chunk_add(struct chunk *chunk, struct slice bytes)
{
    if (bytes.n > chunk_room(chunk)) {
        chunk->full = true;
        return;
    }
    if (bytes.n > 0)
        memcpy(chunk->bytes + chunk->end, bytes.p, bytes.n);
    chunk->end += bytes.n;
}

void chunk_add_text(struct chunk *chunk, const char *text)
{
    chunk_add(chunk, slice_of(text));
}

void chunk_add_number(struct chunk *chunk, uint64_t number)
{
    char digits[24];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    chunk_add(chunk, (struct slice){digits + at, sizeof(digits) - at});
}

void chunk_frame(struct chunk *chunk, bool last)
{
    size_t payload = chunk_waiting(chunk);
    if (payload > 0) {
        size_t at = chunk->start;
        chunk->bytes[--at] = '\n';
        chunk->bytes[--at] = '\r';
        for (size_t left = payload; left > 0; left /= 16)
            chunk->bytes[--at] = "0123456789abcdef"[left % 16];
        chunk->start = at;
        chunk_add(chunk, SLICE("\r\n"));
    }
    if (last)
        chunk_add(chunk, SLICE("0\r\n\r\n"));
}
