/*
 * How a Ray cluster stands, read from its conditions (KubeRay's `status.state` never falls back once it was "ready").
 * Pure, and right for clusters of every engine: the command line asks it too.
 */
#ifndef ATELIER_RAY_STATE_H
#define ATELIER_RAY_STATE_H

#include "base/json.h"

struct ray_state {
    const char *phase;      /* "Pending", "Running", "Suspending", "Suspended", "Deleting"; static */
    char reason[64];        /* one word: "QuotaExceeded", "ImagePullBackOff", "Running" */
    char message[512];      /* a sentence */
    int64_t ready, desired; /* workers */
};
void ray_cluster_state(const cJSON *cluster, struct ray_state *ret);
/* KubeRay does not say why a head stands on no node yet; its pod does. The pod's name, in <cluster>, if that is so, or
 * NULL. */
const char *ray_cluster_unsaid(const cJSON *cluster);
/* Completes the cluster's condition by what this pod, the one of that name, says. */
void ray_cluster_complete(cJSON *cluster, const cJSON *pod);

#endif
