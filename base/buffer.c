/* How does an owned text grow, within its limit? */
#include "base/text.h"

#include <stdarg.h>

/* Makes room for <count> more bytes and the NUL. False (and `failed`) if the limit forbids it. */
static bool make_room(struct buffer *buffer, size_t count)
{
    if (buffer->failed)
        return false;
    size_t wanted;
    if (__builtin_add_overflow(buffer->n, count, &wanted) || wanted >= SIZE_MAX / 2)
        memory_oom(count);
    if (buffer->max && wanted > buffer->max) {
        buffer->failed = true;
        return false;
    }
    if (wanted < buffer->capacity)
        return true;
    size_t capacity = buffer->capacity ? buffer->capacity : 64;
    while (capacity <= wanted)
        capacity *= 2;
    buffer->p = memory_resize(buffer->p, capacity);
    buffer->capacity = capacity;
    return true;
}

void buffer_add(struct buffer *buffer, const void *bytes, size_t count)
{
    if (!make_room(buffer, count))
        return;
    if (count)
        memcpy(buffer->p + buffer->n, bytes, count);
    buffer->n += count;
    buffer->p[buffer->n] = '\0';
}

void buffer_add_text(struct buffer *buffer, const char *text)
{
    if (text)
        buffer_add(buffer, text, strlen(text));
}

void buffer_add_slice(struct buffer *buffer, struct slice slice)
{
    buffer_add(buffer, slice.p, slice.n);
}

void buffer_add_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (count < 0)
        memory_oom(0);
    if (!make_room(buffer, (size_t)count))
        return;
    va_start(arguments, format);
    vsnprintf(buffer->p + buffer->n, (size_t)count + 1, format, arguments);
    va_end(arguments);
    buffer->n += (size_t)count;
}

/* Length of the UTF-8 character at the front of <text>, 0 if it is not one. */
static size_t character_length(struct slice text)
{
    for (size_t count = 1; count <= 4 && count <= text.n; count++)
        if (text_is_utf8((struct slice){text.p, count}))
            return count;
    return 0;
}

static void add_json_character(struct buffer *buffer, struct slice character)
{
    static const char *const short_forms[128] = {
        ['"'] = "\\\"", ['\\'] = "\\\\", ['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t",
    };
    unsigned char c = (unsigned char)character.p[0];
    if (c < 128 && short_forms[c])
        buffer_add_text(buffer, short_forms[c]);
    else if (c < 0x20 || c == 0x7F || c == '<' || c == '>' || c == '&')
        buffer_add_format(buffer, "\\u%04x", c);
    else if (slice_is(character, "\xE2\x80\xA8") || slice_is(character, "\xE2\x80\xA9"))
        buffer_add_text(buffer, character.p[2] == '\xA8' ? "\\u2028" : "\\u2029"); /* line ends in old JavaScript */
    else
        buffer_add_slice(buffer, character);
}

static bool is_plain_json(unsigned char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

void buffer_add_json_string(struct buffer *buffer, struct slice text)
{
    buffer_add(buffer, "\"", 1);
    while (text.n) {
        size_t plain = 0;
        while (plain < text.n && is_plain_json((unsigned char)text.p[plain]))
            plain++;
        buffer_add(buffer, text.p, plain);
        text = slice_skip(text, plain);
        if (!text.n)
            break;
        size_t count = character_length(text);
        if (count)
            add_json_character(buffer, (struct slice){text.p, count});
        else
            buffer_add_text(buffer, "\xEF\xBF\xBD"); /* U+FFFD: what we print is always valid */
        text = slice_skip(text, count ? count : 1);
    }
    buffer_add(buffer, "\"", 1);
}

void buffer_clear(struct buffer *buffer)
{
    buffer->n = 0;
    buffer->failed = false;
    if (buffer->p)
        buffer->p[0] = '\0';
}

void buffer_drop(struct buffer *buffer, size_t count)
{
    if (count >= buffer->n) {
        buffer->n = 0;
        if (buffer->p)
            buffer->p[0] = '\0';
        return;
    }
    memmove(buffer->p, buffer->p + count, buffer->n - count + 1);
    buffer->n -= count;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->p);
    *buffer = (struct buffer){.max = buffer->max};
}

char *buffer_take(struct buffer *buffer)
{
    char *text = buffer->p ? buffer->p : memory_text("");
    *buffer = (struct buffer){.max = buffer->max};
    return text;
}
