/*
 * A TCP connection into a pod, through the API server: for an atelierd that is no pod of the cluster itself.
 *
 * The pods/portforward subresource over a WebSocket with the subprotocol v4.channel.k8s.io: each message begins with
 * the number of its channel (0 data, 1 error), and the first one on each carries the port (kubelet,
 * portforward/websocket.go). Unlike the service proxy it carries any protocol and no header is lost.
 */
#ifndef ATELIER_ENGINE_KUBERNETES_PORTFORWARD_H
#define ATELIER_ENGINE_KUBERNETES_PORTFORWARD_H

#include "engine/kubernetes/client.h"

/* *ret_fd: connected, non-blocking, the caller's. Blocks for the handshake. UNAVAILABLE with the kubelet's words. */
int portforward_open(struct kube_client *client, const char *namespace, const char *pod, uint16_t port, int *ret_fd,
                     struct error *error);

#endif
