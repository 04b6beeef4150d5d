/*
 * The client side of `atelier-sandboxd`, the only process of the local engine that takes privileged requests.
 *
 * One request, one answer, over a Unix SOCK_SEQPACKET socket: a JSON object of at most 64 KiB, descriptors by
 * SCM_RIGHTS. sandboxd knows sandboxes (one a profile: a network namespace with a bridge, a uid range, volumes), pods
 * (a network namespace each, one or more containers) and nothing of users, HTTP or SQL. It checks every name against
 * its own state, refuses anything it did not make, and re-adopts what runs when it starts. Pods outlive every process
 * of ours.
 *
 * Wire (documented in engine/local/sandboxd/README.md): {"op":"pod_start",…} -> {"ok":true,…} |
 * {"ok":false,"code":"NOT_FOUND","field":"…","message":"…"}. A connection that sent {"op":"subscribe"} then receives
 * one
 * {"event":"pod","sandbox":…,"pod":…} packet per pod state change.
 *
 * Threads: a `struct sandbox_client` is thread-safe (it keeps a small pool of connections). All calls block; each has a
 * deadline (default 30 s). While sandboxd is away they answer UNAVAILABLE at once.
 */
#ifndef ATELIER_ENGINE_LOCAL_SANDBOX_H
#define ATELIER_ENGINE_LOCAL_SANDBOX_H

#include "base/json.h"

#define SANDBOX_BRIDGE_ADDRESS "10.64.0.1" /* of each sandbox's bridge: to a pod, the machine it is on */

struct sandbox_client;
struct sandbox_client *sandbox_client_new(const char *socket_path);
void sandbox_client_free(struct sandbox_client *client);

/* Makes the sandbox (idempotent): bridge namespace, uid range, directory. Answer: {"uid":…,"directory":…}. */
int sandbox_ensure(struct sandbox_client *client, const char *sandbox, cJSON **ret, struct error *error);
/* Kills every pod, unmounts, removes namespaces, cgroups and (if <volumes>) every directory of it. Resumable,
 * idempotent. */
int sandbox_remove(struct sandbox_client *client, const char *sandbox, bool volumes, struct error *error);

/* A named volume of a sandbox (idempotent). As root it is a loop-mounted ext4 file of that size ("enforced": true);
 * growing is done on the next call with a larger size. Answer: {"enforced":bool,"bytes":…}. */
int sandbox_volume_ensure(struct sandbox_client *client, const char *sandbox, const char *volume, int64_t bytes,
                          cJSON **ret, struct error *error);
int sandbox_volume_remove(struct sandbox_client *client, const char *sandbox, const char *volume, struct error *error);

/*
 * Starts a pod. <spec>:
 *  {"hostname":"nb1-0", "uid":"<the Pod object's uid>", "address":"10.64.0.5" (optional: else the next free one),
 *   "containers":[{"name":"notebook","image":"ray-2.60"(image directory name),"init":false,
 *      "args":["/abs/or/PATH/program",…], "env":{"K":"V",…}, "workdir":"/home/atelier",
 *      "cpu_milli":500, "memory_bytes":…, "pids":4096, "gpus":["nvidia0",…],
 * "mounts":[{"volume":"home","path":"/home/atelier","subpath":"","readonly":false}],
 *      "restart":"Always|OnFailure|Never"}],
 *   "volumes":{"home":{"type":"named","volume":"home"}, "tmp":{"type":"empty","memory":false,"bytes":0},
 *              "cfg":{"type":"files","files":{"name":"base64 content",…},"mode":420}},
 *   "shm_bytes":…, "grace_s":30}
 * "$(POD_IP)" in args and env values is replaced by the pod's address. Init containers run one after the other first.
 * Idempotent by (sandbox, pod, uid): an identical running pod is answered as is. Answer: a pod record (see below).
 */
int sandbox_pod_start(struct sandbox_client *client, const char *sandbox, const char *pod, const cJSON *spec,
                      cJSON **ret, struct error *error);
/* SIGTERM to every container, SIGKILL after grace_s; returns at once, the pod record's phase tells progress. */
int sandbox_pod_stop(struct sandbox_client *client, const char *sandbox, const char *pod, int64_t grace_s,
                     struct error *error);
/* Kills what still runs and removes namespace, cgroup, root and private directories. Logs are removed with it. */
int sandbox_pod_remove(struct sandbox_client *client, const char *sandbox, const char *pod, struct error *error);
/*
 * All pods of a sandbox (or of all: NULL). *ret: array of pod records
 *  {"sandbox","pod","uid","address","phase":"starting|running|stopping|stopped","started_at":ms,
 *   "containers":[{"name","state":"waiting|running|exited","pid","exit_code","reason":"OOMKilled|Error|Completed|…",
 *                  "message","started_at":ms,"finished_at":ms,"restarts":n}]}
 */
int sandbox_pod_list(struct sandbox_client *client, const char *sandbox, cJSON **ret, struct error *error);
/* {"pods":[{"sandbox","pod","at_ms":…,"cpu_ms":…,"memory_bytes":…,"containers":[{"name","at_ms","cpu_ms",
 * "memory_bytes"}]}], "machine":{"at_ms","cpu_ms","memory_bytes"}}, as sandboxd/usage.h says. */
int sandbox_usage(struct sandbox_client *client, cJSON **ret, struct error *error);
/* {"total_bytes","free_bytes","pending_bytes","pods":[{"sandbox","pod","bytes"}]}, as sandboxd/disk.h says. */
int sandbox_disk(struct sandbox_client *client, cJSON **ret, struct error *error);

/* Removes the images that <keep> (names) does not hold, no pod has, and nothing has kept for <unused_s> seconds. *ret:
 * array of the names that went. Takes as long as the files take to go: at most 10 minutes. */
int sandbox_images_prune(struct sandbox_client *client, const cJSON *keep, int64_t unused_s, cJSON **ret,
                         struct error *error);

/* The whole /etc/hosts content of a sandbox's pods beyond the standard lines and each pod's own:
 * [{"address":"10.64.0.5","names":["rc-head-svc","rc-head-svc.alice.svc.cluster.local"]}]. */
int sandbox_hosts(struct sandbox_client *client, const char *sandbox, const cJSON *entries, struct error *error);

/* What the sandbox's pods may reach outside, as base/outbound.h reads it; in force when this returns. */
int sandbox_outbound(struct sandbox_client *client, const char *sandbox, const char *policy, struct error *error);

/* A non-blocking TCP socket connected from inside the sandbox to address:port; at most 5 s. */
int sandbox_dial(struct sandbox_client *client, const char *sandbox, const char *address, uint16_t port, int *ret_fd,
                 struct error *error);
/* The same from inside the pod that has the address, to its 127.0.0.1 first: also what listens there alone. */
int sandbox_dial_within(struct sandbox_client *client, const char *sandbox, const char *address, uint16_t port,
                        int *ret_fd, struct error *error);
/* A listening TCP socket on the sandbox's bridge address (10.64.0.1). */
int sandbox_listen(struct sandbox_client *client, const char *sandbox, uint16_t port, int *ret_fd, struct error *error);
/* A container's log file (CRI format, written by conmon), opened for reading. */
int sandbox_log(struct sandbox_client *client, const char *sandbox, const char *pod, const char *container, int *ret_fd,
                struct error *error);

/* A command in a running container. <wanted>: {"command":["/abs/or/PATH/program",…],"stdin":bool,"stdout":bool,
 * "stderr":bool,"tty":bool}. *ret_fd: a SOCK_SEQPACKET socket that speaks as sandboxd/session.h says; closing it ends
 * the command. Without "command": what the container's own program writes from now on (sandboxd/attach.h). */
int sandbox_exec(struct sandbox_client *client, const char *sandbox, const char *pod, const char *container,
                 const cJSON *wanted, int *ret_fd, struct error *error);

/* Calls <changed> from an own thread for every pod change, and once with NULLs after each (re)connection: list then. */
typedef void (*sandbox_changed)(void *context, const char *sandbox, const char *pod);
int sandbox_subscribe(struct sandbox_client *client, sandbox_changed changed, void *context, struct error *error);

/* {"version","root":bool,"cgroup":"v1|v2|hybrid","runtime":"runc","volumes_enforced":bool,"missing":[texts],
 * "gpus":["nvidia0",…]} */
int sandbox_hello(struct sandbox_client *client, cJSON **ret, struct error *error);

#endif
