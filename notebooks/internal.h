/* What the files of this room share; nobody else includes it. */
#ifndef ATELIER_NOTEBOOKS_INTERNAL_H
#define ATELIER_NOTEBOOKS_INTERNAL_H

#include "base/queue.h"
#include "notebooks/notebooks.h"
#include "tenancy/follow.h"

/* Limits, and why. */
#define NOTEBOOKS_WORKERS 2U          /* reconciling waits for PostgreSQL, not for a CPU */
#define NOTEBOOKS_NAME_MAX 40         /* leaves room in "notebook-<name>--<profile>", a DNS label of 63 */
#define NOTEBOOKS_AGAIN_MS 50         /* after a write that somebody else's crossed */
#define NOTEBOOKS_NAME_IN_USE_MS 1000 /* while an earlier notebook of the same name goes away */
#define NOTEBOOKS_CONTAINERS_MAX 1

struct notebooks {
    struct engine *engine;
    struct queue *queue;
    struct follow *follow;
};

#endif
