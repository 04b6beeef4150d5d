/*
 * Events: written by one thread from a bounded queue, so that telling never holds anybody up; repeats within 10 minutes
 * raise `count`; they live for an hour, and a namespace keeps the newest EVENTS_KEPT. What does not fit is dropped.
 */
#ifndef ATELIER_ENGINE_LOCAL_EVENTS_H
#define ATELIER_ENGINE_LOCAL_EVENTS_H

#include "engine/local/local_internal.h"

struct event_sink *event_sink_new(struct local *local);
void event_sink_free(struct event_sink *sink); /* writes what is queued first; NULL is fine */
/* engine_operations.event */
void event_add(struct engine *engine, const cJSON *object, const char *type, const char *reason, const char *message);

#endif
