/*
 * Sets of fields as metadata.managedFields names them, compared across objects.
 *
 * FieldsV1 is JSON of nested objects: "f:<name>" is a field, "k:{<keys>}" the item of a list that has these keys, "v:"
 * one that has this value, "." the thing itself (structured-merge-diff, fieldpath/serialize.go).
 */
#ifndef ATELIER_ENGINE_KUBERNETES_FIELDS_H
#define ATELIER_ENGINE_KUBERNETES_FIELDS_H

#include "base/text.h"

/* Equal for sets that name the same fields, be their items called as they may: one object's container, port or owner
 * has another name or uid than the next one's. Never 0 but for no text. Any thread. */
uint64_t fields_hash(struct slice fields);

#endif
