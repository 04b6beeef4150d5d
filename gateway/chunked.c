/* Where does a chunked body's payload lie, and where does the body end? */
#include "gateway/http1.h"

enum state {
    SIZE_FIRST, /* the first digit of a size */
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_FIRST, /* the first byte of a trailer line, or the CR of the final empty one */
    TRAILER,
    TRAILER_LF,
    END_LF,
    DONE
};

static const char *step_size(struct http_chunked *c, unsigned char byte)
{
    int digit = byte >= '0' && byte <= '9'   ? byte - '0'
                : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                             : -1;
    if (digit >= 0) {
        /* 15 digits hold 2^60 - 1: more than any body, and no sum of ours overflows. */
        if (++c->digits > 15)
            return "a chunk size has more than 15 digits";
        c->left = c->left * 16 + (uint64_t)digit;
        c->state = SIZE;
        return NULL;
    }
    if (c->state == SIZE_FIRST)
        return "a chunk size is not a hexadecimal number";
    c->extension = 0;
    c->state = byte == ';' ? EXTENSION : SIZE_LF;
    return byte == ';' || byte == '\r' ? NULL : "a chunk size is not a hexadecimal number";
}

static const char *step_extension(struct http_chunked *c, unsigned char byte)
{
    if (byte == '\r') {
        c->state = SIZE_LF;
        return NULL;
    }
    if ((byte < ' ' && byte != '\t') || byte >= 0x7f)
        return "a chunk extension contains a control character";
    if (++c->extension > LIMIT_CHUNK_EXTENSION_BYTES || ++c->extensions > LIMIT_CHUNK_EXTENSIONS_BYTES)
        return "the chunk extensions are too long";
    return NULL;
}

static const char *step_trailer(struct http_chunked *c, unsigned char byte)
{
    if (byte == '\r') {
        c->state = c->state == TRAILER_FIRST ? END_LF : TRAILER_LF;
        return NULL;
    }
    if ((byte < ' ' && byte != '\t') || byte == 0x7f || (c->state == TRAILER_FIRST && (byte == ' ' || byte == '\t')))
        return "a trailer line is malformed";
    if (++c->trailer > LIMIT_TRAILER_BYTES)
        return "the trailers are larger than 8 KiB";
    c->state = TRAILER;
    return NULL;
}

static const char *expect_byte(struct http_chunked *c, unsigned char byte, unsigned char wanted, enum state next)
{
    c->state = (unsigned char)next;
    return byte == wanted ? NULL : "a chunk does not end in CR LF";
}

/* Everything that is not payload, one byte at a time. */
static const char *step(struct http_chunked *c, unsigned char byte)
{
    switch ((enum state)c->state) {
    case SIZE_FIRST:
        c->left = 0;
        c->digits = 0;
        return step_size(c, byte);
    case SIZE:
        return step_size(c, byte);
    case EXTENSION:
        return step_extension(c, byte);
    case SIZE_LF:
        return expect_byte(c, byte, '\n', c->left > 0 ? DATA : TRAILER_FIRST);
    case DATA_CR:
        return expect_byte(c, byte, '\r', DATA_LF);
    case DATA_LF:
        return expect_byte(c, byte, '\n', SIZE_FIRST);
    case TRAILER_FIRST:
    case TRAILER:
        return step_trailer(c, byte);
    case TRAILER_LF:
        return expect_byte(c, byte, '\n', TRAILER_FIRST);
    case END_LF:
        return expect_byte(c, byte, '\n', DONE);
    case DATA:
    case DONE:
        break;
    }
    return "the chunked body is over";
}

enum http_verdict http_chunked_decode(struct http_chunked *chunked, char *bytes, size_t count, size_t *ret_payload,
                                      size_t *ret_used, struct http_fault *fault)
{
    size_t at = 0, payload = 0;
    while (at < count && chunked->state != DONE) {
        if (chunked->state == DATA) {
            size_t span = count - at < chunked->left ? count - at : (size_t)chunked->left;
            if (payload != at)
                memmove(bytes + payload, bytes + at, span);
            payload += span;
            at += span;
            chunked->left -= span;
            if (chunked->left == 0)
                chunked->state = DATA_CR;
            continue;
        }
        const char *wrong = step(chunked, (unsigned char)bytes[at++]);
        if (wrong) {
            *fault = (struct http_fault){400, wrong};
            return HTTP_REFUSED;
        }
    }
    *ret_payload = payload;
    *ret_used = at;
    return chunked->state == DONE ? HTTP_DONE : HTTP_MORE;
}
