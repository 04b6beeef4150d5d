/* How is a WebSocket frame written by a client, and read from a server (RFC 6455, 5.2)? */
#include "cli/websocket.h"

size_t frame_header(unsigned opcode, size_t length, const unsigned char mask[4], unsigned char ret[FRAME_HEADER_MAX])
{
    size_t at = 0;
    ret[at++] = (unsigned char)(0x80u | opcode);
    if (length < 126) {
        ret[at++] = (unsigned char)(0x80u | length);
    } else if (length <= 0xFFFF) {
        ret[at++] = 0x80u | 126;
        ret[at++] = (unsigned char)(length >> 8);
        ret[at++] = (unsigned char)length;
    } else {
        ret[at++] = 0x80u | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            ret[at++] = (unsigned char)((uint64_t)length >> shift);
    }
    memcpy(ret + at, mask, 4);
    return at + 4;
}

void frame_mask(char *bytes, size_t count, const unsigned char mask[4])
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (char)((unsigned char)bytes[i] ^ mask[i % 4]);
}

int64_t frame_read(struct slice bytes, size_t max, unsigned *ret_opcode, struct slice *ret_payload)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    if (bytes.n < 2)
        return 0;
    if ((p[0] & 0x70) || (p[1] & 0x80)) /* no extension was agreed, and a server never masks */
        return -1;
    size_t header = 2;
    uint64_t length = p[1];
    if (length >= 126) {
        size_t wide = length == 126 ? 2 : 8;
        if (bytes.n < 2 + wide)
            return 0;
        length = 0;
        for (size_t i = 0; i < wide; i++)
            length = length << 8 | p[2 + i];
        header = 2 + wide;
    }
    bool control = (p[0] & 0x08) != 0;
    if (length > max || (control && (length > 125 || !(p[0] & 0x80))))
        return -1;
    if (bytes.n - header < length)
        return 0;
    *ret_opcode = p[0] & 0x0F;
    *ret_payload = (struct slice){bytes.p + header, (size_t)length};
    return (int64_t)(header + length);
}
