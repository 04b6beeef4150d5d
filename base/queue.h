/*
 * The reconcile queue: keyed, fair between tenants, with backoff per key.
 *
 * A key ("<kind>/<namespace>/<name>") is queued at most once and never handled by two threads at a time; added while it
 * is being handled, it runs again after. Tenants (the namespace part, given separately) take turns, so one slow tenant
 * never delays another beyond the number of workers, and of several workers no tenant ever holds all. A handler's
 * return decides what follows: negative = failed, again after 200 ms doubling to 60 s (an add meanwhile comes sooner,
 * yet never within 200 ms of the failure); 0 = done, forget the backoff; positive = again after that many milliseconds.
 */
#ifndef ATELIER_BASE_QUEUE_H
#define ATELIER_BASE_QUEUE_H

#include <stdint.h>

#include "base/error.h"

struct queue;
typedef int64_t (*queue_handler)(void *context, const char *key);

/* Starts <workers> threads that call <handler>. <name> labels metrics and logs. */
struct queue *queue_new(const char *name, unsigned workers, queue_handler handler, void *context);
void queue_add(struct queue *queue, const char *tenant, const char *key);                         /* any thread */
void queue_add_after(struct queue *queue, const char *tenant, const char *key, int64_t delay_ms); /* any thread */
void queue_stop(struct queue *queue); /* waits for running handlers; pending keys are dropped */
void queue_free(struct queue *queue); /* after queue_stop; NULL is fine */

#endif
