/*
 * Which image does a name stand for? Images have names of the platform's ("ray-2.60"), aliases, and on a cluster a
 * reference that a pod must name. Pure functions of what engine_images returns; entries are borrowed from it.
 */
#ifndef ATELIER_TENANCY_IMAGE_H
#define ATELIER_TENANCY_IMAGE_H

#include "base/json.h"

/* The entry of that name or alias (or a variant of an alias, "…:2.60.0-py311"), or NULL. */
const cJSON *image_find(const cJSON *images, const char *name);
/* What a container must name for <name>: the entry's reference if <name> is exactly an entry's own name, else NULL. An
 * alias is what a registry calls the same image, so it stays. */
const char *image_reference(const cJSON *images, const char *name);
/* The newest by rayVersion, ready ones first; NULL if there is none. */
const cJSON *image_newest(const cJSON *images);
/* -1, 0, 1 for "2.9.1" against "2.60.0", number by number; what is no number ends it. */
int image_version_compare(const char *a, const char *b);

#endif
