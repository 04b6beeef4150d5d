/*
 * Readiness, liveness and startup probes (httpGet and tcpSocket), from inside the pod's sandbox.
 *
 * While a container is not ready it is asked every 250 ms at most (a person waits), afterwards every periodSeconds.
 * After a restart of this process a container that was ready is taken as ready until a probe fails.
 */
#ifndef ATELIER_ENGINE_LOCAL_PROBE_H
#define ATELIER_ENGINE_LOCAL_PROBE_H

#include "engine/local/local_internal.h"

struct prober;
struct prober *prober_new(void);
void prober_free(struct prober *prober);

/* Whether a running container counts as ready; begins to probe it if it has probes. <started_at> names this run of it.
 */
bool probe_ready(struct local *local, const struct object *pod, const cJSON *container, int64_t started_at);

/* The pod is over: nothing of it is probed any more. */
void probe_forget(struct local *local, const struct object *pod);

/* One HTTP GET over a connected socket: the status code, or 0 if none came in time. <headers> are whole lines. */
int probe_http(int fd, const char *host, const char *path, const char *headers, int64_t timeout_ms);

#endif
