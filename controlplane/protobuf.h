/*
 * The little of Kubernetes' protobuf that clients insist on: the envelope, and fields of a message by number.
 *
 * Formats: "k8s\0" and then runtime.Unknown (kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding);
 * wire types of protobuf.dev/programming-guides/encoding. Slices borrow from what is read. Nothing is allocated.
 */
#ifndef ATELIER_CONTROLPLANE_PROTOBUF_H
#define ATELIER_CONTROLPLANE_PROTOBUF_H

#include "base/text.h"

/* What an envelope holds, and of which kind and apiVersion it says that is. False if it is none. */
bool protobuf_envelope(struct slice body, struct slice *ret_kind, struct slice *ret_version, struct slice *ret);
/* What an envelope of the given kind ("SelfSubjectAccessReview") holds. False if it is none, or of another kind. */
bool protobuf_open(struct slice body, const char *kind, struct slice *ret);
/* Takes the next field off the front of <message>. False if it is malformed; *ret_end: there was none left. */
struct protobuf_field {
    unsigned number;
    bool delimited;     /* <bytes> is what it holds; else <value> is, of a varint */
    struct slice bytes; /* never NULL */
    uint64_t value;
};
bool protobuf_next(struct slice *message, struct protobuf_field *ret, bool *ret_end);
/* The last field <number> of length-delimited type in <message>; empty if absent. False if the message is malformed. */
bool protobuf_bytes(struct slice message, unsigned number, struct slice *ret);

#endif
