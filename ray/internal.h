/* What the files of this room share; nobody else includes it. */
#ifndef ATELIER_RAY_INTERNAL_H
#define ATELIER_RAY_INTERNAL_H

#include "ray/ray.h"
#include "ray/token.h"

/* Limits, and why. */
#define RAY_NAME_MAX 53                   /* "<name>-serve-svc" is a DNS label of at most 63 (KubeRay's own limit) */
#define RAY_OWNER_NAME_MAX 47             /* of a RayJob or RayService: its clusters are "<name>-xxxxx" */
#define RAY_GROUPS_MAX 16                 /* worker groups of one cluster */
#define RAY_REPLICAS_MAX 256              /* workers a group may be asked for at once */
#define RAY_HOSTS_MAX 256                 /* hosts of one replica: a TPU slice */
#define RAY_REPLICAS_UNLIMITED 2147483647 /* KubeRay's default of maxReplicas */
#define RAY_PARAMS_MAX 32                 /* entries of one rayStartParams */
#define RAY_PARAM_VALUE_MAX 256
#define RAY_GROUP_NAME_MAX 40         /* "<cluster>-<group>-worker-xxxxx" is cut from the left otherwise */
#define RAY_SECONDS_MAX 31536000      /* a year: no time here is meant to be longer */
#define RAY_ENTRYPOINT_MAX 65536      /* it becomes one argument of the submitter's command */
#define RAY_YAML_MAX (256 * 1024)     /* serveConfigV2 and runtimeEnvYAML; etcd takes 1.5 MiB in all */
#define RAY_RUNTIME_MAX (32 * 1024)   /* of a whole cluster: it becomes a variable of its head */
#define RAY_RETRIES_MAX 100           /* each retry is a whole new cluster */
#define RAY_DELETION_RULES_MAX 16     /* there are not more different ones */
#define RAY_PATH_MAX 192              /* "spec.rayClusterConfig.workerGroupSpecs[15].template.spec.containers[0]" */
#define RAY_PRIORITY_VERSION "2.56.0" /* the first whose autoscaler v2 knows priorities of groups (KubeRay's rule) */
#define RAY_TOKEN_VERSION "2.52.0"    /* the first Ray with token authentication (KubeRay's rule) */

/* Where a RayClusterSpec stands, and what is known about it. */
struct ray_context {
    struct engine *engine;
    const struct engine_traits *traits;
    const char *base; /* "spec", "spec.rayClusterSpec", "spec.rayClusterConfig" */
    const char *namespace;
    const cJSON *annotations; /* of the object around it, or NULL */
    bool owned;               /* by a RayJob or RayService */
    int autoscaler;           /* 0: none; 1, 2: its version */
};
/* "<base>.<key>", cut to fit. Returns <ret>. */
const char *ray_path(char ret[RAY_PATH_MAX], const char *base, const char *key);
/* "<base>.<list>[<at>]<rest>" */
const char *ray_path_at(char ret[RAY_PATH_MAX], const char *base, const char *list, int at, const char *rest);

/* spec.c: a RayClusterSpec, checked and completed in place. <object>: what it stands in. */
int ray_check_spec(struct engine *engine, const char *base, const cJSON *object, bool owned, cJSON *spec,
                   struct error *error);
/* auth.c: authOptions, and the same in the containers' environment where KubeRay knows none. */
int ray_complete_auth(const struct ray_context *context, cJSON *spec, struct error *error);
void ray_complete_auth_env(const struct ray_context *context, cJSON *spec);
/* A variable just as the latter writes it. */
bool ray_auth_env_is_ours(const cJSON *item);
/* INVALID where KubeRay could not ask a Ray with a token how a job or a service of its own stands. */
int ray_check_followed(struct engine *engine, const char *kind, struct error *error);
/* mesh.c: on a RayCluster or RayService: "off" where somebody's own VirtualService has its paths, "on" by default. */
#define RAY_ISTIO_ROUTE "atelier.dev/istio-route"
/* spec.c: what every object of this room has around its spec. */
int ray_check_metadata(const char *kind, size_t name_max, const cJSON *old, cJSON *object, cJSON **ret_spec,
                       struct error *error);
/* group.c: headGroupSpec and workerGroupSpecs, completed in place. */
int ray_check_head(const struct ray_context *context, cJSON *spec, struct error *error);
int ray_check_workers(const struct ray_context *context, cJSON *spec, struct error *error);
/* group.c: once rayVersion is known. */
int ray_check_priorities(const struct ray_context *context, const cJSON *spec, struct error *error);
/* group.c: a PodTemplateSpec, <path>.<key>. */
int ray_check_template(struct engine *engine, const cJSON *parent, const char *path, const char *key,
                       struct error *error);
/* autoscaler.c: fills context->autoscaler. */
int ray_check_autoscaler(struct ray_context *context, cJSON *spec, struct error *error);
/* limit.c: the most workers of all groups together, of a RayCluster whose spec is complete. */
int ray_check_limit(const cJSON *old, const cJSON *cluster, struct error *error);
void ray_complete_limit(const struct engine_traits *traits, cJSON *cluster);
/* runtime.c: the runtime_env of the whole cluster, as variables of its containers. */
int ray_complete_runtime(const cJSON *old, cJSON *cluster, struct error *error);
/* gcs.c: fault tolerance of the head. */
int ray_check_fault_tolerance(const struct ray_context *context, const cJSON *spec, struct error *error);
/* start_params.c: <path> is that of the group. */
int ray_check_start_params(const cJSON *group, const char *path, bool head, struct error *error);
/* rights.c: what its pods may do, where a cluster judges that. */
void ray_complete_rights(const struct ray_context *context, cJSON *spec);
/* head_env.c: what the platform tells a head that KubeRay makes (engine/rayhead.h). <old>: the spec that is replaced,
 * or NULL. A cluster keeps what it began with: another value would be a change of its head. */
void ray_complete_head_env(struct engine *engine, const cJSON *old, cJSON *spec);
/* The pod that submits a RayJob from outside of its cluster (K8sJobMode). */
void ray_complete_submitter(struct engine *engine, const cJSON *job, cJSON *spec);
/* change.c: what an update may change. */
int ray_check_change(const cJSON *old, const cJSON *cluster, struct error *error);
/* Where there is an autoscaler, replicas are its number: those of a group whose bounds alone were changed follow them.
 */
void ray_follow_bounds(const cJSON *old, cJSON *cluster);
/* image.c: names of the platform become what a pod must name; rayVersion, where it is left out, the image's. */
int ray_complete_images(const struct ray_context *context, cJSON *spec, struct error *error);
const char *ray_head_image(const cJSON *spec); /* or NULL */
/* What the platform's list says of an image, or else its tag ("rayproject/ray:2.60.0-py311"); "": unknown. */
#define RAY_IMAGE_VERSION_SIZE 33
struct ray_image_version {
    char ray[RAY_IMAGE_VERSION_SIZE];    /* "2.60.0" */
    char python[RAY_IMAGE_VERSION_SIZE]; /* "3.11" */
};
void ray_image_version(const cJSON *images, const char *image, struct ray_image_version *ret);
/* skew.c: a Warning event for each notebook of the profile whose Ray Client this cluster would refuse. */
void ray_remark_skew(struct engine *engine, const cJSON *cluster);

#endif
