/* What options say of the one container of a notebook or of a Ray node: its environment and its volumes. */
#ifndef ATELIER_CLI_CONTAINER_H
#define ATELIER_CLI_CONTAINER_H

#include "base/json.h"
#include "cli/command.h"

#define CONTAINER_GPUS_MAX 64
#define CONTAINER_GPU_KEY "nvidia.com/gpu"

/* "--<option> A=1 --<option> B=2" as members of <object>.<key>. Like all below: EXIT_USAGE names the option. */
int option_add_map(const struct call *call, const char *option, cJSON *object, const char *key, struct error *error);
/* --env NAME=VALUE, repeated. */
int container_add_environment(const struct call *call, cJSON *container, struct error *error);
/* --volume VOLUME:/PATH, repeated: a volume of <pod>, mounted in <container>. */
int container_add_volumes(const struct call *call, cJSON *pod, cJSON *container, struct error *error);
/* Whether that can be what a vendor calls its GPUs. */
int container_check_gpu_key(const char *key, struct error *error);

#endif
