/*
 * Which templates has a StatefulSet had? One ControllerRevision each, numbered in the order in which they came into
 * force, as Kubernetes' own controller keeps them for `kubectl rollout history` (kubernetes/pkg/controller/history).
 */
#ifndef ATELIER_ENGINE_LOCAL_REVISION_H
#define ATELIER_ENGINE_LOCAL_REVISION_H

#include "engine/local/local_internal.h"

enum { REVISION_DIGITS = 10, REVISION_SIZE = 254 + REVISION_DIGITS };

struct revision {
    char hash[REVISION_DIGITS + 1]; /* of the template: pods made from another one are replaced */
    char name[REVISION_SIZE];       /* "<set>-<hash>": of the ControllerRevision, and in the set's status */
};
void revision_of(const struct object *set, struct revision *ret);
/* What pods of it carry as LABEL_REVISION: its name, or where that is too long for a label the hash. */
const char *revision_label(const struct revision *revision);
/* Whether a pod was made from it. Pods of versions before ControllerRevisions carry the hash alone. */
bool revision_is_of(const struct revision *revision, const struct object *pod);

/* Keeps that of <revision>, with the highest number, and of older ones as many as spec.revisionHistoryLimit says. */
int revision_keep(struct local *local, const struct object *set, const struct revision *revision, struct error *error);

#endif
