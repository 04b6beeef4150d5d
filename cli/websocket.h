/*
 * A WebSocket to the service (RFC 6455): whole messages both ways. TLS, the admin socket and credentials are as for
 * every other request (client.h). Threads: one socket, one thread at a time; several of one client may be used by
 * several.
 */
#ifndef ATELIER_CLI_WEBSOCKET_H
#define ATELIER_CLI_WEBSOCKET_H

#include "base/error.h"
#include "base/text.h"

struct client;
struct websocket;
/* Connects to <path> (encoded, with its query) and waits for the service's consent (at most 30 s). <protocol>: the only
 * subprotocol that will do, or NULL. A refusal becomes the service's own error. */
int websocket_open(const struct client *client, const char *path, const char *protocol, struct websocket **ret,
                   struct error *error);
void websocket_free(struct websocket *socket);    /* NULL is fine */
int websocket_fd(const struct websocket *socket); /* to poll for POLLIN */

/* One message; its bytes are masked in place. */
int websocket_send(struct websocket *socket, char *bytes, size_t count, struct error *error);
/* Says that no more messages will be sent; those of the service still come. */
int websocket_end(struct websocket *socket, struct error *error);
/* Hands on every whole message that has come (TLS may hold more than the descriptor shows: it is read dry). Call it
 * once before the first poll: messages may have come with the consent. Pings are answered. A failure of <take>, a Close
 * that is no ordinary end, and a broken connection are failures. */
typedef int (*websocket_taker)(void *context, struct slice message, struct error *error);
int websocket_receive(struct websocket *socket, websocket_taker take, void *context, struct error *error);
bool websocket_closed(const struct websocket *socket); /* the service has ended it in good order */

/* --- frames, for tests ----------------------------------------------------------------------------------------------
 */
#define FRAME_HEADER_MAX 14
enum { FRAME_BINARY = 2, FRAME_CLOSE = 8, FRAME_PING = 9, FRAME_PONG = 10 };
/* The header of a masked frame, as clients send it; returns its length. */
size_t frame_header(unsigned opcode, size_t length, const unsigned char mask[4], unsigned char ret[FRAME_HEADER_MAX]);
void frame_mask(char *bytes, size_t count, const unsigned char mask[4]); /* from the start of a payload */
/* One unmasked frame at the start of <bytes>: its opcode and payload, and how many bytes it takes in all; 0 if it is
 * not complete yet, -1 if it cannot come from a server (masked, reserved bits, longer than <max>). */
int64_t frame_read(struct slice bytes, size_t max, unsigned *ret_opcode, struct slice *ret_payload);

#endif
