/* Which engine atelierd stands on: the only place that knows more than one (config keys `engine`, `kubeconfig`, …). */
#ifndef ATELIER_CONTROLPLANE_ENGINES_H
#define ATELIER_CONTROLPLANE_ENGINES_H

#include "controlplane/config.h"
#include "engine/engine.h"

struct store;
int engine_open(const struct config *config, struct store *store, struct engine **ret, struct error *error);
void engine_close(const struct config *config, struct engine *engine); /* NULL is fine */

#endif
