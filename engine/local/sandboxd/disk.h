/* How full is the filesystem of the data directory, and what does each pod keep there? */
#ifndef ATELIER_SANDBOXD_DISK_H
#define ATELIER_SANDBOXD_DISK_H

#include "engine/local/sandboxd/daemon.h"

/*
 * Into <answer>: "total_bytes", "free_bytes" (to those who are not root), "pending_bytes" (what pods wrote and is not
 * there yet, at most: Dirty and Writeback of proc_meminfo(5), since a filesystem in a file takes its room when it is
 * written back),
 * and "pods": [{"sandbox","pod","bytes"}], the bytes of a pod's scratch space and of the volumes it has. Where sizes
 * are not enforced (volume.h), nothing is known of pods, and none is listed.
 */
int box_disk(struct box_daemon *daemon, cJSON *answer, struct error *error);

#endif
