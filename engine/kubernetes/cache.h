/*
 * The objects of one kind in memory, kept by a reflector, read by everybody.
 *
 * A list and the watch after it make it equal to the cluster; only a complete list takes away what it does not name.
 * What this process itself writes is seen at once: the answer to a write takes its place until the watch has caught up
 * with it, and a deleted object stays away. The hub hears of changes in the order of the watch, own writes included.
 * Any thread; one reflector.
 */
#ifndef ATELIER_ENGINE_KUBERNETES_CACHE_H
#define ATELIER_ENGINE_KUBERNETES_CACHE_H

#include "engine/kubernetes/trees.h"

struct cache;
struct cache_options {
    enum engine_kind kind;
    bool metadata_only;  /* enough to notice drift; no text is kept */
    bool ours_only;      /* only objects with our label are ever held (what is asked for is selected by it) */
    struct names *names; /* borrowed, as are the next two */
    struct packer *packer;
    struct hub *hub;
    struct trees *trees;
};
struct cache *cache_new(const struct cache_options *options);
void cache_free(struct cache *cache);

/* --- the reflector's ---------------------------------------------------------------------------------------------- */

void cache_list_begin(struct cache *cache);                                /* a list from its first page */
bool cache_list_item(struct cache *cache, struct slice object);            /* false: not an object */
bool cache_list_metadata(struct cache *cache, const struct skimmed *item); /* of a cache that keeps no more of it */
/* The list was complete, at <version>: what it did not name is gone. Without this call nothing is. */
void cache_list_end(struct cache *cache, uint64_t version);
enum cache_event { CACHE_PUT, CACHE_DELETE };
bool cache_event(struct cache *cache, enum cache_event event, struct slice object);
void cache_bookmark(struct cache *cache, uint64_t version);
uint64_t cache_version(struct cache *cache); /* up to which everything is known */

/* --- own writes --------------------------------------------------------------------------------------------------- */

/* The answer to a create, update or patch. <applied>: of our own server-side apply (its fields are as they should be).
 */
void cache_wrote(struct cache *cache, const cJSON *object, bool applied);
void cache_removed(struct cache *cache, const char *namespace, const char *name); /* the answer: it is gone */

/* --- reading ------------------------------------------------------------------------------------------------------ */

bool cache_synced(struct cache *cache);                /* a list has been complete */
bool cache_wait(struct cache *cache, int64_t wait_ms); /* until it is; false: not yet */
/* NULL: there is none (or nothing is known yet: cache_synced). */
cJSON *cache_get(struct cache *cache, const char *namespace, const char *name);
/* References, sorted by namespace and name; the caller's. <namespace> NULL: all. *ret_version: as of. */
struct record **cache_select(struct cache *cache, const char *namespace, size_t *ret_count, uint64_t *ret_version);
cJSON *cache_object(struct cache *cache, const struct record *record);
struct record *cache_find(struct cache *cache, const char *namespace, const char *name); /* a reference, or NULL */
/* Watches from a consistent point: <request>->known, records and count are filled in here. */
int cache_watch(struct cache *cache, struct hub_request *request, struct engine_watch **ret, struct error *error);

struct cache_size {
    size_t objects;
    size_t bytes;      /* as allocated; the dictionary, 16 KiB at most, is not counted */
    size_t text_bytes; /* what the texts would take */
    size_t pending;    /* own writes that the watch has not shown yet */
};
void cache_measure(struct cache *cache, struct cache_size *ret);

#endif
