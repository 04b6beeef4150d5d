/* Are envelopes and the objects in them read as they were written, and never past their end? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/protobuf.h"
#include "base/envelope.h"
#include "controlplane/protobuf_object.h"

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
    assert_true(envelope_open(whole(), "SelfSubjectAccessReview", &raw));
    assert_true(protobuf_bytes(raw, 2, &spec));
    assert_true(protobuf_bytes(spec, 1, &resource));
    assert_true(protobuf_bytes(resource, 1, &text) && slice_is(text, "alice"));
    assert_true(protobuf_bytes(resource, 2, &text) && slice_is(text, "get"));
    assert_true(protobuf_bytes(resource, 5, &text) && slice_is(text, "pods"));
    assert_true(protobuf_bytes(resource, 3, &text) && text.n == 0);
    assert_true(protobuf_bytes(resource, 7, &text) && text.n == 0);
    assert_false(envelope_open(whole(), "SelfSubjectRulesReview", &raw));
    assert_false(envelope_open(SLICE("{\"kind\":\"SelfSubjectAccessReview\"}"), "SelfSubjectAccessReview", &raw));
}

/* Cut off anywhere, in memory of exactly that size: what is read beyond is the sanitizer's. */
static void cut_off_it_is_malformed_or_shorter(void **state)
{
    (void)state;
    for (size_t n = 0; n < whole().n; n++) {
        AUTO_FREE char *bytes = memory_get(n + (n == 0));
        struct slice raw;
        memcpy(bytes, review, n);
        envelope_open((struct slice){bytes, n}, "SelfSubjectAccessReview", &raw);
        assert_false(n < 60 && envelope_open((struct slice){bytes, n}, "SelfSubjectAccessReview", &raw) && raw.n > 0);
    }
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

/* As `kubectl create secret generic s --from-literal=a=b` sends it. */
static const char secret[] = "k8s\0"
                             "\x0a\x0c"
                             "\x0a\x02"
                             "v1"
                             "\x12\x06"
                             "Secret"
                             "\x12\x2b"
                             "\x0a\x18"
                             "\x0a\x01"
                             "s"
                             "\x12\x00"
                             "\x1a\x05"
                             "alice"
                             "\x42\x00"
                             "\x5a\x06"
                             "\x0a\x01"
                             "l"
                             "\x12\x01"
                             "v"
                             "\x38\x00"
                             "\x12\x07"
                             "\x0a\x01"
                             "a"
                             "\x12\x02"
                             "b\xff"
                             "\x1a\x04"
                             "Type"
                             "\x28\x01"
                             "\x1a\x00"
                             "\x22\x00";

static void an_object_is_read(void **state)
{
    (void)state;
    AUTO_JSON cJSON *object = NULL;
    struct error error = {0};
    if (protobuf_object_read((struct slice){secret, sizeof(secret) - 1}, &object, &error))
        fail_msg("%s", error.message);
    AUTO_FREE char *text = json_print(object);
    assert_string_equal(text, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\",\"namespace\":"
                              "\"alice\",\"labels\":{\"l\":\"v\"}},\"data\":{\"a\":\"Yv8=\"},\"type\":\"Type\","
                              "\"immutable\":true}");
    assert_int_equal(protobuf_object_read(whole(), &object, &error), -ERROR_MEDIA_TYPE);
    assert_int_equal(protobuf_object_read(SLICE("{}"), &object, &error), -ERROR_BAD_REQUEST);
}

/* Cut off or with any one byte changed it is read or refused, within its memory. */
static void a_broken_object_is_refused(void **state)
{
    (void)state;
    size_t size = sizeof(secret) - 1;
    for (size_t n = 0; n < 2 * size; n++) {
        size_t length = n < size ? n : size;
        AUTO_FREE char *bytes = memory_get(length + (length == 0));
        AUTO_JSON cJSON *object = NULL;
        memcpy(bytes, secret, length);
        if (n >= size)
            bytes[n - size] = (char)(bytes[n - size] ^ 0x7f);
        protobuf_object_read((struct slice){bytes, length}, &object, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_envelope_is_opened),
        cmocka_unit_test(cut_off_it_is_malformed_or_shorter),
        cmocka_unit_test(an_object_is_read),
        cmocka_unit_test(a_broken_object_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
