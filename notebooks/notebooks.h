/*
 * A Notebook (kubeflow.org/v1) to a running JupyterLab: StatefulSet + Service + Secret (per-server token), the
 * profile's home volume mounted at /home/atelier, status in words a person can act on.
 *
 * status.phase Pending|Starting|Running|Stopping|Stopped|Failed; status.reason; status.message; status.readyReplicas;
 * status.progress 0..100; conditions. Stopped by the annotation `kubeflow-resource-stopped` (any value), started by its
 * removal. One that nobody uses is stopped after a warning (tenancy/idle.h): status.lastActivity, status.idleStopAt;
 * once stopped, status.reason is Idle. The token lives in Secret `notebook-<name>` (key token, label
 * atelier.dev/notebook=<name>).
 */
#ifndef ATELIER_NOTEBOOKS_NOTEBOOKS_H
#define ATELIER_NOTEBOOKS_NOTEBOOKS_H

#include "tenancy/idle_watch.h"

struct tenancy;
struct notebooks;
struct notebooks_options {
    struct engine *engine;
    /* Where Istio's VirtualServices exist: the gateway ("namespace/name") at which each notebook's path leads to this
     * platform's own Service, instead of past it as Kubeflow's controller had it. NULL or "": none are made. */
    const char *istio_gateway;
    const char *namespace; /* of this platform's Service "atelier" */
};
int notebooks_new(const struct notebooks_options *options, struct notebooks **ret,
                  struct error *error); /* starts the reconciler; copies what it keeps */
void notebooks_free(struct notebooks *notebooks);

/* Stops those that nobody uses; starts. What its kernels and terminals did is asked of each server itself. */
struct idle_watch *notebooks_idle_new(struct engine *engine, const struct idle_options *options);

/* Checks and completes a Notebook before it is stored: name (DNS-1035 label <= 40, no "--"), spec.template.spec with
 * one container; missing parts get defaults (image: the newest installed; 500m and 1Gi where neither a request nor a
 * limit names an amount; which of the two is left out, the pod has as the other). */
int notebook_admit(struct engine *engine, const cJSON *old, cJSON *notebook, struct error *error);
/* Adds to the array <warnings> what is fine to store and may never find a place (tenancy/tpu.h). Says nothing of an
 * object of another kind. Pure. */
void notebook_warn(const cJSON *object, cJSON *warnings);

#endif
