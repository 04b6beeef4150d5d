/* Do two objects' sets of managed fields name the same fields? */
#include "engine/kubernetes/fields.h"

#include "base/map.h"
#include "engine/kubernetes/skim.h"

#define FIELDS_DEPTH_MAX 32 /* deeper than any object of Kubernetes; below, the text itself is taken */

/* Compared within this process only, and not a table. */
static uint64_t hash(const void *bytes, size_t n)
{
    static const uint64_t key[2] = {0};
    return map_siphash(key, (struct slice){bytes, n});
}

/* k:{\"name\":\"main\",\"port\":80} as k:{name,port}: <text> is JSON within a JSON string. */
static uint64_t hash_item(struct slice text)
{
    AUTO_BUFFER struct buffer names = {0};
    bool quoted = false, value = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '\\' && i + 1 < text.n) {
            c = text.p[++i];
            if (c == '"')
                quoted = !quoted;
            else if (quoted) /* an escape of the inner text: what it stands for is no quote */
                i += i + 1 < text.n && text.p[i + 1] == '\\' ? 2 : 1;
            continue;
        }
        if (!quoted && (c == ':' || c == ','))
            value = c == ':';
        if (!value)
            buffer_add(&names, &c, 1);
    }
    return hash(names.p, names.n);
}

static uint64_t hash_set(struct slice fields, unsigned depth)
{
    struct skim at;
    struct slice key, value;
    uint64_t sum = 1;
    if (depth > FIELDS_DEPTH_MAX || !skim_open(fields, &at))
        return hash(fields.p, fields.n);
    /* A sum: items are sorted by what they are called, which is not to matter. */
    while (skim_next(&at, &key, &value)) {
        bool item = slice_starts(key, "k:");
        const uint64_t pair[2] = {item ? hash_item(slice_skip(key, 2)) : hash(key.p, key.n),
                                  hash_set(value, depth + 1)};
        sum += hash(pair, sizeof(pair));
    }
    return sum;
}

uint64_t fields_hash(struct slice fields)
{
    if (!fields.n)
        return 0;
    uint64_t value = hash_set(fields, 0);
    return value ? value : 1;
}
