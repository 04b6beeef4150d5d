/* Which bytes of this WebSocket are payload, and is the rest as RFC 6455 wants it? */
#include "gateway/websocket.h"

#include <openssl/sha.h>

#include "gateway/limits.h"

void websocket_accept(struct slice key, char ret[WEBSOCKET_ACCEPT_SIZE])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[64 + sizeof(guid)];
    size_t length = key.n < 64 ? key.n : 64;
    memcpy(text, key.p, length);
    memcpy(text + length, guid, sizeof(guid) - 1);
    unsigned char digest[SHA_DIGEST_LENGTH];
    SHA1((const unsigned char *)text, length + sizeof(guid) - 1, digest);
    AUTO_FREE char *encoded = text_base64(digest, sizeof(digest));
    memcpy(ret, encoded, WEBSOCKET_ACCEPT_SIZE - 1);
    ret[WEBSOCKET_ACCEPT_SIZE - 1] = '\0';
}

size_t websocket_header(enum websocket_opcode opcode, uint64_t length, unsigned char ret[WEBSOCKET_HEADER_MAX])
{
    ret[0] = (unsigned char)(0x80u | (unsigned)opcode);
    if (length < 126) {
        ret[1] = (unsigned char)length;
        return 2;
    }
    size_t bytes = length <= 0xffff ? 2 : 8;
    ret[1] = bytes == 2 ? 126 : 127;
    for (size_t i = 0; i < bytes; i++)
        ret[2 + i] = (unsigned char)(length >> (8 * (bytes - 1 - i)));
    return 2 + bytes;
}

/* Bytes a header has, as far as its first two tell. */
static unsigned char header_size(const unsigned char *header)
{
    unsigned length = header[1] & 0x7fu;
    unsigned size = 2 + (length == 126 ? 2u : length == 127 ? 8u : 0u) + (header[1] & 0x80u ? 4u : 0u);
    return (unsigned char)size;
}

static uint64_t header_length(const unsigned char *header)
{
    unsigned length = header[1] & 0x7fu;
    size_t bytes = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (bytes == 0)
        return length;
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | header[2 + i];
    return value;
}

/* 0, or the close code for a frame that must not be (5.2, 5.4, 5.5). */
static unsigned judge_header(const struct websocket_decoder *d)
{
    unsigned char opcode = d->header[0] & 0x0f;
    bool final = d->header[0] & 0x80, control = opcode >= 8;
    unsigned short_length = d->header[1] & 0x7fu;
    uint64_t length = header_length(d->header);
    if ((d->header[0] & 0x70) || !(d->header[1] & 0x80))
        return WEBSOCKET_PROTOCOL;
    if ((short_length == 126 && length < 126) || (short_length == 127 && length <= 0xffff))
        return WEBSOCKET_PROTOCOL; /* not the shortest form */
    if (control)
        return opcode > WEBSOCKET_PONG || !final || length > 125 ? WEBSOCKET_PROTOCOL : 0;
    if (opcode == WEBSOCKET_TEXT && !d->takes_text)
        return WEBSOCKET_UNSUPPORTED;
    if (opcode > WEBSOCKET_BINARY || (opcode == WEBSOCKET_CONTINUATION) != d->in_message)
        return WEBSOCKET_PROTOCOL;
    return length > LIMIT_FRAME_BYTES ? WEBSOCKET_TOO_BIG : 0;
}

/* Collects header bytes; true when the header is complete and judged (then *ret_close is 0 if it is good). */
static bool take_header(struct websocket_decoder *d, char **bytes, size_t *count, unsigned *ret_close)
{
    while (*count > 0) {
        d->header[d->header_have++] = (unsigned char)**bytes;
        (*bytes)++;
        (*count)--;
        if (d->header_have == 2)
            d->header_need = header_size(d->header);
        if (d->header_have < 2 || d->header_have < d->header_need)
            continue;
        *ret_close = judge_header(d);
        d->opcode = d->header[0] & 0x0f;
        d->left = header_length(d->header);
        d->at = 0;
        d->control_length = 0;
        d->in_payload = true;
        d->fresh = d->fresh || d->opcode == WEBSOCKET_TEXT || d->opcode == WEBSOCKET_BINARY;
        if (d->opcode < 8)
            d->in_message = !(d->header[0] & 0x80);
        return true;
    }
    return false;
}

static struct slice unmask(struct websocket_decoder *d, char **bytes, size_t *count)
{
    const unsigned char *key = d->header + d->header_need - 4;
    size_t span = *count < d->left ? *count : (size_t)d->left;
    struct slice payload = {*bytes, span};
    for (size_t i = 0; i < span; i++)
        (*bytes)[i] = (char)((unsigned char)(*bytes)[i] ^ key[(d->at + i) & 3]);
    d->at += span;
    d->left -= span;
    *bytes += span;
    *count -= span;
    return payload;
}

enum websocket_event websocket_decode(struct websocket_decoder *decoder, char **bytes, size_t *count,
                                      struct slice *ret_data, enum websocket_close *ret_close)
{
    for (;;) {
        unsigned close = 0;
        if (!decoder->in_payload && !take_header(decoder, bytes, count, &close))
            return WEBSOCKET_MORE;
        if (close) {
            *ret_close = (enum websocket_close)close;
            return WEBSOCKET_BROKEN;
        }
        if (decoder->left > 0 && *count == 0)
            return WEBSOCKET_MORE;
        struct slice payload = unmask(decoder, bytes, count);
        bool control = decoder->opcode >= 8;
        if (control && payload.n > 0) {
            memcpy(decoder->control + decoder->control_length, payload.p, payload.n);
            decoder->control_length = (unsigned char)(decoder->control_length + payload.n);
        }
        bool complete = decoder->left == 0;
        if (complete) {
            decoder->in_payload = false;
            decoder->header_have = decoder->header_need = 0;
        }
        if (control && complete)
            return WEBSOCKET_CONTROL;
        if (!control && payload.n > 0) {
            decoder->began = decoder->fresh;
            decoder->fresh = false;
            *ret_data = payload;
            return WEBSOCKET_DATA;
        }
    }
}

bool websocket_meter_feed(struct websocket_meter *meter, const char *bytes, size_t count)
{
    bool data = false;
    while (count > 0) {
        if (meter->left > 0) {
            size_t span = count < meter->left ? count : (size_t)meter->left;
            meter->left -= span;
            bytes += span;
            count -= span;
            data = data || (meter->header[0] & 0x0f) < 8;
            continue;
        }
        if (meter->have >= 2 && meter->have == header_size(meter->header))
            meter->have = 0;
        meter->header[meter->have++] = (unsigned char)*bytes++;
        count--;
        if (meter->have >= 2 && meter->have == header_size(meter->header)) {
            meter->left = header_length(meter->header);
            data = data || (meter->header[0] & 0x0f) < 8;
        }
    }
    return data;
}
