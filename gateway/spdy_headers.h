/*
 * The header blocks of SPDY/3 (draft-mbelshe-httpbis-spdy-00, 2.6.10): names and values, packed by one zlib stream a
 * direction that begins with a dictionary known to both. Every block of a connection must be unpacked, in order.
 */
#ifndef ATELIER_GATEWAY_SPDY_HEADERS_H
#define ATELIER_GATEWAY_SPDY_HEADERS_H

#include <stdbool.h>

#include "base/text.h"

/* A block unpacked. Port-forward's have three headers, some 60 bytes; what is packed tightly must not swell. */
#define SPDY_BLOCK_BYTES ((size_t)4096)
#define SPDY_BLOCK_HEADERS 32

/* In network order, as every number of SPDY's. */
uint32_t spdy_read_32(const unsigned char *p);

struct spdy_unpacker;
struct spdy_unpacker *spdy_unpacker_new(void);
void spdy_unpacker_free(struct spdy_unpacker *unpacker); /* NULL is fine */
/* False if the block is malformed or too large: then nothing of the connection can be understood any more. */
bool spdy_unpack(struct spdy_unpacker *unpacker, struct slice packed);
/* Of the block unpacked last; borrowed until the next. Names are compared without case. False: it has none. */
bool spdy_header(const struct spdy_unpacker *unpacker, const char *name, struct slice *ret);

struct spdy_packer;
struct spdy_packer *spdy_packer_new(void);
void spdy_packer_free(struct spdy_packer *packer); /* NULL is fine */
/* Adds a packed block. <block>: 32 bits of count, then 32 bits of length and text, a name and a value in turn. */
void spdy_pack(struct spdy_packer *packer, struct slice block, struct buffer *out);

#endif
