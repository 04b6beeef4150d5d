/* What does a protobuf message say in this field, and how is one written? */
#include "base/protobuf.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
#define NUMBER_MAX 536870911 /* 2^29 - 1, protobuf.dev/programming-guides/proto3/#assigning */

static bool take_varint(struct slice *rest, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && rest->n > 0; shift += 7) {
        unsigned char byte = (unsigned char)rest->p[0];
        *rest = slice_skip(*rest, 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool skip(struct slice *rest, uint64_t count)
{
    if (count > rest->n)
        return false;
    *rest = slice_skip(*rest, (size_t)count);
    return true;
}

static bool is_number(uint64_t key)
{
    return key >> 3 != 0 && key >> 3 <= NUMBER_MAX;
}

bool protobuf_head(struct slice *message, unsigned *ret_number, uint64_t *ret_length)
{
    uint64_t key;
    if (!take_varint(message, &key) || !is_number(key) || (key & 7) != BYTES || !take_varint(message, ret_length))
        return false;
    *ret_number = (unsigned)(key >> 3);
    return true;
}

bool protobuf_next(struct slice *message, struct protobuf_field *ret, bool *ret_end)
{
    uint64_t key, length;
    *ret_end = message->n == 0;
    if (*ret_end)
        return true;
    if (!take_varint(message, &key) || !is_number(key))
        return false;
    *ret = (struct protobuf_field){.number = (unsigned)(key >> 3), .bytes = {"", 0}};
    switch (key & 7) {
    case VARINT:
        return take_varint(message, &ret->value);
    case FIXED64:
        return skip(message, 8);
    case FIXED32:
        return skip(message, 4);
    case BYTES:
        if (!take_varint(message, &length) || length > message->n)
            return false;
        ret->bytes = (struct slice){message->p, (size_t)length};
        ret->delimited = true;
        *message = slice_skip(*message, (size_t)length);
        return true;
    default:
        return false;
    }
}

bool protobuf_bytes(struct slice message, unsigned number, struct slice *ret)
{
    struct slice found = {"", 0};
    struct protobuf_field field;
    bool end = false;
    while (protobuf_next(&message, &field, &end) && !end)
        if (field.delimited && field.number == number)
            found = field.bytes;
    if (end)
        *ret = found;
    return end;
}

static void add_varint(struct buffer *message, uint64_t value)
{
    char bytes[10];
    size_t count = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[count++] = (char)(value | 0x80);
    bytes[count++] = (char)value;
    buffer_add(message, bytes, count);
}

void protobuf_add_number(struct buffer *message, unsigned number, uint64_t value)
{
    add_varint(message, (uint64_t)number << 3 | VARINT);
    add_varint(message, value);
}

void protobuf_add_bytes(struct buffer *message, unsigned number, struct slice bytes)
{
    add_varint(message, (uint64_t)number << 3 | BYTES);
    add_varint(message, bytes.n);
    buffer_add_slice(message, bytes);
}
