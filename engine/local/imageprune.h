/* Images that nothing here names any more go, when nobody has wanted them for long. */
#ifndef ATELIER_ENGINE_LOCAL_IMAGEPRUNE_H
#define ATELIER_ENGINE_LOCAL_IMAGEPRUNE_H

#include "engine/local/local_internal.h"

/* engine_operations.prune_images */
int image_prune(struct engine *engine, const char *offered, int64_t unused_s, cJSON **ret, struct error *error);

#endif
