/*
 * Where tenant paths lead: services, their owners and the credentials that workloads expect, kept in memory and
 * followed through the engine's watches, so that the gateway's loops never wait.
 *
 * The rwlock guards the tables; watches write, loops read.
 */
#ifndef ATELIER_CONTROLPLANE_ROUTES_H
#define ATELIER_CONTROLPLANE_ROUTES_H

#include "engine/engine.h"
#include "gateway/gateway.h"

struct routes;
int routes_new(struct engine *engine, struct routes **ret, struct error *error); /* filled when it returns */
void routes_free(struct routes *routes);                                         /* NULL is fine */
/* The gateway's resolver: false if nothing is there. Any thread, never blocks for long. */
bool routes_resolve(struct routes *routes, const struct route *route, struct target *ret);
/* Its finder of hashed labels (gateway_label_finder). */
bool routes_find_label(struct routes *routes, struct slice label, struct route *ret);

#endif
