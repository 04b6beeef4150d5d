/*
 * A connection to the service that carries bytes both ways: one TCP stream of a service in a profile, through the
 * gateway's /tunnel/ (a WebSocket, RFC 6455, whose binary messages are the stream).
 *
 * TLS, the admin socket and credentials are as for every other request (client.h). Threads: one pipe, one thread at a
 * time; several pipes of one client may be used by several threads.
 */
#ifndef ATELIER_CLI_PIPE_H
#define ATELIER_CLI_PIPE_H

#include "base/error.h"
#include "base/text.h"

struct client;
struct pipe;
/* Connects and waits for the service's consent (at most 30 s). <port>: name or number. A refusal becomes the service's
 * own error. */
int pipe_open(const struct client *client, const char *namespace, const char *service, const char *port,
              struct pipe **ret, struct error *error);
/* Moves bytes between <fd> (non-blocking or not) and the stream until both directions have ended; closes neither. */
int pipe_pump(struct pipe *pipe, int fd_in, int fd_out, struct error *error);
void pipe_free(struct pipe *pipe); /* NULL is fine */

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
