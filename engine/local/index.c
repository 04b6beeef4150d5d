/* Where in its kind's order does an object stand? */
#include "engine/local/index.h"

static int compare(const struct object *object, const char *namespace, const char *name)
{
    int order = strcmp(object->namespace, namespace);
    return order ? order : strcmp(object->name, name);
}

size_t index_find(const struct object_index *index, const char *namespace, const char *name, bool *ret_found)
{
    size_t low = 0, high = index->count;
    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(index->items[middle], namespace, name);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct object *index_get(const struct object_index *index, const char *namespace, const char *name)
{
    bool found;
    size_t at = index_find(index, namespace, name, &found);
    return found ? index->items[at] : NULL;
}

struct object *index_put(struct object_index *index, struct object *object)
{
    bool found;
    size_t at = index_find(index, object->namespace, object->name, &found);
    if (found) {
        struct object *old = index->items[at];
        index->items[at] = object;
        return old;
    }
    if (index->count == index->capacity) {
        index->capacity = index->capacity ? 2 * index->capacity : 16;
        index->items = memory_resize(index->items, index->capacity * sizeof(struct object *));
    }
    memmove(index->items + at + 1, index->items + at, (index->count - at) * sizeof(struct object *));
    index->items[at] = object;
    index->count++;
    return NULL;
}

struct object *index_remove(struct object_index *index, const char *namespace, const char *name)
{
    bool found;
    size_t at = index_find(index, namespace, name, &found);
    if (!found)
        return NULL;
    struct object *old = index->items[at];
    index->count--;
    memmove(index->items + at, index->items + at + 1, (index->count - at) * sizeof(struct object *));
    return old;
}

void index_free(struct object_index *index)
{
    for (size_t i = 0; i < index->count; i++)
        object_unref(index->items[i]);
    free(index->items);
    *index = (struct object_index){0};
}
