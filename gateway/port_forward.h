/*
 * Ports of a pod for those who are not beside it, in either of Kubernetes' protocols:
 *
 * portforward.k8s.io, kubectl's: SPDY, in which the client opens two streams for each connection that is made to it:
 * one with streamType "error" and one with "data", both with the same "port" and "requestID". The second is bytes both
 * ways; the first says in words why the port is not reached.
 *
 * v4.channel.k8s.io, the Python client's: the ports are named beforehand, and each is reached once. Packets of a
 * channel's number and data: 2n is bytes both ways to the nth port, 2n+1 says in words why it is not reached; the first
 * packet of either says which port it is, as two bytes, the lower one first
 * (k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go). The protocol knows no end of one direction, nor of one
 * port: it ends when all of them have.
 *
 * Each is a thread of its own, which ends when the client's side is closed. A pod that takes no bytes stops the client
 * once LIMIT_FORWARD_BYTES wait (neither has windows); a client that takes none stops the pods. The bridge to the
 * client's WebSocket then ends it after tunnel_stall_ms (forward.h).
 */
#ifndef ATELIER_GATEWAY_PORT_FORWARD_H
#define ATELIER_GATEWAY_PORT_FORWARD_H

#include "engine/engine.h"
#include "gateway/limits.h"

/* The ports of v4.channel.k8s.io, in the order of their channels; none: SPDY names them as it goes. */
struct port_list {
    uint16_t at[LIMIT_FORWARD_PORTS];
    size_t count;
};

struct port_forwards;
struct port_forwards *port_forwards_new(struct engine *engine);
/* Ends those that go on, waits for their threads; NULL is fine. */
void port_forwards_free(struct port_forwards *forwards);

/* *ret_fd, the caller's: a stream socket that speaks SPDY or, with <ports>, a SOCK_SEQPACKET socket whose packets are
 * ENGINE_PACKET_BYTES at most; closing it ends all of it. NOT_FOUND: no such pod; CONFLICT: it does not run; LIMITED:
 * as many as may be of this namespace, or of all, go on. */
int port_forward_open(struct port_forwards *forwards, const char *namespace, const char *pod,
                      const struct port_list *ports, int *ret_fd, struct error *error);

#endif
