/* Which pointer belongs to this byte string? (open addressing, linear probing, deletion by shifting back) */
#include "base/map.h"

#include <assert.h>
#include <pthread.h>

#include "base/random.h"

#define MAP_MAGIC 0x6d617073u
#define SLOTS_MIN 16

struct slot {
    uint64_t hash;
    char *key; /* NULL: empty */
    size_t key_n;
    void *value;
};

struct map {
    unsigned magic;
    size_t count, capacity; /* capacity: a power of two */
    struct slot *slots;
};

static uint64_t hash_key[2];
static pthread_once_t hash_key_once = PTHREAD_ONCE_INIT;

static void make_hash_key(void)
{
    random_bytes(hash_key, sizeof(hash_key));
}

static uint64_t rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], int rounds)
{
    for (int i = 0; i < rounds; i++) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

uint64_t map_siphash(const uint64_t key[2], struct slice text)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
                     key[1] ^ 0x7465646279746573u};
    uint64_t last = (uint64_t)text.n << 56;
    for (; text.n >= 8; text = slice_skip(text, 8)) {
        uint64_t word;
        memcpy(&word, text.p, 8); /* little-endian, as every machine we run on */
        v[3] ^= word;
        sip_rounds(v, 2);
        v[0] ^= word;
    }
    for (size_t i = 0; i < text.n; i++)
        last |= (uint64_t)(unsigned char)text.p[i] << (8 * i);
    v[3] ^= last;
    sip_rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The slot that holds <key>, or the empty one where it belongs. */
static struct slot *find(const struct map *map, struct slice key, uint64_t hash)
{
    size_t mask = map->capacity - 1;
    for (size_t at = (size_t)hash & mask;; at = (at + 1) & mask) {
        struct slot *slot = &map->slots[at];
        if (!slot->key || (slot->hash == hash && slice_equal((struct slice){slot->key, slot->key_n}, key)))
            return slot;
    }
}

struct map *map_new(void)
{
    pthread_once(&hash_key_once, make_hash_key);
    struct map *map = memory_get(sizeof(*map));
    map->magic = MAP_MAGIC;
    map->capacity = SLOTS_MIN;
    map->slots = memory_get(map->capacity * sizeof(*map->slots));
    return map;
}

void map_free(struct map *map)
{
    if (!map)
        return;
    assert(map->magic == MAP_MAGIC);
    for (size_t i = 0; i < map->capacity; i++)
        free(map->slots[i].key);
    free(map->slots);
    map->magic = 0;
    free(map);
}

void *map_get(const struct map *map, struct slice key)
{
    assert(map->magic == MAP_MAGIC);
    return find(map, key, map_siphash(hash_key, key))->value;
}

static void grow(struct map *map)
{
    struct slot *old = map->slots;
    size_t old_capacity = map->capacity;
    map->capacity *= 2;
    if (map->capacity > SIZE_MAX / sizeof(*old))
        memory_oom(map->capacity);
    map->slots = memory_get(map->capacity * sizeof(*old));
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].key)
            *find(map, (struct slice){old[i].key, old[i].key_n}, old[i].hash) = old[i];
    free(old);
}

void *map_put(struct map *map, struct slice key, void *value)
{
    assert(map->magic == MAP_MAGIC && value);
    uint64_t hash = map_siphash(hash_key, key);
    struct slot *slot = find(map, key, hash);
    if (slot->key) {
        void *before = slot->value;
        slot->value = value;
        return before;
    }
    if ((map->count + 1) * 4 > map->capacity * 3) {
        grow(map);
        slot = find(map, key, hash);
    }
    *slot = (struct slot){.hash = hash, .key = memory_text_n(key.p, key.n), .key_n = key.n, .value = value};
    map->count++;
    return NULL;
}

/* Closes the gap at <gap>: whatever could have probed past it moves back, so that look-ups never stop early. */
static void shift_back(struct map *map, size_t gap)
{
    size_t mask = map->capacity - 1;
    for (size_t at = (gap + 1) & mask; map->slots[at].key; at = (at + 1) & mask) {
        size_t home = (size_t)map->slots[at].hash & mask;
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            map->slots[gap] = map->slots[at];
            gap = at;
        }
    }
    map->slots[gap] = (struct slot){0};
}

void *map_remove(struct map *map, struct slice key)
{
    assert(map->magic == MAP_MAGIC);
    struct slot *slot = find(map, key, map_siphash(hash_key, key));
    if (!slot->key)
        return NULL;
    void *value = slot->value;
    free(slot->key);
    map->count--;
    shift_back(map, (size_t)(slot - map->slots));
    return value;
}

size_t map_count(const struct map *map)
{
    assert(map->magic == MAP_MAGIC);
    return map->count;
}

bool map_next(const struct map *map, size_t *at, struct slice *ret_key, void **ret_value)
{
    assert(map->magic == MAP_MAGIC);
    while (*at < map->capacity) {
        const struct slot *slot = &map->slots[(*at)++];
        if (!slot->key)
            continue;
        if (ret_key)
            *ret_key = (struct slice){slot->key, slot->key_n};
        if (ret_value)
            *ret_value = slot->value;
        return true;
    }
    return false;
}
