/*
 * The shape of documents that tenants write: small checks that end in INVALID with the path of what is wrong.
 *
 * <path> is where the value stands ("spec.template"); NULL values mean absent, as in Kubernetes.
 */
#ifndef ATELIER_TENANCY_SHAPE_H
#define ATELIER_TENANCY_SHAPE_H

#include "base/json.h"

/* Removes members that are null, at any depth: YAML's "metadata:" and generated "creationTimestamp: null" mean absent.
 */
void shape_drop_nulls(cJSON *value);
/* An object (or absent: *ret NULL). */
int shape_object(const cJSON *parent, const char *path, const char *key, cJSON **ret, struct error *error);
/* Absent or a string; *ret NULL if absent. */
int shape_text(const cJSON *parent, const char *path, const char *key, const char **ret, struct error *error);
/* Absent or a boolean. */
int shape_bool(const cJSON *parent, const char *path, const char *key, bool fallback, bool *ret, struct error *error);
/* Absent or a whole number within the limits. */
int shape_i64(const cJSON *parent, const char *path, const char *key, int64_t minimum, int64_t maximum,
              int64_t fallback, int64_t *ret, struct error *error);
/* Absent or an object whose values are all strings, at most 64 of them. */
int shape_texts(const cJSON *parent, const char *path, const char *key, struct error *error);
/* A name of a workload that becomes part of host names: DNS-1035 label of at most <max> bytes without "--". */
int shape_workload_name(const char *kind, const char *name, size_t max, struct error *error);
/* Finalizers belong to the platform: a tenant's own would keep a profile from ever being deleted. <own> (or NULL) may
 * be present. What <old> already has stays as it is. */
int shape_finalizers(const cJSON *old, cJSON *object, const char *own, struct error *error);
/* Labels that say to which workload a pod belongs, and by which services find it: never a template's. */
bool shape_label_decides(const char *key);
/* A pod template cannot name its pods' hosts: every pod of the profile would see that name in its hosts file. <path> is
 * the template's. */
int shape_no_host_names(const cJSON *pod_spec, const char *path, struct error *error);

#endif
