/*
 * The daemon's one object, and what it holds.
 *
 * Locks, in the order in which they may be taken: sandbox->lock (ensure, remove, admission of pods), pod->lock (its
 * state and processes; held across calls of the runtime), sandbox->volume_lock and sandbox->hosts_lock (leaves of a
 * pod's work), daemon->lock (the maps, reference counts and published records; never held across anything that blocks).
 */
#ifndef ATELIER_SANDBOXD_DAEMON_H
#define ATELIER_SANDBOXD_DAEMON_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "base/outbound.h"
#include "base/queue.h"
#include "engine/local/sandboxd/paths.h"
#include "engine/local/sandboxd/runtime.h"
#include "engine/local/sandboxd/state.h"

/* How a sandbox's pods reach the outside (outbound.h). */
struct box_way {
    struct outbound_policy policy;               /* in sandbox.json, too */
    char *loaded;                                /* what nft was told, or NULL */
    struct box_process pasta;                    /* pid 0: none */
    int64_t started_at, start_after, backoff_ms; /* monotonic ms */
};

struct box_sandbox {
    char *name;
    uint32_t uid;
    int64_t index;
    unsigned references; /* daemon->lock */
    pthread_mutex_t lock, volume_lock, hosts_lock;
    bool removing, gone;   /* written with lock and volume_lock held, read with either; in sandbox.json, too */
    bool remove_volumes;   /* lock */
    int netns;             /* lock for writing; valid while the sandbox is not gone */
    uint32_t last_address; /* daemon->lock */
    cJSON *hosts;          /* hosts_lock */
    struct box_way way;    /* lock */
    atomic_bool open;      /* written with lock held: whether pods have a way out */
};

struct box_pod {
    struct box_sandbox *sandbox; /* a reference */
    char *name, *key;            /* key: "sandbox/pod" */
    uint32_t address;
    unsigned references; /* daemon->lock */
    pthread_mutex_t lock;
    bool removed;           /* lock */
    cJSON *spec;            /* set once before it is published */
    struct box_state state; /* lock */
    cJSON *record;          /* daemon->lock: what clients are shown */
};

struct box_daemon {
    struct box_paths paths;
    struct box_runtime runtime;
    int64_t nofile;
    int64_t cpu_start_ms; /* how long a container that has begun may take more than its limit; 0: never */
    bool swap_limited;
    char *pasta, *nft;           /* absolute paths, or NULL */
    struct queue *queue;         /* steps of pods, keyed "sandbox/pod" */
    struct box_monitor *monitor; /* wakes the queue when a container's monitor ends */
    /* Called after a pod's record changed or it is gone; any thread, must not block. */
    void (*changed)(void *context, const char *sandbox, const char *pod);
    void *changed_context;
    pthread_mutex_t lock;
    struct map *sandboxes, *pods;
    struct box_execs *execs; /* exec.h */
};

/* Everything but the socket: directories, tmpfs, maps, queue, monitor. */
int box_daemon_open(struct box_daemon *daemon, const struct box_places *places, struct error *error);
void box_daemon_close(struct box_daemon *daemon); /* pods go on */
/* What this machine, or its user, cannot give: an array of sentences, each with what would help. */
cJSON *box_daemon_missing(const struct box_daemon *daemon);

/* --- registry.c: the maps. Every look-up that succeeds is a reference to give back. --- */
struct box_sandbox *box_sandbox_find(struct box_daemon *daemon, const char *name);
void box_sandbox_put(struct box_daemon *daemon, struct box_sandbox *sandbox);
struct box_pod *box_pod_find(struct box_daemon *daemon, const char *sandbox, const char *pod);
struct box_pod *box_pod_find_address(struct box_daemon *daemon, const char *sandbox, uint32_t address);
void box_pod_put(struct box_daemon *daemon, struct box_pod *pod);
/* All sandboxes, or the pods of <sandbox> (NULL: all), each a reference, in a malloc'ed array of *ret_count. */
struct box_sandbox **box_sandboxes(struct box_daemon *daemon, size_t *ret_count);
struct box_pod **box_pods(struct box_daemon *daemon, const char *sandbox, size_t *ret_count);
/* Enters what the caller built, with one reference for the map; the caller keeps its own. */
void box_sandbox_enter(struct box_daemon *daemon, struct box_sandbox *sandbox);
void box_sandbox_forget(struct box_daemon *daemon, struct box_sandbox *sandbox);
void box_pod_forget(struct box_daemon *daemon, struct box_pod *pod);
struct box_sandbox *box_sandbox_new(const char *name, int64_t index, uint32_t uid); /* one reference */
/* Admits a pod at <address> (0: the next free one). EXISTS if the name is taken, CONFLICT if the address is. The spec
 * is copied. *ret is locked and referenced. */
int box_pod_enter(struct box_daemon *daemon, struct box_sandbox *sandbox, const char *name, const cJSON *spec,
                  uint32_t address, struct box_pod **ret, struct error *error);
/* Makes the pod's present state what clients see; tells <changed> if that differs. With pod->lock held. */
void box_pod_publish(struct box_daemon *daemon, struct box_pod *pod);
/* Array of records; <sandbox> NULL: all. */
cJSON *box_records(struct box_daemon *daemon, const char *sandbox);
cJSON *box_pod_record(struct box_daemon *daemon, struct box_pod *pod);

#endif
