/*
 * Who is told about changes: a bounded memory of recent ones for each kind, and one thread that tells the watchers.
 *
 * A watch resumes from any resourceVersion that is still remembered (HUB_CHANGES_MAX changes of its kind, HUB_BYTES_MAX
 * of them, at most HUB_AGE_MS old); a resume from before is GONE, a watcher that fell behind is LOST. Callbacks run in
 * the hub's thread, in order, without any lock held. Trees are built when somebody is told, once for all watchers.
 */
#ifndef ATELIER_ENGINE_KUBERNETES_HUB_H
#define ATELIER_ENGINE_KUBERNETES_HUB_H

#include "engine/engine_internal.h"
#include "engine/kubernetes/record.h"
#include "engine/selector.h"

enum { HUB_CHANGES_MAX = 4096, HUB_BYTES_MAX = 2 << 20, HUB_AGE_MS = 2 * 60 * 1000 };

struct hub;
struct hub *hub_new(struct names *names);
void hub_free(struct hub *hub); /* ends its thread; remaining watches are told LOST first. NULL is fine */
/* How records of a kind become objects; NULL: metadata only. Once, before anything else of that kind. */
void hub_kind(struct hub *hub, enum engine_kind kind, const struct dictionary *dictionary);

/* What is there now is known (the first time, or again after versions went backward): watches that wait begin with
 * <records>, others are LOST. What was at <version> is the past that nobody can resume from. */
void hub_begin(struct hub *hub, enum engine_kind kind, uint64_t version, struct record *const *records, size_t count);
/* One change, <before> or <now> NULL for a creation or removal. Versions of a kind do not shrink. */
void hub_publish(struct hub *hub, enum engine_kind kind, uint64_t version, struct record *before, struct record *now);
/* Nothing else has changed up to <version>. */
void hub_progress(struct hub *hub, enum engine_kind kind, uint64_t version);

struct hub_request {
    struct engine *engine;
    enum engine_kind kind;
    const char *namespace;       /* NULL: all */
    const char *labels, *fields; /* selectors, or NULL */
    bool resume;
    uint64_t from; /* resume after this version; else begin with <records>, or, if nothing is known yet, wait */
    bool known;    /* hub_begin has been called for the kind */
    struct record *const *records;
    size_t count;
    engine_watcher watcher;
    void *context;
};
int hub_open(struct hub *hub, const struct hub_request *request, struct engine_watch **ret, struct error *error);
void hub_close(struct hub *hub, struct engine_watch *watch);

#endif
