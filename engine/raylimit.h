/*
 * The most workers that all groups of a RayCluster may have together, beside the most of each (a launcher file's
 * max_workers). KubeRay has no field for it and Ray's autoscaler takes the sum of the groups' maxReplicas for it
 * (ray/autoscaler/_private/kuberay/autoscaling_config.py of Ray 2.60), although what decides inside keeps to a limit of
 * the whole (autoscaler/v2/scheduler.py, _enforce_max_workers_global). So the limit is an annotation, and Ray's
 * autoscaler is started by a few lines of Python that put it in the place of the sum each time the cluster is read.
 * Under another Ray, where those lines find nothing to change, they start it as it is; what the limit forbids is then
 * still refused when it is written (ray/limit.c).
 *
 * Threads: any.
 */
#ifndef ATELIER_ENGINE_RAYLIMIT_H
#define ATELIER_ENGINE_RAYLIMIT_H

#include "base/json.h"

#define RAYLIMIT_ANNOTATION "atelier.dev/max-workers"

/* Sets the command by which that autoscaler starts for a cluster. */
void raylimit_command(cJSON *container, const char *cluster, const char *namespace);

#endif
