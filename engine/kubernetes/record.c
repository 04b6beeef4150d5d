/* How is one object kept small, and how does it become an object again? */
#include "engine/kubernetes/record.h"

#include <pthread.h>
#include <zlib.h>

#include "base/map.h"
#include "base/random.h"
#include "engine/kubernetes/fields.h"
#include "engine/kubernetes/status.h"

/* Deflate looks back 32 KiB; half of that is for what objects have in common. Level and memory: 3 and 6 take half the
 * time of the defaults for texts a twentieth larger. */
enum { DICTIONARY_BYTES = 16 << 10, DICTIONARY_SAMPLES = 4, PACK_LEVEL = 3, PACK_MEMORY = 6, PACK_WINDOW = -15 };

/* --- names -------------------------------------------------------------------------------------------------------- */

struct names {
    pthread_rwlock_t lock;
    struct map *ids; /* name to (void *)id */
    char **texts;
    uint32_t count, capacity;
};

struct names *names_new(void)
{
    struct names *names = memory_get(sizeof(*names));
    pthread_rwlock_init(&names->lock, NULL);
    names->ids = map_new();
    names->count = 1;
    return names;
}

void names_free(struct names *names)
{
    if (!names)
        return;
    for (uint32_t i = 1; i < names->count; i++)
        free(names->texts[i]);
    free(names->texts);
    map_free(names->ids);
    pthread_rwlock_destroy(&names->lock);
    free(names);
}

static uint32_t find_locked(struct names *names, struct slice name)
{
    return (uint32_t)(uintptr_t)map_get(names->ids, name);
}

static uint32_t add_locked(struct names *names, struct slice name)
{
    uint32_t id = find_locked(names, name);
    if (id)
        return id;
    if (names->count >= names->capacity) {
        names->capacity = names->capacity ? 2 * names->capacity : 64;
        names->texts = memory_resize(names->texts, names->capacity * sizeof(*names->texts));
    }
    id = names->count++;
    names->texts[id] = memory_text_n(name.p, name.n);
    map_put(names->ids, name, (void *)(uintptr_t)id);
    return id;
}

uint32_t names_id(struct names *names, struct slice name)
{
    if (!name.n)
        return 0;
    pthread_rwlock_rdlock(&names->lock);
    uint32_t id = find_locked(names, name);
    pthread_rwlock_unlock(&names->lock);
    if (id)
        return id;
    pthread_rwlock_wrlock(&names->lock);
    id = add_locked(names, name);
    pthread_rwlock_unlock(&names->lock);
    return id;
}

uint32_t names_find(struct names *names, const char *name)
{
    if (!name || !name[0])
        return 0;
    pthread_rwlock_rdlock(&names->lock);
    uint32_t id = find_locked(names, slice_of(name));
    pthread_rwlock_unlock(&names->lock);
    return id ? id : UINT32_MAX;
}

const char *names_text(struct names *names, uint32_t id)
{
    if (id == 0)
        return "";
    pthread_rwlock_rdlock(&names->lock);
    const char *text = id < names->count ? names->texts[id] : "";
    pthread_rwlock_unlock(&names->lock);
    return text;
}

/* --- packing ------------------------------------------------------------------------------------------------------ */

struct packer {
    pthread_mutex_t lock; /* guards the stream, the buffer, and every dictionary until it is fixed */
    z_stream stream;
    struct buffer packed;
};

struct packer *packer_new(void)
{
    struct packer *packer = memory_get(sizeof(*packer));
    pthread_mutex_init(&packer->lock, NULL);
    if (deflateInit2(&packer->stream, PACK_LEVEL, Z_DEFLATED, PACK_WINDOW, PACK_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        memory_oom(sizeof(*packer));
    return packer;
}

void packer_free(struct packer *packer)
{
    if (!packer)
        return;
    (void)deflateEnd(&packer->stream);
    buffer_free(&packer->packed);
    pthread_mutex_destroy(&packer->lock);
    free(packer);
}

/* Leaves the result in packer->packed; the lock is held. */
static void pack(struct packer *packer, const struct dictionary *dictionary, struct slice text)
{
    z_stream *stream = &packer->stream;
    (void)deflateReset(stream);
    if (dictionary->fixed)
        (void)deflateSetDictionary(stream, (const Bytef *)dictionary->text.p, (uInt)dictionary->text.n);
    size_t bound = deflateBound(stream, text.n) + 16;
    if (packer->packed.capacity < bound)
        packer->packed.p = memory_resize(packer->packed.p, packer->packed.capacity = bound);
    stream->next_in = (Bytef *)(uintptr_t)text.p;
    stream->avail_in = (uInt)text.n;
    stream->next_out = (Bytef *)packer->packed.p;
    stream->avail_out = (uInt)bound;
    int r = deflate(stream, Z_FINISH);
    packer->packed.n = r == Z_STREAM_END ? bound - stream->avail_out : 0;
}

static bool unpack(const struct record *record, const struct dictionary *dictionary, char *ret)
{
    z_stream stream = {0};
    if (inflateInit2(&stream, PACK_WINDOW) != Z_OK)
        return false;
    if (record->flags & RECORD_DICTIONARY)
        (void)inflateSetDictionary(&stream, (const Bytef *)dictionary->text.p, (uInt)dictionary->text.n);
    stream.next_in = (Bytef *)(uintptr_t)(record->bytes + record->name_bytes);
    stream.avail_in = record->packed_bytes;
    stream.next_out = (Bytef *)ret;
    stream.avail_out = record->text_bytes;
    int r = inflate(&stream, Z_FINISH);
    bool whole = r == Z_STREAM_END && stream.avail_out == 0;
    (void)inflateEnd(&stream);
    return whole;
}

static void learn(struct dictionary *dictionary, struct slice text)
{
    if (dictionary->fixed)
        return;
    if (dictionary->text.n + text.n > DICTIONARY_BYTES && dictionary->text.n)
        dictionary->fixed = true;
    else
        buffer_add(&dictionary->text, text.p, text.n < DICTIONARY_BYTES ? text.n : DICTIONARY_BYTES);
    if (++dictionary->samples >= DICTIONARY_SAMPLES)
        dictionary->fixed = true;
}

/* --- records ------------------------------------------------------------------------------------------------------ */

void uid_read(struct slice text, uint8_t ret[UID_SIZE])
{
    char hex[2 * UID_SIZE];
    size_t n = 0;
    for (size_t i = 0; i < text.n && n < sizeof(hex); i++)
        if (text.p[i] != '-')
            hex[n++] = text.p[i];
    if (text.n == RANDOM_UUID_SIZE - 1 && n == sizeof(hex) &&
        text_unhex((struct slice){hex, sizeof(hex)}, ret, UID_SIZE))
        return;
    uint8_t digest[DIGEST_SIZE]; /* a server that makes other uids: all that matters is whether they are the same */
    digest_sha256(text, digest);
    memcpy(ret, digest, UID_SIZE);
}

static void uid_write(const uint8_t uid[UID_SIZE], char ret[RANDOM_UUID_SIZE])
{
    char hex[2 * UID_SIZE + 1];
    text_hex(uid, UID_SIZE, hex);
    (void)snprintf(ret, RANDOM_UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

/* No hash of ours is 0 or 1: these say "none" and "not one of ours". */
static uint64_t read_hash(struct slice hex)
{
    uint8_t bytes[8];
    uint64_t value = 0;
    if (!hex.n)
        return 0;
    if (hex.n != 2 * sizeof(bytes) || !text_unhex(hex, bytes, sizeof(bytes)))
        return 1;
    for (size_t i = 0; i < sizeof(bytes); i++)
        value = value << 8 | bytes[i];
    return value > 1 ? value : 1;
}

static uint64_t read_version(struct slice text)
{
    int64_t version = 0;
    (void)text_parse_i64(text, 0, INT64_MAX, &version);
    return (uint64_t)version;
}

static void fill(struct record *record, struct names *names, const struct skimmed *skimmed)
{
    *record = (struct record){.references = 1,
                              .namespace = names_id(names, skimmed->namespace),
                              .version = read_version(skimmed->version),
                              .applied = read_hash(skimmed->applied),
                              .ours = fields_hash(skimmed->fields),
                              .name_bytes = (uint8_t)skimmed->name.n};
    record->flags = (uint8_t)((skimmed->ours ? RECORD_OURS : 0) | (skimmed->typed ? RECORD_TYPED : 0));
    uid_read(skimmed->uid, record->uid);
    memcpy(record->bytes, skimmed->name.p, skimmed->name.n);
}

static struct record *record_packed(struct names *names, struct packer *packer, struct dictionary *dictionary,
                                    const struct skimmed *skimmed, struct slice text)
{
    pthread_mutex_lock(&packer->lock);
    pack(packer, dictionary, text);
    size_t packed = packer->packed.n;
    struct record *record = memory_get(sizeof(*record) + skimmed->name.n + packed);
    fill(record, names, skimmed);
    memcpy(record->bytes + skimmed->name.n, packer->packed.p, packed);
    record->text_bytes = (uint32_t)text.n;
    record->packed_bytes = (uint32_t)packed;
    if (dictionary->fixed)
        record->flags |= RECORD_DICTIONARY;
    learn(dictionary, text);
    pthread_mutex_unlock(&packer->lock);
    return record;
}

struct record *record_of(struct names *names, struct packer *packer, struct dictionary *dictionary,
                         const struct skimmed *skimmed, struct slice object)
{
    if (skimmed->name.n > UINT8_MAX || object.n > UINT32_MAX / 2)
        return NULL;
    if (!dictionary) {
        struct record *record = memory_get(sizeof(*record) + skimmed->name.n);
        fill(record, names, skimmed);
        return record;
    }
    if (!skimmed->cut.n)
        return record_packed(names, packer, dictionary, skimmed, object);
    AUTO_BUFFER struct buffer text = {0};
    buffer_add(&text, object.p, (size_t)(skimmed->cut.p - object.p));
    const char *rest = skimmed->cut.p + skimmed->cut.n;
    buffer_add(&text, rest, (size_t)(object.p + object.n - rest));
    return record_packed(names, packer, dictionary, skimmed, buffer_slice(&text));
}

struct record *record_new(struct names *names, struct packer *packer, struct dictionary *dictionary,
                          struct slice object)
{
    struct skimmed skimmed;
    return skim_object(object, &skimmed) ? record_of(names, packer, dictionary, &skimmed, object) : NULL;
}

struct record *record_ref(struct record *record)
{
    atomic_fetch_add_explicit(&record->references, 1, memory_order_relaxed);
    return record;
}

void record_unref(struct record *record)
{
    if (record && atomic_fetch_sub_explicit(&record->references, 1, memory_order_acq_rel) == 1)
        free(record);
}

size_t record_size(const struct record *record)
{
    return sizeof(*record) + record->name_bytes + record->packed_bytes;
}

static cJSON *only_metadata(const struct record *record, struct names *names)
{
    cJSON *object = json_object(), *metadata = json_object_in(object, "metadata");
    char uid[RANDOM_UUID_SIZE];
    AUTO_FREE char *name = memory_text_n(record->bytes, record->name_bytes);
    AUTO_FREE char *version = memory_format("%llu", (unsigned long long)record->version);
    uid_write(record->uid, uid);
    json_set_text(metadata, "name", name);
    if (record->namespace)
        json_set_text(metadata, "namespace", names_text(names, record->namespace));
    json_set_text(metadata, "uid", uid);
    json_set_text(metadata, "resourceVersion", version);
    if (record->flags & RECORD_OURS)
        json_set_text(json_object_in(metadata, "labels"), "app.kubernetes.io/managed-by", "atelier");
    return object;
}

/* Items of typed lists come without type; readers expect one, first. */
static cJSON *with_type(cJSON *object, enum engine_kind kind)
{
    if (!object)
        return NULL;
    cJSON *typed = json_object();
    json_set_text(typed, "apiVersion", engine_api_version(kind));
    json_set_text(typed, "kind", engine_kinds[kind].kind);
    cJSON *last = json_member(typed, "kind"), *rest = object->child;
    if (rest) {
        typed->child->prev = rest->prev; /* cJSON keeps the tail in the head's prev */
        last->next = rest;
        rest->prev = last;
        object->child = NULL;
    }
    cJSON_Delete(object);
    return typed;
}

cJSON *record_object(const struct record *record, struct names *names, const struct dictionary *dictionary,
                     enum engine_kind kind)
{
    if (!record->text_bytes)
        return with_type(only_metadata(record, names), kind);
    AUTO_FREE char *text = malloc(record->text_bytes);
    if (!text)
        memory_oom(record->text_bytes);
    if (!unpack(record, dictionary, text))
        return NULL;
    cJSON *object = NULL;
    if (kube_json_parse(text, record->text_bytes, &object, NULL) < 0)
        return NULL;
    return record->flags & RECORD_TYPED ? object : with_type(object, kind);
}
