/*
 * What an object of each kind consists of: one table, from which objects are checked and from which /openapi/v3 is
 * made. It says which members there are and of which type; what a value may be is for the rooms that know the kind.
 * Descriptions are sentences for `kubectl explain`. Everything here is static and may be used by any thread.
 */
#ifndef ATELIER_CONTROLPLANE_SCHEMA_H
#define ATELIER_CONTROLPLANE_SCHEMA_H

#include "engine/engine.h"

enum schema_type {
    SCHEMA_TEXT,
    SCHEMA_TIME,     /* RFC 3339 */
    SCHEMA_WHOLE,    /* a whole number */
    SCHEMA_NUMBER,   /* any number */
    SCHEMA_TRUTH,    /* true or false */
    SCHEMA_QUANTITY, /* "500m", or a number */
    SCHEMA_MAP,      /* an object of texts */
    SCHEMA_AMOUNTS,  /* an object of quantities */
    SCHEMA_TEXTS,    /* a list of texts */
    SCHEMA_OBJECT,   /* the members listed and no others */
    SCHEMA_OPEN,     /* the members listed, and others that whoever takes the object knows */
    SCHEMA_LIST      /* a list of objects of that kind */
};
struct schema_field {
    const char *name;
    enum schema_type type;
    const char *description;
    const struct schema_field *fields; /* of SCHEMA_OBJECT, OPEN, LIST; ended by a field without a name; or NULL */
};
#define SCHEMA_FIELDS_MAX 40 /* of one object, those that every object has included */

struct schema {
    const char *description;
    const struct schema_field *fields; /* besides apiVersion, kind and metadata */
};
/* Every kind has one. */
const struct schema *schema_of(enum engine_kind kind);
/* schema_pod.c: the template of a pod, and what is in its spec. */
extern const struct schema_field schema_pod_template[], schema_pod_spec[];

/* INVALID naming the first member that is unknown or of another type; metadata is looked at by metadata.h. */
int schema_check(enum engine_kind kind, const cJSON *object, struct error *error);
/* The OpenAPI v3 document of a group and version as the engine has them (docs.kubernetes.io, "OpenAPI V3"); the
 * caller's. NULL if it has none. */
cJSON *schema_openapi(struct engine *engine, const char *group, const char *version);

#endif
