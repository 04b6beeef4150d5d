/*
 * What the forms and the command line put into a RayCluster that a person makes with them, where the person says
 * nothing: today, whether its head comes back with what it knew (GCS fault tolerance) and where that is kept. They
 * learn it from `whoami` (settings.ray). A RayCluster that is applied as a manifest keeps exactly what it says.
 */
#ifndef ATELIER_CONTROLPLANE_RAYDEFAULTS_H
#define ATELIER_CONTROLPLANE_RAYDEFAULTS_H

#include "controlplane/config.h"
#include "engine/engine.h"

/* INVALID names the setting (ray_redis_address, ray_redis_secret). */
int raydefaults_check(const struct config *config, struct error *error);
/* {"faultTolerance", "gcsFaultToleranceOptions"? (what to write), "reason"? (why it is off), "nodes" (its pods stand on
 * nodes that can be chosen, so that spot ones mean something)}: the caller's. */
cJSON *raydefaults_show(const struct config *config, struct engine *engine);

#endif
