/* After a start: what a predecessor left is adopted if it is whole, and removed if it is not. */
#ifndef ATELIER_SANDBOXD_RECOVER_H
#define ATELIER_SANDBOXD_RECOVER_H

#include "engine/local/sandboxd/daemon.h"

/* Single-threaded: nothing moves yet. */
void box_recover(struct box_daemon *daemon);
/* From here on other threads act on the pods. After whoever wants to hear of changes has said so. */
void box_begin(struct box_daemon *daemon);
/* Stops every pod (SIGTERM, SIGKILL after <grace_s>), then removes all that this installation has in the kernel and in
 * the run directory. Volumes stay. */
int box_shut_down(struct box_daemon *daemon, int64_t grace_s, struct error *error);

#endif
