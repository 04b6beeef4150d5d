/*
 * Where everything of one installation lies. Names are validated before they come here.
 *
 * run directory (gone after a reboot; <state> is a tmpfs of ours because env values and files volumes are secrets):
 *   lock, socket
 *   state/netns/<sandbox>/{+bridge,<pod>}     bind-mounted network namespaces
 *   state/sandboxes/<sandbox>/{hosts.json, volumes/<volume>}   loop-mounted volumes
 *   state/pods/<sandbox>/<pod>/{spec.json, state.json, etc/, shm/, files/<volume>/, c/<container>/…}
 *   state/runc, state/init
 * data directory (persistent):
 *   sandboxes/<sandbox>/{sandbox.json, volumes/<volume>.img | <volume>.d}
 *   scratch/<sandbox>/<pod>                   a pod's /tmp, HOME and emptyDirs (a loop-mounted file without a name)
 *   logs/<sandbox>/<pod>/<container>.log
 */
#ifndef ATELIER_SANDBOXD_PATHS_H
#define ATELIER_SANDBOXD_PATHS_H

#include "base/error.h"
#include "base/text.h"

#define BOX_TAG_SIZE 17 /* at most 16 characters: it is part of cgroup and container names */

/* What whoever starts the daemon decides. */
struct box_places {
    const char *run, *data;
    const char *images;        /* NULL: <data>/images */
    const char *gpu_devices;   /* where nvidia0, nvidiactl, … are; NULL: /dev */
    const char *gpu_driver;    /* libcuda.so* and the like, if not below /usr; NULL: they are there */
    const char *tag;           /* NULL: derived from <data> */
    const char *cgroup_parent; /* below the root of each hierarchy; NULL: the root */
    int64_t cpu_start_s;       /* BOX_CPU_START_MILLI for so long */
};

struct box_paths {
    char *run, *state, *data, *images;
    char *gpu_devices, *gpu_driver; /* the latter may be NULL */
    char *cgroup;                   /* "/atelier-TAG" in its parent */
    char tag[BOX_TAG_SIZE];
};

/* Canonicalises the directories (made if absent). */
int box_paths_open(struct box_paths *paths, const struct box_places *places, struct error *error);
void box_paths_close(struct box_paths *paths);
/* The first 8 hexadecimal digits of the SHA-256 of the canonical data directory. */
void box_tag_derive(const char *canonical_data, char ret[BOX_TAG_SIZE]);

/* All malloc'ed. */
char *box_path_netns(const struct box_paths *paths, const char *sandbox, const char *pod_or_null);
char *box_path_sandbox_run(const struct box_paths *paths, const char *sandbox);
char *box_path_sandbox_data(const struct box_paths *paths, const char *sandbox);
char *box_path_pod(const struct box_paths *paths, const char *sandbox, const char *pod);
char *box_path_container(const struct box_paths *paths, const char *sandbox, const char *pod, const char *container);
char *box_path_scratch(const struct box_paths *paths, const char *sandbox, const char *pod);
char *box_path_logs(const struct box_paths *paths, const char *sandbox, const char *pod);
char *box_path_cgroup(const struct box_paths *paths, const char *sandbox, const char *pod, const char *container);

#endif
