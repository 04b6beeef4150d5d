/*
 * The local engine: objects in PostgreSQL, workloads as processes on this machine through `atelier-sandboxd`.
 *
 * It plays the parts that Kubernetes' own controllers and KubeRay play elsewhere: StatefulSet to Pod, RayCluster to
 * head and worker Pods and Service, PersistentVolumeClaim to volume, Service to hosts entries, Pod to processes.
 */
#ifndef ATELIER_ENGINE_LOCAL_LOCAL_H
#define ATELIER_ENGINE_LOCAL_LOCAL_H

#include "engine/engine.h"

struct store;

struct local_options {
    struct store *store;           /* borrowed, outlives the engine */
    const char *sandboxd_socket;   /* path of atelier-sandboxd's socket */
    const char *images_directory;  /* each directory in it with an image.json is an installed image */
    int64_t memory_reserved_bytes; /* RAM that is never promised to pods (default 2 GiB) */
    int64_t disk_reserved_bytes;   /* room on the data's disk that pods do not get (disk.h); 0: no guard */
    double cpu_overcommit;         /* default 8 */
    const char *outbound;          /* what pods may reach outside, as base/outbound.h reads it; NULL: nothing */
    struct raymetrics ray_metrics; /* checked; its texts outlive the engine */
};
/* Loads all objects, starts the controllers. */
int local_engine_new(const struct local_options *options, struct engine **ret, struct error *error);
void local_engine_free(struct engine *engine); /* stops the controllers; pods go on */

#endif
