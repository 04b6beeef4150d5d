/*
 * A file of Ray's cluster launcher (what `ray up` reads) as a RayCluster. Pure: no files, no requests.
 *
 * Every key of the launcher's schema (python/ray/autoscaler/ray-schema.json of Ray 2.60) and the legacy ones that old
 * files still have is mapped, noted (it means something on virtual machines only), or refused with the reason and the
 * nearest equivalent. What is said twice in the schema of the clouds' examples (legacy head_node beside
 * available_node_types) is refused.
 */
#ifndef ATELIER_CLI_LAUNCHER_H
#define ATELIER_CLI_LAUNCHER_H

#include "base/json.h"

#define LAUNCHER_TYPES_MAX 32     /* node types */
#define LAUNCHER_WORKERS_MAX 1000 /* in all: far beyond what one profile may hold */

struct launcher_options {
    const char *image;                       /* used where <image_wins>, or the file names none */
    bool image_wins;                         /* --image */
    const char *ray_version;                 /* of <image>; NULL if unknown */
    int64_t cpu_milli_max, memory_bytes_max; /* no node gets more; 0: no bound */
    bool autoscaling;                        /* false: each group starts with its most workers, and stays so */
};
/* *ret is a whole RayCluster without namespace. <notes> gets one line for each thing that was not taken over. INVALID
 * names the key, as "available_node_types.gpu.node_config". */
int launcher_convert(const cJSON *file, const struct launcher_options *options, cJSON **ret, struct buffer *notes,
                     struct error *error);
/* The name that the file's cluster gets: cluster_name in lower case, everything else a '-'. */
#define LAUNCHER_NAME_MAX 53 /* what KubeRay allows */
int launcher_name(const cJSON *file, char ret[LAUNCHER_NAME_MAX + 1], struct error *error);

#endif
