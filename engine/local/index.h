/* The objects of one kind, sorted by namespace and name as lists are answered. Callers lock (objects.c). */
#ifndef ATELIER_ENGINE_LOCAL_INDEX_H
#define ATELIER_ENGINE_LOCAL_INDEX_H

#include "engine/local/object.h"

struct object_index {
    struct object **items; /* each holds a reference */
    size_t count, capacity;
};
/* The first position not before (namespace, name); *ret_found tells whether that object stands there. */
size_t index_find(const struct object_index *index, const char *namespace, const char *name, bool *ret_found);
struct object *index_get(const struct object_index *index, const char *namespace, const char *name); /* borrowed */
/* Takes over a reference to <object>, and gives back the one to what it replaces (NULL if nothing). */
struct object *index_put(struct object_index *index, struct object *object);
struct object *index_remove(struct object_index *index, const char *namespace, const char *name);
void index_free(struct object_index *index);

#endif
