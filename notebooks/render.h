/*
 * What a Notebook becomes: the objects it owns, as pure functions of the Notebook.
 *
 * Every returned tree is the caller's. Names and ports follow Kubeflow's notebook-controller, so that what speaks to
 * its notebooks (Service "<name>", port 80 named "http-<name>", env NB_PREFIX) finds them here too.
 */
#ifndef ATELIER_NOTEBOOKS_RENDER_H
#define ATELIER_NOTEBOOKS_RENDER_H

#include "base/json.h"

#define NOTEBOOK_HOME "/home/atelier"
#define NOTEBOOK_HOME_CLAIM "home" /* the profile's, made by tenancy */
#define NOTEBOOK_PORT 8888
#define NOTEBOOK_STOPPED "kubeflow-resource-stopped" /* annotation: any value stops */
#define NOTEBOOK_LABEL "notebook-name"
#define NOTEBOOK_HASH "atelier.dev/template-hash"    /* on the StatefulSet: what was rendered */
#define NOTEBOOK_SECRET_UID "atelier.dev/secret-uid" /* on the pod: a new token restarts the server */

bool notebook_is_stopped(const cJSON *notebook);
char *notebook_secret_name(const char *notebook); /* malloc'ed: "notebook-<name>" */
int64_t notebook_port(const cJSON *notebook);     /* the first declared container port, or 8888 */

/* A Secret with a fresh token; printing it anywhere would disclose it. */
cJSON *notebook_render_secret(const cJSON *notebook);
cJSON *notebook_render_service(const cJSON *notebook);
/* <secret_uid> is that of the Secret in force. Carries its own hash. */
cJSON *notebook_render_statefulset(const cJSON *notebook, const char *secret_uid);

#endif
