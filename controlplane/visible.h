/*
 * Which objects of a list, or events of a watch, the caller may see: the same decision as for reading each by name, so
 * that a list is exactly what reading would give.
 */
#ifndef ATELIER_CONTROLPLANE_VISIBLE_H
#define ATELIER_CONTROLPLANE_VISIBLE_H

#include "auth/policy.h"
#include "engine/engine.h"

/* What touching <object> means for authorization. A Secret is always about itself: a grant on one notebook does not
 * carry that notebook's token. The texts are borrowed from <object> or static. */
void visible_access(enum engine_kind kind, const cJSON *object, enum verb verb, struct access *ret);
struct decision visible_decide(const struct policy *policy, const struct identity *identity, enum engine_kind kind,
                               const cJSON *object, enum verb verb);
/* Removes from <items> what may not be read. */
void visible_filter(const struct policy *policy, const struct identity *identity, enum engine_kind kind, cJSON *items);
/* A digest of what the caller may see at all: a watch whose digest changed has to start over. */
uint64_t visible_digest(const struct policy *policy, const struct identity *identity);

#endif
