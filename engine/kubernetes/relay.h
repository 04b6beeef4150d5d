/*
 * A plain socket that speaks HTTP/1.1 with the API server; the TLS happens behind it, on a thread of its own.
 *
 * For what libcurl does not do: upgrades. The server is verified and client certificates are presented as in client.h;
 * a bearer token is the caller's to send (kube_client_authorization).
 */
#ifndef ATELIER_ENGINE_KUBERNETES_RELAY_H
#define ATELIER_ENGINE_KUBERNETES_RELAY_H

#include "engine/kubernetes/client.h"

#define RELAYS_MAX 512 /* at once in this process: terminals, copies, forwarded ports; each is a thread */

/* *ret_fd: connected, non-blocking, the caller's. Blocks for the connection and the handshake, at most 10 s each.
 * LIMITED beyond RELAYS_MAX; UNAVAILABLE with the reason. */
int kube_relay_open(struct kube_client *client, int *ret_fd, struct error *error);
/* A TCP connection to <host>, a name or an address; non-blocking, within 10 s. */
int kube_connect(const char *host, const char *port, int *ret_fd, struct error *error);

#endif
