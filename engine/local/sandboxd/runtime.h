/*
 * The OCI runtime (runc) under its monitor (conmon), one monitor a container. The monitor is no child of ours: it holds
 * the container's log and writes its exit code to <bundle>/exit/<id>, whether or not we live.
 */
#ifndef ATELIER_SANDBOXD_RUNTIME_H
#define ATELIER_SANDBOXD_RUNTIME_H

#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/local/sandboxd/cgroup.h"

struct box_runtime {
    char *runc, *conmon; /* absolute paths */
    char *root;          /* runc's state directory */
    char *cgroup;        /* "/atelier-TAG" */
};
int box_runtime_open(struct box_runtime *runtime, const char *root, const char *cgroup, struct error *error);
void box_runtime_close(struct box_runtime *runtime);
/* Absolute path of a program in the usual directories; malloc'ed, or NULL. */
char *box_find_program(const char *name);

/* A program of its own: <fd> becomes its descriptor 3, every other one of ours is closed, its standard ones are
 * /dev/null, no signal is blocked. It is put into the cgroups whose cgroup.procs files are <groups>. */
#define BOX_LAUNCH_FD 3
struct box_launch {
    const char *const *argv; /* argv[0]: an absolute path */
    const char *const *environment;
    int fd;
    int groups[BOX_CGROUP_HIERARCHIES_MAX];
    size_t group_count;
    /* The last thing before it becomes the program (NULL: nothing); false: it does not. After fork: no memory, no
     * locks. */
    bool (*prepare)(void *context);
    void *prepare_context;
};
pid_t box_launch(const struct box_launch *launch); /* the caller's to wait for; a negative errno */

struct box_process {
    pid_t pid;
    uint64_t start; /* clock ticks since boot */
};
bool box_process_alive(const struct box_process *process);                    /* a zombie is not */
bool box_process_wait(const struct box_process *process, int64_t timeout_ms); /* true once it has ended */

/* Creates container <id> from <bundle>/config.json; it waits to be started. */
int box_runtime_create(const struct box_runtime *runtime, const char *bundle, const char *id, const char *log,
                       struct box_process *ret_container, struct box_process *ret_monitor, struct error *error);
int box_runtime_start(const struct box_runtime *runtime, const char *id, struct error *error);
/* Kills what runs and removes the runtime's state and cgroup of it; absent is fine. */
void box_runtime_delete(const struct box_runtime *runtime, const char *id);
/* False while the container runs. *ret_finished_ms: wall clock. */
bool box_runtime_exit(const char *bundle, const char *id, int *ret_code, int64_t *ret_finished_ms);
/* What its monitor and the runtime still do for this bundle is killed: for containers found half made after a crash. */
void box_runtime_abandon(const struct box_runtime *runtime, const char *bundle, const char *id);
/* Waits for calls of the runtime that a killed predecessor of ours left behind; then kills them. */
void box_runtime_settle(const struct box_runtime *runtime, int64_t timeout_ms);

#endif
