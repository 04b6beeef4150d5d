/*
 * Applying what a reconciler wants to an object that is Atelier's own: what it carries, and when nothing is to be done.
 *
 * Every object that is applied carries the label `app.kubernetes.io/managed-by: atelier` and, as annotation
 * `atelier.dev/applied`, a hash of what was wanted. Only engine rooms include this.
 */
#ifndef ATELIER_ENGINE_APPLY_H
#define ATELIER_ENGINE_APPLY_H

#include "engine/engine.h"

#define LABEL_MANAGED_BY "app.kubernetes.io/managed-by"
#define MANAGED_BY_US "atelier"
#define ANNOTATION_APPLIED "atelier.dev/applied"
#define APPLIED_SIZE 17 /* 64 bits of SHA-256 in hex, and NUL */

/* Of <wanted>, whatever the order of its members. */
void apply_hash(const cJSON *wanted, char ret[APPLIED_SIZE]);
/* A copy of <wanted> with label and annotation; apiVersion and kind are completed. */
cJSON *apply_prepare(enum engine_kind kind, const char *namespace, const cJSON *wanted);
bool apply_is_ours(const cJSON *object); /* carries the label */
/* EXISTS: somebody else's object has that name. */
int apply_refuse_foreign(enum engine_kind kind, const cJSON *object, struct error *error);
/* Every member of <wanted> is in <current>; what others added to it does not matter, nor empty members left out. In
 * lists of metadata others may have items of their own; other lists hold if each item does, in order. */
bool apply_holds(const cJSON *current, const cJSON *wanted);

/* engine_apply by means of get, create and patch; for engines without a cheaper way. */
int apply_by_reading(struct engine *engine, enum engine_kind kind, const char *namespace, const cJSON *wanted,
                     bool *ret_written, struct error *error);

#endif
