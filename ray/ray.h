/*
 * RayCluster, RayJob and RayService (ray.io/v1): defaults and validation before they are stored, so that nothing is
 * refused silently later. How a cluster stands is in state.h.
 *
 * Rules follow KubeRay 1.7 (ray-operator/controllers/ray/utils/validation.go), which reports most mistakes only as an
 * event and then does nothing.
 */
#ifndef ATELIER_RAY_RAY_H
#define ATELIER_RAY_RAY_H

#include "tenancy/idle_watch.h"

/* Check and complete an object. <old> NULL: it is to be created. Absent authOptions become {mode: token, secretName:
 * ray-auth}; `disabled` is INVALID; everything KubeRay would only report in an event is INVALID with its path. */
int ray_cluster_admit(struct engine *engine, const cJSON *old, cJSON *cluster, struct error *error);
int ray_job_admit(struct engine *engine, const cJSON *old, cJSON *job, struct error *error);
int ray_service_admit(struct engine *engine, const cJSON *old, cJSON *service, struct error *error);
/* RayCronJob, which only KubeRay knows (1.6 and later, behind a feature gate): its jobTemplate as the RayJobs that are
 * made of it. A template that stays as it was is let through. */
int ray_cron_job_admit(struct engine *engine, const cJSON *old, cJSON *cron, struct error *error);
bool ray_is_cron_job(const char *group, const char *name); /* raycronjobs as in a URL, RayCronJob as in a manifest */
/* Adds a sentence to the array <warnings> for each pod of one of these four that asks for a TPU and says not which
 * (tenancy/tpu.h). Pure. */
void ray_warn(const cJSON *object, cJSON *warnings);
/* After it was stored: Warning events when rayVersion differs from the image's, when even the fewest pods the cluster
 * can have are more than the profile's quota, or when a notebook of the profile has another Ray or Python, so that
 * ray.init("ray://…") from it would be refused. */
void ray_cluster_remark(struct engine *engine, const cJSON *cluster);
/* The same last remark about a Notebook that was stored, one for each cluster of its profile. */
void ray_notebook_remark(struct engine *engine, const cJSON *notebook);

/* What the fewest pods of a RayClusterSpec request together: the head, the autoscaler's sidecar, minReplicas of each
 * group (their replicas without autoscaling). */
struct ray_demand {
    int64_t cpu_milli, memory_bytes;
    int64_t pods;
    int64_t sidecar_cpu_milli, sidecar_memory_bytes; /* of these, the autoscaler's */
};
void ray_cluster_demand(const cJSON *spec, struct ray_demand *ret);

/* Suspends clusters that nobody uses; starts. Whether drivers and Serve applications run is asked of each head. */
struct idle_watch *ray_idle_new(struct engine *engine, const struct idle_options *options);
/* Deletes clusters that have been suspended for long, where they or their profile say so (IDLE_DELETE_AFTER); starts.
 */
struct idle_watch *ray_abandoned_new(struct engine *engine, const struct idle_options *options);
/* Tells at its cluster, by an event HeadEnded, of every head that ends; starts. For pods by a kubelet: an engine whose
 * pods are its own tells as it sees the end. */
struct ray_heads *ray_heads_new(struct engine *engine);
void ray_heads_free(struct ray_heads *heads); /* NULL is fine */
/* Where Istio's VirtualServices exist: /ray/… and /serve/… of each RayCluster and RayService of a profile lead from
 * <gateway> ("namespace/name") to this platform's own Service "atelier" in <namespace>, as notebooks' paths do; starts.
 * <gateway> NULL or "": none are made, and those that were go; nor for an object whose annotation
 * atelier.dev/istio-route is "off". */
struct ray_mesh *ray_mesh_new(struct engine *engine, const char *gateway, const char *namespace);
void ray_mesh_free(struct ray_mesh *mesh); /* NULL is fine */
/* Keeps what RayJobs leave that end, where KubeRay reconciles them (engine_job_keep): their clusters go, and so may
 * they; starts. */
struct ray_runs *ray_runs_new(struct engine *engine);
void ray_runs_free(struct ray_runs *runs); /* NULL is fine */
/* Has the latest run of this RayJob ended? Pure. */
bool ray_run_is_over(const cJSON *job);
/* engine_job_log, and on every engine also of a run that goes on. */
int ray_job_log(struct engine *engine, const char *namespace, const char *name, const char *job_id, char **ret,
                bool *ret_cut, struct error *error);
/* Has this RayJob, which has not ended, chosen that cluster? Pure. */
bool ray_job_needs(const cJSON *job, const char *cluster);

#endif
