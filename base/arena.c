/* How does memory that lives exactly as long as one request or one pass get handed out? */
#include "base/memory.h"

#include <assert.h>
#include <stdarg.h>
#include <stdalign.h>

#define ARENA_MAGIC 0x6172656eu
#define ARENA_ALIGNMENT ((size_t)16)

struct arena_block {
    struct arena_block *next;
    size_t size, used;
    alignas(16) unsigned char bytes[];
};

struct arena {
    unsigned magic;
    size_t block_bytes;
    struct arena_block *first; /* kept by a reset */
    struct arena_block *current;
};

static struct arena_block *block_new(size_t size)
{
    if (size > SIZE_MAX - sizeof(struct arena_block))
        memory_oom(size);
    struct arena_block *block = memory_resize(NULL, sizeof(*block) + size);
    block->next = NULL;
    block->size = size;
    block->used = 0;
    return block;
}

static void blocks_free(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

struct arena *arena_new(size_t block_bytes)
{
    struct arena *arena = memory_get(sizeof(*arena));
    arena->magic = ARENA_MAGIC;
    arena->block_bytes = block_bytes < 256 ? 256 : block_bytes;
    arena->first = arena->current = block_new(arena->block_bytes);
    return arena;
}

void arena_free(struct arena *arena)
{
    if (!arena)
        return;
    assert(arena->magic == ARENA_MAGIC);
    blocks_free(arena->first);
    arena->magic = 0;
    free(arena);
}

void arena_reset(struct arena *arena)
{
    assert(arena->magic == ARENA_MAGIC);
    blocks_free(arena->first->next);
    arena->first->next = NULL;
    arena->first->used = 0;
    arena->current = arena->first;
}

void *arena_get(struct arena *arena, size_t size)
{
    assert(arena->magic == ARENA_MAGIC);
    if (size > SIZE_MAX / 2)
        memory_oom(size);
    size_t rounded = (size + ARENA_ALIGNMENT - 1) & ~(ARENA_ALIGNMENT - 1);
    if (rounded == 0)
        rounded = ARENA_ALIGNMENT;
    struct arena_block *block = arena->current;
    if (block->size - block->used < rounded) {
        block = block_new(rounded > arena->block_bytes ? rounded : arena->block_bytes);
        arena->current->next = block;
        arena->current = block;
    }
    void *memory = block->bytes + block->used;
    block->used += rounded;
    memset(memory, 0, rounded);
    return memory;
}

char *arena_text_n(struct arena *arena, const char *text, size_t length)
{
    if (length == SIZE_MAX)
        memory_oom(length);
    char *copy = arena_get(arena, length + 1);
    if (length)
        memcpy(copy, text, length);
    return copy;
}

char *arena_text(struct arena *arena, const char *text)
{
    return text ? arena_text_n(arena, text, strlen(text)) : NULL;
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (count < 0)
        memory_oom(0);
    char *text = arena_get(arena, (size_t)count + 1);
    va_start(arguments, format);
    vsnprintf(text, (size_t)count + 1, format, arguments);
    va_end(arguments);
    return text;
}
