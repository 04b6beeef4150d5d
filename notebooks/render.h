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
#define NOTEBOOK_STOPPED "kubeflow-resource-stopped"     /* annotation: any value stops */
#define NOTEBOOK_STOPPED_IDLE "atelier.dev/stopped-idle" /* the value of the one above, if nobody used it */
#define NOTEBOOK_LABEL "notebook-name"
#define NOTEBOOK_ROUTE "notebook-%s-%s"           /* its VirtualService: namespace and name */
#define NOTEBOOK_HASH "atelier.dev/template-hash" /* on the StatefulSet: what was rendered */
#define NOTEBOOK_ASKED "atelier.dev/asked"        /* on the StatefulSet: when its pod was last asked for (RFC 3339) */
#define NOTEBOOK_NUDGED "atelier.dev/nudged" /* on the StatefulSet: when its controller was last told to try again */
#define NOTEBOOK_MOUNTS_HOME "atelier.dev/mounts-home" /* label of pods that do */
#define NOTEBOOK_ACCOUNT "default-editor"              /* Kubeflow's, made by tenancy */
#define NOTEBOOK_SECRET_UID "atelier.dev/secret-uid"   /* on the pod: a new token restarts the server */

bool notebook_is_stopped(const cJSON *notebook);
char *notebook_secret_name(const char *notebook); /* malloc'ed: "notebook-<name>" */
int64_t notebook_port(const cJSON *notebook);     /* the first declared container port, or 8888 */

/* A Secret with a fresh token; printing it anywhere would disclose it. */
cJSON *notebook_render_secret(const cJSON *notebook);
cJSON *notebook_render_service(const cJSON *notebook);
/* Kubeflow's name and path; but they lead to <host>, which decides who may go on to the notebook. */
char *notebook_virtualservice_name(const cJSON *notebook); /* malloc'ed */
cJSON *notebook_render_virtualservice(const cJSON *notebook, const char *gateway, const char *host);
/* What a pod stands on, apart from the Notebook itself. */
struct notebook_ground {
    const char *secret_uid;   /* of the Secret in force */
    const char *account;      /* the service account of pods that name none; NULL: there are none here */
    bool by_kubelet;          /* engine_traits.pods_by_kubelet */
    bool restricted;          /* the namespace enforces Pod Security "restricted" */
    bool home_on_one_node;    /* the home volume cannot be mounted on several nodes at once */
    const cJSON *statefulset; /* the one there is, or NULL: what cannot change stays, and what need not is left alone */
    const char *now;          /* RFC 3339 */
    bool nudge;               /* its controller is to try again to make a pod */
};
/* Carries the hash of what its processes see; apply it with engine_apply. */
cJSON *notebook_render_statefulset(const cJSON *notebook, const struct notebook_ground *ground);

/* pod.c: what a kubelet must be told that an engine with sandboxes of its own knows: rights, volumes' group, place. */
void notebook_render_rights(const struct notebook_ground *ground, cJSON *pod_spec);

#endif
