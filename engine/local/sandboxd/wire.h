/*
 * One message over a Unix SOCK_SEQPACKET socket, for both sides: a JSON object in one packet of at most 64 KiB with at
 * most one descriptor beside it. A larger object travels in a memfd: the packet then is {"attached":<bytes>} and the
 * descriptor is the memfd.
 */
#ifndef ATELIER_SANDBOXD_WIRE_H
#define ATELIER_SANDBOXD_WIRE_H

#include "base/json.h"

/* Sends <message> and <fd> (-1: none; it stays the caller's). A message that must travel in a memfd cannot carry one.
 * 0 or a negative errno; <flags> as for sendmsg(2). */
int box_wire_send(int socket, const cJSON *message, int fd, int flags);
/* 0, -EPIPE at the end of the connection, another negative errno, or -EBADMSG with <error> filled when the packet is no
 * acceptable message (the connection can go on). *ret_fd is -1 or the caller's. */
int box_wire_receive(int socket, cJSON **ret, int *ret_fd, struct error *error);

/* How an error's code is spelled in {"ok":false,"code":…}: "NOT_FOUND". Unknown names are ERROR_INTERNAL. */
const char *box_error_name(enum error_code code);
enum error_code box_error_code(const char *name);

#endif
