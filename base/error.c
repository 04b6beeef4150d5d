/* Which code, status, reason and sentence does a failure have? */
#include "base/error.h"

#include <stdbool.h>

#include "base/memory.h"

struct error_row {
    int status;
    const char *reason, *text;
};

static const struct error_row rows[ERROR_CODE_COUNT] = {[ERROR_NONE] = {200, "", "no error"},
#define X(id, http_status, http_reason, sentence) [ERROR_##id] = {http_status, http_reason, sentence},
                                                        ERROR_TABLE(X)
#undef X
};

static const struct error_row *row_of(enum error_code code)
{
    bool known = (int)code >= 0 && code < ERROR_CODE_COUNT;
    return &rows[known ? code : ERROR_INTERNAL];
}

/* Copies what fits, and never half of a UTF-8 character: the text goes into JSON. */
static void copy_whole_characters(char *to, size_t size, const char *from)
{
    size_t count = strlen(from);
    if (count >= size) {
        count = size - 1;
        while (count > 0 && ((unsigned char)from[count] & 0xC0) == 0x80)
            count--;
    }
    memcpy(to, from, count);
    to[count] = '\0';
}

static void set_formatted(struct error *error, const char *format, va_list arguments)
{
    char text[sizeof(error->message) + 8]; /* apart: an argument may be the old message */
    if (vsnprintf(text, sizeof(text), format, arguments) < 0)
        text[0] = '\0';
    copy_whole_characters(error->message, sizeof(error->message), text);
}

int error_set(struct error *error, enum error_code code, const char *field, const char *format, ...)
{
    if (error) {
        char kept_field[sizeof(error->field)] = "";
        if (field)
            copy_whole_characters(kept_field, sizeof(kept_field), field);
        va_list arguments;
        va_start(arguments, format);
        set_formatted(error, format, arguments);
        va_end(arguments);
        memcpy(error->field, kept_field, sizeof(kept_field));
        error->code = code;
        error->retry_after_s = 0;
    }
    return -(int)code;
}

int error_wrap(struct error *error, const char *format, ...)
{
    if (!error)
        return -ERROR_INTERNAL;
    if (error->code == ERROR_NONE)
        error->code = ERROR_INTERNAL;
    char before[sizeof(error->message)];
    copy_whole_characters(before, sizeof(before), error->message[0] ? error->message : error_text(error->code));
    va_list arguments;
    va_start(arguments, format);
    set_formatted(error, format, arguments);
    va_end(arguments);
    char whole[2 * sizeof(error->message) + 4];
    if (snprintf(whole, sizeof(whole), "%s: %s", error->message, before) < 0)
        whole[0] = '\0';
    copy_whole_characters(error->message, sizeof(error->message), whole);
    return -(int)error->code;
}

int error_status(enum error_code code)
{
    return row_of(code)->status;
}

const char *error_reason(enum error_code code)
{
    return row_of(code)->reason;
}

const char *error_text(enum error_code code)
{
    return row_of(code)->text;
}
