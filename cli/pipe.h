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

/* Writes all of it, also to a non-blocking descriptor. */
int pipe_write(int fd, struct slice bytes, struct error *error);

#endif
