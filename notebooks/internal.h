/* What the files of this room share; nobody else includes it. */
#ifndef ATELIER_NOTEBOOKS_INTERNAL_H
#define ATELIER_NOTEBOOKS_INTERNAL_H

#include "base/queue.h"
#include "notebooks/notebooks.h"
#include "tenancy/follow.h"

/* Limits, and why. */
#define NOTEBOOKS_WORKERS 2U          /* reconciling waits for PostgreSQL, not for a CPU */
#define NOTEBOOKS_WORKERS_MAX 16U     /* more only wait for the same API server */
#define NOTEBOOKS_NAME_MAX 40         /* leaves room in "notebook-<name>--<profile>", a DNS label of 63 */
#define NOTEBOOKS_NAME_IN_USE_MS 1000 /* while an earlier notebook of the same name goes away */
#define NOTEBOOKS_CONTAINERS_MAX 1
#define NOTEBOOKS_LOOK_MS 1000 /* a cluster says in an event alone that a pod cannot be made: look for it */
#define NOTEBOOKS_LOOK_LONG_MS 5000
#define NOTEBOOKS_LOOKS_MS 30000   /* for so long often, then seldom */
#define NOTEBOOKS_NUDGE_MS 15000   /* a cluster's controller waits up to 17 minutes before it tries again by itself */
#define NOTEBOOKS_CREATING_MS 8000 /* a container that takes longer to be made may be waiting for something */

struct notebooks {
    struct engine *engine;
    struct queue *queue;
    struct follow *follow;
    char *istio_gateway; /* NULL: no VirtualServices */
    char *host;          /* of this platform's Service */
};

/* notebooks.c: one pass over one notebook. Returns milliseconds until it is worth another look, 0: not before something
 * happens, or a negative error. */
int64_t notebooks_reconcile(struct notebooks *notebooks, const char *namespace, const char *name);

/* trouble.c: the newest Warning event about an object, not older than <since_ms>. Texts NULL: there is none. */
struct trouble {
    char *reason, *message; /* its own */
};
int trouble_read(struct engine *engine, enum engine_kind kind, const cJSON *object, int64_t since_ms,
                 struct trouble *ret, struct error *error);
void trouble_clear(struct trouble *trouble);

#endif
