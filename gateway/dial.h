/* Reaching a workload without blocking the loop: engine_dial on a thread, its result as a message. */
#ifndef ATELIER_GATEWAY_DIAL_H
#define ATELIER_GATEWAY_DIAL_H

#include "gateway/connection.h"

struct dial;
/* Runs on the loop; <fd> is the callee's, or -1 with <error>. */
typedef void (*dial_done)(struct connection *connection, int fd, const struct error *error);
/* NULL when too many dials wait. */
struct dial *dial_start(struct connection *connection, const char *namespace, const struct target *target,
                        dial_done done);
void dial_abandon(struct dial *dial); /* the result is closed when it comes; done is not called */

#endif
