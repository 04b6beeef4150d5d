/* How much CPU do pods use? sandboxd counts milliseconds since a pod began; here is what it counted before. */
#ifndef ATELIER_ENGINE_LOCAL_METER_H
#define ATELIER_ENGINE_LOCAL_METER_H

#include "engine/local/local_internal.h"

struct meter;
struct meter *meter_new(void);
void meter_free(struct meter *meter); /* NULL is fine */
/* engine_operations.measure */
int meter_measure(struct engine *engine, cJSON **ret, struct error *error);

#endif
