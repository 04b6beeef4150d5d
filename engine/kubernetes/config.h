/*
 * Where the API server is and with which credentials it is asked: in-cluster, or a kubeconfig.
 *
 * Formats: clientcmd v1 Config (kubernetes.io/docs/reference/config-api/kubeconfig.v1); in-cluster:
 * KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT and the projected service account directory; exec plugins:
 * client.authentication.k8s.io/v1 and v1beta1 ExecCredential (what gke-gcloud-auth-plugin speaks).
 */
#ifndef ATELIER_ENGINE_KUBERNETES_CONFIG_H
#define ATELIER_ENGINE_KUBERNETES_CONFIG_H

#include "base/json.h"

/* Texts are NULL when not given. PEM contents, not paths: files named by the kubeconfig are read when it is. */
struct kube_config {
    char *server; /* "https://10.0.0.1:6443", no trailing slash; path prefixes are kept */
    char *ca;     /* PEM; NULL: the system's */
    char *tls_server_name;
    bool insecure;           /* insecure-skip-tls-verify */
    char *certificate, *key; /* PEM */
    char *token;
    char *token_file; /* read again every minute: bound tokens rotate */
    char *username, *password;
    char *exec_command; /* absolute, or looked up in PATH */
    char **exec_args;   /* NULL-ended */
    char **exec_env;    /* "NAME=value", NULL-ended */
    char *exec_api_version;
    bool exec_provide_cluster_info;
    char *proxy_url;
    char *namespace; /* the context's, or the pod's own */
};
/* <path> "" : in-cluster; then $KUBECONFIG, then ~/.kube/config are not tried: whoever starts a service says which. */
int kube_config_load(const char *path, const char *context, struct kube_config *ret, struct error *error);
void kube_config_free(struct kube_config *config); /* wipes secrets; NULL fields are fine */

#endif
