/* What the files that read a configuration share. */
#ifndef ATELIER_ENGINE_KUBERNETES_CONFIG_INTERNAL_H
#define ATELIER_ENGINE_KUBERNETES_CONFIG_INTERNAL_H

#include "engine/kubernetes/config.h"

/* <ret> is zeroed before; what it holds after a failure is freed by kube_config_load. */
int kubeconfig_read(const char *path, const char *context, struct kube_config *ret, struct error *error);
/* The same of a text; <path> is where its relative names begin, and what errors name. */
int kubeconfig_parse(struct slice text, const char *path, const char *context, struct kube_config *ret,
                     struct error *error);
int kube_config_in_cluster(const char *directory, struct kube_config *ret, struct error *error);
/* "https://host[:port][/path]" without user, query or fragment; *ret without a trailing slash. */
int kube_config_server(const char *url, const char *field, char **ret, struct error *error);
/* Reads a file of texts; <field> is who names it. Not empty. */
int kube_config_file(const char *path, size_t max, const char *field, char **ret, struct error *error);

#endif
