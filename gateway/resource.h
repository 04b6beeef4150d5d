/*
 * The workloads that requests go to: how many at a time, and when the last byte was seen.
 *
 * One table for all loops. Its mutex guards the table and the reference counts, for the length of one look-up a
 * request; what a resource counts is atomic.
 */
#ifndef ATELIER_GATEWAY_RESOURCE_H
#define ATELIER_GATEWAY_RESOURCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct resource_table;
struct resource {
    char namespace[64], kind[32], name[64];
    _Atomic int64_t last_activity_ms; /* wall clock; 0: never */
    _Atomic int64_t requests, tunnels;
    unsigned references;
};
struct resource_table *resource_table_new(void);
void resource_table_free(struct resource_table *table);

struct resource *resource_take(struct resource_table *table, const char *namespace, const char *kind, const char *name);
void resource_give(struct resource_table *table, struct resource *resource); /* NULL is fine */
void resource_touch(struct resource *resource);
/* Counts one more unless that would exceed <limit>. */
bool resource_enter(_Atomic int64_t *count, int64_t limit);
/* Calls <each> for every resource that was active at <since_ms> or later; the table is locked meanwhile. */
void resource_each(struct resource_table *table, int64_t since_ms,
                   void (*each)(void *context, const char *namespace, const char *kind, const char *name,
                                int64_t at_ms),
                   void *context);
int64_t resource_last_activity(struct resource_table *table, const char *namespace, const char *kind, const char *name);

#endif
