/*
 * Objects that clients send as protobuf although they read JSON: what Kubernetes' typed clients make of ConfigMaps and
 * Secrets (`kubectl create configmap`). Field numbers: k8s.io/api/core/v1/generated.proto and
 * k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto. What only a server sets is left out.
 */
#ifndef ATELIER_CONTROLPLANE_PROTOBUF_OBJECT_H
#define ATELIER_CONTROLPLANE_PROTOBUF_OBJECT_H

#include "base/json.h"

/* *ret is the object as JSON would have it. MEDIA_TYPE for another kind, BAD_REQUEST for what is malformed or has more
 * than PROTOBUF_ENTRIES_MAX entries in one map. */
#define PROTOBUF_ENTRIES_MAX 256 /* as many members as a JSON object may have */
int protobuf_object_read(struct slice body, cJSON **ret, struct error *error);

#endif
