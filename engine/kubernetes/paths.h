/* URLs of the Kubernetes API. Source: API concepts, "Resource URIs". */
#ifndef ATELIER_ENGINE_KUBERNETES_PATHS_H
#define ATELIER_ENGINE_KUBERNETES_PATHS_H

#include "engine/engine.h"

/* Appends "/api/v1/namespaces/alice/pods/nb1-0/log". <namespace> NULL: all, or a cluster-scoped kind. <name> and
 * <subresource> may be NULL. Names are percent-encoded, so that none can reach another object. */
void path_add(struct buffer *ret, enum engine_kind kind, const char *namespace, const char *name,
              const char *subresource);
/* Appends "?key=value" or "&key=value". An empty or NULL value adds nothing. */
void path_query(struct buffer *ret, const char *key, const char *value);
/* Names that can be no part of a path ("", ".", "..") are refused: NOT_FOUND, for no object has them. */
int path_check_name(enum engine_kind kind, const char *namespace, const char *name, struct error *error);

#endif
