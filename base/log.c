/* How does a line get into the log, whole and unforgeable? */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"

#define VALUE_BYTES_MAX 2048 /* an error message with its context is at most 768 */
#define LINE_BYTES_MAX 16384 /* what readers of container logs take as one line */

static struct {
    const char *program;
    enum log_level minimum;
    bool terminal;
} settings = {.program = "atelier", .minimum = LOG_INFO};

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

void log_start(const char *program, enum log_level minimum)
{
    settings.program = program;
    settings.minimum = minimum;
    const char *format = getenv("ATELIER_LOG_FORMAT"); /* "text" when a supervisor relays our lines to a terminal */
    settings.terminal = isatty(STDERR_FILENO) == 1 || (format && strcmp(format, "text") == 0);
}

static struct slice field_value(const struct log_field *field, char *scratch, size_t size)
{
    if (field->type == LOG_FIELD_NUMBER)
        snprintf(scratch, size, "%" PRId64, field->number);
    else if (field->type == LOG_FIELD_SLICE)
        text_printable(field->slice, scratch, size);
    else
        text_printable(slice_of(field->text), scratch, size);
    return slice_of(scratch);
}

static void print_json(struct buffer *line, enum log_level level, const char *message, const struct log_field *fields,
                       size_t count)
{
    char scratch[VALUE_BYTES_MAX], time[CLOCK_TEXT_SIZE];
    clock_format_micro(clock_wall_ms(), time);
    buffer_add_format(line, "{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"%s\",\"message\":", time,
                      level_names[level], settings.program);
    text_printable(slice_of(message), scratch, sizeof(scratch));
    buffer_add_json_string(line, slice_of(scratch));
    for (size_t i = 0; i < count; i++) {
        struct slice value = field_value(&fields[i], scratch, sizeof(scratch));
        if (line->n + 6 * value.n + 64 > LINE_BYTES_MAX) /* 6: the longest JSON escape; the line stays whole */
            break;
        buffer_add_text(line, ",");
        buffer_add_json_string(line, slice_of(fields[i].key));
        buffer_add_text(line, ":");
        if (fields[i].type == LOG_FIELD_NUMBER)
            buffer_add_slice(line, value);
        else
            buffer_add_json_string(line, value);
    }
    buffer_add_text(line, "}\n");
}

static void print_text(struct buffer *line, enum log_level level, const char *message, const struct log_field *fields,
                       size_t count)
{
    static const char *const colours[] = {"\033[2m", "", "\033[33m", "\033[31m"};
    char scratch[VALUE_BYTES_MAX], time[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms(), time);
    text_printable(slice_of(message), scratch, sizeof(scratch));
    buffer_add_format(line, "%.8s %s%-5s%s %s: %s", time + 11, colours[level], level_names[level],
                      colours[level][0] ? "\033[0m" : "", settings.program, scratch);
    for (size_t i = 0; i < count; i++) {
        struct slice value = field_value(&fields[i], scratch, sizeof(scratch));
        if (line->n + 6 * value.n + 64 > LINE_BYTES_MAX)
            break;
        buffer_add_format(line, " %s=", fields[i].key);
        if (value.n == 0 || memchr(value.p, ' ', value.n) || memchr(value.p, '"', value.n))
            buffer_add_json_string(line, value);
        else
            buffer_add_slice(line, value);
    }
    buffer_add_text(line, "\n");
}

static void write_line(const struct buffer *line)
{
    size_t done = 0;
    while (done < line->n) {
        ssize_t count = write(STDERR_FILENO, line->p + done, line->n - done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return; /* nowhere left to say so; the service goes on */
        done += (size_t)count;
    }
}

void log_fields(enum log_level level, const char *message, const struct log_field *fields, size_t count)
{
    int kept_errno = errno;
    if ((unsigned)level >= COUNT_OF(level_names))
        level = LOG_ERROR;
    if (level < settings.minimum)
        return;
    AUTO_BUFFER struct buffer line = {0};
    if (settings.terminal)
        print_text(&line, level, message, fields, count);
    else
        print_json(&line, level, message, fields, count);
    write_line(&line);
    errno = kept_errno;
}
