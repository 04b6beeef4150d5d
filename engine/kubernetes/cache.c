/* What is there, as far as this process knows, and what did just change? */
#include "engine/kubernetes/cache.h"

#include <malloc.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/map.h"
#include "engine/kubernetes/cache_table.h"

/* An own write that the watch has not shown yet. */
struct pending {
    struct pending *next;  /* in the order of writing, oldest first: none */
    struct record *under;  /* what watchers know of it; NULL: nothing */
    uint64_t sequence;     /* a list that began later knows better */
    bool removed;          /* by us; else the table has our version */
    const void *writer;    /* the reconciler that wrote that; NULL: a person through us */
    uint8_t uid[UID_SIZE]; /* of what was removed */
    uint32_t namespace;
    struct slice name; /* of key */
    char *key;
};

/* What a list has changed, told when it is complete. */
struct delta {
    struct record *before, *now;
};

struct cache {
    struct cache_options options;
    pthread_rwlock_t lock; /* guards everything below but the dictionary, which the packer does */
    struct cache_table table;
    struct map *pending;
    uint64_t sequence;       /* of own writes */
    uint64_t list_sequence;  /* when the list now read, or the last one, began */
    bool listing, relisting; /* relisting: the reflector's own, which alone lists; something was known before */
    uint32_t mark;           /* of that list */
    bool synced;
    uint64_t version;
    struct delta *deltas;
    size_t delta_count, delta_capacity;
    pthread_mutex_t sync_lock; /* guards sync_done, for those who wait */
    pthread_cond_t sync_changed;
    bool sync_done;
    struct dictionary dictionary;
};

struct cache *cache_new(const struct cache_options *options)
{
    struct cache *cache = memory_get(sizeof(*cache));
    cache->options = *options;
    pthread_rwlock_init(&cache->lock, NULL);
    pthread_mutex_init(&cache->sync_lock, NULL);
    clock_condition(&cache->sync_changed);
    cache_table_init(&cache->table);
    cache->pending = map_new();
    trees_kind(options->trees, options->kind, options->metadata_only ? NULL : &cache->dictionary);
    return cache;
}

static void pending_free(struct pending *pending)
{
    record_unref(pending->under);
    free(pending->key);
    free(pending);
}

static void deltas_free(struct cache *cache)
{
    for (size_t i = 0; i < cache->delta_count; i++) {
        record_unref(cache->deltas[i].before);
        record_unref(cache->deltas[i].now);
    }
    free(cache->deltas);
    cache->deltas = NULL;
    cache->delta_count = cache->delta_capacity = 0;
}

void cache_free(struct cache *cache)
{
    if (!cache)
        return;
    void *pending;
    for (size_t at = 0; map_next(cache->pending, &at, NULL, &pending);)
        pending_free(pending);
    map_free(cache->pending);
    deltas_free(cache);
    cache_table_free(&cache->table);
    buffer_free(&cache->dictionary.text);
    pthread_rwlock_destroy(&cache->lock);
    pthread_mutex_destroy(&cache->sync_lock);
    pthread_cond_destroy(&cache->sync_changed);
    free(cache);
}

static struct record *make_record(struct cache *cache, struct slice object)
{
    return record_new(cache->options.names, cache->options.packer,
                      cache->options.metadata_only ? NULL : &cache->dictionary, object);
}

/* --- own writes that the watch has not shown yet ------------------------------------------------------------------ */

static char *pending_key(uint32_t namespace, struct slice name)
{
    return memory_format("%u/%.*s", namespace, (int)name.n, name.p);
}

static struct pending *pending_find(struct cache *cache, const struct record *record)
{
    if (map_count(cache->pending) == 0)
        return NULL;
    AUTO_FREE char *key = pending_key(record->namespace, record_name(record));
    return map_get(cache->pending, slice_of(key));
}

/* <under> is taken over. */
static struct pending *pending_add(struct cache *cache, uint32_t namespace, struct slice name, struct record *under)
{
    struct pending *pending = memory_get(sizeof(*pending));
    pending->under = under;
    pending->namespace = namespace;
    pending->key = pending_key(namespace, name);
    map_put(cache->pending, slice_of(pending->key), pending);
    return pending;
}

/* What watchers know of it becomes the caller's. */
static struct record *pending_settle(struct cache *cache, struct pending *pending)
{
    struct record *under = TAKE_POINTER(pending->under);
    map_remove(cache->pending, slice_of(pending->key));
    pending_free(pending);
    return under;
}

/* --- telling ------------------------------------------------------------------------------------------------------ */

/* Both references are taken over. */
static void tell(struct cache *cache, uint64_t version, struct record *before, struct record *now, const void *writer)
{
    if (!before && !now)
        return;
    if (cache->listing) {
        if (cache->delta_count == cache->delta_capacity) {
            cache->delta_capacity = cache->delta_capacity ? 2 * cache->delta_capacity : 64;
            cache->deltas = memory_resize(cache->deltas, cache->delta_capacity * sizeof(*cache->deltas));
        }
        cache->deltas[cache->delta_count++] = (struct delta){before, now};
        return;
    }
    if (cache->synced)
        hub_publish_by(cache->options.hub, cache->options.kind, version, before, now, writer);
    record_unref(before);
    record_unref(now);
}

/* Before a first list is complete nobody has been told anything: there is no need to remember. */
static void tell_listed(struct cache *cache, struct record *before, struct record *now)
{
    if (cache->synced) {
        tell(cache, 0, before, now, NULL);
    } else {
        record_unref(before);
        record_unref(now);
    }
}

/* --- what the cluster says ---------------------------------------------------------------------------------------- */

/* Our fields are still as our own apply left them. */
static void inherit(const struct record *before, struct record *now)
{
    if (before && (before->flags & RECORD_SETTLED) && before->ours == now->ours &&
        memcmp(before->uid, now->uid, UID_SIZE) == 0)
        now->flags |= RECORD_SETTLED;
}

/* Puts <now> (taken over) into the table; what was there is returned. */
static struct record *replace(struct cache *cache, struct record *now)
{
    struct record *before = cache_table_find(&cache->table, now->namespace, record_name(now));
    inherit(before, now);
    now->mark = cache->mark;
    return cache_table_put(&cache->table, now);
}

/* The watch shows <now> (taken over) of something that we wrote ourselves meanwhile. */
static void put_pending(struct cache *cache, struct pending *pending, struct record *now)
{
    struct record *current = cache_table_find(&cache->table, now->namespace, record_name(now));
    bool older =
        pending->removed ? memcmp(pending->uid, now->uid, UID_SIZE) == 0 : current && now->version < current->version;
    uint64_t version = now->version;
    if (older) {
        struct record *before = pending->under;
        pending->under = record_ref(now);
        tell(cache, version, before, now, NULL);
        return;
    }
    bool as_written = !pending->removed && current && current->version == version;
    const void *writer = as_written ? pending->writer : NULL;
    struct record *before = pending_settle(cache, pending);
    record_unref(replace(cache, record_ref(now)));
    tell(cache, version, before, now, writer);
}

static void put(struct cache *cache, struct record *now)
{
    struct pending *pending = pending_find(cache, now);
    if (cache->version < now->version)
        cache->version = now->version;
    if (pending) {
        put_pending(cache, pending, now);
        return;
    }
    struct record *current = cache_table_find(&cache->table, now->namespace, record_name(now));
    if (current && current->version >= now->version) { /* told again after the watch was replaced */
        record_unref(now);
        return;
    }
    struct record *before = replace(cache, record_ref(now));
    tell(cache, now->version, before, now, NULL);
}

static void drop(struct cache *cache, struct record *last)
{
    struct pending *pending = pending_find(cache, last);
    struct record *current = cache_table_find(&cache->table, last->namespace, record_name(last));
    struct record *before = NULL;
    if (cache->version < last->version)
        cache->version = last->version;
    if (pending && !pending->removed && memcmp(current->uid, last->uid, UID_SIZE) != 0) {
        before = TAKE_POINTER(pending->under); /* we have made another of that name since */
    } else {
        struct record *there = cache_table_remove(&cache->table, last->namespace, record_name(last));
        before = pending ? pending_settle(cache, pending) : there;
        if (pending)
            record_unref(there);
    }
    /* Watchers are told the version of the removal, with the object as it last was. */
    if (before) {
        record_unref(before);
        tell(cache, last->version, record_ref(last), NULL, NULL);
    }
    record_unref(last);
}

bool cache_event(struct cache *cache, enum cache_event event, struct slice object)
{
    struct record *record = make_record(cache, object);
    if (!record)
        return false;
    pthread_rwlock_wrlock(&cache->lock);
    if (event == CACHE_PUT)
        put(cache, record);
    else
        drop(cache, record);
    pthread_rwlock_unlock(&cache->lock);
    return true;
}

void cache_bookmark(struct cache *cache, uint64_t version)
{
    pthread_rwlock_wrlock(&cache->lock);
    if (cache->version < version)
        cache->version = version;
    pthread_rwlock_unlock(&cache->lock);
    hub_progress(cache->options.hub, cache->options.kind, version);
}

uint64_t cache_version(struct cache *cache)
{
    pthread_rwlock_rdlock(&cache->lock);
    uint64_t version = cache->version;
    pthread_rwlock_unlock(&cache->lock);
    return version;
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

void cache_list_begin(struct cache *cache)
{
    pthread_rwlock_wrlock(&cache->lock);
    cache->listing = true;
    cache->relisting = cache->table.count > 0;
    cache->mark++;
    cache->list_sequence = cache->sequence;
    pthread_rwlock_unlock(&cache->lock);
}

/* True if the item is what is held already. */
static bool is_known(struct cache *cache, const struct skimmed *skimmed)
{
    int64_t version;
    if (!text_parse_i64(skimmed->version, 0, INT64_MAX, &version))
        return false;
    uint32_t namespace = names_id(cache->options.names, skimmed->namespace);
    uint8_t uid[UID_SIZE];
    uid_read(skimmed->uid, uid);
    pthread_rwlock_wrlock(&cache->lock);
    struct record *current = cache_table_find(&cache->table, namespace, skimmed->name);
    bool known = current && current->version == (uint64_t)version && memcmp(current->uid, uid, UID_SIZE) == 0 &&
                 !pending_find(cache, current);
    if (known)
        current->mark = cache->mark;
    pthread_rwlock_unlock(&cache->lock);
    return known;
}

static void put_listed(struct cache *cache, struct record *now)
{
    struct pending *pending = pending_find(cache, now);
    now->mark = cache->mark;
    if (pending && pending->sequence > cache->list_sequence) {
        struct record *before = pending->under;
        pending->under = record_ref(now);
        struct record *current = cache_table_find(&cache->table, now->namespace, record_name(now));
        if (current)
            current->mark = cache->mark;
        tell_listed(cache, before, now);
        return;
    }
    struct record *under = pending ? pending_settle(cache, pending) : NULL;
    struct record *before = replace(cache, record_ref(now));
    if (pending) {
        record_unref(before);
        before = under;
    }
    tell_listed(cache, before, now);
}

static bool list_item(struct cache *cache, const struct skimmed *skimmed, struct slice object)
{
    if (cache->relisting && is_known(cache, skimmed))
        return true;
    struct record *record = record_of(cache->options.names, cache->options.packer,
                                      cache->options.metadata_only ? NULL : &cache->dictionary, skimmed, object);
    if (!record)
        return false;
    pthread_rwlock_wrlock(&cache->lock);
    put_listed(cache, record);
    pthread_rwlock_unlock(&cache->lock);
    return true;
}

bool cache_list_item(struct cache *cache, struct slice object)
{
    struct skimmed skimmed;
    return skim_object(object, &skimmed) && list_item(cache, &skimmed, object);
}

bool cache_list_metadata(struct cache *cache, const struct skimmed *item)
{
    return cache->options.metadata_only && list_item(cache, item, (struct slice){0});
}

/* Own writes that the list could have named and did not are history; newer ones stay, but what lies under them goes. */
static void sweep_pending(struct cache *cache)
{
    struct pending **all = memory_get((map_count(cache->pending) + 1) * sizeof(struct pending *));
    size_t count = 0;
    void *value;
    for (size_t at = 0; map_next(cache->pending, &at, NULL, &value);)
        all[count++] = value;
    for (size_t i = 0; i < count; i++) {
        struct pending *pending = all[i];
        bool gone = pending->under && pending->under->mark != cache->mark;
        if (gone)
            tell_listed(cache, TAKE_POINTER(pending->under), NULL);
        if (pending->sequence <= cache->list_sequence && (pending->removed || gone || !pending->under))
            record_unref(pending_settle(cache, pending));
    }
    free(all);
}

/* Takes away what the list did not name. */
static void sweep(struct cache *cache)
{
    struct cache_table *table = &cache->table;
    struct record **gone = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < table->capacity; i++) {
        struct record *record = table->slots[i];
        if (!record || record->mark == cache->mark)
            continue;
        const struct pending *pending = pending_find(cache, record);
        if (pending && pending->sequence > cache->list_sequence)
            continue;
        if (count == capacity)
            gone = memory_resize(gone, (capacity = capacity ? 2 * capacity : 16) * sizeof(struct record *));
        gone[count++] = record;
    }
    for (size_t i = 0; i < count; i++) {
        bool own = pending_find(cache, gone[i]) != NULL; /* watchers know what lies under it, not this */
        struct record *removed = cache_table_remove(table, gone[i]->namespace, record_name(gone[i]));
        if (own)
            record_unref(removed);
        else
            tell_listed(cache, removed, NULL);
    }
    free(gone);
    sweep_pending(cache);
}

/* Removals first, then by version: who resumes after the newest has missed nothing. */
static int by_version(const void *a, const void *b)
{
    const struct delta *one = a, *other = b;
    uint64_t first = one->now ? one->now->version : 0, second = other->now ? other->now->version : 0;
    return (first > second) - (first < second);
}

static void publish_deltas(struct cache *cache)
{
    if (cache->delta_count)
        qsort(cache->deltas, cache->delta_count, sizeof(*cache->deltas), by_version);
    for (size_t i = 0; i < cache->delta_count; i++)
        hub_publish(cache->options.hub, cache->options.kind, cache->version, cache->deltas[i].before,
                    cache->deltas[i].now);
    hub_progress(cache->options.hub, cache->options.kind, cache->version);
    deltas_free(cache);
}

static void begin_hub(struct cache *cache)
{
    struct record **records = memory_get((cache->table.count + 1) * sizeof(struct record *));
    size_t count = 0;
    for (size_t i = 0; i < cache->table.capacity; i++)
        if (cache->table.slots[i])
            records[count++] = cache->table.slots[i];
    hub_begin(cache->options.hub, cache->options.kind, cache->version, (void *const *)records, count);
    free(records);
}

void cache_list_end(struct cache *cache, uint64_t version)
{
    pthread_rwlock_wrlock(&cache->lock);
    sweep(cache);
    /* Versions that go backward: the cluster was restored from a backup. Nobody can resume across that. */
    bool again = !cache->synced || version < cache->version;
    cache->version = version;
    cache->listing = false;
    if (again) {
        deltas_free(cache);
        begin_hub(cache);
    } else {
        publish_deltas(cache);
    }
    cache->synced = true;
    pthread_rwlock_unlock(&cache->lock);
    pthread_mutex_lock(&cache->sync_lock);
    cache->sync_done = true;
    pthread_cond_broadcast(&cache->sync_changed);
    pthread_mutex_unlock(&cache->sync_lock);
}

/* --- own writes --------------------------------------------------------------------------------------------------- */

/* Takes <now> over. */
static void wrote(struct cache *cache, struct record *now)
{
    struct record *current = cache_table_find(&cache->table, now->namespace, record_name(now));
    if (current && current->version >= now->version) {
        if (current->version == now->version)
            current->flags |= now->flags & RECORD_SETTLED;
        record_unref(now);
        return;
    }
    struct pending *pending = pending_find(cache, now);
    /* The watch may be ahead: what was deleted since does not come back. */
    if (!pending && cache->synced && !cache->listing && now->version <= cache->version) {
        record_unref(now);
        return;
    }
    if (!(now->flags & RECORD_SETTLED))
        inherit(current, now);
    now->mark = cache->mark;
    struct record *before = cache_table_put(&cache->table, now);
    if (!pending)
        pending = pending_add(cache, now->namespace, record_name(now), before);
    else
        record_unref(before);
    pending->removed = false;
    pending->writer = engine_reconciler();
    pending->sequence = ++cache->sequence;
}

void cache_wrote(struct cache *cache, const cJSON *object, bool applied)
{
    AUTO_FREE char *text = json_print(object);
    struct record *now = make_record(cache, slice_of(text));
    if (!now)
        return;
    if (applied)
        now->flags |= RECORD_SETTLED;
    pthread_rwlock_wrlock(&cache->lock);
    if (cache->options.ours_only && !(now->flags & RECORD_OURS))
        record_unref(now);
    else
        wrote(cache, now);
    pthread_rwlock_unlock(&cache->lock);
}

void cache_removed(struct cache *cache, const char *namespace, const char *name)
{
    uint32_t id = names_find(cache->options.names, namespace);
    pthread_rwlock_wrlock(&cache->lock);
    struct record *removed = cache_table_remove(&cache->table, id, slice_of(name));
    if (removed) {
        struct pending *pending = pending_find(cache, removed);
        uint8_t uid[UID_SIZE];
        memcpy(uid, removed->uid, UID_SIZE);
        if (!pending)
            pending = pending_add(cache, id, slice_of(name), removed);
        else
            record_unref(removed);
        memcpy(pending->uid, uid, UID_SIZE);
        pending->removed = true;
        pending->sequence = ++cache->sequence;
    }
    pthread_rwlock_unlock(&cache->lock);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

bool cache_synced(struct cache *cache)
{
    pthread_rwlock_rdlock(&cache->lock);
    bool synced = cache->synced;
    pthread_rwlock_unlock(&cache->lock);
    return synced;
}

bool cache_wait(struct cache *cache, int64_t wait_ms)
{
    struct timespec until;
    clock_after(wait_ms, &until);
    pthread_mutex_lock(&cache->sync_lock);
    int r = 0;
    while (!cache->sync_done && r == 0)
        r = pthread_cond_timedwait(&cache->sync_changed, &cache->sync_lock, &until);
    bool done = cache->sync_done;
    pthread_mutex_unlock(&cache->sync_lock);
    return done;
}

struct record *cache_find(struct cache *cache, const char *namespace, const char *name)
{
    uint32_t id = names_find(cache->options.names, namespace);
    if (id == UINT32_MAX)
        return NULL;
    pthread_rwlock_rdlock(&cache->lock);
    struct record *record = cache_table_find(&cache->table, id, slice_of(name));
    if (record)
        record_ref(record);
    pthread_rwlock_unlock(&cache->lock);
    return record;
}

cJSON *cache_object(struct cache *cache, const struct record *record)
{
    return record_object(record, cache->options.names, &cache->dictionary, cache->options.kind);
}

cJSON *cache_get(struct cache *cache, const char *namespace, const char *name)
{
    struct record *record = cache_find(cache, namespace, name);
    cJSON *object = record ? cache_object(cache, record) : NULL;
    record_unref(record);
    return object;
}

static _Thread_local struct names *sorting; /* qsort has no context argument in ISO C */

static int by_name(const void *a, const void *b)
{
    const struct record *one = *(struct record *const *)a, *other = *(struct record *const *)b;
    if (one->namespace != other->namespace)
        return strcmp(names_text(sorting, one->namespace), names_text(sorting, other->namespace));
    size_t shorter = one->name_bytes < other->name_bytes ? one->name_bytes : other->name_bytes;
    int order = memcmp(one->bytes, other->bytes, shorter);
    return order ? order : (int)one->name_bytes - (int)other->name_bytes;
}

static struct record **collect(struct cache *cache, const char *namespace, size_t *ret_count)
{
    size_t count = 0;
    struct record **records;
    if (namespace) {
        uint32_t id = names_find(cache->options.names, namespace);
        struct record *first = id == UINT32_MAX ? NULL : cache_table_line(&cache->table, id);
        for (struct record *record = first; record; record = record->next)
            count++;
        records = memory_get((count + 1) * sizeof(struct record *));
        count = 0;
        for (struct record *record = first; record; record = record->next)
            records[count++] = record_ref(record);
    } else {
        records = memory_get((cache->table.count + 1) * sizeof(struct record *));
        for (size_t i = 0; i < cache->table.capacity; i++)
            if (cache->table.slots[i])
                records[count++] = record_ref(cache->table.slots[i]);
    }
    *ret_count = count;
    return records;
}

struct record **cache_select(struct cache *cache, const char *namespace, size_t *ret_count, uint64_t *ret_version)
{
    pthread_rwlock_rdlock(&cache->lock);
    struct record **records = collect(cache, namespace, ret_count);
    *ret_version = cache->version;
    pthread_rwlock_unlock(&cache->lock);
    sorting = cache->options.names;
    qsort(records, *ret_count, sizeof(struct record *), by_name);
    return records;
}

int cache_watch(struct cache *cache, struct hub_request *request, struct engine_watch **ret, struct error *error)
{
    size_t count = 0;
    struct record **records = NULL;
    pthread_rwlock_rdlock(&cache->lock);
    request->known = cache->synced;
    if (request->known && !request->resume)
        records = collect(cache, request->namespace, &count);
    if (!request->resume)
        request->from = HUB_NOW; /* changes are published under the write side of this lock */
    request->states = (void *const *)records;
    request->count = count;
    int r = hub_open(cache->options.hub, request, ret, error);
    pthread_rwlock_unlock(&cache->lock);
    for (size_t i = 0; i < count; i++)
        record_unref(records[i]);
    free(records);
    return r;
}

void cache_measure(struct cache *cache, struct cache_size *ret)
{
    pthread_rwlock_rdlock(&cache->lock);
    *ret = (struct cache_size){
        .objects = cache->table.count, .bytes = cache_table_bytes(&cache->table), .pending = map_count(cache->pending)};
    for (size_t i = 0; i < cache->table.capacity; i++)
        if (cache->table.slots[i]) {
            ret->bytes += malloc_usable_size(cache->table.slots[i]) + sizeof(size_t);
            ret->text_bytes += cache->table.slots[i]->text_bytes;
        }
    pthread_rwlock_unlock(&cache->lock);
}
