/*
 * A Notebook (kubeflow.org/v1) to a running JupyterLab: StatefulSet + Service + Secret (per-server token), the
 * profile's home volume mounted at /home/atelier, status in words a person can act on.
 *
 * status.phase Pending|Starting|Running|Stopping|Stopped|Failed; status.reason; status.message; status.readyReplicas;
 * status.progress 0..100; conditions. Stopped by the annotation `kubeflow-resource-stopped` (any value), started by its
 * removal. The token lives in Secret `notebook-<name>` (key token, label atelier.dev/notebook=<name>).
 */
#ifndef ATELIER_NOTEBOOKS_NOTEBOOKS_H
#define ATELIER_NOTEBOOKS_NOTEBOOKS_H

#include "engine/engine.h"

struct tenancy;
struct notebooks;
int notebooks_new(struct engine *engine, struct notebooks **ret, struct error *error); /* starts the reconciler */
void notebooks_free(struct notebooks *notebooks);

/* Checks and completes a Notebook before it is stored: name (DNS-1035 label <= 40, no "--"), spec.template.spec with
 * one container; missing parts get defaults (image: the newest installed; resources 500m/1Gi requests = limits). */
int notebook_admit(struct notebooks *notebooks, const cJSON *old, cJSON *notebook, struct error *error);

#endif
