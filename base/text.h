/*
 * Texts: counted slices that borrow, buffers that own, and the encodings that the formats we speak need.
 */
#ifndef ATELIER_BASE_TEXT_H
#define ATELIER_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

/* Borrowed bytes; not NUL-terminated. <p> may be NULL only when <n> is 0. */
struct slice {
    const char *p;
    size_t n;
};
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}
bool slice_equal(struct slice a, struct slice b);
bool slice_is(struct slice a, const char *text);        /* byte-wise */
bool slice_is_nocase(struct slice a, const char *text); /* ASCII case-insensitive */
bool slice_starts(struct slice a, const char *prefix);
bool slice_ends(struct slice a, const char *suffix);
struct slice slice_skip(struct slice a, size_t count); /* drops the first <count> bytes (all, if fewer) */
struct slice slice_trim(struct slice a);               /* spaces and tabs at both ends */
/* Splits off what stands before the first <separator>; <rest> is what follows it (empty when there was none). */
struct slice slice_split(struct slice a, char separator, struct slice *rest);
/* The whole slice: digits, after '-' if negative. No '+', no leading zeros. False if malformed or out of range. */
bool text_parse_i64(struct slice digits, int64_t minimum, int64_t maximum, int64_t *ret);

/* A growing byte buffer. Zero-initialise; `buffer_free` when done. Never exceeds <max> if that is set (then `failed`).
 */
struct buffer {
    char *p; /* NUL-terminated whenever not NULL; the NUL is not counted */
    size_t n, capacity;
    size_t max;  /* 0: no limit */
    bool failed; /* an append would have exceeded max: contents are then incomplete */
};
void buffer_add(struct buffer *buffer, const void *bytes, size_t count);
void buffer_add_text(struct buffer *buffer, const char *text);
void buffer_add_slice(struct buffer *buffer, struct slice slice);
void buffer_add_format(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_add_json_string(struct buffer *buffer,
                            struct slice text);        /* with quotes; escapes <, >, & and controls too */
void buffer_clear(struct buffer *buffer);              /* keeps the memory */
void buffer_drop(struct buffer *buffer, size_t count); /* removes from the front */
void buffer_free(struct buffer *buffer);
char *buffer_take(struct buffer *buffer); /* the text, now the caller's; never NULL; buffer is empty after */
static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return (struct slice){buffer->p, buffer->n};
}
#define AUTO_BUFFER __attribute__((cleanup(buffer_free)))

/* Encodings. Decoders append to <ret>; they accept canonical input only, and otherwise return false and append nothing.
 * Hex is lower-case. */
void text_hex(const void *bytes, size_t count, char *ret /* 2*count+1 */);
bool text_unhex(struct slice hex, uint8_t *ret, size_t count);
char *text_base64(const void *bytes, size_t count);    /* RFC 4648 section 4, padded; malloc'ed */
char *text_base64url(const void *bytes, size_t count); /* RFC 4648 section 5, unpadded; malloc'ed */
bool text_unbase64(struct slice encoded, struct buffer *ret);
bool text_unbase64url(struct slice encoded, struct buffer *ret);
/* "<before><secret>", malloc'ed, to be wiped by the caller: a header line with a secret as a Secret keeps it. NULL if
 * it is none, or holds what cannot stand in a header. */
char *text_secret_line(const char *before, const char *base64);
bool text_unpercent(struct slice encoded, struct buffer *ret); /* false on a bad escape or an encoded NUL */
bool text_unform(struct slice encoded, struct buffer *ret);    /* the same as forms do it: '+' is a space */
void text_percent(struct slice raw, struct buffer *ret);       /* keeps RFC 3986 unreserved characters only */
bool text_is_utf8(struct slice text);                          /* strict: no surrogates, no overlong forms */
/* Printable form for logs and terminals: control characters, ESC and non-UTF-8 become \xNN; at most <size>-1 bytes. */
void text_printable(struct slice raw, char *ret, size_t size);

/* Kubernetes names. RFC 1123 label: [a-z0-9]([-a-z0-9]*[a-z0-9])?, at most 63; subdomain: labels joined by '.', 253. */
bool name_is_label(struct slice name);
bool name_is_subdomain(struct slice name);
bool name_is_dns1035(struct slice name); /* label that begins with a letter */

/* Kubernetes quantities ("500m", "4Gi", "1e3"), apimachinery resource.Quantity. Milli-units, rounded away from zero.
 * False if malformed or too large for 63 bits. A sign is part of the grammar: callers say whether less than zero makes
 * sense. */
bool quantity_parse_milli(struct slice text, int64_t *ret_milli);
bool quantity_parse_bytes(struct slice text, int64_t *ret_bytes); /* rounds up to whole units */
void quantity_format_bytes(int64_t bytes, char *ret,
                           size_t size);                         /* exact, in the largest unit: "4Gi", "1536Mi", "1" */
void quantity_format_cpu(int64_t milli, char *ret, size_t size); /* "2", "500m" */

#endif
