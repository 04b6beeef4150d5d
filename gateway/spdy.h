/*
 * SPDY/3.1 framing, the server's side, as kubectl's port-forward speaks it inside a WebSocket (the subprotocol
 * SPDY/3.1+portforward.k8s.io): the client opens streams, both sides send data on them. The format is that of
 * draft-mbelshe-httpbis-spdy-00, 2.2 and 2.6.
 *
 * Windows are not kept: Kubernetes' own two sides (spdystream) neither send WINDOW_UPDATE nor wait for one, so a side
 * that did would wait for ever. What bounds a sender is that its bytes are not read.
 *
 * Data is streamed: of a frame only a control frame is ever collected, SPDY_CONTROL_BYTES at most.
 */
#ifndef ATELIER_GATEWAY_SPDY_H
#define ATELIER_GATEWAY_SPDY_H

#include "gateway/spdy_headers.h"

#define SPDY_CONTROL_BYTES ((size_t)4096) /* kubectl's are under 100 */
#define SPDY_DATA_HEADER 8

enum spdy_event {
    SPDY_MORE,    /* everything was consumed */
    SPDY_OPEN,    /* the client opens <stream>; its headers: spdy_header(reader->unpacker, …) */
    SPDY_DATA,    /* <data> came on <stream>; it may be empty where <fin> is set */
    SPDY_RESET,   /* the client lets go of <stream> */
    SPDY_PING,    /* to be sent back as it is: its number is in <stream> */
    SPDY_GO_AWAY, /* the client opens no more streams */
    SPDY_BROKEN   /* nothing after this can be understood */
};
/* Zero-initialise, but for <unpacker>. */
struct spdy_reader {
    struct spdy_unpacker *unpacker; /* the caller's */
    unsigned char control[SPDY_CONTROL_BYTES];
    size_t have;        /* of the frame's header and, if it is a control frame, what follows */
    uint32_t data_left; /* of the data frame under way */
    bool in_data, ends; /* and whether it ends its stream */
    uint32_t last_opened;
    /* What was reported: */
    uint32_t stream;
    bool fin; /* the client sends nothing more on it */
    struct slice data;
};
/* Consumes bytes from the front of <bytes> until there is something to report. */
enum spdy_event spdy_read(struct spdy_reader *reader, struct slice *bytes);

/* RST_STREAM's reasons (2.6.3). */
enum spdy_reset { SPDY_PROTOCOL_ERROR = 1, SPDY_REFUSED_STREAM = 3, SPDY_CANCEL = 5 };
void spdy_add_reply(struct spdy_packer *packer, uint32_t stream, struct buffer *out); /* SYN_REPLY, no headers */
void spdy_add_data(uint32_t stream, struct slice data, bool fin, struct buffer *out); /* under 16 MiB */
void spdy_add_reset(uint32_t stream, enum spdy_reset why, struct buffer *out);
void spdy_add_ping(uint32_t number, struct buffer *out);

#endif
