/* Pods: admitted, made, driven from step to step, stopped, removed. A step is level-triggered: it looks at what is and
 * does what is next; it may be called at any time, by any thread, any number of times. */
#ifndef ATELIER_SANDBOXD_POD_H
#define ATELIER_SANDBOXD_POD_H

#include "engine/local/sandboxd/daemon.h"

int box_pod_start(struct box_daemon *daemon, const char *sandbox, const char *name, const cJSON *spec, cJSON **ret,
                  struct error *error);
int box_pod_stop(struct box_daemon *daemon, struct box_pod *pod, int64_t grace_s, struct error *error);
void box_pod_kill(struct box_daemon *daemon, struct box_pod *pod); /* SIGKILL to all of it; does not wait */
int box_pod_remove(struct box_daemon *daemon, struct box_pod *pod, struct error *error);
/* A queue_handler: <key> is "sandbox/pod", <context> the daemon. */
int64_t box_pod_step(void *context, const char *key);

/* --- shared with container.c and recover.c --- */
int box_pod_save(struct box_daemon *daemon, struct box_pod *pod, struct error *error); /* state.json; pod->lock held */
void box_pod_clean(struct box_daemon *daemon, const char *sandbox, const char *name, uint32_t address);

/* --- container.c, pod->lock held --- */
void box_container_start(struct box_daemon *daemon, struct box_pod *pod, struct box_container *container);
/* If it ended: takes exit code and reason over, decides on a restart. */
void box_container_collect(struct box_daemon *daemon, struct box_pod *pod, struct box_container *container);
void box_container_watch(struct box_daemon *daemon, struct box_pod *pod, struct box_container *container);
/* Lets its limit of CPU hold once it has had its time to start; milliseconds until then, 0 if there is nothing to do.
 */
int64_t box_container_settle_cpu(struct box_daemon *daemon, const struct box_pod *pod, struct box_container *container);

/* --- mounting.c, pod->lock held: where a container's mounts come from --- */
struct box_bind;
int box_pod_make_volumes(struct box_daemon *daemon, struct box_pod *pod, struct error *error);
/* *ret: malloc'ed array (sources malloc'ed too) for box_bundle. */
int box_container_binds(struct box_daemon *daemon, struct box_pod *pod, const cJSON *container, struct box_bind **ret,
                        size_t *ret_count, struct error *error);
void box_binds_free(struct box_bind *binds, size_t count);

#endif
