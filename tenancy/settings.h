/*
 * What an installation may decide about every profile, read once from lists of text.
 */
#ifndef ATELIER_TENANCY_SETTINGS_H
#define ATELIER_TENANCY_SETTINGS_H

#include "base/json.h"
#include "tenancy/tenancy.h"

/* All arrays of texts, but for labels: an object. */
struct settings {
    char *namespace; /* the platform's own */
    char *pod_security;
    char *home_class;          /* storage class; "": the cluster's default */
    cJSON *gateway_namespaces; /* the platform's own and what stands in front of it */
    cJSON *gateway_principals; /* Istio's; empty: whoever is in gateway_namespaces */
    cJSON *operator_namespaces;
    cJSON *labels;                  /* further labels of every namespace */
    cJSON *private_v4, *private_v6; /* where tenants' pods do not go */
    cJSON *allowed;                 /* ... except here */
};
/* INVALID naming the option. */
int settings_read(const struct tenancy_options *options, struct settings *ret, struct error *error);
void settings_free(struct settings *settings);

#endif
