/*
 * Who owns which field of an object: metadata.managedFields, and server-side apply on top of it, as kube-apiserver has
 * them (https://kubernetes.io/docs/reference/using-api/server-side-apply/), where Atelier keeps the objects itself.
 *
 * Fields are tracked from an object's first server-side apply on; what it had before belongs to "before-first-apply",
 * which kubectl knows from the time when Kubernetes did the same. Labels, annotations and everything beside metadata
 * and status are tracked; what controllers write is not.
 */
#ifndef ATELIER_CONTROLPLANE_MANAGED_H
#define ATELIER_CONTROLPLANE_MANAGED_H

#include "base/json.h"

#define MANAGED_NAME_MAX 128 /* of a manager (apimachinery's FieldManagerMaxLength) */

struct managed_apply {
    const cJSON *live;    /* NULL: there is none yet */
    const cJSON *applied; /* what the client sent */
    const char *manager;
    const char *api_version;
    const char *now; /* RFC 3339 */
    bool force;      /* takes over what others own */
};
/* *ret_object: what is wanted now, without the server's own part of metadata; *ret_managed: its managedFields, to be
 * set once it was admitted. Both the caller's. -CONFLICT: others own some of it; *error has kube-apiserver's words
 * and *ret_causes, the caller's, a StatusCause for each field. INVALID or BAD_REQUEST: what was sent cannot be applied
 * at all. */
int managed_apply(const struct managed_apply *apply, cJSON **ret_object, cJSON **ret_managed, cJSON **ret_causes,
                  struct error *error);

/* What <object> has after somebody changed <old> into it by other means. NULL: it is not tracked. */
cJSON *managed_update(const cJSON *old, const cJSON *object, const char *manager, const char *now);
/* INVALID unless <given>, a client's metadata.managedFields, is well formed; then it may replace what is there, as
 * kubectl does to hand fields of client-side apply over. */
int managed_check(const cJSON *given, struct error *error);

#endif
