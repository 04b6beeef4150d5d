/* What atelierd is made of while it runs: every room's object, passed to whatever answers a request. */
#ifndef ATELIER_CONTROLPLANE_SERVER_H
#define ATELIER_CONTROLPLANE_SERVER_H

#include "auth/auth.h"
#include "controlplane/config.h"
#include "engine/engine.h"
#include "gateway/gateway.h"

#include "base/version.h"

struct store;
struct tenancy;
struct notebooks;
struct routes;
struct watches;
struct list_watches;
struct followers;
struct passages;
struct documents;
struct doors;
struct idle;
struct sampler;
struct upkeep;
struct webhook;

/* Fixed once `server_start` has returned; the config's reloadable values are read by the main thread only. */
struct server {
    struct config config;
    struct store *store;
    struct auth *auth;
    struct engine *engine;
    struct tenancy *tenancy;
    struct notebooks *notebooks;
    struct ray_mesh *ray_mesh;         /* NULL: the engine's Ray stands in no mesh */
    struct routes *routes;             /* where a tenant's path leads */
    struct watches *watches;           /* open watches of the object API */
    struct list_watches *list_watches; /* lists of the people API that are watched */
    struct followers *followers;       /* logs that are being followed */
    struct passages *passages;         /* requests that the cluster's API is answering */
    struct documents *documents;       /* discovery and OpenAPI of the cluster, kept for some seconds */
    struct doors *doors;               /* the API inside sandboxes; NULL where workloads have one anyway */
    struct webhook *webhook;           /* admission on a cluster; NULL where nobody asks for it */
    struct sampler *sampler;           /* what workloads use, over time */
    struct idle *idle;                 /* stops what nobody uses */
    struct upkeep *upkeep;             /* removes what is old */
    struct gateway *gateway;
};

/* Starts everything in the order in which it depends on each other and serves; <server>->config is filled already.
 * On failure everything started is stopped again. */
int server_start(struct server *server, struct error *error);
/* Where a tenant's path leads here, by this platform's settings too: the gateway's resolver. Any thread, never blocks
 * for long. */
bool server_resolve(const struct server *server, const struct route *route, struct target *ret);
void server_stop(struct server *server); /* drains, then releases all but the config */

#endif
