/*
 * A hash map from byte strings to pointers. Keys are copied; values are borrowed. SipHash-2-4 with a key per process
 * keeps tenants from choosing collisions. Not thread-safe; an unchanged map may be read by any number of threads.
 */
#ifndef ATELIER_BASE_MAP_H
#define ATELIER_BASE_MAP_H

#include "base/text.h"

struct map;
struct map *map_new(void);
void map_free(struct map *map);                                /* values are not freed */
void *map_get(const struct map *map, struct slice key);        /* NULL if absent */
void *map_put(struct map *map, struct slice key, void *value); /* value != NULL; returns the old one or NULL */
void *map_remove(struct map *map, struct slice key);           /* returns the value, or NULL */
size_t map_count(const struct map *map);
/* Iterates in unspecified order: size_t at = 0; while (map_next(map, &at, &key, &value)). No changes meanwhile.
 * Either out-parameter may be NULL. */
bool map_next(const struct map *map, size_t *at, struct slice *ret_key, void **ret_value);

/* SipHash-2-4 (Aumasson and Bernstein, 2012) under a 128-bit key; for other tables that face clients. */
uint64_t map_siphash(const uint64_t key[2], struct slice text);

#endif
