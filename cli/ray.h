/* Steps that the commands about Ray clusters share. */
#ifndef ATELIER_CLI_RAY_H
#define ATELIER_CLI_RAY_H

#include "base/json.h"
#include "cli/command.h"
#include "cli/resource.h"

#define RAY_IMAGE_SIZE 256
#define RAY_VERSION_SIZE 64
/* --image; else the first image that has Ray, of --ray-version if that was given. "" as a version: not known. */
int ray_choose_image(struct call *call, char ret_image[RAY_IMAGE_SIZE], char ret_version[RAY_VERSION_SIZE],
                     struct error *error);

/* A RayClusterSpec as the options (RAY_OPTIONS in commands.c) describe it, with <usual_workers> where --replicas is not
 * given; 0: the head takes the work. */
int ray_render_cluster(struct call *call, int64_t usual_workers, cJSON *spec, struct error *error);
/* gcsFaultToleranceOptions as --fault-tolerance says, or where it says nothing and <usual>, as the platform does: on
 * where there is a store for it; else a note tells why not. */
int ray_add_memory(struct call *call, bool usual, cJSON *spec, struct error *error);

/* ray_node.c: one node. */
#define RAY_SPOT_LABEL "cloud.google.com/gke-spot"
struct ray_size {
    const char *cpu, *memory; /* quantities */
    const char *gpu_key;      /* "nvidia.com/gpu"; unused without <gpus> */
    int64_t gpus;
    bool spot;
    const cJSON *place; /* {nodeSelector, tolerations} of its own, beside those of the options; NULL: none */
};
/* Into <place>, which may be a pod's spec: "NAME=VALUE", and "KEY[=VALUE][:EFFECT]" as kubectl writes a taint.
 * EXIT_USAGE names <option>. */
int ray_add_selector(cJSON *place, const char *option, const char *text, struct error *error);
int ray_add_toleration(cJSON *place, const char *option, const char *text, struct error *error);
/* The template's one container, with what --env, --volume, --node-selector and --toleration say. */
int ray_add_container(const struct call *call, cJSON *group, const char *name, const char *image,
                      const struct ray_size *size, cJSON **ret, struct error *error);
/* ray_group.c: the group of --replicas and so on, and those of --worker-group. */
int ray_add_workers(const struct call *call, cJSON *spec, const char *image, int64_t usual, struct error *error);

/* --runtime-env, a file or YAML in place, as text; *ret empty where it was not given. */
int ray_read_runtime(const struct call *call, struct buffer *ret, struct error *error);
/* Fills the runtime_env of a job from --runtime-env, --working-dir and, if <variables>, --env. A directory of this
 * machine is uploaded to the cluster <cluster>; NULL: there is none yet, and it is refused. */
int ray_fill_runtime(struct call *call, const char *cluster, bool variables, cJSON *runtime_env, struct error *error);

/* What stands after "--" as one shell line, every word quoted; malloc'ed. */
char *ray_entrypoint(const struct call *call);

/* What can serve applications by that name: the RayCluster; else the RayService. */
int ray_find_served(struct call *call, const char *name, const struct resource **ret, struct error *error);

/* A shell on a cluster's head, on this terminal. */
int ray_attach(struct call *call, const char *cluster, struct error *error);

#endif
