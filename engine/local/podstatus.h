/* A Pod's status from what sandboxd reports and what the probes found. */
#ifndef ATELIER_ENGINE_LOCAL_PODSTATUS_H
#define ATELIER_ENGINE_LOCAL_PODSTATUS_H

#include "engine/local/local_internal.h"

/* The status of a pod that sandboxd knows. */
cJSON *podstatus_from_record(struct local *local, const struct object *pod, const cJSON *record);
/* The status of one that cannot start now, or never: every container waits for <reason>. */
cJSON *podstatus_waiting(const struct object *pod, const char *reason, const char *message);
/* Events about what happened between the status that is stored and the new one. */
void podstatus_tell(struct local *local, const struct object *pod, const cJSON *status);

#endif
