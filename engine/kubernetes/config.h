/*
 * Where the API server is and with which credentials it is asked: in-cluster, or a kubeconfig.
 *
 * Formats: clientcmd v1 Config (kubernetes.io/docs/reference/config-api/kubeconfig.v1); in-cluster:
 * KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT and the projected service account directory; exec plugins:
 * client.authentication.k8s.io/v1 and v1beta1 ExecCredential (what gke-gcloud-auth-plugin speaks).
 *
 * Threads: a config is plain data of whoever loaded it.
 */
#ifndef ATELIER_ENGINE_KUBERNETES_CONFIG_H
#define ATELIER_ENGINE_KUBERNETES_CONFIG_H

#include "base/json.h"

/* Texts are NULL when not given. PEM contents are there whether the kubeconfig held them or named a file; where it
 * named one the path is there too, because such files rotate (credential.h reads them again). */
struct kube_config {
    char *server; /* "https://10.0.0.1:6443", no trailing slash; path prefixes are kept */
    char *ca;     /* PEM; NULL: the system's */
    char *ca_file;
    char *tls_server_name;
    bool insecure;           /* insecure-skip-tls-verify */
    bool uncompressed;       /* disable-compression: answers are not asked for in gzip */
    char *certificate, *key; /* PEM */
    char *certificate_file, *key_file;
    char *token;
    char *token_file; /* read again every minute: bound tokens rotate */
    char *username, *password;
    char *exec_command; /* absolute, or looked up in PATH */
    char **exec_args;   /* NULL-ended */
    char **exec_env;    /* "NAME=value", NULL-ended */
    char *exec_api_version;
    bool exec_provide_cluster_info;
    char *exec_cluster_config; /* JSON; what the cluster's extension client.authentication.k8s.io/exec holds */
    char *exec_install_hint;   /* for the error when the command is not found */
    char *proxy_url;           /* NULL: none; the proxy variables of the environment are not looked at */
    char *namespace;           /* the context's, or the pod's own */
};
/* <path> "" : in-cluster; then $KUBECONFIG, then ~/.kube/config are not tried: whoever starts a service says which.
 * <context> NULL or "": the kubeconfig's current-context. INVALID names the key and what is expected there, or the
 * environment's variable, or the file; never a secret. */
int kube_config_load(const char *path, const char *context, struct kube_config *ret, struct error *error);
void kube_config_free(struct kube_config *config); /* wipes secrets; NULL fields are fine; zeroes */
void kube_config_copy(const struct kube_config *config, struct kube_config *ret);

/* The service account directory of a pod. */
#define KUBE_SERVICE_ACCOUNT_DIRECTORY "/var/run/secrets/kubernetes.io/serviceaccount"

/* Limits, each with its reason. */
#define KUBE_CONFIG_BYTES_MAX ((size_t)1024 * 1024)     /* the kubeconfig; json_limits_default */
#define KUBE_CONFIG_FILE_BYTES_MAX ((size_t)256 * 1024) /* a bundle of CAs: Debian's whole one is 220 KB */
#define KUBE_TOKEN_BYTES_MAX ((size_t)16 * 1024)        /* a bound token is 1.2 KB; a header field of curl's 100 KB */
#define KUBE_EXEC_ITEMS_MAX 64                          /* arguments, and variables, of an exec plugin */

#endif
