/*
 * A list of PartialObjectMetadata as protobuf, taken apart as it arrives. An API server makes it in less than half
 * of the time that it takes for the same as JSON (bench/README.md).
 *
 * Format: "k8s\0", then runtime.Unknown, whose <raw> is the list (k8s.io/apimachinery: pkg/runtime/serializer/protobuf,
 * pkg/runtime and pkg/apis/meta/v1 generated.proto). Memory holds one item at a time, bounded as in split.h.
 */
#ifndef ATELIER_ENGINE_KUBERNETES_METADATA_SPLIT_H
#define ATELIER_ENGINE_KUBERNETES_METADATA_SPLIT_H

#include "engine/kubernetes/skim.h"

#define METADATA_LIST_TYPE "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

struct metadata_split {
    /* Called with each item; what it points to is borrowed. */
    void (*item)(void *context, const struct skimmed *item);
    void *context;
    struct buffer version, next; /* the list's resourceVersion, and the token of its next page */
    bool complete;               /* all of the list has come */
    bool broken;                 /* no such list, cut off within a field, or an item that is too large or none */
    /* private */
    struct buffer held; /* what has come and is not taken yet */
    bool begun, listed; /* the magic has been seen; the list has begun */
    uint64_t left;      /* bytes of the list that are not taken yet */
};
bool metadata_split_takes(struct slice begin); /* whether an answer that begins so is one */
void metadata_split_feed(struct metadata_split *split, struct slice bytes);
void metadata_split_free(struct metadata_split *split); /* its buffers */

/* What a PartialObjectMetadata says: as skim_object. */
bool metadata_skim(struct slice item, struct skimmed *ret);

#endif
