/* What does a protobuf message say in this field? */
#include "controlplane/protobuf.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

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

bool protobuf_bytes(struct slice message, unsigned number, struct slice *ret)
{
    struct slice found = {"", 0};
    while (message.n > 0) {
        uint64_t key, value;
        if (!take_varint(&message, &key))
            return false;
        switch (key & 7) {
        case VARINT:
            if (!take_varint(&message, &value))
                return false;
            break;
        case FIXED64:
            if (!skip(&message, 8))
                return false;
            break;
        case FIXED32:
            if (!skip(&message, 4))
                return false;
            break;
        case BYTES:
            if (!take_varint(&message, &value) || value > message.n)
                return false;
            if (key >> 3 == number)
                found = (struct slice){message.p, (size_t)value};
            message = slice_skip(message, (size_t)value);
            break;
        default:
            return false;
        }
    }
    *ret = found;
    return true;
}

bool protobuf_open(struct slice body, const char *kind, struct slice *ret)
{
    static const char magic[4] = {'k', '8', 's', '\0'};
    struct slice type, name, encoding, raw;
    if (body.n < sizeof(magic) || memcmp(body.p, magic, sizeof(magic)) != 0)
        return false;
    struct slice unknown = slice_skip(body, sizeof(magic));
    if (!protobuf_bytes(unknown, 1, &type) || !protobuf_bytes(type, 2, &name) || !slice_is(name, kind) ||
        !protobuf_bytes(unknown, 3, &encoding) || encoding.n > 0 || !protobuf_bytes(unknown, 2, &raw))
        return false;
    *ret = raw;
    return true;
}
