/*
 * One object as the cache holds it: a few numbers, and its JSON text compressed.
 *
 * Immutable but for what the cache marks under its lock; counted references let watchers keep a version that the cache
 * has already replaced. Text is raw deflate (RFC 1951) against a dictionary of the kind's first objects, which most
 * others resemble; managedFields are left out.
 */
#ifndef ATELIER_ENGINE_KUBERNETES_RECORD_H
#define ATELIER_ENGINE_KUBERNETES_RECORD_H

#include <stdatomic.h>

#include "engine/engine.h"
#include "engine/kubernetes/skim.h"

/* Namespaces' names, once each. Ids are small, begin with 1 (0: cluster-scoped) and are never reused: a namespace that
 * is gone keeps some 64 bytes. Any thread. */
struct names;
struct names *names_new(void);
void names_free(struct names *names);
uint32_t names_id(struct names *names, struct slice name);  /* makes one */
uint32_t names_find(struct names *names, const char *name); /* UINT32_MAX if there is none */
const char *names_text(struct names *names, uint32_t id);   /* "" for 0; valid as long as <names> */

/* Compresses; one for all kinds. Any thread. */
struct packer;
struct packer *packer_new(void);
void packer_free(struct packer *packer);

/* What the texts of one kind have in common. Grows by the first objects, then never changes. */
struct dictionary {
    struct buffer text;
    unsigned samples;
    bool fixed;
};

enum record_flag {
    RECORD_OURS = 1,       /* carries our label */
    RECORD_SETTLED = 2,    /* <ours> is as our own last apply left it */
    RECORD_DICTIONARY = 4, /* compressed against the dictionary */
    RECORD_TYPED = 8,      /* its text has apiVersion and kind */
};
#define UID_SIZE 16

struct record {
    _Atomic uint32_t references;
    uint32_t namespace;
    struct record *next; /* the cache's: the next of that namespace */
    uint64_t version;
    uint64_t applied; /* the hash in annotation atelier.dev/applied; 0: none */
    uint64_t ours;    /* fields_hash of what our server-side apply owns; 0: none */
    uint8_t uid[UID_SIZE];
    uint32_t mark;       /* the cache's: the list that saw it last */
    uint32_t text_bytes; /* of the JSON text; 0: only metadata is held */
    uint32_t packed_bytes;
    _Atomic uint8_t flags; /* SETTLED may come while watchers read the rest */
    uint8_t name_bytes;
    char bytes[]; /* the name, then the packed text */
};
static inline struct slice record_name(const struct record *record)
{
    return (struct slice){record->bytes, record->name_bytes};
}

/* NULL: not an object. <dictionary> NULL: only metadata is kept. Any thread. */
struct record *record_new(struct names *names, struct packer *packer, struct dictionary *dictionary,
                          struct slice object);
/* The same of an object that has been skimmed; <object> is not looked at where only metadata is kept. */
struct record *record_of(struct names *names, struct packer *packer, struct dictionary *dictionary,
                         const struct skimmed *skimmed, struct slice object);
struct record *record_ref(struct record *record);
void record_unref(struct record *record);        /* NULL is fine */
size_t record_size(const struct record *record); /* bytes of memory */

/* The object, the caller's. Of a record without text: apiVersion, kind and metadata as far as it is known. NULL if the
 * text cannot be read. */
cJSON *record_object(const struct record *record, struct names *names, const struct dictionary *dictionary,
                     enum engine_kind kind);

void uid_read(struct slice text, uint8_t ret[UID_SIZE]);

#endif
