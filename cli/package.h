/*
 * A working directory as the zip file that Ray unpacks for a job (runtime_env.working_dir).
 *
 * Entries are sorted and carry no times, so the same content always gives the same bytes and the same name. Left out
 * are .git, .venv, venv and __pycache__, as Ray's own client does. A link that leads out of the directory is refused.
 */
#ifndef ATELIER_CLI_PACKAGE_H
#define ATELIER_CLI_PACKAGE_H

#include "base/error.h"
#include "base/text.h"

#define PACKAGE_BYTES_MAX                                                                                              \
    ((size_t)100 * 1024 * 1024) /* Ray's dashboard takes no larger body (DASHBOARD_CLIENT_MAX_SIZE) */
#define PACKAGE_FILES_MAX 20000
#define PACKAGE_DEPTH_MAX 32
#define PACKAGE_NAME_SIZE 32 /* "_ray_pkg_0123456789abcdef.zip" */

int package_make(const char *directory, struct buffer *ret_zip, char ret_name[PACKAGE_NAME_SIZE], struct error *error);

/* The zip format itself, for tests: entries in the order added (PKWARE APPNOTE 6.3, no zip64). */
struct zip {
    struct buffer *out;
    struct buffer directory;
    unsigned count;
};
int zip_add(struct zip *zip, const char *name, unsigned mode, struct slice content, struct error *error);
void zip_finish(struct zip *zip);

#endif
