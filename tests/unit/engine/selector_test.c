/* Do selectors match what Kubernetes' do, and refuse what they refuse? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine/selector.h"

static const char object_text[] =
    "{\"metadata\":{\"name\":\"pod-1\",\"namespace\":\"alice\",\"labels\":{\"app\":\"web\","
    "\"tier\":\"front\",\"example.com/x\":\"\"}},\"status\":{\"phase\":\"Running\"}}";

/* labels, fields, whether they match the object above; -1: refused */
static const struct {
    const char *labels, *fields;
    int expected;
} cases[] = {
    {NULL, NULL, 1},
    {"", "", 1},
    {"app=web", NULL, 1},
    {"app==web", NULL, 1},
    {"app=db", NULL, 0},
    {"app!=db", NULL, 1},
    {"app!=web", NULL, 0},
    {"missing!=web", NULL, 1},
    {"app", NULL, 1},
    {"!app", NULL, 0},
    {"!missing", NULL, 1},
    {"missing", NULL, 0},
    {"app in (db, web)", NULL, 1},
    {"app in (db)", NULL, 0},
    {"app notin (db)", NULL, 1},
    {"missing notin (db)", NULL, 1},
    {"app notin (web,db)", NULL, 0},
    {"app=web,tier=front", NULL, 1},
    {" app = web , tier in ( front ) ", NULL, 1},
    {"app=web,tier=back", NULL, 0},
    {"example.com/x=", NULL, 1},
    {"example.com/x", NULL, 1},
    {"in=web", NULL, 0},
    {"app in", NULL, -1},
    {"app in web", NULL, -1},
    {"app in (web", NULL, -1},
    {"app=web,", NULL, -1},
    {",app=web", NULL, -1},
    {"app=web tier=front", NULL, -1},
    {"=web", NULL, -1},
    {"app=we b", NULL, -1},
    {"a/b/c=d", NULL, -1},
    {"app>1", NULL, -1},
    {"-app=web", NULL, -1},
    {"UPPER.example/app=web", NULL, -1},
    {NULL, "metadata.name=pod-1", 1},
    {NULL, "metadata.name==pod-1", 1},
    {NULL, "metadata.name!=pod-1", 0},
    {NULL, "metadata.name=pod-1,status.phase!=Failed", 1},
    {NULL, "spec.nodeName=", 1},
    {NULL, "status.secret=x", -1},
    {NULL, "metadata.name", -1},
    {NULL, "=x", -1},
};

static void test_cases(void **state)
{
    (void)state;
    AUTO_JSON cJSON *object = NULL;
    assert_int_equal(json_parse(SLICE(object_text), &json_limits_default, &object, NULL), 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_SELECTOR struct selector *selector = NULL;
        struct error error = {0};
        int r = selector_new(cases[i].labels, cases[i].fields, &selector, &error);
        int found = r < 0 ? -1 : selector_matches(selector, object);
        if (found != cases[i].expected)
            fail_msg("%s | %s: %d instead of %d (%s)", cases[i].labels, cases[i].fields, found, cases[i].expected,
                     error.message);
        if (r < 0)
            assert_int_equal(r, -ERROR_BAD_REQUEST);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer terms = {0};
    struct selector *selector = NULL;
    for (int i = 0; i < 65; i++)
        buffer_add_format(&terms, "%sk%d", i ? "," : "", i);
    assert_int_equal(selector_new(terms.p, NULL, &selector, NULL), -ERROR_BAD_REQUEST);
    AUTO_FREE char *long_text = memory_get(5000);
    memset(long_text, 'a', 4999);
    assert_int_equal(selector_new(long_text, NULL, &selector, NULL), -ERROR_BAD_REQUEST);
    assert_int_equal(selector_new(NULL, long_text, &selector, NULL), -ERROR_BAD_REQUEST);
    assert_null(selector);
}

static void test_labels_contain(void **state)
{
    (void)state;
    AUTO_JSON cJSON *labels = NULL;
    AUTO_JSON cJSON *some = NULL;
    AUTO_JSON cJSON *other = NULL;
    AUTO_JSON cJSON *none = json_object();
    assert_int_equal(json_parse(SLICE("{\"a\":\"1\",\"b\":\"2\"}"), &json_limits_default, &labels, NULL), 0);
    assert_int_equal(json_parse(SLICE("{\"b\":\"2\"}"), &json_limits_default, &some, NULL), 0);
    assert_int_equal(json_parse(SLICE("{\"b\":\"3\"}"), &json_limits_default, &other, NULL), 0);
    assert_true(labels_contain(labels, some));
    assert_false(labels_contain(labels, other));
    assert_false(labels_contain(labels, none)); /* an empty selector selects nothing */
    assert_false(labels_contain(labels, NULL));
    assert_false(labels_contain(NULL, some));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_bounds),
                                       cmocka_unit_test(test_labels_contain)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
