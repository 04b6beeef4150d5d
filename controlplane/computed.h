/*
 * Kinds that no engine keeps and that are computed when they are read: the one machine as a node, and what it and its
 * pods use (metrics.k8s.io/v1beta1, as metrics-server serves it to `kubectl top`). Where the engine forwards, the
 * cluster has its own and these are not served.
 *
 * They can be got and listed, nothing else. Pods' figures are for whoever may read the pod; nodes are for platform
 * admins.
 */
#ifndef ATELIER_CONTROLPLANE_COMPUTED_H
#define ATELIER_CONTROLPLANE_COMPUTED_H

#include "controlplane/call.h"
#include "controlplane/schema.h"
#include "controlplane/table.h"

struct computed_kind {
    struct engine_kind_info info;
    struct schema schema;
    const struct column *columns;
    const char *list_kind;
};
extern const struct computed_kind computed_kinds[];
extern const size_t computed_kind_count;

/* The kind that <call>'s path is about, or that has these names; NULL if none is, or it is not served here. */
const struct computed_kind *computed_find(struct engine *engine, const char *group, const char *plural);
/* May the caller read (get or list) such objects there? <namespace> and <name> may be NULL. */
struct decision computed_decide(const struct call *call, const struct computed_kind *kind, const char *namespace,
                                const char *name, enum verb verb);
/* Answers a request about <kind>. */
int computed_answer(struct call *call, const struct computed_kind *kind, struct error *error);

#endif
