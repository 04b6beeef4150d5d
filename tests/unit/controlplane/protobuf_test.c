/* Is protobuf read as it was written, and never past its end? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/memory.h"
#include "controlplane/protobuf.h"

/* As kubectl sends it: k8s\0, TypeMeta {authorization.k8s.io/v1, SelfSubjectAccessReview}, and the review, whose field
 * 2 is the spec, whose field 1 has namespace (1), verb (2), group (3), resource (5). */
static const char review[] = "k8s\0"
                             "\x0a\x33"
                             "\x0a\x18"
                             "authorization.k8s.io/v1\x20" /* padded to what the length says */
                             "\x12\x17"
                             "SelfSubjectAccessReview"
                             "\x12\x1a"
                             "\x0a\x00"
                             "\x12\x16"
                             "\x0a\x14"
                             "\x0a\x05"
                             "alice"
                             "\x12\x03"
                             "get"
                             "\x2a\x04"
                             "pods"
                             "\x1a\x00"
                             "\x1a\x00"
                             "\x22\x00";

static struct slice whole(void)
{
    return (struct slice){review, sizeof(review) - 1};
}

static void an_envelope_is_opened(void **state)
{
    (void)state;
    struct slice raw, spec, resource, text;
    assert_true(protobuf_open(whole(), "SelfSubjectAccessReview", &raw));
    assert_true(protobuf_bytes(raw, 2, &spec));
    assert_true(protobuf_bytes(spec, 1, &resource));
    assert_true(protobuf_bytes(resource, 1, &text) && slice_is(text, "alice"));
    assert_true(protobuf_bytes(resource, 2, &text) && slice_is(text, "get"));
    assert_true(protobuf_bytes(resource, 5, &text) && slice_is(text, "pods"));
    assert_true(protobuf_bytes(resource, 3, &text) && text.n == 0);
    assert_true(protobuf_bytes(resource, 7, &text) && text.n == 0);
    assert_false(protobuf_open(whole(), "SelfSubjectRulesReview", &raw));
    assert_false(protobuf_open(SLICE("{\"kind\":\"SelfSubjectAccessReview\"}"), "SelfSubjectAccessReview", &raw));
}

/* Cut off anywhere, in memory of exactly that size: what is read beyond is the sanitizer's. */
static void cut_off_it_is_malformed_or_shorter(void **state)
{
    (void)state;
    for (size_t n = 0; n < whole().n; n++) {
        AUTO_FREE char *bytes = memory_get(n + (n == 0));
        struct slice raw;
        memcpy(bytes, review, n);
        protobuf_open((struct slice){bytes, n}, "SelfSubjectAccessReview", &raw);
        assert_false(n < 60 && protobuf_open((struct slice){bytes, n}, "SelfSubjectAccessReview", &raw) && raw.n > 0);
    }
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_envelope_is_opened),
        cmocka_unit_test(cut_off_it_is_malformed_or_shorter),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
