/* What may people do with each kind? */
#include "controlplane/kinds.h"

const struct kind_rule kind_rules[KIND_COUNT] = {
    [KIND_NAMESPACE] = {.has_status = true},
    [KIND_POD] = {.writes = KIND_DELETE, .has_status = true, .in_all = true},
    [KIND_SERVICE] = {.has_status = true, .in_all = true},
    [KIND_EVENT] = {0},
    [KIND_CLAIM] = {.writes = KIND_WRITE, .has_status = true},
    [KIND_CONFIGMAP] = {.writes = KIND_WRITE},
    [KIND_SECRET] = {.writes = KIND_WRITE},
    [KIND_RESOURCEQUOTA] = {.has_status = true},
    [KIND_STATEFULSET] = {.writes = KIND_CHANGE, .has_status = true, .in_all = true},
    [KIND_CONTROLLERREVISION] = {0},
    [KIND_PROFILE] = {.writes = KIND_WRITE, .has_status = true},
    [KIND_NOTEBOOK] = {.writes = KIND_WRITE, .has_status = true, .in_all = true, .entered = true},
    [KIND_RAYCLUSTER] = {.writes = KIND_WRITE, .has_status = true, .in_all = true, .entered = true},
    [KIND_RAYJOB] = {.writes = KIND_WRITE, .has_status = true, .in_all = true},
    [KIND_RAYSERVICE] = {.writes = KIND_WRITE, .has_status = true, .in_all = true, .entered = true},
    [KIND_PODDEFAULT] = {.writes = KIND_WRITE},
    [KIND_SERVICEACCOUNT] = {0},
    [KIND_LIMITRANGE] = {0},
    [KIND_ROLEBINDING] = {0},
    [KIND_NETWORKPOLICY] = {0},
    [KIND_AUTHORIZATIONPOLICY] = {0},
    [KIND_VIRTUALSERVICE] = {0},
};
