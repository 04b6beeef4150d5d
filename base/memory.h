/*
 * Who owns memory: an arena (one request, one reconcile pass), a long-lived object with `_new/_free`, or a variable
 * with a cleanup attribute. Everything here aborts the process on exhaustion only through `memory_oom()`, which logs
 * first: sizes that a client controls are bounded before they reach an allocator.
 */
#ifndef ATELIER_BASE_MEMORY_H
#define ATELIER_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* Functions that lose lengths or state do not compile in this tree. Include system headers before this one. */
#include <string.h>
#include <stdio.h>
#undef alloca
#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets alloca atoi atol

void *memory_get(size_t size);                        /* zeroed; never NULL; size > 0 */
void *memory_resize(void *old, size_t size);          /* like realloc; never NULL */
char *memory_text(const char *text);                  /* duplicate of a NUL-terminated text; NULL gives NULL */
char *memory_text_n(const char *text, size_t length); /* duplicate of a counted text, NUL added */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2))); /* malloc'ed; never NULL */
_Noreturn void memory_oom(size_t size);

/* What this process takes (proc_pid_statm(5)). False where that cannot be known; then nothing in *ret counts. */
struct memory_size {
    size_t virtual_bytes, resident_bytes;
};
bool memory_measure(struct memory_size *ret);

/*
 * Gives back to the system what was freed and is still kept, if that is much: more than what is in use by an eighth and
 * MEMORY_SPARE_BYTES. After a burst glibc keeps the most that each of its arenas ever held. Takes milliseconds a
 * hundred MiB, with the arena's lock held; meant to be called once a minute, from any thread. True if it was much.
 */
#define MEMORY_SPARE_BYTES (16u << 20) /* the program and its libraries are most of that */
bool memory_give_back(void);

/* Clears a secret so that the compiler cannot remove it. */
void memory_wipe(void *secret, size_t size);

static inline void memory_free_cleanup(void *pointer)
{
    free(*(void **)pointer);
}
static inline void memory_close_cleanup(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
#define AUTO_FREE __attribute__((cleanup(memory_free_cleanup)))
#define AUTO_CLOSE __attribute__((cleanup(memory_close_cleanup)))

/* Moves a pointer (or fd) out of a cleanup variable. */
#define TAKE_POINTER(variable)                                                                                         \
    ({                                                                                                                 \
        __typeof__(variable) taken_ = (variable);                                                                      \
        (variable) = NULL;                                                                                             \
        taken_;                                                                                                        \
    })
#define TAKE_FD(variable)                                                                                              \
    ({                                                                                                                 \
        int taken_ = (variable);                                                                                       \
        (variable) = -1;                                                                                               \
        taken_;                                                                                                        \
    })

/* An arena hands out memory that lives until it is reset or freed. Not thread-safe: one owner at a time. */
struct arena;
struct arena *arena_new(size_t block_bytes);       /* first and later block size, e.g. 4096 */
void arena_free(struct arena *arena);              /* NULL is fine */
void arena_reset(struct arena *arena);             /* keeps the first block */
void *arena_get(struct arena *arena, size_t size); /* zeroed, 16-byte aligned; never NULL */
char *arena_text(struct arena *arena, const char *text);
char *arena_text_n(struct arena *arena, const char *text, size_t length);
char *arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3), nonnull(2)));
static inline void arena_free_cleanup(struct arena **arena)
{
    arena_free(*arena);
}
#define AUTO_ARENA __attribute__((cleanup(arena_free_cleanup)))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
