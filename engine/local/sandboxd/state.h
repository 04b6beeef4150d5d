/*
 * What we know of a pod, as it is kept in state.json and shown in a pod record. Saved before and after every step, so
 * that whoever reads it after a kill -9 knows what may be half done. Parsing and printing are pure.
 */
#ifndef ATELIER_SANDBOXD_STATE_H
#define ATELIER_SANDBOXD_STATE_H

#include <sys/types.h>

#include "base/json.h"

enum box_container_state {
    BOX_WAITING,  /* to be started, now or after a back-off */
    BOX_CREATING, /* the runtime was called; nobody knows yet how far it got */
    BOX_RUNNING,
    BOX_EXITED,
};
enum box_restart { BOX_RESTART_ALWAYS, BOX_RESTART_ON_FAILURE, BOX_RESTART_NEVER };

struct box_container {
    char name[64];
    char id[64]; /* of the OCI runtime */
    bool init;
    enum box_restart restart;
    enum box_container_state state;
    pid_t pid, monitor_pid;
    uint64_t pid_start, monitor_start; /* clock ticks since boot: with the pid they name one process */
    int exit_code;
    char reason[32], message[320];
    int64_t started_at, finished_at; /* wall clock, ms */
    int64_t restarts;
    int64_t backoff_ms, start_after; /* monotonic ms: state does not outlive a boot */
    bool asked_to_end;               /* SIGTERM was sent */
    bool watched;                    /* not saved: its monitor's end wakes us */
    bool cpu_settled;                /* not saved: its first minute is over, and its limit holds */
};

struct box_state {
    char uid[129];
    char address[16];
    bool made; /* network, mounts and directories are whole */
    bool stopping;
    int64_t kill_after; /* monotonic ms */
    int64_t started_at; /* wall clock, ms */
    size_t count;
    struct box_container *containers;
};

/* From a checked spec. */
void box_state_init(struct box_state *state, const cJSON *spec, const char *address);
void box_state_free(struct box_state *state);
cJSON *box_state_print(const struct box_state *state);
int box_state_parse(const cJSON *json, struct box_state *ret, struct error *error);

/* "starting", "running", "stopping" or "stopped". */
const char *box_state_phase(const struct box_state *state);
/* The record that clients see. */
cJSON *box_state_record(const struct box_state *state, const char *sandbox, const char *pod);

/* Whether an exited container is to be started again (not asked while the pod is being stopped). */
bool box_container_restarts(const struct box_container *container);
/* The pause before the next start, and the one after that: 1 s, 2 s … 60 s; forgotten after ten minutes of running. */
int64_t box_backoff_next(int64_t previous_ms, int64_t ran_ms);

#endif
