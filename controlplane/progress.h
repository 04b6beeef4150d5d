/* How far a notebook or a Ray cluster has come that does not answer yet, for the page that a person sees meanwhile. */
#ifndef ATELIER_CONTROLPLANE_PROGRESS_H
#define ATELIER_CONTROLPLANE_PROGRESS_H

#include "engine/engine.h"
#include "gateway/gateway.h"

/* A gateway_explainer: by what the object says of itself and by its pod, the head's of a cluster. May block. */
bool progress_look(struct engine *engine, const char *namespace, const struct target *target, struct progress *ret);

#endif
