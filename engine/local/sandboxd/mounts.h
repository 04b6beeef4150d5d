/* Mounts that the daemon makes in the host's mount namespace, all below its own run directory. */
#ifndef ATELIER_SANDBOXD_MOUNTS_H
#define ATELIER_SANDBOXD_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

bool box_mount_exists(const char *path); /* something is mounted exactly there */
/* The device (mountinfo's source, "/dev/loop3") mounted at <path>; malloc'ed, or NULL. */
char *box_mount_source(const char *path);
int box_mount_tmpfs(const char *path, int64_t bytes, mode_t mode, bool executable, struct error *error);
int box_mount_image(const char *image, const char *path, struct error *error);        /* a loop-mounted ext4 file */
int box_mount_bind_fd(int fd, const char *path, bool directory, struct error *error); /* what <fd> is, at <path> */
/* Detaches everything mounted at or below <path>, innermost first. Returns false if something would not go. */
bool box_mounts_detach(const char *path);
/* "\040" and the like in mountinfo fields (proc(5)); in place. */
void box_mountinfo_unescape(char *field);

/* Opens <subpath> below <root> making missing directories owned by <uid>; never through a link, never upwards. */
int box_open_beneath(const char *root, const char *subpath, uid_t uid, int *ret_fd, struct error *error);

#endif
