/* What does a packed record look like to whoever is told of it? */
#include "engine/kubernetes/trees.h"

/* What the hub remembers of a kind, and trees of one round that all watches share. */
enum { TREES_CHANGES_MAX = 4096, TREES_BYTES_MAX = 2 << 20, TREES_AGE_MS = 2 * 60 * 1000, TREES_KEPT = 64 };

struct trees {
    struct names *names;
    const struct dictionary *dictionaries[KIND_COUNT];
    struct {
        struct record *record;
        cJSON *object;
    } kept[TREES_KEPT]; /* the hub's thread only */
};

struct trees *trees_new(struct names *names)
{
    struct trees *trees = memory_get(sizeof(*trees));
    trees->names = names;
    return trees;
}

void trees_free(struct trees *trees)
{
    free(trees);
}

void trees_kind(struct trees *trees, enum engine_kind kind, const struct dictionary *dictionary)
{
    trees->dictionaries[kind] = dictionary;
}

static void *reference(void *state)
{
    return record_ref(state);
}

static void release(void *state)
{
    record_unref(state);
}

static size_t bytes(const void *state)
{
    return record_size(state);
}

static const char *namespace_of(void *context, const void *state)
{
    const struct trees *trees = context;
    return names_text(trees->names, ((const struct record *)state)->namespace);
}

/* The tree is kept until that of another record takes its place. */
static const cJSON *object_of(void *context, enum engine_kind kind, void *state)
{
    struct trees *trees = context;
    size_t at = ((uintptr_t)state / 64) % TREES_KEPT;
    if (trees->kept[at].record != state) {
        cJSON_Delete(trees->kept[at].object);
        record_unref(trees->kept[at].record);
        trees->kept[at].record = record_ref(state);
        trees->kept[at].object = record_object(state, trees->names, trees->dictionaries[kind], kind);
    }
    return trees->kept[at].object;
}

static void rest(void *context)
{
    struct trees *trees = context;
    for (size_t i = 0; i < TREES_KEPT; i++) {
        cJSON_Delete(trees->kept[i].object);
        record_unref(trees->kept[i].record);
        trees->kept[i].record = NULL;
        trees->kept[i].object = NULL;
    }
}

const struct hub_states trees_states = {
    .limits = {.changes = TREES_CHANGES_MAX,
               .bytes = TREES_BYTES_MAX,
               .age_ms = TREES_AGE_MS,
               .bookmark_ms = HUB_BOOKMARK_MS},
    .reference = reference,
    .release = release,
    .bytes = bytes,
    .namespace = namespace_of,
    .object = object_of,
    .rest = rest,
};
