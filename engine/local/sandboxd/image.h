/* Images at run time: a Python environment in <images-dir>/<image>, mounted read-only at the path it was built at. */
#ifndef ATELIER_SANDBOXD_IMAGE_H
#define ATELIER_SANDBOXD_IMAGE_H

#include "base/error.h"
#include "base/text.h"

bool box_image_name_ok(struct slice name); /* [a-z0-9][a-z0-9._-]{0,62} */
/* *ret_path: where the environment is, on the host as in the container; malloc'ed. NOT_FOUND, INVALID. */
int box_image_path(const char *images, const char *image, char **ret_path, struct error *error);
/* Whether a mount may go there in a container: absolute, normalised, and not over what makes the container. Pure. */
bool box_mount_point_ok(const char *path);
/* A working directory: absolute, normalised, not in /proc (CVE-2024-21626 went through /proc/self/fd), /sys or /dev. */
bool box_workdir_ok(const char *path);

#endif
