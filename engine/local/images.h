/*
 * The images a container may name: every directory of the images directory with an image.json
 * {"name","aliases":["rayproject/ray:2.60.0",…],"rayVersion","path"}. Read again at most once in 2 s.
 *
 * An image is named by its directory, by an alias, or by an alias with the variant suffixes that Ray's own tags carry
 * and that make no difference here: "-py311", "-cpu" (https://docs.ray.io: image tags). "docker.io/" may stand before.
 */
#ifndef ATELIER_ENGINE_LOCAL_IMAGES_H
#define ATELIER_ENGINE_LOCAL_IMAGES_H

#include "base/json.h"

struct image_store;
struct image_store *image_store_new(const char *directory);
void image_store_free(struct image_store *store);
/* *ret is the directory's name, malloc'ed. INVALID at <field>, listing what is installed. */
int image_resolve(struct image_store *store, const char *image, const char *field, char **ret, struct error *error);
int image_list(struct image_store *store, cJSON **ret, struct error *error); /* as engine_images */

#endif
