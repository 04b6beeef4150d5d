/*
 * Watches that never end: the kinds a reconciler follows, watched again whenever the engine loses a watch.
 *
 * Events are handed on as they come. After a loss the first kind is watched again too, so that every object it holds is
 * seen once more: what happened in between is then found by reconciling, not by events. The same happens when this
 * process comes to lead: while another leads, keys are dropped.
 *
 * Threads: <seen> runs on the engine's thread and must only add to a queue. Re-watching runs on the reconciler's queue:
 * its handler passes every key to follow_handle first.
 */
#ifndef ATELIER_TENANCY_FOLLOW_H
#define ATELIER_TENANCY_FOLLOW_H

#include "base/queue.h"
#include "engine/engine.h"

#define FOLLOW_KINDS 16
#define FOLLOW_STANDING 4
#define FOLLOW_ABSENT_MS 30000 /* until a kind that the engine has not is looked for again */

struct follow;
typedef void (*follow_seen)(void *context, enum engine_kind kind, const cJSON *object);

/* Prepares to watch <count> kinds (at most FOLLOW_KINDS; the first is the one that is reconciled) in all namespaces. */
struct follow *follow_new(struct engine *engine, struct queue *queue, const enum engine_kind *kinds, size_t count,
                          follow_seen seen, void *context);
/* Changes of the first kind that <concerns> denies (engine_list_options) are not handed on. Before follow_start. */
void follow_only(struct follow *follow, bool (*concerns)(const cJSON *before, const cJSON *now));
/* What exists of the other kinds is looked at with what it belongs to, of the first kind: only changes that others make
 * are handed on, another reconciler among them, since who writes a part itself knows of it; and at the start, or after
 * a loss, each object of the first kind is handed on once instead of once for each of its parts. Before follow_start.
 */
void follow_owners(struct follow *follow);
/* A key of the room's own that is about no object: queued at the start, and when this process comes to lead. At most
 * FOLLOW_STANDING, before follow_start; borrowed for good. */
void follow_standing(struct follow *follow, const char *key);
void follow_start(struct follow *follow); /* once the handler can be called */
/* True if <key> was this module's own, or if another process leads; *ret is then what the queue's handler returns.
 * Marks the calling thread's writes as a reconciler's (engine_reconciling). */
bool follow_handle(struct follow *follow, const char *key, int64_t *ret);
void follow_free(struct follow *follow); /* after queue_stop; NULL is fine */

#endif
