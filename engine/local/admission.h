/*
 * What an object must look like before it is kept: names, labels, owners; and the content of the kinds that this engine
 * runs by itself. Kinds of the domain rooms (Profile, Notebook, RayCluster) are checked there; here only their
 * metadata.
 */
#ifndef ATELIER_ENGINE_LOCAL_ADMISSION_H
#define ATELIER_ENGINE_LOCAL_ADMISSION_H

#include "engine/local/local_internal.h"

/* objects_admission; <context> is the struct local. Completes defaults in <after>. */
int admission_check(void *context, enum engine_kind kind, const cJSON *before, cJSON *after, struct error *error);
/* The part that holds for every kind. */
int admission_metadata(enum engine_kind kind, const cJSON *object, struct error *error);

#endif
