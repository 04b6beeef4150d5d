/* Are the fields of a message read as they were written, and never past its end? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/protobuf.h"

static void nonsense_is_refused(void **state)
{
    (void)state;
    struct slice ignored;
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        {"\x0a", 1},                                          /* no length */
        {"\x0a\x05\x61", 3},                                  /* shorter than it says */
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* 2^64-1 bytes */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* a number of more than 64 bits */
        {"\x09\x01", 2},                                      /* half a fixed64 */
        {"\x0d\x01", 2},                                      /* half a fixed32 */
        {"\x0b", 1},                                          /* a group, gone since proto3 */
        {"\x08", 1},                                          /* a varint without value */
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (protobuf_bytes((struct slice){bad[i].bytes, bad[i].n}, 1, &ignored))
            fail_msg("case %zu is accepted", i);
    /* The last of several counts; other types are skipped. */
    assert_true(protobuf_bytes((struct slice){"\x0a\x01\x61\x10\x96\x01\x0a\x01\x62", 9}, 1, &ignored));
    assert_true(slice_is(ignored, "b"));
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX};
    AUTO_BUFFER struct buffer message = {0};
    struct protobuf_field field;
    bool end = true;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        protobuf_add_number(&message, (unsigned)i + 1, numbers[i]);
        protobuf_add_bytes(&message, 16 + (unsigned)i, (struct slice){"a\0b\xff", i % 5});
    }
    struct slice rest = buffer_slice(&message);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        assert_true(protobuf_next(&rest, &field, &end) && !end && !field.delimited);
        assert_true(field.number == i + 1 && field.value == numbers[i]);
        assert_true(protobuf_next(&rest, &field, &end) && !end && field.delimited && field.number == 16 + i);
        assert_true(slice_equal(field.bytes, (struct slice){"a\0b\xff", i % 5}));
    }
    assert_true(protobuf_next(&rest, &field, &end) && end);
    /* As protobuf.dev/programming-guides/encoding has it: field 1 is 150, field 2 is "testing". */
    buffer_clear(&message);
    protobuf_add_number(&message, 1, 150);
    protobuf_add_bytes(&message, 2, SLICE("testing"));
    assert_true(slice_is(buffer_slice(&message), "\x08\x96\x01\x12\x07testing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(what_is_written_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
