/*
 * Objects as the rows of a Table (meta.k8s.io/v1), which is how kubectl shows them: the columns of Kubernetes' own
 * printers (pkg/printers/internalversion) for core kinds, of KubeRay's CRDs for Ray's, and our own for notebooks and
 * profiles.
 */
#ifndef ATELIER_CONTROLPLANE_TABLE_H
#define ATELIER_CONTROLPLANE_TABLE_H

#include "engine/engine.h"

/* What of the object goes along with its row (?includeObject=): kubectl needs the metadata. */
enum table_include { TABLE_NONE, TABLE_METADATA, TABLE_OBJECT };
/* "" and "Metadata", "None", "Object". False for anything else. */
bool table_include_parse(const char *text, enum table_include *ret);
/* From a List, or from one object; ages are counted to <now_ms> (wall clock). The caller's. */
cJSON *table_of_list(enum engine_kind kind, const cJSON *list, enum table_include include, int64_t now_ms);
cJSON *table_of_object(enum engine_kind kind, const cJSON *object, enum table_include include, int64_t now_ms);

/* As table_of_list, with columns given. */
struct column;
cJSON *table_with(const struct column *columns, const cJSON *list, enum table_include include, int64_t now_ms);

/* --- columns.c ---------------------------------------------------------------------------------------------------- */
/* The cell's value; NULL is an empty one. */
typedef cJSON *(*column_cell)(const cJSON *object, const char *path, int64_t now_ms);
struct column {
    const char *name, *type, *format; /* as in OpenAPI: "string", "integer"; format "name" or "" */
    int priority;                     /* 0: always shown; 1: with -o wide */
    const char *path;                 /* for <cell>: "status.phase", or NULL */
    column_cell cell;
    const char *description;
};
/* Ended by a column without a name. */
const struct column *columns_of(enum engine_kind kind);

/* cells.c */
#define AGE_SIZE 24
void age_format(int64_t span_ms, char ret[AGE_SIZE]); /* "5m3s", "2d4h": as apimachinery's duration.HumanDuration */
cJSON *cell_at(const cJSON *object, const char *path, int64_t now_ms);    /* a text or number as it is */
cJSON *cell_text(const cJSON *object, const char *path, int64_t now_ms);  /* the same, "<none>" where there is none */
cJSON *cell_phase(const cJSON *object, const char *path, int64_t now_ms); /* the same, "Terminating" while it goes */
cJSON *cell_age(const cJSON *object, const char *path, int64_t now_ms);   /* since the time at <path> */
cJSON *cell_count(const cJSON *object, const char *path, int64_t now_ms); /* members of data and binaryData */
cJSON *cell_replicas(const cJSON *object, const char *path, int64_t now_ms); /* "1/2" */
cJSON *cell_ports(const cJSON *object, const char *path, int64_t now_ms);
cJSON *cell_selector(const cJSON *object, const char *path, int64_t now_ms);
cJSON *cell_modes(const cJSON *object, const char *path, int64_t now_ms);      /* "RWO,RWX" */
cJSON *cell_containers(const cJSON *object, const char *path, int64_t now_ms); /* names or images, by <path> */
cJSON *cell_quota(const cJSON *object, const char *path, int64_t now_ms);      /* <path>: "requests" or "limits" */
cJSON *cell_controller(const cJSON *object, const char *path, int64_t now_ms); /* "statefulset.apps/nb1" */
cJSON *cell_event_object(const cJSON *object, const char *path, int64_t now_ms);
cJSON *cell_event_age(const cJSON *object, const char *path, int64_t now_ms);
cJSON *cell_event_source(const cJSON *object, const char *path, int64_t now_ms);
/* cells_pod.c */
cJSON *cell_pod_ready(const cJSON *object, const char *path, int64_t now_ms);
cJSON *cell_pod_status(const cJSON *object, const char *path, int64_t now_ms);
cJSON *cell_pod_restarts(const cJSON *object, const char *path, int64_t now_ms);

#endif
