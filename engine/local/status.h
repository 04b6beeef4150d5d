/* Conditions and times in an object's status, as metav1.Condition. */
#ifndef ATELIER_ENGINE_LOCAL_STATUS_H
#define ATELIER_ENGINE_LOCAL_STATUS_H

#include "base/json.h"

/* Copies the conditions of <object> into the new status, so that their transition times survive. */
void status_keep_conditions(cJSON *status, const cJSON *object);
/* Sets one; lastTransitionTime moves only when its status does. <reason> may be NULL. */
void status_set_condition(cJSON *status, const char *type, bool value, const char *reason, const char *message);
void status_drop_condition(cJSON *status, const char *type);
/* Sets <key> to a wall-clock time in ms, RFC 3339; nothing for 0. */
void status_set_time(cJSON *status, const char *key, int64_t wall_ms);

#endif
