/*
 * WebSocket framing (RFC 6455), the server's side: for tunnels, where each binary message is bytes of one TCP stream,
 * and for counting data frames that pass through. Frames are streamed: no message is ever collected.
 */
#ifndef ATELIER_GATEWAY_WEBSOCKET_H
#define ATELIER_GATEWAY_WEBSOCKET_H

#include <stdbool.h>

#include "base/text.h"

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10
};
enum websocket_close {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_GOING_AWAY = 1001,
    WEBSOCKET_PROTOCOL = 1002,
    WEBSOCKET_UNSUPPORTED = 1003,
    WEBSOCKET_POLICY = 1008,
    WEBSOCKET_TOO_BIG = 1009,
    WEBSOCKET_UPSTREAM = 1011
};
#define WEBSOCKET_ACCEPT_SIZE 29
/* Sec-WebSocket-Accept for a key (4.2.2). */
void websocket_accept(struct slice key, char ret[WEBSOCKET_ACCEPT_SIZE]);

/* Writes a frame's header, unmasked, as servers send it: 2, 4 or 10 bytes. */
#define WEBSOCKET_HEADER_MAX 10
size_t websocket_header(enum websocket_opcode opcode, uint64_t length, unsigned char ret[WEBSOCKET_HEADER_MAX]);

/* Decodes what a client sends. Zero-initialise; <began> is set when data begins a message. */
struct websocket_decoder {
    unsigned char header[14];
    unsigned char header_have, header_need;
    bool in_payload, in_message; /* in_message: a fragmented message goes on */
    bool takes_text;             /* set by the caller: text messages are data, too */
    unsigned char opcode;
    bool fresh;        /* no data of the message yet */
    bool began;        /* the data just reported is the first of its message */
    uint64_t left, at; /* payload still to come, and already seen of this frame */
    unsigned char control[125];
    unsigned char control_length;
};
enum websocket_event {
    WEBSOCKET_MORE,    /* everything was consumed */
    WEBSOCKET_DATA,    /* *ret_data is payload of the stream, unmasked in place */
    WEBSOCKET_CONTROL, /* a complete control frame is in decoder->opcode, control, control_length */
    WEBSOCKET_BROKEN   /* *ret_close says why */
};
/* Consumes bytes from the front of <bytes> until there is something to report. */
enum websocket_event websocket_decode(struct websocket_decoder *decoder, char **bytes, size_t *count,
                                      struct slice *ret_data, enum websocket_close *ret_close);

/* Follows a stream of frames, either direction, without looking at payloads. Zero-initialise. */
struct websocket_meter {
    uint64_t left;
    unsigned char header[14];
    unsigned char have;
};
/* True if a data frame (not ping, pong or close) began or went on in these bytes. */
bool websocket_meter_feed(struct websocket_meter *meter, const char *bytes, size_t count);

#endif
