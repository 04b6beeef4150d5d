/*
 * Records as the hub's states (engine/hub.h): trees are built when somebody is told, once for all watches of a round.
 */
#ifndef ATELIER_ENGINE_KUBERNETES_TREES_H
#define ATELIER_ENGINE_KUBERNETES_TREES_H

#include "engine/hub.h"
#include "engine/kubernetes/record.h"

extern const struct hub_states trees_states; /* its context is a struct trees */

struct trees;
struct trees *trees_new(struct names *names);
void trees_free(struct trees *trees); /* after the hub; NULL is fine */
/* How records of a kind become objects; NULL: metadata only. Once, before anything is published of that kind. */
void trees_kind(struct trees *trees, enum engine_kind kind, const struct dictionary *dictionary);

#endif
