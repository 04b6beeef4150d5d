/*
 * A container's own output and whoever looks on, in a process of its own that the daemon starts (exec.h).
 *
 * Its monitor (conmon) hands what the container's first process writes to whoever is connected, from then on; what it
 * wrote before is in the log. Containers have no input here. Descriptor 3 speaks as session.h says: 1 and 2 carry the
 * output, 3 tells that the container has ended, and what is said to us is thrown away. The container does not wait for
 * its readers: one who does not read for BOX_ATTACH_PATIENCE_MS is sent away.
 */
#ifndef ATELIER_SANDBOXD_ATTACH_H
#define ATELIER_SANDBOXD_ATTACH_H

/* --attach DIRECTORY MODE: the container's own directory, which has the monitor's socket; of the letters o, e those
 * that are wanted: stdout, stderr. */
#define ATTACH_ARGUMENTS 3
int box_attach_run(char *const argv[ATTACH_ARGUMENTS]); /* the process's exit code */

#endif
