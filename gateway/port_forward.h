/*
 * Ports of a pod for kubectl's port-forward (Kubernetes' protocol portforward.k8s.io): on one SPDY connection the
 * client opens two streams for each connection that is made to it: one with streamType "error" and one with "data",
 * both with the same "port" and "requestID". The second is bytes both ways; the first says in words why the port is not
 * reached.
 *
 * Each is a thread of its own, which ends when the client's side is closed. A pod that takes no bytes stops the client
 * once LIMIT_FORWARD_BYTES wait (streams have no windows, spdy.h); a client that takes none stops the pods. The bridge
 * to the client's WebSocket then ends it after tunnel_stall_ms (forward.h).
 */
#ifndef ATELIER_GATEWAY_PORT_FORWARD_H
#define ATELIER_GATEWAY_PORT_FORWARD_H

#include "engine/engine.h"

struct port_forwards;
struct port_forwards *port_forwards_new(struct engine *engine);
/* Ends those that go on, waits for their threads; NULL is fine. */
void port_forwards_free(struct port_forwards *forwards);

/* *ret_fd: a stream socket that speaks SPDY, the caller's; closing it ends all of it. NOT_FOUND: no such pod; CONFLICT:
 * it does not run; LIMITED: as many as may be of this namespace, or of all, go on. */
int port_forward_open(struct port_forwards *forwards, const char *namespace, const char *pod, int *ret_fd,
                      struct error *error);

#endif
