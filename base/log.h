/*
 * Structured log lines on stderr: JSON, or readable text on a terminal. Thread-safe; one write(2) a line. Values are
 * escaped here, so nothing a client sends can forge a line. Secrets are never passed in.
 *
 *     log_line(LOG_INFO, "pod started", LOG_TEXT("namespace", ns), LOG_NUMBER("pid", pid));
 */
#ifndef ATELIER_BASE_LOG_H
#define ATELIER_BASE_LOG_H

#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char *key;
    enum { LOG_FIELD_TEXT = 1, LOG_FIELD_NUMBER, LOG_FIELD_SLICE } type;
    const char *text; /* NULL prints as "" */
    int64_t number;
    struct slice slice;
};
#define LOG_TEXT(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_TEXT, .text = (v)})
#define LOG_NUMBER(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_NUMBER, .number = (int64_t)(v)})
#define LOG_SLICE(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_SLICE, .slice = (v)})
#define LOG_FAULT(e) LOG_TEXT("error", (e)->message)

void log_start(const char *program, enum log_level minimum); /* once, before threads; decides JSON or text */
void log_fields(enum log_level level, const char *message, const struct log_field *fields, size_t count);
#define log_line(level, message, ...)                                                                                  \
    do {                                                                                                               \
        const struct log_field log_fields_[] = {{0}, ##__VA_ARGS__};                                                   \
        log_fields((level), (message), log_fields_ + 1, COUNT_OF(log_fields_) - 1);                                    \
    } while (0)

#endif
