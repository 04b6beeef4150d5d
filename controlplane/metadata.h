/*
 * The part that every object has: apiVersion, kind, metadata. What people may set is checked, what the server sets is
 * dropped or put back.
 */
#ifndef ATELIER_CONTROLPLANE_METADATA_H
#define ATELIER_CONTROLPLANE_METADATA_H

#include "engine/engine.h"

/*
 * Checks and completes <object> as it came from a client. <old> NULL: it is to be created; metadata.generateName then
 * becomes a name. <namespace> NULL for cluster kinds; <name> is the path's, NULL on creation.
 * BAD_REQUEST: it contradicts the path. INVALID: a field is wrong, named. CONFLICT: another object's uid.
 */
int metadata_admit(enum engine_kind kind, const char *namespace, const char *name, const cJSON *old, cJSON *object,
                   struct error *error);
/* INVALID, in metadata.name: it is not a name. */
int metadata_refuse_name(struct error *error);
/* A label key or value, an annotation key, as Kubernetes has them. */
bool metadata_is_key(struct slice key);
bool metadata_is_label_value(struct slice value);

#endif
