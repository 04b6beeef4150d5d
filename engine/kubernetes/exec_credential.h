/*
 * Credentials from a program: client.authentication.k8s.io v1 and v1beta1 (what gke-gcloud-auth-plugin speaks). The
 * program gets KUBERNETES_EXEC_INFO and no stdin, answers an ExecCredential on stdout, and is given a minute.
 */
#ifndef ATELIER_ENGINE_KUBERNETES_EXEC_CREDENTIAL_H
#define ATELIER_ENGINE_KUBERNETES_EXEC_CREDENTIAL_H

#include "engine/kubernetes/config.h"

struct exec_credential {
    char *token;             /* NULL: none */
    char *certificate, *key; /* PEM; both or neither */
    int64_t expires_wall_ms; /* 0: not said */
};
/* Blocks until the program has ended. UNAVAILABLE with its last line of stderr, or what its answer lacks. */
int exec_credential_get(const struct kube_config *config, struct exec_credential *ret, struct error *error);
/* Reads an answer. */
int exec_credential_parse(struct slice answer, const char *api_version, struct exec_credential *ret,
                          struct error *error);
void exec_credential_free(struct exec_credential *credential); /* wipes */
/* The value of KUBERNETES_EXEC_INFO; malloc'ed. */
char *exec_credential_info(const struct kube_config *config);

#define EXEC_CREDENTIAL_TIMEOUT_MS 60000 /* a plugin asks its cloud over the network; gcloud's own takes seconds */
#define EXEC_CREDENTIAL_BYTES_MAX ((size_t)256 * 1024) /* a token or a chain of certificates */

#endif
