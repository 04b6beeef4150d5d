/* How busy is this workload, and when was it last used? */
#include "gateway/resource.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/map.h"

/* Unused records kept so that idle detection can ask; past this the longest unused go. */
enum { RECORDS_MAX = 16384 };

struct resource_table {
    pthread_mutex_t lock;
    struct map *by_key;
};

static struct slice key_of(char key[192], const char *namespace, const char *kind, const char *name)
{
    int length = snprintf(key, 192, "%s/%s/%s", namespace, kind, name);
    return (struct slice){key, (size_t)length};
}

struct resource_table *resource_table_new(void)
{
    struct resource_table *table = memory_get(sizeof(*table));
    pthread_mutex_init(&table->lock, NULL);
    table->by_key = map_new();
    return table;
}

void resource_table_free(struct resource_table *table)
{
    if (!table)
        return;
    size_t at = 0;
    struct slice key;
    void *value;
    while (map_next(table->by_key, &at, &key, &value))
        free(value);
    map_free(table->by_key);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

static void evict_longest_unused(struct resource_table *table)
{
    size_t at = 0;
    struct slice key;
    void *value;
    struct resource *oldest = NULL;
    while (map_next(table->by_key, &at, &key, &value)) {
        struct resource *resource = value;
        if (resource->references == 0 && (!oldest || resource->last_activity_ms < oldest->last_activity_ms))
            oldest = resource;
    }
    if (!oldest)
        return;
    char text[192];
    map_remove(table->by_key, key_of(text, oldest->namespace, oldest->kind, oldest->name));
    free(oldest);
}

static struct resource *resource_new(const char *namespace, const char *kind, const char *name)
{
    struct resource *resource = memory_get(sizeof(*resource));
    snprintf(resource->namespace, sizeof(resource->namespace), "%s", namespace);
    snprintf(resource->kind, sizeof(resource->kind), "%s", kind);
    snprintf(resource->name, sizeof(resource->name), "%s", name);
    return resource;
}

struct resource *resource_take(struct resource_table *table, const char *namespace, const char *kind, const char *name)
{
    char text[192];
    struct slice key = key_of(text, namespace, kind, name);
    pthread_mutex_lock(&table->lock);
    struct resource *resource = map_get(table->by_key, key);
    if (!resource) {
        if (map_count(table->by_key) >= RECORDS_MAX)
            evict_longest_unused(table);
        resource = resource_new(namespace, kind, name);
        map_put(table->by_key, key, resource);
    }
    resource->references++;
    pthread_mutex_unlock(&table->lock);
    return resource;
}

void resource_give(struct resource_table *table, struct resource *resource)
{
    if (!resource)
        return;
    pthread_mutex_lock(&table->lock);
    resource->references--;
    pthread_mutex_unlock(&table->lock);
}

void resource_touch(struct resource *resource)
{
    atomic_store_explicit(&resource->last_activity_ms, clock_wall_ms(), memory_order_relaxed);
}

bool resource_enter(_Atomic int64_t *count, int64_t limit)
{
    if (atomic_fetch_add(count, 1) < limit)
        return true;
    atomic_fetch_sub(count, 1);
    return false;
}

void resource_each(struct resource_table *table, int64_t since_ms,
                   void (*each)(void *context, const char *namespace, const char *kind, const char *name,
                                int64_t at_ms),
                   void *context)
{
    size_t at = 0;
    void *value;
    pthread_mutex_lock(&table->lock);
    while (map_next(table->by_key, &at, NULL, &value)) {
        const struct resource *resource = value;
        int64_t last_ms = atomic_load_explicit(&resource->last_activity_ms, memory_order_relaxed);
        if (last_ms && last_ms >= since_ms)
            each(context, resource->namespace, resource->kind, resource->name, last_ms);
    }
    pthread_mutex_unlock(&table->lock);
}

int64_t resource_last_activity(struct resource_table *table, const char *namespace, const char *kind, const char *name)
{
    char text[192];
    struct slice key = key_of(text, namespace, kind, name);
    pthread_mutex_lock(&table->lock);
    struct resource *resource = map_get(table->by_key, key);
    int64_t last = resource ? atomic_load_explicit(&resource->last_activity_ms, memory_order_relaxed) : 0;
    pthread_mutex_unlock(&table->lock);
    return last;
}
