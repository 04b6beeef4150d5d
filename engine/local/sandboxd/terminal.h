/* The master of a terminal that the OCI runtime makes inside a container, as it hands it over: one descriptor on a Unix
 * socket (runc, docs/terminals.md). */
#ifndef ATELIER_SANDBOXD_TERMINAL_H
#define ATELIER_SANDBOXD_TERMINAL_H

#include <sys/types.h>

int box_terminal_listen(const char *path); /* a listening socket, or -1 */
/* The master, non-blocking; -1 if <runtime> ended without handing one over, or in time. It is not waited for. */
int box_terminal_accept(int listener, pid_t runtime, int timeout_ms);

#endif
