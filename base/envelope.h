/*
 * What Kubernetes and its clients put around a protobuf message: "k8s\0" and then runtime.Unknown
 * (kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding). Slices borrow from what is read.
 */
#ifndef ATELIER_BASE_ENVELOPE_H
#define ATELIER_BASE_ENVELOPE_H

#include "base/text.h"

#define ENVELOPE_MAGIC "k8s" /* with the NUL that ends the text */
#define ENVELOPE_RAW 2       /* the field of runtime.Unknown that is the message */

/* What an envelope holds, and of which kind and apiVersion it says that is. False if it is none. */
bool envelope_read(struct slice body, struct slice *ret_kind, struct slice *ret_version, struct slice *ret);
/* What an envelope of the given kind ("SelfSubjectAccessReview") holds. False if it is none, or of another kind. */
bool envelope_open(struct slice body, const char *kind, struct slice *ret);

#endif
