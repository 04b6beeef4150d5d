/* Does a JSON patch do what RFC 6902 says (the examples of its appendix A), and nothing that grows without bound? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/json_patch.h"
#include "tests/unit/documents.h"

/* document, patch, result (NULL: the error code) */
static const struct {
    const char *document, *patch, *result;
    int code;
} cases[] = {
    {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]", "{\"baz\":\"qux\",\"foo\":\"bar\"}",
     0},
    {"{\"foo\":[\"bar\",\"baz\"]}", "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":\"qux\"}]",
     "{\"foo\":[\"bar\",\"qux\",\"baz\"]}", 0},
    {"{\"baz\":\"qux\",\"foo\":\"bar\"}", "[{\"op\":\"remove\",\"path\":\"/baz\"}]", "{\"foo\":\"bar\"}", 0},
    {"{\"foo\":[\"bar\",\"qux\",\"baz\"]}", "[{\"op\":\"remove\",\"path\":\"/foo/1\"}]", "{\"foo\":[\"bar\",\"baz\"]}",
     0},
    {"{\"baz\":\"qux\",\"foo\":\"bar\"}", "[{\"op\":\"replace\",\"path\":\"/baz\",\"value\":\"boo\"}]",
     "{\"baz\":\"boo\",\"foo\":\"bar\"}", 0},
    {"{\"foo\":{\"bar\":\"baz\",\"waldo\":\"fred\"},\"qux\":{\"corge\":\"grault\"}}",
     "[{\"op\":\"move\",\"from\":\"/foo/waldo\",\"path\":\"/qux/thud\"}]",
     "{\"foo\":{\"bar\":\"baz\"},\"qux\":{\"corge\":\"grault\",\"thud\":\"fred\"}}", 0},
    {"{\"foo\":[\"all\",\"grass\",\"cows\",\"eat\"]}", "[{\"op\":\"move\",\"from\":\"/foo/1\",\"path\":\"/foo/3\"}]",
     "{\"foo\":[\"all\",\"cows\",\"eat\",\"grass\"]}", 0},
    {"{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}",
     "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"qux\"},{\"op\":\"test\",\"path\":\"/foo/1\",\"value\":2}]",
     "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}", 0},
    {"{\"baz\":\"qux\"}", "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"bar\"}]", NULL, -ERROR_INVALID},
    {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/child\",\"value\":{\"grandchild\":{}}}]",
     "{\"foo\":\"bar\",\"child\":{\"grandchild\":{}}}", 0},
    {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz/bat\",\"value\":\"qux\"}]", NULL, -ERROR_INVALID},
    {"{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":10}]", "{\"/\":9,\"~1\":10}", 0},
    {"{\"/\":9}", "[{\"op\":\"replace\",\"path\":\"/~1\",\"value\":1}]", "{\"/\":1}", 0},
    {"{\"foo\":[\"bar\"]}", "[{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":[\"abc\",\"def\"]}]",
     "{\"foo\":[\"bar\",[\"abc\",\"def\"]]}", 0},
    {"{\"a\":1}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"}]", "{\"a\":1,\"b\":1}", 0},
    {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"b\":2}}]", "{\"b\":2}", 0},
    {"{\"a\":null}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":null}]", "{\"a\":null}", 0},
    {"{\"a\":1}", "[]", "{\"a\":1}", 0},
    {"{\"a\":1}", "{}", NULL, -ERROR_BAD_REQUEST},
    {"{\"a\":1}", "[{\"op\":\"frob\",\"path\":\"/a\"}]", NULL, -ERROR_BAD_REQUEST},
    {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"a\",\"value\":1}]", NULL, -ERROR_BAD_REQUEST},
    {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/~2\",\"value\":1}]", NULL, -ERROR_BAD_REQUEST},
    {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/b\"}]", NULL, -ERROR_BAD_REQUEST},
    {"{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"\"}]", NULL, -ERROR_BAD_REQUEST},
    {"{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/b\"}]", NULL, -ERROR_INVALID},
    {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/b\",\"value\":1}]", "{\"a\":1,\"b\":1}", 0},
    {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/b/c\",\"value\":1}]", NULL, -ERROR_INVALID},
    {"[1]", "[{\"op\":\"replace\",\"path\":\"/1\",\"value\":1}]", NULL, -ERROR_INVALID},
    {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/2\",\"value\":1}]", NULL, -ERROR_INVALID},
    {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/01\",\"value\":1}]", NULL, -ERROR_INVALID},
    {"{\"a\":{}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]", NULL, -ERROR_BAD_REQUEST},
    {"{\"a\":{}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a\"}]", "{\"a\":{}}", 0},
    {"{\"a\":{}}", "[{\"op\":\"move\",\"path\":\"/a\"}]", NULL, -ERROR_BAD_REQUEST},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_JSON cJSON *document = from_json(cases[i].document);
        AUTO_JSON cJSON *untouched = json_copy(document);
        AUTO_JSON cJSON *patch = from_json(cases[i].patch);
        AUTO_JSON cJSON *result = NULL;
        struct error error = {0};
        int r = json_patch(document, patch, &result, &error);
        if (r != cases[i].code)
            fail_msg("%s: %d instead of %d (%s)", cases[i].patch, r, cases[i].code, error.message);
        assert_true(json_equal(document, untouched));
        if (r < 0)
            continue;
        AUTO_JSON cJSON *expected = from_json(cases[i].result);
        if (!json_equal(result, expected))
            fail_msg("%s: another result", cases[i].patch);
    }
}

/* Copying a part into itself doubles it every time, or makes it one level deeper. */
static void test_growth_is_bounded(void **state)
{
    (void)state;
    AUTO_JSON cJSON *wide = from_json("{\"a\":[1,2,3,4,5,6,7,8]}");
    AUTO_JSON cJSON *deep = from_json("{\"a\":{}}");
    AUTO_JSON cJSON *doubling = json_array();
    AUTO_JSON cJSON *nesting = json_array();
    for (int i = 0; i < 80; i++) {
        cJSON *operation = json_push(doubling, json_object());
        json_set_text(operation, "op", "copy");
        json_set_text(operation, "from", "/a");
        json_set_text(operation, "path", "/a/-");
        operation = json_push(nesting, json_object());
        json_set_text(operation, "op", "copy");
        json_set_text(operation, "from", "/a");
        json_set_text(operation, "path", "/a/b");
    }
    cJSON *result = NULL;
    assert_int_equal(json_patch(wide, doubling, &result, NULL), -ERROR_BAD_REQUEST);
    assert_int_equal(json_patch(deep, nesting, &result, NULL), -ERROR_BAD_REQUEST);
    assert_null(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_growth_is_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
