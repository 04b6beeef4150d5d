/*
 * Named volumes of a sandbox: a sparse ext4 file, loop-mounted, so that its size is a wall; a plain directory where
 * loop devices or mke2fs are missing. A pod's scratch space (/tmp, HOME, emptyDirs) is made the same way, without a
 * journal.
 */
#ifndef ATELIER_SANDBOXD_VOLUME_H
#define ATELIER_SANDBOXD_VOLUME_H

#include "engine/local/sandboxd/paths.h"

void box_volume_start(void);    /* once: finds out whether sizes can be enforced */
bool box_volume_enforced(void); /* by loop-mounted filesystems */

/* Makes or grows the volume and mounts it. *ret_enforced, *ret_bytes: what now holds. The caller serialises per
 * sandbox. */
int box_volume_ensure(const struct box_paths *paths, const char *sandbox, const char *volume, int64_t bytes, uid_t uid,
                      bool *ret_enforced, int64_t *ret_bytes, struct error *error);
/* The directory with the volume's content, mounted if it was not; malloc'ed. NOT_FOUND if there is no such volume. */
int box_volume_open(const struct box_paths *paths, const char *sandbox, const char *volume, char **ret,
                    struct error *error);
int box_volume_remove(const struct box_paths *paths, const char *sandbox, const char *volume, struct error *error);

/* What is stored in it, in bytes; 0 while it is not mounted, and where sizes are not enforced. */
int64_t box_volume_used(const struct box_paths *paths, const char *sandbox, const char *volume);
int64_t box_scratch_used(const struct box_paths *paths, const char *sandbox, const char *pod);

int box_scratch_make(const struct box_paths *paths, const char *sandbox, const char *pod, struct error *error);
void box_scratch_remove(const struct box_paths *paths, const char *sandbox, const char *pod);

#endif
