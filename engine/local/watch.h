/*
 * Who is told about changes: a bounded memory of recent ones for each kind, and one thread that tells the watchers.
 *
 * A watch resumes from any resourceVersion that is still remembered: the last WATCH_EVENTS_MAX changes of its kind, at
 * most 5 minutes and 4 MiB of them (a watcher that fell behind is LOST, a resume from before is GONE). Callbacks run in
 * the hub's thread, in order, without any lock held.
 */
#ifndef ATELIER_ENGINE_LOCAL_WATCH_H
#define ATELIER_ENGINE_LOCAL_WATCH_H

#include "engine/engine_internal.h"
#include "engine/local/object.h"
#include "engine/selector.h"

struct watch_hub;
struct watch_hub *watch_hub_new(void);
void watch_hub_free(struct watch_hub *hub); /* ends its thread; remaining watches are told LOST first. NULL is fine */

/* What was at <version> is the past that nobody can resume from. Once, before anything else. */
void watch_hub_begin(struct watch_hub *hub, int64_t version);
/* One change, <before> or <now> NULL for a creation or removal (then <before> carries the version of its removal, so
 * that a client can resume after it). Versions only grow. The caller serialises. */
void watch_hub_publish(struct watch_hub *hub, int64_t version, struct object *before, struct object *now);

struct watch_request {
    struct engine *engine;
    enum engine_kind kind;
    const char *namespace;              /* NULL: all */
    const char *labels, *fields;        /* selectors, or NULL */
    int64_t from;                       /* resume after this version; -1: begin with <existing> */
    const struct object_list *existing; /* what is selected at the current version */
    int64_t current;                    /* that version */
    engine_watcher watcher;
    void *context;
};
int watch_open(struct watch_hub *hub, const struct watch_request *request, struct engine_watch **ret,
               struct error *error);
void watch_close(struct watch_hub *hub, struct engine_watch *watch);

#endif
