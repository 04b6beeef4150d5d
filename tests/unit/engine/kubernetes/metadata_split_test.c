/* What is read of a list of metadata in protobuf, in whatever pieces it comes, and what is not taken for one? */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/protobuf.h"
#include "engine/apply.h"
#include "engine/kubernetes/metadata_split.h"
#include "engine/kubernetes/split.h"

#define FIELDS "{\"f:spec\":{\"f:hard\":{}}}"
#define UID "0f8fad5b-d9cb-469f-a165-70867728950e"

/* --- a list, as an API server would write it -----------------------------------------------------------------------
 */

static void add_text(struct buffer *message, unsigned number, const char *text)
{
    protobuf_add_bytes(message, number, slice_of(text));
}

static void add_entry(struct buffer *metadata, unsigned number, const char *key, const char *value)
{
    AUTO_BUFFER struct buffer entry = {0};
    add_text(&entry, 1, key);
    add_text(&entry, 2, value);
    protobuf_add_bytes(metadata, number, buffer_slice(&entry));
}

static void add_manager(struct buffer *metadata, const char *manager, const char *operation, const char *part,
                        const char *fields)
{
    AUTO_BUFFER struct buffer entry = {0}, raw = {0};
    add_text(&raw, 1, fields);
    add_text(&entry, 1, manager);
    add_text(&entry, 2, operation);
    add_text(&entry, 3, "v1");
    add_text(&entry, 6, "FieldsV1");
    protobuf_add_bytes(&entry, 7, buffer_slice(&raw));
    if (part)
        add_text(&entry, 8, part);
    protobuf_add_bytes(metadata, 17, buffer_slice(&entry));
}

static void add_item(struct buffer *list, const char *name, bool ours)
{
    AUTO_BUFFER struct buffer metadata = {0}, item = {0};
    add_text(&metadata, 1, name);
    add_text(&metadata, 2, ""); /* generateName */
    add_text(&metadata, 3, "alice");
    add_text(&metadata, 5, UID);
    add_text(&metadata, 6, "42");
    protobuf_add_number(&metadata, 7, 3); /* generation */
    if (ours) {
        add_entry(&metadata, 11, "color", "blue");
        add_entry(&metadata, 11, LABEL_MANAGED_BY, MANAGED_BY_US);
        add_entry(&metadata, 12, ANNOTATION_APPLIED, "00112233aabbccdd");
        add_entry(&metadata, 12, "note", LABEL_MANAGED_BY);
        add_manager(&metadata, MANAGED_BY_US, "Update", NULL, "{\"f:no\":{}}");
        add_manager(&metadata, MANAGED_BY_US, "Apply", NULL, FIELDS);
        add_manager(&metadata, MANAGED_BY_US, "Apply", "status", "{\"f:no\":{}}");
        add_manager(&metadata, "kubectl", "Apply", NULL, "{\"f:no\":{}}");
    }
    protobuf_add_bytes(&item, 1, buffer_slice(&metadata));
    protobuf_add_bytes(list, 2, buffer_slice(&item));
}

static void write_around(struct slice list, struct buffer *ret)
{
    AUTO_BUFFER struct buffer type = {0};
    add_text(&type, 1, "meta.k8s.io/v1");
    add_text(&type, 2, "PartialObjectMetadataList");
    buffer_add(ret, "k8s\0", 4);
    protobuf_add_bytes(ret, 1, buffer_slice(&type));
    protobuf_add_bytes(ret, 2, list);
    add_text(ret, 3, "");
    add_text(ret, 4, "");
}

static void write_list(struct buffer *ret)
{
    AUTO_BUFFER struct buffer list = {0}, metadata = {0};
    add_text(&metadata, 1, "");
    add_text(&metadata, 2, "4711");
    add_text(&metadata, 3, "next-page");
    protobuf_add_number(&metadata, 4, 9);
    protobuf_add_bytes(&list, 1, buffer_slice(&metadata));
    add_item(&list, "one", true);
    add_item(&list, "two", false);
    write_around(buffer_slice(&list), ret);
}

/* --- who reads it --------------------------------------------------------------------------------------------------
 */

struct reading {
    struct metadata_split split;
    unsigned items;
    bool wrong;
};

static void take(void *context, const struct skimmed *item)
{
    struct reading *reading = context;
    bool first = reading->items++ == 0;
    bool same = slice_is(item->name, first ? "one" : "two") && slice_is(item->namespace, "alice") &&
                slice_is(item->uid, UID) && slice_is(item->version, "42") && item->ours == first &&
                slice_is(item->applied, first ? "00112233aabbccdd" : "") &&
                slice_is(item->fields, first ? FIELDS : "") && item->cut.n == 0;
    reading->wrong = reading->wrong || !same;
}

static void read_in_pieces(struct reading *reading, struct slice text, size_t piece)
{
    *reading = (struct reading){.split = {.item = take}};
    reading->split.context = reading;
    for (size_t at = 0; at < text.n; at += piece) {
        size_t n = text.n - at < piece ? text.n - at : piece;
        char *copy = memory_get(n); /* of its own size, so that a read beyond it is found */
        memcpy(copy, text.p + at, n);
        metadata_split_feed(&reading->split, (struct slice){copy, n});
        free(copy);
    }
}

static void a_list_is_read_in_any_pieces(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer text = {0};
    write_list(&text);
    assert_true(metadata_split_takes(buffer_slice(&text)));
    for (size_t piece = 1; piece <= text.n; piece++) {
        struct reading reading;
        read_in_pieces(&reading, buffer_slice(&text), piece);
        assert_true(reading.split.complete);
        assert_false(reading.split.broken);
        assert_int_equal(reading.items, 2);
        assert_false(reading.wrong);
        assert_true(slice_is(buffer_slice(&reading.split.version), "4711"));
        assert_true(slice_is(buffer_slice(&reading.split.next), "next-page"));
        metadata_split_free(&reading.split);
    }
}

static void one_that_is_cut_off_is_not_complete(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer text = {0};
    write_list(&text);
    const size_t after = 4; /* the two empty fields that follow the list */
    for (size_t n = 0; n < text.n; n++) {
        struct reading reading;
        read_in_pieces(&reading, (struct slice){text.p, n}, 5);
        assert_int_equal(reading.split.complete, n + after >= text.n);
        assert_false(reading.split.broken);
        metadata_split_free(&reading.split);
    }
}

static void an_empty_list_is_one(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer text = {0};
    struct reading reading;
    write_around((struct slice){"", 0}, &text);
    read_in_pieces(&reading, buffer_slice(&text), 3);
    assert_true(reading.split.complete && !reading.split.broken && reading.items == 0);
    metadata_split_free(&reading.split);
}

static bool is_refused(struct slice text)
{
    struct reading reading;
    read_in_pieces(&reading, text, 64);
    bool refused = reading.split.broken && !reading.split.complete;
    metadata_split_free(&reading.split);
    return refused;
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer nameless = {0}, list = {0}, item = {0}, large = {0}, beyond = {0};
    assert_false(metadata_split_takes(slice_of("{\"kind\":\"List\"}")));
    assert_false(metadata_split_takes(slice_of("")));
    assert_true(is_refused(slice_of("k9s and what follows")));
    assert_true(is_refused(
        (struct slice){"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 24}));
    protobuf_add_bytes(&item, 1, (struct slice){"", 0});
    protobuf_add_bytes(&list, 2, buffer_slice(&item));
    write_around(buffer_slice(&list), &nameless);
    assert_true(is_refused(buffer_slice(&nameless)));
    /* An item larger than one may be, and one that would reach beyond the list. */
    buffer_add(&large, "k8s\0\x12\xff\xff\xff\x7f\x12\xff\xff\xff\x0f", 14);
    assert_true(SPLIT_ITEM_MAX < 0x1ffffff && is_refused(buffer_slice(&large)));
    buffer_add(&beyond, "k8s\0\x12\x04\x12\x10................", 24);
    assert_true(is_refused(buffer_slice(&beyond)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_read_in_any_pieces), cmocka_unit_test(one_that_is_cut_off_is_not_complete),
        cmocka_unit_test(an_empty_list_is_one), cmocka_unit_test(what_is_none_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
