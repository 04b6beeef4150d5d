/* Which reads of a Ray dashboard show more than a viewer may see: profiles of processes, packages, environments. */
#ifndef ATELIER_GATEWAY_RAY_PATHS_H
#define ATELIER_GATEWAY_RAY_PATHS_H

#include <stdbool.h>

#include "base/text.h"

/* <tail>, <query>: as they will be forwarded. Errs on the side of true. */
bool ray_path_is_sensitive(struct slice tail, struct slice query);

#endif
