/*
 * One object as the local engine holds it in memory: an immutable JSON tree with a reference count.
 *
 * A change makes a new object; whoever holds the old one keeps a consistent view. Any thread may read, reference and
 * release. The texts point into the body.
 */
#ifndef ATELIER_ENGINE_LOCAL_OBJECT_H
#define ATELIER_ENGINE_LOCAL_OBJECT_H

#include <stdatomic.h>

#include "engine/hub.h"

struct object {
    unsigned magic;
    _Atomic unsigned references;
    enum engine_kind kind;
    int64_t version;       /* metadata.resourceVersion */
    size_t bytes;          /* size as JSON text: what the hub is bounded by */
    const char *namespace; /* "" for cluster-scoped kinds */
    const char *name, *uid;
    const cJSON *body;
};

/* <body> is consumed; metadata.resourceVersion is set in it. It must have metadata.name and metadata.uid. */
struct object *object_new(enum engine_kind kind, cJSON *body, int64_t version, size_t bytes);
struct object *object_ref(struct object *object);
void object_unref(struct object *object); /* NULL is fine */
static inline void object_unref_cleanup(struct object **object)
{
    object_unref(*object);
}
#define AUTO_OBJECT __attribute__((cleanup(object_unref_cleanup)))

extern const struct hub_states object_states; /* how the hub remembers them; no context */

/* A list of references, as look-ups return them. */
struct object_list {
    struct object **items;
    size_t count;
};
void object_list_add(struct object_list *list, struct object *object); /* takes a reference of its own */
void object_list_free(struct object_list *list);
#define AUTO_OBJECT_LIST __attribute__((cleanup(object_list_free)))

bool object_terminating(const struct object *object); /* metadata.deletionTimestamp is set */
bool object_has_finalizers(const struct object *object);
/* metadata.creationTimestamp in wall-clock ms; 0 if unreadable. */
int64_t object_created_ms(const struct object *object);
/* The owner reference with controller: true has that uid. */
bool object_controlled_by(const struct object *object, const char *uid);
/* Appends a controlling owner reference to the (new) object <child>. */
void object_own(cJSON *child, const struct object *owner);

#endif
