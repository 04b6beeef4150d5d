/*
 * Records by namespace and name: open addressing, and a line of records for each namespace. Not thread-safe; the cache
 * locks. Holds one reference of each record.
 */
#ifndef ATELIER_ENGINE_KUBERNETES_CACHE_TABLE_H
#define ATELIER_ENGINE_KUBERNETES_CACHE_TABLE_H

#include "engine/kubernetes/record.h"

struct cache_table {
    struct record **slots; /* a power of two of them; NULL: free */
    size_t capacity, count;
    struct record **lines; /* by namespace id; cluster-scoped records stand in none */
    size_t line_count;
    uint64_t key[2]; /* of the hash: names are chosen by tenants */
};
void cache_table_init(struct cache_table *table);
void cache_table_free(struct cache_table *table);
struct record *cache_table_find(const struct cache_table *table, uint32_t namespace, struct slice name);
/* Takes over a reference; what was there is returned, the caller's, or NULL. */
struct record *cache_table_put(struct cache_table *table, struct record *record);
struct record *cache_table_remove(struct cache_table *table, uint32_t namespace, struct slice name);
struct record *cache_table_line(const struct cache_table *table, uint32_t namespace); /* the first; then ->next */
size_t cache_table_bytes(const struct cache_table *table);                            /* of the table alone */

#endif
