/* What a write may change of an object: the rules of the Kubernetes API conventions, without any I/O. */
#ifndef ATELIER_ENGINE_LOCAL_OBJECTS_MERGE_H
#define ATELIER_ENGINE_LOCAL_OBJECTS_MERGE_H

#include "engine/local/object.h"

/* Prepares a client's new object: apiVersion, kind, namespace and name are checked and completed, what only the server
 * sets is taken out, and so is status. */
int objects_complete_new(enum engine_kind kind, const char *namespace, cJSON *body, struct error *error);

/* *ret is <current> with what <part> of <wanted> (consumed) may change. CONFLICT if <wanted> names another
 * resourceVersion or uid; INVALID if it renames. The result has no new generation yet. */
int objects_merge(const struct object *current, enum engine_part part, cJSON *wanted, cJSON **ret, struct error *error);

/* Raises metadata.generation of <after> if anything but metadata and status differs (<before> NULL: always). */
void objects_count_generation(const cJSON *before, cJSON *after);

#endif
