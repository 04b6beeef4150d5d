/*
 * An OCI bundle: the config.json of one container, and the skeleton directory that is its root. Rendering is pure;
 * everything a tenant chose has passed box_spec_check. (OCI runtime specification 1.0.2)
 */
#ifndef ATELIER_SANDBOXD_BUNDLE_H
#define ATELIER_SANDBOXD_BUNDLE_H

#include "base/json.h"
#include "engine/local/sandboxd/gpu.h"

#define BOX_INIT_PATH "/run/.atelier/init" /* where a container sees the pid 1 that we bring */
#define BOX_HOME "/home/atelier"

struct box_bind {
    char *source;
    const char *destination;
    bool readonly;
};

struct box_bundle {
    const cJSON *container; /* of the pod's spec */
    const char *hostname, *address;
    uint32_t uid;
    const char *image; /* the environment's path, on the host as in the container */
    const char *netns;
    const char *cgroup; /* NULL: nothing is limited */
    const char *rootfs, *etc, *shm, *init;
    const char *empty;                /* an empty directory, to hide /usr/local */
    const char *tmp, *var_tmp, *home; /* private directories on the host */
    int64_t cpu_first_milli;          /* what it may take of the CPUs at first, if that is more than its limit */
    const struct box_bind *binds;     /* the pod's volumes */
    size_t bind_count;
    const struct box_gpus *gpus; /* NULL: none */
    int64_t nofile;
    bool swap_limited; /* the kernel accounts swap: limit it to none */
};

cJSON *box_bundle_render(const struct box_bundle *bundle);

/* Makes the skeleton: empty directories to mount on, and the links of a merged /usr. */
int box_rootfs_make(const char *path, struct error *error);

#endif
