/*
 * Network namespaces: one with a bridge a sandbox, one a pod; nothing in the host's. A namespace is named by a file it
 * is bind-mounted on. Functions move the calling thread into the namespace and back; a thread that cannot come back
 * ends the process, because it would act on the wrong network (pods outlive us, the supervisor starts us again).
 */
#ifndef ATELIER_SANDBOXD_NETWORK_H
#define ATELIER_SANDBOXD_NETWORK_H

#include <stdint.h>

#include <stdbool.h>

#include "base/error.h"

int box_network_start(struct error *error); /* once, before any thread: leaves the host's for an empty one */
/* Makes <path> a namespace with lo and br0 10.64.0.1/16, no route out. Fine if it exists already. */
int box_network_make_bridge(const char *path, struct error *error);
/* Makes <path> a namespace with lo and eth0 <address>/16, its other end in the bridge's namespace <bridge_path>. */
int box_network_make_pod(const char *path, const char *bridge_path, uint32_t address, struct error *error);
/* Takes the pod's link out of the bridge's namespace, whether or not it is there. */
void box_network_unplug(const char *bridge_path, uint32_t address);
/* Gives the pod at <path> a way out through the bridge, or takes it away. */
int box_network_route_pod(const char *path, bool wanted, struct error *error);
/* Whether the sandbox's namespace passes on what its pods send elsewhere; off, <link> is deleted, too. */
int box_network_forward(int netns_fd, bool wanted, const char *link, struct error *error);
/* process_run (base/file.h) within the namespace. */
int box_network_run(int netns_fd, const char *const *argv, int64_t timeout_ms, struct error *error);
void box_network_remove(const char *path); /* unmounts and unlinks; absent is fine */
bool box_network_exists(const char *path);

/* A non-blocking TCP socket from within the namespace <netns_fd>, connected to address:port within <timeout_ms>. */
int box_network_dial(int netns_fd, uint32_t address, uint16_t port, int64_t timeout_ms, int *ret_fd,
                     struct error *error);
int box_network_listen(int netns_fd, uint32_t address, uint16_t port, int *ret_fd, struct error *error);

#endif
