/* Removing installed images that are no longer wanted. */
#ifndef ATELIER_SANDBOXD_IMAGE_PRUNE_H
#define ATELIER_SANDBOXD_IMAGE_PRUNE_H

#include "engine/local/sandboxd/daemon.h"

/*
 * Removes every installed image that <keep> (an array of names) does not hold, that no pod has, and that nothing has
 * kept for <unused_s> seconds; of those that are kept it is noted when that was. *ret: the names of what went.
 * While an image is being built, nothing is removed. Killed in between, the next call goes on.
 */
int box_images_prune(struct box_daemon *daemon, const cJSON *keep, int64_t unused_s, cJSON **ret, struct error *error);

#endif
