/*
 * Writing down how things stand, and only when it has changed: a reconciler at rest writes nothing.
 */
#ifndef ATELIER_TENANCY_STATUS_H
#define ATELIER_TENANCY_STATUS_H

#include "engine/engine.h"

/* Appends a condition to <status>.conditions. lastTransitionTime stays that of <old_status> while the truth value does.
 */
void status_condition(cJSON *status, const cJSON *old_status, const char *type, bool truth, const char *reason,
                      const char *message, int64_t now_ms);
/* Replaces <object>'s status if it differs (<status> is consumed). 1 if written, 0 if it already was so, negative on
 * failure: NOT_FOUND and CONFLICT mean that the object moved on and a new pass will follow. */
int status_write(struct engine *engine, enum engine_kind kind, const cJSON *object, cJSON *status, struct error *error);

/* A controller ownerReference to <owner>, in an array, as metadata.ownerReferences has it. */
cJSON *status_owner_reference(enum engine_kind kind, const cJSON *owner);
/* True if <object>'s controller is exactly <owner> (by uid). */
bool status_is_owned(const cJSON *object, const cJSON *owner);

#endif
