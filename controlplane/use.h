/*
 * When was a workload last used, as far as the gateways of all replicas and the meter have seen?
 *
 * Threads: any. Calls block, as everything that asks the store does.
 */
#ifndef ATELIER_CONTROLPLANE_USE_H
#define ATELIER_CONTROLPLANE_USE_H

#include "base/json.h"

struct store;

/* <rows>: [{"profile","kind","name","last_ms"}]. Earlier times, and what is no profile, change nothing. */
int use_add(struct store *store, const cJSON *rows, struct error *error);
/* *ret_ms: 0 if it was never seen in use. */
int use_last(struct store *store, const char *profile, const char *kind, const char *name, int64_t *ret_ms,
             struct error *error);
int use_expire(struct store *store, int64_t now_ms, struct error *error);

#endif
