/* A list of metadata in protobuf, in pieces whose size the first byte tells: no read beyond it, and an answer that is
 * the same however it comes. */
// fuzz: engine/kubernetes/metadata_split.c base/*.c
#include "engine/kubernetes/metadata_split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct found {
    size_t items, bytes;
};

static void take(void *context, const struct skimmed *item)
{
    struct found *found = context;
    found->items++;
    found->bytes += item->name.n + item->namespace.n + item->uid.n + item->applied.n + item->fields.n;
}

static struct found read_all(const uint8_t *data, size_t size, size_t piece, bool *ret_complete)
{
    struct found found = {0};
    struct metadata_split split = {.item = take, .context = &found};
    for (size_t at = 0; at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        char *copy = memory_get(n);
        memcpy(copy, data + at, n);
        metadata_split_feed(&split, (struct slice){copy, n});
        free(copy);
    }
    *ret_complete = split.complete && !split.broken;
    metadata_split_free(&split);
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool whole, complete;
    if (size < 2)
        return 0;
    struct found once = read_all(data + 1, size - 1, size - 1, &whole);
    struct found pieces = read_all(data + 1, size - 1, data[0] % 61U + 1U, &complete);
    if (whole != complete || (whole && (once.items != pieces.items || once.bytes != pieces.bytes)))
        __builtin_trap();
    return 0;
}
