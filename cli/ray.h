/* Steps that the commands about Ray clusters share. */
#ifndef ATELIER_CLI_RAY_H
#define ATELIER_CLI_RAY_H

#include "base/json.h"
#include "cli/command.h"

#define RAY_IMAGE_SIZE 256
#define RAY_VERSION_SIZE 64
/* --image; else the first image that has Ray, of --ray-version if that was given. "" as a version: not known. */
int ray_choose_image(struct call *call, char ret_image[RAY_IMAGE_SIZE], char ret_version[RAY_VERSION_SIZE],
                     struct error *error);

/* A RayClusterSpec as the options (RAY_OPTIONS in commands.c) describe it, with <usual_workers> where --replicas is not
 * given; 0: the head takes the work. */
int ray_render_cluster(struct call *call, int64_t usual_workers, cJSON *spec, struct error *error);
/* What stands after "--" as one shell line, every word quoted; malloc'ed. */
char *ray_entrypoint(const struct call *call);

/* A shell on a cluster's head, on this terminal. */
int ray_attach(struct call *call, const char *cluster, struct error *error);

#endif
