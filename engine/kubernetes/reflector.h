/*
 * Keeps the cache of one kind equal to the cluster: a list in pages, then watches, for ever.
 *
 * The first list is whatever the API server has in memory (resourceVersion=0; Kubernetes API concepts, "Semantics for
 * get and list"), as a restart should be cheap for it; a list after that is the newest there is.
 * A watch resumes where the one before ended. It is replaced after 5 to 10 minutes, and when it has been silent for
 * longer than bookmarks take (about one a minute). A version that the API server has forgotten (410), or a list that
 * was cut off, is answered by a new list after a random pause; until that is complete nothing is taken away. While the
 * API server is away the cache stays as it is. One thread each.
 */
#ifndef ATELIER_ENGINE_KUBERNETES_REFLECTOR_H
#define ATELIER_ENGINE_KUBERNETES_REFLECTOR_H

#include "engine/kubernetes/cache.h"
#include "engine/kubernetes/client.h"

/* How long things take; a test makes them shorter. */
struct reflector_times {
    int64_t watch_min_s, watch_max_s; /* life of a watch, as asked for (timeoutSeconds) */
    int64_t silence_ms;
    int64_t backoff_min_ms, backoff_max_ms;
    int64_t absent_ms; /* until a kind that the cluster has not is asked for again */
};
extern const struct reflector_times reflector_times_default; /* 300, 600, 90 s, 800 ms, 30 s, 10 s */

struct reflector_options {
    struct kube_client *client; /* borrowed, as is the cache */
    struct cache *cache;
    enum engine_kind kind;
    bool metadata_only;
    const char *label_selector; /* or NULL; static */
    const struct reflector_times *times;
    unsigned page; /* 0: 500 */
    /* False: the cluster has no such kind, there is nothing to ask for. NULL: it has. */
    bool (*has)(void *context, enum engine_kind kind);
    void *context;
};
struct reflector;
struct reflector *reflector_new(const struct reflector_options *options); /* copied; starts */
void reflector_free(struct reflector *reflector);                         /* ends its thread; NULL is fine */
/* Since when the last list or watch failed, monotonic ms; 0: all is well. */
int64_t reflector_failing_since(const struct reflector *reflector);

struct reflector_counts {
    uint64_t lists, watches, events, failures;
    uint64_t compact; /* pages that came as protobuf (metadata_split.h) */
};
void reflector_counts(const struct reflector *reflector, struct reflector_counts *ret);

#endif
