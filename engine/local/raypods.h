/*
 * What KubeRay would make of a RayCluster: the head and worker Pods and the head Service (reference: kuberay v1.7,
 * /docs of ray.io; names, labels, ports and environment as its operator writes them).
 *
 * `ray start` is rendered as an argument vector, never through a shell: rayStartParams are a tenant's. A template that
 * brings its own command runs that first, as KubeRay does, in the tenant's own shell.
 */
#ifndef ATELIER_ENGINE_LOCAL_RAYPODS_H
#define ATELIER_ENGINE_LOCAL_RAYPODS_H

#include "engine/local/local_internal.h"
#include "engine/raymetrics.h"

#define RAY_LABEL_CLUSTER "ray.io/cluster"
#define RAY_LABEL_TYPE "ray.io/node-type"
#define RAY_LABEL_GROUP "ray.io/group"
#define RAY_HEAD_GROUP "headgroup"

enum ray_port {
    RAY_GCS = 6379,
    RAY_DASHBOARD = 8265,
    RAY_CLIENT = 10001,
    RAY_METRICS = 8080,
    RAY_SERVE = 8000,
    RAY_SERVE_GRPC = 9000,
    RAY_AGENT = 52365
};

/* New objects, the caller's. <group> is a member of spec.workerGroupSpecs; <head_life> names the head they join. */
cJSON *ray_head_pod(const struct object *cluster, const struct raymetrics *metrics);
cJSON *ray_worker_pod(const struct object *cluster, const cJSON *group, const char *head_life);
cJSON *ray_head_service(const struct object *cluster);

char *ray_service_name(const struct object *cluster); /* malloc'ed */
char *ray_secret_name(const struct object *cluster);  /* malloc'ed */
/* A port that rayStartParams may move. */
uint16_t ray_head_port(const struct object *cluster, const char *parameter, uint16_t fallback);
/* One of a worker group's numbers, such as minReplicas; <fallback> where it is absent or no number from 0 on. */
int64_t ray_group_number(const cJSON *group, const char *key, int64_t fallback);
/* How many pods a worker group is to have: its replicas within their bounds, times its hosts; 0 while suspended. */
int64_t ray_group_replicas(const cJSON *group);
/* Names the templates of a cluster: spec.upgradeStrategy.type Recreate replaces pods that were made from others. */
void ray_template_hash(const struct object *cluster, char ret[17]);

/* The arguments after "ray": "start", "--head", … For tests as well. */
cJSON *ray_start_arguments(const cJSON *group, const cJSON *container, const char *address /* NULL: the head */,
                           int64_t shm_limit_bytes);

#endif
