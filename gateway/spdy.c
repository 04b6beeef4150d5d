/* How are SPDY/3.1's frames read and written? */
#include "gateway/spdy.h"

#include <string.h>

enum { SYN_STREAM = 1, SYN_REPLY, RST_STREAM, SETTINGS, PING = 6, GOAWAY, HEADERS, WINDOW_UPDATE };
enum { FLAG_FIN = 1, FLAG_UNIDIRECTIONAL = 2 };
enum { VERSION = 3, HEADER_BYTES = 8 };
#define STREAM_MASK 0x7fffffffu

static void write_32(unsigned char *p, uint32_t value)
{
    p[0] = (unsigned char)(value >> 24);
    p[1] = (unsigned char)(value >> 16);
    p[2] = (unsigned char)(value >> 8);
    p[3] = (unsigned char)value;
}

/* --- control frames ----------------------------------------------------------------------------------------------- */

/* A client's streams are odd and each is higher than the one before (2.3.2). */
static enum spdy_event open_stream(struct spdy_reader *reader, const unsigned char *body, size_t length)
{
    enum { FIXED = 10 };
    unsigned flags = reader->control[4];
    if (length < FIXED || flags & FLAG_UNIDIRECTIONAL)
        return SPDY_BROKEN;
    reader->stream = spdy_read_32(body) & STREAM_MASK;
    if (reader->stream % 2 == 0 || reader->stream <= reader->last_opened)
        return SPDY_BROKEN;
    reader->last_opened = reader->stream;
    reader->fin = flags & FLAG_FIN;
    return spdy_unpack(reader->unpacker, (struct slice){(const char *)body + FIXED, length - FIXED}) ? SPDY_OPEN
                                                                                                     : SPDY_BROKEN;
}

/* HEADERS add nothing here, but the next block is packed with theirs in mind. */
static enum spdy_event skip_headers(struct spdy_reader *reader, const unsigned char *body, size_t length)
{
    enum { FIXED = 4 };
    bool good =
        length > FIXED && spdy_unpack(reader->unpacker, (struct slice){(const char *)body + FIXED, length - FIXED});
    reader->stream = good ? spdy_read_32(body) & STREAM_MASK : 0;
    reader->fin = true;
    if (good && reader->control[4] & FLAG_FIN)
        return SPDY_DATA;
    return good ? SPDY_MORE : SPDY_BROKEN;
}

/* SPDY_MORE: it is of no interest. */
static enum spdy_event understand(struct spdy_reader *reader, size_t length)
{
    const unsigned char *body = reader->control + HEADER_BYTES;
    unsigned type = (unsigned)reader->control[2] << 8 | reader->control[3];
    reader->data = (struct slice){0};
    switch (type) {
    case SYN_STREAM:
        return open_stream(reader, body, length);
    case HEADERS:
        return skip_headers(reader, body, length);
    case RST_STREAM:
        reader->stream = length == 8 ? spdy_read_32(body) & STREAM_MASK : 0;
        return length == 8 ? SPDY_RESET : SPDY_BROKEN;
    case PING:
        reader->stream = length == 4 ? spdy_read_32(body) : 0;
        return length == 4 ? SPDY_PING : SPDY_BROKEN;
    case GOAWAY:
        return SPDY_GO_AWAY;
    case SETTINGS:
    case WINDOW_UPDATE:
        return SPDY_MORE;
    default: /* SYN_REPLY among them: no stream of ours waits for one */
        return SPDY_BROKEN;
    }
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static void collect(struct spdy_reader *reader, size_t wanted, struct slice *bytes)
{
    size_t count = wanted - reader->have < bytes->n ? wanted - reader->have : bytes->n;
    if (count > 0)
        memcpy(reader->control + reader->have, bytes->p, count);
    reader->have += count;
    *bytes = slice_skip(*bytes, count);
}

static enum spdy_event stream_data(struct spdy_reader *reader, struct slice *bytes)
{
    size_t count = reader->data_left < bytes->n ? reader->data_left : bytes->n;
    reader->data = (struct slice){bytes->p, count};
    reader->data_left -= (uint32_t)count;
    *bytes = slice_skip(*bytes, count);
    reader->in_data = reader->data_left > 0;
    reader->fin = reader->ends && !reader->in_data;
    return count > 0 || reader->fin ? SPDY_DATA : SPDY_MORE;
}

static enum spdy_event begin_data(struct spdy_reader *reader, uint32_t length)
{
    reader->have = 0;
    reader->in_data = true;
    reader->data_left = length;
    reader->ends = reader->control[4] & FLAG_FIN;
    reader->stream = spdy_read_32(reader->control) & STREAM_MASK;
    return reader->stream % 2 == 0 || reader->stream > reader->last_opened ? SPDY_BROKEN : SPDY_MORE;
}

static enum spdy_event begin_frame(struct spdy_reader *reader, struct slice *bytes)
{
    if (reader->have < HEADER_BYTES)
        collect(reader, HEADER_BYTES, bytes);
    if (reader->have < HEADER_BYTES)
        return SPDY_MORE;
    uint32_t length = spdy_read_32(reader->control + 4) & 0xffffff;
    if (!(reader->control[0] & 0x80))
        return begin_data(reader, length);
    if (reader->control[0] != 0x80 || reader->control[1] != VERSION || length > SPDY_CONTROL_BYTES - HEADER_BYTES)
        return SPDY_BROKEN;
    collect(reader, HEADER_BYTES + (size_t)length, bytes);
    if (reader->have < HEADER_BYTES + (size_t)length)
        return SPDY_MORE;
    reader->have = 0;
    return understand(reader, length);
}

enum spdy_event spdy_read(struct spdy_reader *reader, struct slice *bytes)
{
    while (bytes->n > 0) {
        enum spdy_event event = reader->in_data ? SPDY_MORE : begin_frame(reader, bytes);
        if (event == SPDY_MORE && reader->in_data && (bytes->n > 0 || reader->data_left == 0))
            event = stream_data(reader, bytes);
        if (event != SPDY_MORE)
            return event;
    }
    return SPDY_MORE;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* A control frame's header, and as its body <first> and, unless it is NULL, <second>. */
static void add_control(unsigned type, uint32_t first, const uint32_t *second, struct buffer *out)
{
    unsigned char frame[HEADER_BYTES + 8] = {0x80, VERSION, 0, (unsigned char)type};
    write_32(frame + 4, second ? 8 : 4);
    write_32(frame + HEADER_BYTES, first);
    if (second)
        write_32(frame + HEADER_BYTES + 4, *second);
    buffer_add(out, frame, HEADER_BYTES + (second ? 8u : 4u));
}

void spdy_add_reply(struct spdy_packer *packer, uint32_t stream, struct buffer *out)
{
    size_t start = out->n;
    add_control(SYN_REPLY, stream, NULL, out);
    spdy_pack(packer, (struct slice){"\0\0\0\0", 4}, out);
    write_32((unsigned char *)out->p + start + 4, (uint32_t)(out->n - start - HEADER_BYTES));
}

void spdy_add_data(uint32_t stream, struct slice data, bool fin, struct buffer *out)
{
    unsigned char header[SPDY_DATA_HEADER];
    write_32(header, stream);
    write_32(header + 4, (uint32_t)data.n | (fin ? (uint32_t)FLAG_FIN << 24 : 0));
    buffer_add(out, header, sizeof(header));
    buffer_add_slice(out, data);
}

void spdy_add_reset(uint32_t stream, enum spdy_reset why, struct buffer *out)
{
    uint32_t reason = why;
    add_control(RST_STREAM, stream, &reason, out);
}

void spdy_add_ping(uint32_t number, struct buffer *out)
{
    add_control(PING, number, NULL, out);
}
