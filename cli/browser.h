/* A browser on this machine: being shown a page, and what comes back from it to a port of the loopback (RFC 8252). */
#ifndef ATELIER_CLI_BROWSER_H
#define ATELIER_CLI_BROWSER_H

#include "base/error.h"
#include "base/text.h"

/* Starts $BROWSER, or xdg-open where there is a display, and does not wait for it. False if there is none. */
bool browser_open(const char *url);

#define LOOPBACK_CODE_SIZE 64
/* What a browser's request says: the first line of "GET /?code=…&state=… HTTP/1.1" with the right <state>. */
enum loopback { LOOPBACK_OTHER, LOOPBACK_CODE, LOOPBACK_DENIED };
enum loopback loopback_read(struct slice request, const char *state, char ret_code[LOOPBACK_CODE_SIZE]);
/* Listens on a free port of 127.0.0.1; the descriptor is the caller's. */
int loopback_listen(int *ret_fd, uint16_t *ret_port, struct error *error);
/* Answers until the person has decided: 0 and the code, FORBIDDEN if they refused, TIMEOUT. */
int loopback_wait(int fd, const char *state, int64_t timeout_ms, char ret_code[LOOPBACK_CODE_SIZE],
                  struct error *error);

#endif
