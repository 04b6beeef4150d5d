/*
 * Protobuf without its schemas: the fields of a message by number.
 *
 * Wire types of protobuf.dev/programming-guides/encoding. Slices borrow from what is read; reading allocates nothing.
 */
#ifndef ATELIER_BASE_PROTOBUF_H
#define ATELIER_BASE_PROTOBUF_H

#include "base/text.h"

/* Takes the next field off the front of <message>. False if it is malformed; *ret_end: there was none left. */
struct protobuf_field {
    unsigned number;
    bool delimited;     /* <bytes> is what it holds; else <value> is, of a varint */
    struct slice bytes; /* never NULL */
    uint64_t value;
};
bool protobuf_next(struct slice *message, struct protobuf_field *ret, bool *ret_end);
/* Takes what stands before the bytes of a length-delimited field off the front of <message>; the bytes need not be
 * there yet. False if it is of another type, malformed, or not all there: PROTOBUF_HEAD_MAX bytes suffice. */
#define PROTOBUF_HEAD_MAX 20
bool protobuf_head(struct slice *message, unsigned *ret_number, uint64_t *ret_length);
/* The last field <number> of length-delimited type in <message>; empty if absent. False if the message is malformed. */
bool protobuf_bytes(struct slice message, unsigned number, struct slice *ret);

/* Append a field to a message: a varint; a text, bytes or a message. */
void protobuf_add_number(struct buffer *message, unsigned number, uint64_t value);
void protobuf_add_bytes(struct buffer *message, unsigned number, struct slice bytes);

#endif
