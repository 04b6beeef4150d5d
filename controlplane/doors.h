/*
 * The API inside a profile's sandbox, for Ray's autoscaler: where an engine's workloads have no API server beside them
 * (engine_traits.api_within), each RayCluster that scales itself gets a Secret with a token of its own, and its profile
 * a door (gateway.h) that knows those tokens.
 *
 * A token is "<cluster>.<random>"; what it opens is its RayCluster, to read and change, and what belongs to that, to
 * read (IDENTITY_WORKLOAD). It is good as long as the cluster is there and scales itself.
 */
#ifndef ATELIER_CONTROLPLANE_DOORS_H
#define ATELIER_CONTROLPLANE_DOORS_H

#include "engine/engine.h"
#include "gateway/gateway.h"

struct doors;
struct doors *doors_new(struct engine *engine);
void doors_start(struct doors *doors, struct gateway *gateway); /* once the gateway serves */
void doors_stop(struct doors *doors);                           /* before the gateway stops; NULL is fine */
void doors_free(struct doors *doors);                           /* after it has; NULL is fine */
/* A gateway_door_keeper's answer. Any thread; does not block. */
bool doors_know(struct doors *doors, const char *namespace, struct slice token, struct identity *ret);

#endif
