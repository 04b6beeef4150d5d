/* What may people do with each kind? */
#include "controlplane/kinds.h"

static const char *const spec_and_status[] = {"apiVersion", "kind", "metadata", "spec", "status", NULL};
static const char *const configmap_fields[] = {"apiVersion", "kind",      "metadata", "data",
                                               "binaryData", "immutable", NULL};
static const char *const secret_fields[] = {"apiVersion", "kind",       "metadata",  "type",
                                            "data",       "stringData", "immutable", NULL};

const struct kind_rule kind_rules[KIND_COUNT] = {
    [KIND_NAMESPACE] = {.has_status = true, .fields = spec_and_status},
    [KIND_POD] = {.writes = KIND_DELETE, .has_status = true, .in_all = true, .fields = spec_and_status},
    [KIND_SERVICE] = {.has_status = true, .in_all = true, .fields = spec_and_status},
    [KIND_EVENT] = {.fields = spec_and_status},
    [KIND_CLAIM] = {.writes = KIND_WRITE, .has_status = true, .fields = spec_and_status},
    [KIND_CONFIGMAP] = {.writes = KIND_WRITE, .fields = configmap_fields},
    [KIND_SECRET] = {.writes = KIND_WRITE, .fields = secret_fields},
    [KIND_RESOURCEQUOTA] = {.has_status = true, .fields = spec_and_status},
    [KIND_STATEFULSET] = {.has_status = true, .in_all = true, .fields = spec_and_status},
    [KIND_PROFILE] = {.writes = KIND_WRITE, .has_status = true, .fields = spec_and_status},
    [KIND_NOTEBOOK] = {.writes = KIND_WRITE, .has_status = true, .in_all = true, .fields = spec_and_status},
    [KIND_RAYCLUSTER] = {.writes = KIND_WRITE, .has_status = true, .in_all = true, .fields = spec_and_status},
    [KIND_RAYJOB] = {.writes = KIND_WRITE, .has_status = true, .in_all = true, .fields = spec_and_status},
    [KIND_RAYSERVICE] = {.writes = KIND_WRITE, .has_status = true, .in_all = true, .fields = spec_and_status},
    [KIND_PODDEFAULT] = {.writes = KIND_WRITE, .fields = spec_and_status},
    [KIND_SERVICEACCOUNT] = {.fields = spec_and_status},
    [KIND_LIMITRANGE] = {.fields = spec_and_status},
    [KIND_ROLEBINDING] = {.fields = spec_and_status},
    [KIND_NETWORKPOLICY] = {.fields = spec_and_status},
    [KIND_AUTHORIZATIONPOLICY] = {.fields = spec_and_status},
    [KIND_VIRTUALSERVICE] = {.fields = spec_and_status},
};
