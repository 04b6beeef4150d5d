/*
 * What a cache must know of JSON that an API server sent, read from the text without building a tree.
 *
 * The text is a server's own output: brackets and strings are followed, values are not validated. A text that is cut
 * off is noticed. Slices point into the text.
 */
#ifndef ATELIER_ENGINE_KUBERNETES_SKIM_H
#define ATELIER_ENGINE_KUBERNETES_SKIM_H

#include "base/text.h"

/* Members of an object, one by one: struct skim at; if (skim_open(text, &at)) while (skim_next(&at, &key, &value)). */
struct skim {
    const char *p, *end;
    bool broken; /* not JSON, or cut off */
};
bool skim_open(struct slice object, struct skim *ret);
bool skim_next(struct skim *at, struct slice *ret_key, struct slice *ret_value);
bool skim_open_array(struct slice array, struct skim *ret);
bool skim_next_item(struct skim *at, struct slice *ret_value);
/* A member's value by name, and the text within the quotes of a string ({NULL, 0} if it is none). */
bool skim_member(struct slice object, const char *key, struct slice *ret);
struct slice skim_text(struct slice value);

/* What identifies an object, and what tells whose it is. */
struct skimmed {
    struct slice name, namespace, uid, version;
    struct slice applied; /* annotation atelier.dev/applied */
    bool ours;            /* label app.kubernetes.io/managed-by=atelier */
    bool typed;           /* has a `kind` of its own (items of typed lists have none) */
    struct slice fields;  /* fieldsV1 of our own Apply in metadata.managedFields */
    struct slice cut;     /* the member managedFields with one comma, to leave out; empty if there is none */
};
bool skim_object(struct slice object, struct skimmed *ret); /* false: no object with a name and a version */

#endif
