/*
 * The daemons' stdout and stderr, through two FIFOs in the run directory, to ours.
 *
 * FIFOs and not inherited descriptors, so that a daemon that outlives its supervisor neither dies of a closed terminal
 * nor writes to a forgotten one: the next supervisor reads on. Writers never block (a full FIFO drops lines).
 */
#ifndef ATELIER_SUPERVISOR_RELAY_H
#define ATELIER_SUPERVISOR_RELAY_H

#include "supervisor/supervisor.h"

struct relay {
    int output, errors; /* both ends of each FIFO in one: read by us, inherited by the daemons */
    struct buffer line; /* of output, not complete yet */
};
int relay_open(const struct layout *layout, struct relay *ret, struct error *error);
void relay_close(struct relay *relay);
/* Passes on what is there: stderr as it is, of stdout only the line "Sign in: ..." (other lines go to stderr). */
void relay_run(struct relay *relay);

#endif
