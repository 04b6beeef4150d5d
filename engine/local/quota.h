/* What a namespace's ResourceQuotas leave: pods are held to them when they are scheduled, other kinds when created. */
#ifndef ATELIER_ENGINE_LOCAL_QUOTA_H
#define ATELIER_ENGINE_LOCAL_QUOTA_H

#include "engine/local/demand.h"
#include "engine/local/local_internal.h"

/* FORBIDDEN with Kubernetes' sentence: "exceeded quota: NAME, requested: …, used: …, limited: …". */
int quota_check_pod(struct local *local, const struct object *pod, const struct demand *demand, struct error *error);
/* A creation, or a claim that grows (<before> not NULL). The caller holds the writer's lock. */
int quota_check_object(struct local *local, enum engine_kind kind, const cJSON *before, const cJSON *body,
                       struct error *error);
/* Whether <hard> (at <path>) names only what is enforced here, with readable quantities. */
int quota_check_hard(struct local *local, const cJSON *hard, const char *path, struct error *error);

#endif
