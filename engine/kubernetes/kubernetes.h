/*
 * The kubernetes engine: objects in a kube-apiserver, workloads as Pods on its nodes.
 *
 * The kube-apiserver is the truth. What a reconciler reads comes from memory (compact, kept by watches), what it writes
 * goes to the API server as field manager `atelier`; what a person asks for is passed on in the person's role
 * (engine_forward). Source: Kubernetes API conventions and API concepts (resource versions, watch, server-side apply).
 */
#ifndef ATELIER_ENGINE_KUBERNETES_KUBERNETES_H
#define ATELIER_ENGINE_KUBERNETES_KUBERNETES_H

#include "engine/engine.h"
#include "store/store.h"

struct kubernetes_options {
    const char *kubeconfig; /* path; "" : in-cluster credentials (/var/run/secrets/kubernetes.io/serviceaccount) */
    const char *context;    /* of the kubeconfig; "": its current-context */
    const char *namespace;  /* where atelierd itself lives: its Lease and Secrets ("atelier-system") */
    const char *tenant_namespace;  /* see engine_traits.tenant_subject_namespace ("atelier-tenants") */
    const char *identity;          /* of this replica, in the Lease: the pod's name, or host-pid */
    const char *images;            /* JSON array as engine_images returns it, or "" for the built-in list */
    unsigned reconcilers;          /* 0: 32 */
    bool leader_election;          /* false: this is the only replica */
    struct store *store;           /* where ended Ray jobs are kept; NULL: nowhere */
    struct raymetrics ray_metrics; /* checked; its texts outlive the engine */
};
/*
 * Reads the credentials, waits for the first discovery and for the lists of all kinds (at most <wait_ms> for both),
 * starts watches and leader election. UNAVAILABLE if by then one is missing without which nothing can be done; a list
 * of another kind that fails or lasts longer goes on behind.
 */
int kubernetes_engine_new(const struct kubernetes_options *options, int64_t wait_ms, struct engine **ret,
                          struct error *error);
void kubernetes_engine_free(struct engine *engine); /* gives the Lease back; workloads go on */

#endif
