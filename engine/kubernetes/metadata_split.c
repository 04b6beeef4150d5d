/* Which items does a list of metadata in protobuf have, and what does each say? */
#include "engine/kubernetes/metadata_split.h"

#include "base/envelope.h"
#include "base/protobuf.h"
#include "engine/apply.h"
#include "engine/kubernetes/split.h"

enum { LIST_METADATA = 1, LIST_ITEMS = 2 };             /* PartialObjectMetadataList */
enum { LIST_META_VERSION = 2, LIST_META_CONTINUE = 3 }; /* ListMeta */
enum { ITEM_METADATA = 1 };                             /* PartialObjectMetadata */
enum {                                                  /* ObjectMeta */
       META_NAME = 1,
       META_NAMESPACE = 3,
       META_UID = 5,
       META_VERSION = 6,
       META_LABELS = 11,
       META_ANNOTATIONS = 12,
       META_MANAGED_FIELDS = 17
};
enum { ENTRY_KEY = 1, ENTRY_VALUE = 2 };                                                   /* of a map */
enum { MANAGED_MANAGER = 1, MANAGED_OPERATION = 2, MANAGED_FIELDS = 7, MANAGED_PART = 8 }; /* ManagedFieldsEntry */
enum { FIELDS_RAW = 1 };                                                                   /* FieldsV1 */

/* --- one item ----------------------------------------------------------------------------------------------------- */

static bool entry_of(struct slice entry, const char *key, struct slice *ret)
{
    struct slice name, value;
    if (!protobuf_bytes(entry, ENTRY_KEY, &name) || !protobuf_bytes(entry, ENTRY_VALUE, &value))
        return false;
    if (slice_is(name, key))
        *ret = value;
    return true;
}

static bool skim_manager(struct slice entry, struct skimmed *ret)
{
    struct slice manager, operation, part, fields, raw;
    if (!protobuf_bytes(entry, MANAGED_MANAGER, &manager) || !protobuf_bytes(entry, MANAGED_OPERATION, &operation) ||
        !protobuf_bytes(entry, MANAGED_PART, &part) || !protobuf_bytes(entry, MANAGED_FIELDS, &fields) ||
        !protobuf_bytes(fields, FIELDS_RAW, &raw))
        return false;
    if (slice_is(manager, MANAGED_BY_US) && slice_is(operation, "Apply") && part.n == 0 && raw.n)
        ret->fields = raw;
    return true;
}

static bool skim_metadata(struct slice metadata, struct skimmed *ret)
{
    struct protobuf_field field;
    struct slice manager = {0};
    bool end = false, good = true;
    while (good && (good = protobuf_next(&metadata, &field, &end)) && !end) {
        if (!field.delimited)
            continue;
        if (field.number == META_NAME)
            ret->name = field.bytes;
        else if (field.number == META_NAMESPACE)
            ret->namespace = field.bytes;
        else if (field.number == META_UID)
            ret->uid = field.bytes;
        else if (field.number == META_VERSION)
            ret->version = field.bytes;
        else if (field.number == META_LABELS)
            good = entry_of(field.bytes, LABEL_MANAGED_BY, &manager);
        else if (field.number == META_ANNOTATIONS)
            good = entry_of(field.bytes, ANNOTATION_APPLIED, &ret->applied);
        else if (field.number == META_MANAGED_FIELDS)
            good = skim_manager(field.bytes, ret);
    }
    ret->ours = slice_is(manager, MANAGED_BY_US);
    return good && ret->name.n && ret->version.n;
}

bool metadata_skim(struct slice item, struct skimmed *ret)
{
    struct slice metadata;
    *ret = (struct skimmed){0};
    return protobuf_bytes(item, ITEM_METADATA, &metadata) && skim_metadata(metadata, ret);
}

/* --- the list ----------------------------------------------------------------------------------------------------- */

bool metadata_split_takes(struct slice begin)
{
    return begin.n > 0 && begin.p[0] == ENVELOPE_MAGIC[0];
}

static bool take_list_metadata(struct metadata_split *split, struct slice metadata)
{
    struct slice version, next;
    if (!protobuf_bytes(metadata, LIST_META_VERSION, &version) || !protobuf_bytes(metadata, LIST_META_CONTINUE, &next))
        return false;
    buffer_clear(&split->version);
    buffer_clear(&split->next);
    buffer_add_slice(&split->version, version);
    buffer_add_slice(&split->next, next);
    return true;
}

static bool take_listed(struct metadata_split *split, const struct protobuf_field *field)
{
    struct skimmed item;
    if (!field->delimited)
        return true;
    if (field->number == LIST_METADATA)
        return take_list_metadata(split, field->bytes);
    if (field->number != LIST_ITEMS)
        return true;
    if (!metadata_skim(field->bytes, &item))
        return false;
    split->item(split->context, &item);
    return true;
}

/* What stands around the list: the magic, and the fields before and after it. False: nothing more can be taken now. */
static bool take_around(struct metadata_split *split, struct slice *rest)
{
    unsigned number;
    uint64_t length;
    struct slice inside = *rest;
    if (!split->begun) {
        if (rest->n < sizeof(ENVELOPE_MAGIC))
            return false;
        split->begun = true;
        split->broken = memcmp(rest->p, ENVELOPE_MAGIC, sizeof(ENVELOPE_MAGIC)) != 0;
        *rest = slice_skip(*rest, sizeof(ENVELOPE_MAGIC));
        return !split->broken;
    }
    if (!protobuf_head(&inside, &number, &length)) {
        split->broken = rest->n >= PROTOBUF_HEAD_MAX;
        return false;
    }
    if (number == ENVELOPE_RAW && !split->listed) {
        split->listed = true;
        split->left = length;
        split->complete = length == 0;
        *rest = inside;
        return true;
    }
    split->broken = length > SPLIT_ITEM_MAX;
    if (split->broken || length > inside.n)
        return false;
    *rest = slice_skip(inside, (size_t)length);
    return true;
}

/* One field of the list. */
static bool take_inside(struct metadata_split *split, struct slice *rest)
{
    unsigned number;
    uint64_t length;
    struct slice inside = *rest;
    if (!protobuf_head(&inside, &number, &length)) {
        split->broken = rest->n >= PROTOBUF_HEAD_MAX;
        return false;
    }
    size_t header = rest->n - inside.n;
    split->broken = length > SPLIT_ITEM_MAX || header > split->left || length > split->left - header;
    if (split->broken || length > inside.n)
        return false;
    const struct protobuf_field field = {.number = number, .delimited = true, .bytes = {inside.p, (size_t)length}};
    split->broken = !take_listed(split, &field);
    split->left -= header + length;
    split->complete = !split->broken && split->left == 0;
    *rest = slice_skip(inside, (size_t)length);
    return !split->broken;
}

void metadata_split_feed(struct metadata_split *split, struct slice bytes)
{
    if (split->broken)
        return;
    struct slice rest = bytes;
    if (split->held.n) {
        buffer_add_slice(&split->held, bytes);
        rest = buffer_slice(&split->held);
    }
    while (rest.n && (split->left ? take_inside(split, &rest) : take_around(split, &rest)))
        ;
    struct buffer kept = {0};
    if (!split->broken)
        buffer_add_slice(&kept, rest);
    buffer_free(&split->held);
    split->held = kept;
}

void metadata_split_free(struct metadata_split *split)
{
    buffer_free(&split->version);
    buffer_free(&split->next);
    buffer_free(&split->held);
}
