/* A kubeconfig for a service: one cluster, one user, a context a profile. */
#ifndef ATELIER_CLI_KUBECONFIG_H
#define ATELIER_CLI_KUBECONFIG_H

#include "base/json.h"

struct kubeconfig {
    const char *server;    /* "https://ml.example.com:8443" */
    const char *host;      /* of it, with the port: what cluster and contexts are called */
    struct slice ca;       /* PEM; empty: the system's */
    const char *token;     /* of the user */
    const char *user;      /* whose it is */
    const char *namespace; /* of the current context; NULL: the first profile */
    const cJSON *profiles; /* [{"name"}], as whoami tells them; NULL: none */
};
cJSON *kubeconfig_make(const struct kubeconfig *config);

#endif
