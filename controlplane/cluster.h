/*
 * The workload half where the cluster's own API answers it: what has been decided here is passed on in the caller's
 * role, and the cluster decides again.
 *
 * Kinds of the engine's table follow controlplane/kinds.h; any other namespaced kind that the cluster serves is theirs
 * who have a role on the whole profile: viewers read, editors write, as far as the cluster's RBAC lets them.
 */
#ifndef ATELIER_CONTROLPLANE_CLUSTER_H
#define ATELIER_CONTROLPLANE_CLUSTER_H

#include "controlplane/objects.h"
#include "controlplane/passage.h"

/* True if requests for this place go to the cluster's API. */
bool cluster_serves(const struct call *call, const struct place *place);

/* cluster_read.c: an object, a list, a watch, a log */
int cluster_read(struct call *call, const struct place *place, struct error *error);
/* exec, attach and port-forward without the WebSocket that they take: the cluster says what is wrong. kubectl asks so
 * when its handshake (gateway/pod.c) was refused, and shows this answer instead of that one. */
int cluster_enter(struct call *call, const struct place *place, struct error *error);
/* cluster_write.c */
int cluster_create(struct call *call, const struct place *place, struct error *error);
int cluster_change(struct call *call, const struct place *place,
                   struct error *error); /* PUT and PATCH, also of scale */
int cluster_delete(struct call *call, const struct place *place, struct error *error);

/* --- for these files ---------------------------------------------------------------------------------------------- */
enum cluster_query {
    CLUSTER_QUERY_NONE,
    CLUSTER_QUERY_GIVEN,  /* what the client asked for, as far as it is known */
    CLUSTER_QUERY_DRY_RUN /* the same, but nothing is stored */
};
/* The request line's path and query for a place, made anew from its checked parts; in the arena. */
const char *cluster_target(const struct call *call, const struct place *place, enum cluster_query query);
/* In which role the caller's request is passed on once it is allowed: the one on the whole profile, or, where a grant
 * on one resource allowed it, <least>. */
const char *cluster_role(const struct call *call, const char *namespace, enum role least);
/* True if the caller has a role on the whole profile. */
bool cluster_is_member(const struct call *call, const struct place *place);
/* What a request to <place> is decided on when no object has been read. */
struct access cluster_access(const struct place *place, enum verb verb);
/* A GET or a write for <place> in that role, with the client's Accept. */
struct engine_request cluster_request(const struct call *call, const struct place *place, const char *method,
                                      const char *role, enum cluster_query query);
/* A header of the client's, NUL-terminated in the arena; NULL if absent. */
const char *cluster_header(const struct call *call, const char *name);

#endif
