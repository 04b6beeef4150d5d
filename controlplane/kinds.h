/* What people may do with each kind through the API: the column "written by tenants" of docs/api.md. */
#ifndef ATELIER_CONTROLPLANE_KINDS_H
#define ATELIER_CONTROLPLANE_KINDS_H

#include "engine/engine.h"

#define KIND_CREATE 1u
#define KIND_CHANGE 2u /* PUT and PATCH */
#define KIND_DELETE 4u
#define KIND_WRITE (KIND_CREATE | KIND_CHANGE | KIND_DELETE)

struct kind_rule {
    unsigned writes; /* KIND_… flags */
    bool has_status; /* its status subresource can be read */
    bool in_all;     /* listed by `kubectl get all` */
    bool entered;    /* grants, cookies and tokens may be for one alone: they go with it */
};
extern const struct kind_rule kind_rules[KIND_COUNT];

#endif
