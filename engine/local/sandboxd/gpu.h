/*
 * The machine's GPUs, as NVIDIA's driver shows them: nvidia0, nvidia1, … are one GPU each, and nvidiactl, nvidia-uvm
 * and the like belong to whoever has any (docs/gpus.md). Device numbers and driver files come from the directories that
 * whoever started the daemon named; requests say names of GPUs only.
 */
#ifndef ATELIER_SANDBOXD_GPU_H
#define ATELIER_SANDBOXD_GPU_H

#include "engine/local/sandboxd/daemon.h"

#define BOX_GPU_PREFIX "nvidia"
#define BOX_GPU_FILES "/run/.atelier/gpu" /* where a container sees the driver's libraries and programs */

struct box_device {
    char name[64]; /* below /dev of the container */
    int64_t major, minor;
};

/* What one container gets. */
struct box_gpus {
    struct box_device *devices;
    size_t device_count, gpu_count; /* the GPUs come first */
    char *indices;                  /* "0,3": the machine's numbers of them */
    char **files;                   /* of the driver, paths on the host; none if they lie where a container sees them */
    size_t file_count;
};

int64_t box_gpu_index(struct slice name); /* "nvidia0": 0; -1: no name of a GPU */
/* Names of all GPUs that are there now, in the order of their numbers. */
cJSON *box_gpu_names(const struct box_paths *paths);
/* <names> NULL: none. NOT_FOUND if one is not there. */
int box_gpus_take(const struct box_paths *paths, const cJSON *names, struct box_gpus *ret, struct error *error);
void box_gpus_free(struct box_gpus *gpus);
/* CONFLICT if a GPU of <spec> is with another pod that has not ended. */
int box_gpus_check_free(struct box_daemon *daemon, const char *sandbox, const char *pod, const cJSON *spec,
                        struct error *error);

#endif
