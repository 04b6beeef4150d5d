/* Where is the record of this name? */
#include "engine/kubernetes/cache_table.h"

#include "base/map.h"
#include "base/random.h"

enum { TABLE_FIRST = 16 };

void cache_table_init(struct cache_table *table)
{
    *table = (struct cache_table){0};
    random_bytes(table->key, sizeof(table->key));
}

void cache_table_free(struct cache_table *table)
{
    for (size_t i = 0; i < table->capacity; i++)
        record_unref(table->slots[i]);
    free(table->slots);
    free(table->lines);
}

static size_t home_of(const struct cache_table *table, uint32_t namespace, struct slice name)
{
    uint64_t hash = map_siphash(table->key, name) ^ (namespace * UINT64_C(0x9e3779b97f4a7c15));
    hash ^= hash >> 32;
    return (size_t)hash & (table->capacity - 1);
}

static bool is_at(const struct record *record, uint32_t namespace, struct slice name)
{
    return record->namespace == namespace && slice_equal(record_name(record), name);
}

/* The slot of that name, or the free one where it belongs. */
static size_t slot_of(const struct cache_table *table, uint32_t namespace, struct slice name)
{
    size_t at = home_of(table, namespace, name);
    while (table->slots[at] && !is_at(table->slots[at], namespace, name))
        at = (at + 1) & (table->capacity - 1);
    return at;
}

struct record *cache_table_find(const struct cache_table *table, uint32_t namespace, struct slice name)
{
    return table->capacity ? table->slots[slot_of(table, namespace, name)] : NULL;
}

static void table_grow(struct cache_table *table)
{
    struct cache_table old = *table;
    table->capacity = old.capacity ? 2 * old.capacity : TABLE_FIRST;
    table->slots = memory_get(table->capacity * sizeof(struct record *));
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i])
            table->slots[slot_of(table, old.slots[i]->namespace, record_name(old.slots[i]))] = old.slots[i];
    free(old.slots);
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static void line_add(struct cache_table *table, struct record *record)
{
    uint32_t namespace = record->namespace;
    if (namespace == 0)
        return;
    if (namespace >= table->line_count) {
        size_t count = table->line_count ? table->line_count : TABLE_FIRST;
        while (count <= namespace)
            count *= 2;
        table->lines = memory_resize(table->lines, count * sizeof(struct record *));
        memset(table->lines + table->line_count, 0, (count - table->line_count) * sizeof(struct record *));
        table->line_count = count;
    }
    record->next = table->lines[namespace];
    table->lines[namespace] = record;
}

static void line_remove(struct cache_table *table, struct record *record)
{
    if (record->namespace == 0)
        return;
    struct record **at = &table->lines[record->namespace];
    while (*at != record)
        at = &(*at)->next;
    *at = record->next;
    record->next = NULL;
}

struct record *cache_table_line(const struct cache_table *table, uint32_t namespace)
{
    return namespace < table->line_count ? table->lines[namespace] : NULL;
}

/* --- changes ------------------------------------------------------------------------------------------------------ */

struct record *cache_table_put(struct cache_table *table, struct record *record)
{
    if (4 * (table->count + 1) > 3 * table->capacity)
        table_grow(table);
    size_t at = slot_of(table, record->namespace, record_name(record));
    struct record *old = table->slots[at];
    if (old)
        line_remove(table, old);
    else
        table->count++;
    table->slots[at] = record;
    line_add(table, record);
    return old;
}

/* Closes the gap at <hole>: what follows in its run moves up unless it would pass its home. */
static void close_gap(struct cache_table *table, size_t hole)
{
    size_t mask = table->capacity - 1;
    for (size_t at = (hole + 1) & mask; table->slots[at]; at = (at + 1) & mask) {
        struct record *record = table->slots[at];
        size_t home = home_of(table, record->namespace, record_name(record));
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->slots[hole] = record;
            table->slots[at] = NULL;
            hole = at;
        }
    }
}

struct record *cache_table_remove(struct cache_table *table, uint32_t namespace, struct slice name)
{
    if (!table->capacity)
        return NULL;
    size_t at = slot_of(table, namespace, name);
    struct record *old = table->slots[at];
    if (!old)
        return NULL;
    table->slots[at] = NULL;
    table->count--;
    line_remove(table, old);
    close_gap(table, at);
    return old;
}

size_t cache_table_bytes(const struct cache_table *table)
{
    return (table->capacity + table->line_count) * sizeof(struct record *);
}
