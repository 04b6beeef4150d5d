/*
 * Who is told about changes: a bounded memory of recent ones for each kind, and one thread that tells the watchers.
 *
 * A watch resumes from any resourceVersion that is still remembered (hub_limits); a resume from before is GONE, a
 * watcher that fell behind is LOST. Callbacks run in the hub's thread, in order, without any lock held. What a change
 * was and is are states of the engine: immutable, counted references, which become trees when somebody is told.
 */
#ifndef ATELIER_ENGINE_HUB_H
#define ATELIER_ENGINE_HUB_H

#include "engine/engine_internal.h"
#include "engine/selector.h"

enum { HUB_BOOKMARK_MS = 60 * 1000 }; /* as kube-apiserver does */
/* What the hub remembers of each kind at most; the states of a change count with all their bytes. */
struct hub_limits {
    size_t changes, bytes;
    int64_t age_ms;
    int64_t bookmark_ms; /* a watch that was told nothing for so long is told from where it can resume */
};
/* How the hub treats the engine's states. <context> is hub_new's. <reference>, <release> and <bytes> are called from
 * any thread under the hub's lock; the others from the hub's thread without it. */
struct hub_states {
    struct hub_limits limits;
    void *(*reference)(void *state);
    void (*release)(void *state);
    size_t (*bytes)(const void *state);
    const char *(*namespace)(void *context, const void *state);
    /* Borrowed, until <rest> or the next call for another state; NULL: cannot be read, nobody is told. */
    const cJSON *(*object)(void *context, enum engine_kind kind, void *state);
    void (*rest)(void *context); /* nobody is to be told anything now; NULL: what <object> gives lives as long as the
                                    state, not only until then */
    bool one_history;            /* versions are counted over all kinds, and none from the future is known */
};

struct hub;
struct hub *hub_new(const struct hub_states *states, void *context);
void hub_free(struct hub *hub); /* ends its thread; remaining watches are told LOST first. NULL is fine */

/* What is there now is known (the first time, or again after versions went backward): watches that wait begin with
 * <states>, others are LOST. What was at <version> is the past that nobody can resume from. */
void hub_begin(struct hub *hub, enum engine_kind kind, uint64_t version, void *const *states, size_t count);
/* One change, <before> or <now> NULL for a creation or removal. Versions of a kind do not shrink. The caller
 * serialises. */
void hub_publish(struct hub *hub, enum engine_kind kind, uint64_t version, void *before, void *now);
/* The same, of what this reconciler has written (engine_list_options, others_than). */
void hub_publish_by(struct hub *hub, enum engine_kind kind, uint64_t version, void *before, void *now,
                    const void *writer);
/* Nothing else has changed up to <version>. */
void hub_progress(struct hub *hub, enum engine_kind kind, uint64_t version);

#define HUB_NOW UINT64_MAX
struct hub_request {
    struct engine *engine;
    enum engine_kind kind;
    const char *namespace;       /* NULL: all */
    const char *labels, *fields; /* selectors, or NULL */
    bool resume;                 /* after <from>; else begin with <states>, or, if nothing is known yet, wait */
    uint64_t from;               /* the version to resume after, or that of <states> (HUB_NOW: nothing is published
                                    between their reading and this call) */
    bool known;                  /* hub_begin has been called for the kind */
    void *const *states;
    size_t count;
    engine_watcher watcher;
    void *context;
    bool (*concerns)(const cJSON *before, const cJSON *now); /* as in engine_list_options, and the next */
    const void *others_than;
};
/* What an engine_watch asks for, but for where it begins. <namespace> is left out for kinds without one. */
struct hub_request hub_asked(struct engine *engine, enum engine_kind kind, const char *namespace,
                             const struct engine_list_options *options, engine_watcher watcher, void *context);
int hub_open(struct hub *hub, const struct hub_request *request, struct engine_watch **ret, struct error *error);
void hub_close(struct hub *hub, struct engine_watch *watch);

#endif
