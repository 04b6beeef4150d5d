/* What happens when memory is asked for, and when there is none? */
#include "base/memory.h"

#include <malloc.h>
#include <stdarg.h>

_Noreturn void memory_oom(size_t size)
{
    /* Nothing here may allocate; the line is still one that a log reader parses. */
    char line[128];
    int count =
        snprintf(line, sizeof(line), "{\"level\":\"error\",\"message\":\"out of memory\",\"bytes\":%zu}\n", size);
    if (count > 0 && write(STDERR_FILENO, line, (size_t)count) < 0)
        abort();
    abort();
}

void *memory_get(size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    if (!memory)
        memory_oom(size);
    return memory;
}

void *memory_resize(void *old, size_t size)
{
    void *memory = realloc(old, size ? size : 1);
    if (!memory)
        memory_oom(size);
    return memory;
}

char *memory_text(const char *text)
{
    return text ? memory_text_n(text, strlen(text)) : NULL;
}

char *memory_text_n(const char *text, size_t length)
{
    if (length == SIZE_MAX)
        memory_oom(length);
    char *copy = memory_resize(NULL, length + 1);
    if (length)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *memory_format(const char *format, ...)
{
    va_list arguments;
    char *text = NULL;
    va_start(arguments, format);
    int count = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (count < 0)
        memory_oom(0);
    return text;
}

bool memory_measure(struct memory_size *ret)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return false;
    bool ok = fscanf(file, "%zu %zu", &ret->virtual_bytes, &ret->resident_bytes) == 2;
    fclose(file);
    ret->virtual_bytes *= page;
    ret->resident_bytes *= page;
    return ok;
}

bool memory_give_back(void)
{
    struct mallinfo2 heap = mallinfo2();
    struct memory_size size = {0};
    size_t used = heap.uordblks + heap.hblkhd;
    if (!memory_measure(&size) || size.resident_bytes <= used + used / 8 + MEMORY_SPARE_BYTES)
        return false;
    malloc_trim(0);
    return true;
}

void memory_wipe(void *secret, size_t size)
{
    if (size)
        explicit_bzero(secret, size);
}
