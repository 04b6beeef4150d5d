/*
 * Sets of fields of a JSON object, as Kubernetes writes them into metadata.managedFields (fieldsType FieldsV1), and
 * what server-side apply does with them.
 *
 * A set is a tree: {"f:spec": {"f:suspend": {}, "f:env": {"k:{\"name\":\"A\"}": {".": {}, "f:value": {}}}}}. "f:NAME"
 * is a member of an object, "k:{…}" the item of a list that has these keys. A node without children is a field of the
 * set, one with the child "." is too; any other only leads to some. Lists of a pod's specification that Kubernetes keys
 * (containers, env, volumes, …) are keyed here wherever they stand, as long as every item has its keys and no two the
 * same; all other lists are one field. Source of the format: sigs.k8s.io/structured-merge-diff, fieldpath/serialize.go.
 *
 * Pure functions: arguments are borrowed, what is returned is the caller's. Depth is that of the documents, which their
 * parser bounds.
 */
#ifndef ATELIER_BASE_FIELDSET_H
#define ATELIER_BASE_FIELDSET_H

#include "base/json.h"

cJSON *fieldset_of(const cJSON *object); /* every field that it has */
cJSON *fieldset_union(const cJSON *a, const cJSON *b);
cJSON *fieldset_minus(const cJSON *a, const cJSON *b);
cJSON *fieldset_and(const cJSON *a, const cJSON *b);
/* What <after> has with another value than <before>, or anew; and what only <before> has. */
void fieldset_changes(const cJSON *before, const cJSON *after, cJSON **ret_changed, cJSON **ret_removed);
/* Calls for each field of the set, in order: ".spec.containers[name=\"a\"].image". */
void fieldset_paths(const cJSON *set, void (*each)(void *context, const char *path), void *context);

/* <live> with the values of <applied>: objects and keyed lists one by one, anything else whole. */
cJSON *fieldset_merge(const cJSON *live, const cJSON *applied);
/* Takes out of <object> the fields of <lost>, unless they, or something in them, are in <kept>. */
void fieldset_prune(cJSON *object, const cJSON *lost, const cJSON *kept);

#endif
