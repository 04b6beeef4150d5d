/*
 * All objects of the local engine: in memory for reading, in PostgreSQL for keeping.
 *
 * A write computes the new object under one lock, commits it (one statement, the sequence gives the resourceVersion),
 * and only then shows it in memory. Updates that are decided by their own object alone, which is most of them, share a
 * commit with those that came while the one before was under way (group.h), each with an outcome of its own; creations,
 * removals, and changes of Namespaces and claims run alone. Reads never touch PostgreSQL. While it is away writes
 * answer UNAVAILABLE. A commit whose answer was lost is looked up before the next write, so memory never differs from
 * the table.
 *
 * Two-step deletion: an object with finalizers, and every Pod, Namespace and PersistentVolumeClaim (there is something
 * real behind them), stays with a deletionTimestamp until `objects_finish` or the last finalizer goes.
 */
#ifndef ATELIER_ENGINE_LOCAL_OBJECTS_H
#define ATELIER_ENGINE_LOCAL_OBJECTS_H

#include "engine/local/object.h"

struct store;
struct objects;

/* An object as JSON text; Kubernetes' own limit comes from etcd (1.5 MiB) and is close. */
enum { OBJECT_BYTES_MAX = 1 << 20 };

/* Told after each commit, from the thread that made it, with the writers' lock. Must not write. <before> NULL: created;
 * <now> NULL: removed. */
typedef void (*objects_listener)(void *context, struct object *before, struct object *now);

/* Completes and checks what a write would keep; <before> is NULL for a creation. It may change <after>. */
typedef int (*objects_admission)(void *context, enum engine_kind kind, const cJSON *before, cJSON *after,
                                 struct error *error);

struct objects_options {
    struct store *store; /* borrowed */
    struct hub *hub;     /* borrowed */
    objects_admission admission;
    objects_listener listener;
    void *context; /* of both */
};
struct objects *objects_new(const struct objects_options *options);
void objects_free(struct objects *objects);
int objects_load(struct objects *objects, struct error *error);

/* Look-ups; *ret is a reference. */
struct object *objects_find(struct objects *objects, enum engine_kind kind, const char *namespace, const char *name);
int objects_get(struct objects *objects, enum engine_kind kind, const char *namespace, const char *name,
                struct object **ret, struct error *error);
/* All of a kind that match, sorted by namespace and name. <namespace> and <selector> NULL: all. Gives the version at
 * which that was so. */
int64_t objects_select(struct objects *objects, enum engine_kind kind, const char *namespace,
                       const struct selector *selector, struct object_list *ret);
size_t objects_count(struct objects *objects, enum engine_kind kind, const char *namespace);
bool objects_uid_exists(struct objects *objects, enum engine_kind kind, const char *namespace, const char *name,
                        const char *uid);

/* Writes. <ret> may be NULL. <body> is consumed. */
int objects_create(struct objects *objects, enum engine_kind kind, const char *namespace, cJSON *body,
                   struct object **ret, struct error *error);
/* Gives the wanted whole object for the current one. */
typedef int (*object_changer)(void *context, const cJSON *current, cJSON **ret, struct error *error);
int objects_change(struct objects *objects, enum engine_kind kind, const char *namespace, const char *name,
                   enum engine_part part, object_changer changer, void *context, struct object **ret,
                   struct error *error);
/* The same for an object that was seen: CONFLICT if another has its name now. */
int objects_change_seen(struct objects *objects, const struct object *seen, enum engine_part part,
                        object_changer changer, void *context, struct object **ret, struct error *error);
/* <uid> NULL: whichever it is. */
int objects_delete(struct objects *objects, enum engine_kind kind, const char *namespace, const char *name,
                   const char *uid, struct object **ret, struct error *error);
/* <body>: as it was read; CONFLICT if it has changed since. */
int objects_delete_unchanged(struct objects *objects, enum engine_kind kind, const cJSON *body, struct error *error);
/* What was behind a Pod, Namespace or claim is gone: removes the object, unless a finalizer still holds it. */
int objects_finish(struct objects *objects, const struct object *object, struct error *error);

/* Looks up writes whose answer was lost, if there are any. True once after PostgreSQL was away and answers again: what
 * failed meanwhile should be tried now. */
bool objects_recovered(struct objects *objects);

/* Replaces .status if it differs (a convenience of the controllers). <status> is consumed. */
int objects_set_status(struct objects *objects, const struct object *object, cJSON *status, struct error *error);

/* Opens a watch at a consistent point (see hub.h). What <request> begins with is filled here. */
int objects_watch(struct objects *objects, struct hub_request *request, struct engine_watch **ret, struct error *error);

#endif
