/* Reaching a workload, or the cluster's API, without blocking the loop: engine_dial on a thread, its result a message.
 */
#ifndef ATELIER_GATEWAY_DIAL_H
#define ATELIER_GATEWAY_DIAL_H

#include "gateway/connection.h"

struct dial;
/* Runs on the loop; <fd> is the callee's, or -1 with <error>. */
typedef void (*dial_done)(struct connection *connection, int fd, const struct error *error);
/* NULL when too many dials wait. */
struct dial *dial_start(struct connection *connection, const char *namespace, const struct target *target,
                        dial_done done);
/* The same by engine_dial_within: for tunnels, which only those open who may run programs in the workload. */
struct dial *dial_within_start(struct connection *connection, const char *namespace, const struct target *target,
                               dial_done done);
/* A command in a pod (engine_exec) or its ports (port_forward_open). Takes over <request>, also when it fails. */
struct pod_request;
struct dial *dial_pod_start(struct connection *connection, const char *namespace, struct pod_request *request,
                            dial_done done);
/* The same for the cluster's own API, in this role of the namespace (engine_dial_api). */
struct dial *dial_api_start(struct connection *connection, const char *namespace, const char *role, const char *person,
                            dial_done done);
/* Not a connection but whose the pod is (gateway_pod_owner), on the same threads: <fd> is -1 in any case. */
struct dial *dial_owner_start(struct connection *connection, const char *namespace, const char *pod, dial_done done);
/* While `done` of that runs: the owner; NULL if the pod has none. Borrowed. */
const struct target *dial_owner(const struct dial *dial);
/* Nor this, which starts a suspended cluster by <person>'s request (gateway_resumer): <error> has a code if it failed.
 */
struct dial *dial_resume_start(struct connection *connection, const char *namespace, const char *cluster,
                               const char *person, dial_done done);
/* While `done` of that runs: it was this one that started it. */
bool dial_has_resumed(const struct dial *dial);
/* Nor this, which learns how far the target has come (gateway_explainer). <message> is kept for `done`. */
struct dial *dial_explain_start(struct connection *connection, const char *namespace, const struct target *target,
                                const char *message, dial_done done);
/* While `done` of that runs: NULL if nothing is known; and the message. Borrowed. */
const struct progress *dial_progress(const struct dial *dial);
const char *dial_message(const struct dial *dial);
/* While `done` of dial_api_start runs: the header lines that go with the request; borrowed. */
const char *dial_headers(const struct dial *dial);
void dial_abandon(struct dial *dial); /* the result is closed when it comes; done is not called */

#endif
