/*
 * Takes what an API server sends apart as it arrives: a List into its items, a watch into its lines.
 *
 * Memory holds one item at a time, however long the list. Sizes are bounded: an object in etcd has at most 1.5 MiB, and
 * what is larger than SPLIT_ITEM_MAX ends the reading.
 */
#ifndef ATELIER_ENGINE_KUBERNETES_SPLIT_H
#define ATELIER_ENGINE_KUBERNETES_SPLIT_H

#include "base/text.h"

enum { SPLIT_ITEM_MAX = 4 << 20 };

typedef void (*split_taker)(void *context, struct slice text); /* the text is borrowed */

/* A List: members in any order ("metadata" comes last where a server sorts them). Zero-initialise. */
struct list_split {
    split_taker item;
    void *context;
    struct buffer metadata; /* the List's, once seen */
    bool complete;          /* the closing bracket has come */
    bool broken;            /* not a List, or an item too large */
    /* private */
    struct buffer held; /* an item or the metadata, as far as it has come */
    size_t depth;
    bool in_string, escaped, in_items, capturing;
    char word[16], key[16]; /* the last string at depth 1, and the member it names */
    size_t word_length;
};
void list_split_feed(struct list_split *split, struct slice bytes);
void list_split_free(struct list_split *split); /* its buffers */

/* Lines that end with "\n"; empty ones are left out. Zero-initialise. */
struct line_split {
    split_taker line;
    void *context;
    bool broken; /* a line too long */
    struct buffer held;
};
void line_split_feed(struct line_split *split, struct slice bytes);
void line_split_free(struct line_split *split);

#endif
