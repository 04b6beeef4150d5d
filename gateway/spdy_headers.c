/* How are SPDY's header blocks packed and unpacked? */
#include "gateway/spdy_headers.h"

#include <zlib.h>

#include "base/memory.h"

enum { WINDOW_BITS = 11, LEVEL = 1 }; /* a packer's memory: what is packed here is hardly anything */

/* 2.6.10.1: 32 bits of length before each word, then text without. Its Adler-32 is 0xe3c6a7c2. */
static const char dictionary[] =
    "\0\0\0\007options\0\0\0\004head\0\0\0\004post\0\0\0\003put\0\0\0\006delete\0\0\0\005trace\0\0\0\006accept"
    "\0\0\0\016accept-charset\0\0\0\017accept-encoding\0\0\0\017accept-language\0\0\0\015accept-ranges"
    "\0\0\0\003age\0\0\0\005allow\0\0\0\015authorization\0\0\0\015cache-control\0\0\0\012connection"
    "\0\0\0\014content-base\0\0\0\020content-encoding\0\0\0\020content-language\0\0\0\016content-length"
    "\0\0\0\020content-location\0\0\0\013content-md5\0\0\0\015content-range\0\0\0\014content-type\0\0\0\004date"
    "\0\0\0\004etag\0\0\0\006expect\0\0\0\007expires\0\0\0\004from\0\0\0\004host\0\0\0\010if-match"
    "\0\0\0\021if-modified-since\0\0\0\015if-none-match\0\0\0\010if-range\0\0\0\023if-unmodified-since"
    "\0\0\0\015last-modified\0\0\0\010location\0\0\0\014max-forwards\0\0\0\006pragma\0\0\0\022proxy-authenticate"
    "\0\0\0\023proxy-authorization\0\0\0\005range\0\0\0\007referer\0\0\0\013retry-after\0\0\0\006server"
    "\0\0\0\002te\0\0\0\007trailer\0\0\0\021transfer-encoding\0\0\0\007upgrade\0\0\0\012user-agent\0\0\0\004vary"
    "\0\0\0\003via\0\0\0\007warning\0\0\0\020www-authenticate\0\0\0\006method\0\0\0\003get\0\0\0\006status"
    "\0\0\0\006200 OK\0\0\0\007version\0\0\0\010HTTP/1.1\0\0\0\003url\0\0\0\006public\0\0\0\012set-cookie"
    "\0\0\0\012keep-alive\0\0\0\006origin"
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 No"
    "n-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403"
    " Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Fe"
    "b Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunke"
    "d,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/"
    "javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

static const Bytef *dictionary_bytes(void)
{
    return (const Bytef *)dictionary;
}

/* --- unpacking ---------------------------------------------------------------------------------------------------- */

struct spdy_unpacker {
    z_stream stream;
    unsigned char block[SPDY_BLOCK_BYTES];
    size_t length;
};

struct spdy_unpacker *spdy_unpacker_new(void)
{
    struct spdy_unpacker *unpacker = memory_get(sizeof(*unpacker));
    if (inflateInit(&unpacker->stream) != Z_OK)
        abort(); /* out of memory, as in memory_get */
    return unpacker;
}

void spdy_unpacker_free(struct spdy_unpacker *unpacker)
{
    if (!unpacker)
        return;
    inflateEnd(&unpacker->stream);
    free(unpacker);
}

uint32_t spdy_read_32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Cuts a text off the front of <rest>. */
static bool take_text(struct slice *rest, struct slice *ret)
{
    if (rest->n < 4)
        return false;
    uint32_t length = spdy_read_32((const unsigned char *)rest->p);
    if (length > rest->n - 4)
        return false;
    *ret = (struct slice){rest->p + 4, length};
    *rest = slice_skip(*rest, 4 + (size_t)length);
    return true;
}

static struct slice block_of(const struct spdy_unpacker *unpacker, uint32_t *ret_count)
{
    *ret_count = unpacker->length >= 4 ? spdy_read_32(unpacker->block) : 0;
    return slice_skip((struct slice){(const char *)unpacker->block, unpacker->length}, 4);
}

static bool is_whole(const struct spdy_unpacker *unpacker)
{
    uint32_t count;
    struct slice rest = block_of(unpacker, &count), name, value;
    if (unpacker->length < 4 || count > SPDY_BLOCK_HEADERS)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!take_text(&rest, &name) || name.n == 0 || !take_text(&rest, &value))
            return false;
    }
    return rest.n == 0;
}

bool spdy_unpack(struct spdy_unpacker *unpacker, struct slice packed)
{
    z_stream *stream = &unpacker->stream;
    unpacker->length = 0;
    stream->next_in = (Bytef *)(uintptr_t)packed.p;
    stream->avail_in = (uInt)packed.n;
    stream->next_out = unpacker->block;
    stream->avail_out = sizeof(unpacker->block);
    int result = inflate(stream, Z_SYNC_FLUSH);
    if (result == Z_NEED_DICT && inflateSetDictionary(stream, dictionary_bytes(), (uInt)sizeof(dictionary) - 1) == Z_OK)
        result = inflate(stream, Z_SYNC_FLUSH);
    /* A full block may have more behind it that zlib still keeps. */
    if (result != Z_OK || stream->avail_in > 0 || stream->avail_out == 0)
        return false;
    unpacker->length = sizeof(unpacker->block) - stream->avail_out;
    bool whole = is_whole(unpacker);
    if (!whole)
        unpacker->length = 0;
    return whole;
}

bool spdy_header(const struct spdy_unpacker *unpacker, const char *name, struct slice *ret)
{
    uint32_t count;
    struct slice rest = block_of(unpacker, &count), key, value;
    for (uint32_t i = 0; i < count && take_text(&rest, &key) && take_text(&rest, &value); i++) {
        if (slice_is_nocase(key, name)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

/* --- packing ------------------------------------------------------------------------------------------------------ */

struct spdy_packer {
    z_stream stream;
};

struct spdy_packer *spdy_packer_new(void)
{
    struct spdy_packer *packer = memory_get(sizeof(*packer));
    if (deflateInit2(&packer->stream, LEVEL, Z_DEFLATED, WINDOW_BITS, 1, Z_DEFAULT_STRATEGY) != Z_OK ||
        deflateSetDictionary(&packer->stream, dictionary_bytes(), (uInt)sizeof(dictionary) - 1) != Z_OK)
        abort(); /* out of memory, as in memory_get */
    return packer;
}

void spdy_packer_free(struct spdy_packer *packer)
{
    if (!packer)
        return;
    deflateEnd(&packer->stream);
    free(packer);
}

void spdy_pack(struct spdy_packer *packer, struct slice block, struct buffer *out)
{
    z_stream *stream = &packer->stream;
    Bytef piece[256];
    stream->next_in = (Bytef *)(uintptr_t)block.p;
    stream->avail_in = (uInt)block.n;
    do {
        stream->next_out = piece;
        stream->avail_out = sizeof(piece);
        deflate(stream, Z_SYNC_FLUSH);
        buffer_add(out, piece, sizeof(piece) - stream->avail_out);
    } while (stream->avail_out == 0);
}
