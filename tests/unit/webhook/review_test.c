/* Is an AdmissionReview read and answered as the API server means it, and is everything else refused by name? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/json_patch.h"
#include "webhook/review.h"

#define REVIEW(request) "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":" request "}"
#define GOOD                                                                                                           \
    REVIEW("{\"uid\":\"u1\",\"operation\":\"CREATE\",\"namespace\":\"alice\",\"kind\":{\"group\":\"\",\"version\":"    \
           "\"v1\",\"kind\":\"Pod\"},\"object\":{\"metadata\":{\"name\":\"p\"},\"spec\":{\"a\":[1,2]}},"               \
           "\"oldObject\":null,\"dryRun\":false,\"userInfo\":{\"username\":\"alice@example.com\"}}")

static void a_review_is_read(void **state)
{
    (void)state;
    struct error error = {0};
    struct review review;
    if (review_parse(SLICE(GOOD), &review, &error) < 0)
        fail_msg("%s", error.message);
    assert_string_equal(review.uid, "u1");
    assert_string_equal(review.operation, "CREATE");
    assert_string_equal(review.namespace, "alice");
    assert_string_equal(review.group, "");
    assert_string_equal(review.kind, "Pod");
    assert_string_equal(json_text_or("", review.object, "metadata", "name", NULL), "p");
    assert_null(review.old);
    review_clear(&review);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *word;
    } cases[] = {
        {"", "no AdmissionReview"},
        {"{", "no AdmissionReview"},
        {"[]", "kind"},
        {"null", "kind"},
        {"\"AdmissionReview\"", "kind"},
        {"{}", "kind"},
        {GOOD GOOD, "no AdmissionReview"},
        {"{\"kind\":\"AdmissionReview\",\"kind\":\"AdmissionReview\"}", "no AdmissionReview"},
        {"{\"kind\":\"AdmissionReview\"}", "apiVersion"},
        {"{\"apiVersion\":\"admission.k8s.io/v1beta1\",\"kind\":\"AdmissionReview\"}", "apiVersion"},
        {"{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"Pod\"}", "kind"},
        {"{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\"}", "request"},
        {REVIEW("null"), "request"},
        {REVIEW("[]"), "request"},
        {REVIEW("{}"), "request.uid"},
        {REVIEW("{\"uid\":7}"), "request.uid"},
        {REVIEW("{\"uid\":\"\",\"operation\":\"CREATE\"}"), "request.uid"},
        {REVIEW("{\"uid\":\"u\"}"), "request.operation"},
        {REVIEW("{\"uid\":\"u\",\"operation\":{}}"), "request.operation"},
        {REVIEW("{\"uid\":\"u\",\"operation\":\"CREATE\",\"namespace\":1}"), "request.namespace"},
        {REVIEW("{\"uid\":\"u\",\"operation\":\"CREATE\",\"kind\":{\"kind\":[]}}"), "request.kind.kind"},
        {REVIEW("{\"uid\":\"u\",\"operation\":\"CREATE\",\"object\":7}"), "object"},
        {REVIEW("{\"uid\":\"u\",\"operation\":\"CREATE\",\"object\":{},\"oldObject\":\"x\"}"), "object"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        struct review review;
        if (review_parse(slice_of(cases[i].body), &review, &error) != -ERROR_BAD_REQUEST)
            fail_msg("%s was let in", cases[i].body);
        if (!strstr(error.message, cases[i].word))
            fail_msg("%s: said \"%s\"", cases[i].body, error.message);
        review_clear(&review);
    }
}

/* Any review with some bytes changed is read or refused, and what is read is what the tree says. */
static void broken_reviews_do_no_harm(void **state)
{
    (void)state;
    static const char bytes[] = "{}[]\",:\\0189tfnu \x80\xff";
    uint32_t seed = 12345;
    for (int i = 0; i < 20000; i++) {
        char text[] = GOOD;
        struct error error = {0};
        struct review review;
        for (int j = 0; j < 1 + i % 3; j++) {
            seed = seed * 1664525U + 1013904223U;
            text[(seed >> 8) % (sizeof(text) - 1)] = bytes[(seed >> 3) % (sizeof(bytes) - 1)];
        }
        seed = seed * 1664525U + 1013904223U;
        size_t length = i % 5 == 0 ? (seed >> 8) % sizeof(text) : sizeof(text) - 1;
        int status = review_parse((struct slice){text, length}, &review, &error);
        if (status == 0) {
            AUTO_JSON cJSON *answer = review_allow(&review, NULL);
            assert_string_equal(json_text(answer, "response", "uid", NULL), review.uid);
        } else {
            assert_int_equal(status, -ERROR_BAD_REQUEST);
            assert_true(error.message[0]);
        }
        review_clear(&review);
    }
}

static void depth_and_size_are_bounded(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer deep = {0};
    struct error error = {0};
    struct review review;
    buffer_add_text(&deep, "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":");
    for (int i = 0; i < 100000; i++)
        buffer_add_text(&deep, "[");
    assert_int_equal(review_parse(buffer_slice(&deep), &review, &error), -ERROR_BAD_REQUEST);
    review_clear(&review);
    buffer_clear(&deep);
    buffer_add_text(&deep, "{\"a\":\"");
    for (int i = 0; i < 3 << 10; i++)
        buffer_add_format(&deep, "%1024s", "x");
    buffer_add_text(&deep, "\"}");
    assert_int_equal(review_parse(buffer_slice(&deep), &review, &error), -ERROR_BAD_REQUEST);
    review_clear(&review);
}

static void answers_are_what_the_api_server_reads(void **state)
{
    (void)state;
    struct error error = {0};
    struct review review;
    AUTO_BUFFER struct buffer decoded = {0};
    AUTO_JSON cJSON *patch = NULL;
    AUTO_JSON cJSON *patched = NULL;
    assert_int_equal(review_parse(SLICE(GOOD), &review, &error), 0);
    AUTO_JSON cJSON *changed = json_copy(review.object);
    json_set_text(json_object_in(json_object_in(changed, "metadata"), "labels"), "a/b~c", "d");
    json_push_text(review.warnings, "careful");
    AUTO_JSON cJSON *same = review_allow(&review, review.object);
    assert_null(json_at(same, "response", "patch", NULL));
    AUTO_JSON cJSON *answer = review_allow(&review, changed);
    assert_string_equal(json_text(answer, "apiVersion", NULL), "admission.k8s.io/v1");
    assert_string_equal(json_text(answer, "kind", NULL), "AdmissionReview");
    assert_true(json_true(answer, "response", "allowed", NULL));
    assert_string_equal(json_at(answer, "response", "warnings", NULL)->child->valuestring, "careful");
    assert_string_equal(json_text(answer, "response", "patchType", NULL), "JSONPatch");
    assert_true(text_unbase64(slice_of(json_text(answer, "response", "patch", NULL)), &decoded));
    assert_int_equal(json_parse(buffer_slice(&decoded), &json_limits_default, &patch, &error), 0);
    assert_int_equal(json_patch(review.object, patch, &patched, &error), 0);
    assert_true(json_equal(patched, changed));
    error_set(&error, ERROR_INVALID, "spec", "spec is wrong");
    AUTO_JSON cJSON *refusal = review_refuse(&review, &error);
    assert_false(json_true(refusal, "response", "allowed", NULL));
    assert_string_equal(json_text(refusal, "response", "uid", NULL), "u1");
    assert_string_equal(json_text(refusal, "response", "status", "message", NULL), "spec is wrong");
    assert_string_equal(json_text(refusal, "response", "status", "reason", NULL), "Invalid");
    error_set(&error, ERROR_INVALID, "metadata.name", "too long");
    AUTO_JSON cJSON *placed = review_refuse(&review, &error);
    assert_string_equal(json_text(placed, "response", "status", "message", NULL), "metadata.name: too long");
    review_clear(&review);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_review_is_read),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(broken_reviews_do_no_harm),
        cmocka_unit_test(depth_and_size_are_bounded),
        cmocka_unit_test(answers_are_what_the_api_server_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
