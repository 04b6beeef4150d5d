/* JSON: what the strict parser refuses and where, what is printed, how trees are found, built and patched. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"

static cJSON *parsed(const char *text)
{
    struct error error = {0};
    cJSON *value = NULL;
    if (json_parse(slice_of(text), NULL, &value, &error) != 0)
        fail_msg("%s: %s", text, error.message);
    return value;
}

static void accepts_and_prints(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"null", "null"},
        {" \t\r\n true ", "true"},
        {"0", "0"},
        {"-0", "0"},
        {"-12", "-12"},
        {"9007199254740992", "9007199254740992"},
        {"9007199254740991", "9007199254740991"},
        {"-9007199254740992", "-9007199254740992"},
        {"0.1", "0.1"},
        {"1.5e3", "1500"},
        {"1E+2", "100"},
        {"1e20", "1e+20"},
        {"9007199254740994.0", "9.00719925474099400e+15"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"5e-324", "4.94065645841247e-324"},
        {"1e-400", "0"},
        {"\"\"", "\"\""},
        {"\"a\\u00e4\\ud83d\\ude00\\/\\\"\"", "\"a\xC3\xA4\xF0\x9F\x98\x80/\\\"\""},
        {"[]", "[]"},
        {"{}", "{}"},
        {"[1,[2,{\"a\":[]}],\"x\"]", "[1,[2,{\"a\":[]}],\"x\"]"},
        {"{ \"b\" : 1 , \"a\" : { } }", "{\"b\":1,\"a\":{}}"},
        {"{\"\":1,\"a\":2,\"A\":3}", "{\"\":1,\"a\":2,\"A\":3}"},
        {"{\"x\":{\"a\":1},\"y\":{\"a\":1}}", "{\"x\":{\"a\":1},\"y\":{\"a\":1}}"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_JSON cJSON *value = parsed(rows[i][0]);
        AUTO_FREE char *text = json_print(value);
        assert_string_equal(text, rows[i][1]);
        AUTO_JSON cJSON *again = parsed(text);
        assert_true(json_equal(value, again));
    }
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "byte 0: expected a value, found the end"},
        {"  ", "byte 2: expected a value"},
        {"nul", "expected a value"},
        {"truex", "byte 4: expected the end of the document, found 'x'"},
        {"{} {}", "byte 3: expected the end"},
        {"[1,]", "byte 3: expected a value, found ']'"},
        {"[1 2]", "byte 3: expected ',' or ']'"},
        {"[", "byte 1: expected a value, found the end"},
        {"{\"a\" 1}", "byte 5: expected ':'"},
        {"{\"a\":1,}", "byte 7: expected a key in double quotes"},
        {"{a:1}", "byte 1: expected a key"},
        {"{\"a\":1", "byte 6: expected ',' or '}', found the end"},
        {"{\"a\":1,\"a\":2}", "byte 7: the key \"a\" is given twice"},
        {"{\"a\":1,\"\\u0061\":2}", "byte 7: the key \"a\" is given twice"},
        {"{\"a/b\":1,\"a\\/b\":2}", "is given twice"},
        {"[{\"x\":{\"k\":1,\"k\":1}}]", "byte 13: the key \"k\" is given twice"},
        {"01", "byte 0: a number must not begin with 0"},
        {"-01", "must not begin with 0"},
        {"-.5", "byte 1: expected a digit, found '.'"},
        {".5", "byte 0: expected a value"},
        {"1.", "byte 2: expected a digit after '.'"},
        {"1e", "expected a digit in the exponent"},
        {"1e+-1", "expected a digit in the exponent"},
        {"+1", "expected a value"},
        {"-", "expected a digit"},
        {"0x10", "byte 1: expected the end"},
        {"NaN", "expected a value"},
        {"Infinity", "expected a value"},
        {"1e400", "byte 0: this number is larger than a double can hold"},
        {"[-1e400]", "byte 1: this number is larger"},
        {"9007199254740993", "byte 0: an integer between -2^53 and 2^53"},
        {"-9007199254740993", "an integer between"},
        {"123456789012345678901234567890", "an integer between"},
        {"0.1234567890123456789012345678901234567890123456789012345678901", "at most 60 characters"},
        {"\"\\u0000\"", "byte 1: \\u0000 is not allowed"},
        {"{\"email\":\"root@x\\u0000@evil\"}", "byte 16: \\u0000 is not allowed"},
        {"{\"a\\u0000b\":1}", "\\u0000 is not allowed"},
        {"\"\\ud800\"", "byte 1: a high surrogate without a low one"},
        {"\"\\ud800\\u0041\"", "a high surrogate without"},
        {"\"\\ud800x\"", "a high surrogate without"},
        {"\"\\udc00\"", "a low surrogate without"},
        {"\"\\u12g4\"", "four hexadecimal digits"},
        {"\"\\x41\"", "after a backslash, found 'x'"},
        {"\"a", "expected '\"' at the end of a text, found the end"},
        {"\"a\\", "after a backslash, found the end"},
        {"\"a\nb\"", "byte 2: control characters in texts must be escaped"},
        {"'a'", "expected a value"},
        {"// x\n1", "expected a value"},
        {"\xEF\xBB\xBF{}", "byte 0: expected a value"},
        {"\"\xFF\"", "byte 1: UTF-8 is expected"},
        {"\"\xED\xA0\x80\"", "byte 1: UTF-8 is expected"},
        {"[\"aaaaaaaaaaaaaaaa\xC3\xA4\xC3\"]", "byte 20: UTF-8 is expected"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error error = {0};
        cJSON *value = NULL;
        int result = json_parse(slice_of(rows[i].text), NULL, &value, &error);
        if (result != -ERROR_BAD_REQUEST || value || !strstr(error.message, rows[i].says))
            fail_msg("%s: %d, \"%s\" instead of \"%s\"", rows[i].text, result, error.message, rows[i].says);
    }
    cJSON *value = NULL;
    assert_int_equal(json_parse(SLICE("1\0"), NULL, &value, NULL), -ERROR_BAD_REQUEST);
    assert_int_equal(json_parse(SLICE("\"a\0b\""), NULL, &value, NULL), -ERROR_BAD_REQUEST);
    assert_int_equal(json_parse((struct slice){NULL, 0}, NULL, &value, NULL), -ERROR_BAD_REQUEST);
    assert_null(value);
}

static void errors_are_printable(void **state)
{
    (void)state;
    struct error error = {0};
    cJSON *value = NULL;
    assert_int_equal(json_parse(SLICE("{\"\\u001b[31m\":1,\"\\u001b[31m\":2}"), NULL, &value, &error),
                     -ERROR_BAD_REQUEST);
    assert_null(strchr(error.message, '\x1b'));
    assert_string_equal(error.field, "\\x1b[31m");
}

static int parse_limited(const char *text, struct json_limits limits, struct error *error)
{
    cJSON *value = NULL;
    int result = json_parse(slice_of(text), &limits, &value, error);
    cJSON_Delete(value);
    return result;
}

static void keeps_limits(void **state)
{
    (void)state;
    struct json_limits limits = {.bytes = 40, .depth = 3, .values = 6, .keys = 2};
    struct error error = {0};
    assert_int_equal(parse_limited("[[[1,2]]]", limits, &error), 0);
    assert_int_equal(parse_limited("[[[[]]]]", limits, &error), -ERROR_BAD_REQUEST);
    assert_non_null(strstr(error.message, "byte 3: nested deeper than 3 levels"));
    assert_int_equal(parse_limited("[1,2,3,4,5]", limits, &error), 0);
    assert_int_equal(parse_limited("[1,2,3,4,5,6]", limits, &error), -ERROR_BAD_REQUEST);
    assert_non_null(strstr(error.message, "at most 6 values"));
    assert_int_equal(parse_limited("{\"a\":1,\"b\":{\"c\":1,\"d\":1}}", limits, &error), 0);
    assert_int_equal(parse_limited("{\"a\":1,\"b\":2,\"c\":3}", limits, &error), -ERROR_BAD_REQUEST);
    assert_non_null(strstr(error.message, "at most 2 keys"));
    assert_int_equal(parse_limited("\"1234567890123456789012345678901234567890\"", limits, &error), -ERROR_TOO_LARGE);
    assert_non_null(strstr(error.message, "at most 40 bytes"));
}

static void default_limits(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer deep = {0};
    struct error error = {0};
    cJSON *value = NULL;
    for (int i = 0; i < 1000000; i++)
        buffer_add_text(&deep, "[");
    assert_int_equal(json_parse(buffer_slice(&deep), NULL, &value, &error), -ERROR_BAD_REQUEST);
    assert_non_null(strstr(error.message, "nested deeper than 32"));
    /* whatever a caller allows, the stack is safe */
    struct json_limits loose = {.bytes = SIZE_MAX, .depth = SIZE_MAX, .values = SIZE_MAX, .keys = SIZE_MAX};
    assert_int_equal(json_parse(buffer_slice(&deep), &loose, &value, &error), -ERROR_BAD_REQUEST);
    assert_non_null(strstr(error.message, "nested deeper than 200"));
    AUTO_BUFFER struct buffer wide = {0};
    for (int i = 0; i < 257; i++)
        buffer_add_format(&wide, "%s\"k%d\":0", i ? "," : "{", i);
    buffer_add_text(&wide, "}");
    assert_int_equal(json_parse(buffer_slice(&wide), NULL, &value, &error), -ERROR_BAD_REQUEST);
    assert_non_null(strstr(error.message, "at most 256 keys"));
    assert_null(value);
}

static void prints_what_was_built(void **state)
{
    (void)state;
    AUTO_JSON cJSON *object = json_object();
    json_set_text(object, "html", "</script>&\xE2\x80\xA8");
    json_set_text(object, "bad", "\xFF");
    json_set_i64(object, "n", INT64_C(9007199254740991));
    json_set(object, "nan", cJSON_CreateNumber(__builtin_nan("")));
    json_set_bool(object, "b", true);
    cJSON *list = json_set(object, "list", json_array());
    json_push_text(list, "x");
    json_push(list, json_object());
    AUTO_FREE char *text = json_print(object);
    assert_string_equal(text, "{\"html\":\"\\u003c/script\\u003e\\u0026\\u2028\",\"bad\":\"\xEF\xBF\xBD\","
                              "\"n\":9007199254740991,\"nan\":null,\"b\":true,\"list\":[\"x\",{}]}");
    AUTO_JSON cJSON *small = parsed("{\"a\":[1,{}],\"b\":{\"c\":[]}}");
    AUTO_FREE char *pretty = json_print_pretty(small);
    assert_string_equal(pretty, "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n    \"c\": []\n  }\n}");
    AUTO_FREE char *nothing = json_print(NULL);
    assert_string_equal(nothing, "null");
}

static void looks_up(void **state)
{
    (void)state;
    AUTO_JSON cJSON *root =
        parsed("{\"metadata\":{\"name\":\"nb1\",\"Name\":\"other\",\"n\":3,\"f\":1.5,\"big\":1e300},"
               "\"list\":[{\"name\":\"x\"}],\"yes\":true,\"no\":false,\"nil\":null}");
    int64_t number = 77;
    assert_string_equal(json_text(root, "metadata", "name", NULL), "nb1");
    assert_string_equal(json_text(root, "metadata", "Name", NULL), "other");
    assert_null(json_text(root, "metadata", "NAME", NULL));
    assert_null(json_text(root, "metadata", "n", NULL));
    assert_null(json_text(root, "metadata", NULL));
    assert_null(json_at(root, "list", "name", NULL)); /* arrays have no keys */
    assert_null(json_at(root, "metadata", "name", "x", NULL));
    assert_null(json_at(NULL, "x", NULL));
    assert_ptr_equal(json_at(root, NULL), root);
    assert_string_equal(json_text_or("default", root, "absent", "x", NULL), "default");
    assert_string_equal(json_text_or("default", root, "metadata", "name", NULL), "nb1");
    assert_int_equal(json_i64_or(7, root, "metadata", "name", NULL), 7);
    assert_int_equal(json_i64_or(7, root, "absent", "x", NULL), 7);
    AUTO_JSON cJSON *status = json_object();
    json_set_i64(json_object_in(status, "status"), "replicas", 3);
    assert_int_equal(json_i64_or(7, status, "status", "replicas", NULL), 3);
    assert_true(json_true(root, "yes", NULL));
    assert_false(json_true(root, "no", NULL));
    assert_false(json_true(root, "metadata", NULL));
    assert_true(json_i64(json_at(root, "metadata", "n", NULL), &number));
    assert_int_equal(number, 3);
    assert_false(json_i64(json_at(root, "metadata", "f", NULL), &number));
    assert_false(json_i64(json_at(root, "metadata", "big", NULL), &number));
    assert_false(json_i64(json_at(root, "metadata", "name", NULL), &number));
    assert_false(json_i64(NULL, &number));
    assert_int_equal(number, 3);
    assert_null(json_member(json_at(root, "list", NULL), "x"));
    assert_null(json_member(root, NULL));
}

static void builds(void **state)
{
    (void)state;
    AUTO_JSON cJSON *root = json_object();
    json_set_text(root, "a", "1");
    json_set_text(root, "b", "2");
    json_set_text(root, "a", "3"); /* replaces in place */
    json_set_i64(json_object_in(json_object_in(root, "m"), "n"), "x", -5);
    json_set_text(root, "s", "text");
    json_object_in(root, "s");
    AUTO_FREE char *text = json_print(root);
    assert_string_equal(text, "{\"a\":\"3\",\"b\":\"2\",\"m\":{\"n\":{\"x\":-5}},\"s\":{}}");
    assert_null(json_set_text(root, "a", NULL));
    json_remove(root, "absent");
    json_remove(root, "s");
    assert_null(json_set(root, "m", NULL));
    /* the key may be the old member's own */
    cJSON *b = json_member(root, "b");
    json_set(root, b->string, cJSON_CreateTrue());
    AUTO_FREE char *rest = json_print(root);
    assert_string_equal(rest, "{\"b\":true}");
    assert_ptr_equal(json_set(root, "b", json_member(root, "b")), json_member(root, "b"));
    /* into what is no container nothing goes, and nothing leaks */
    assert_null(json_set(json_member(root, "b"), "x", json_object()));
    assert_null(json_push(root, json_object()));
    assert_null(json_set(NULL, "x", json_object()));
    assert_null(json_push_text(NULL, "x"));
    assert_null(json_copy(NULL));
}

static void compares(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"{\"a\":1,\"b\":[1,2]}", "{\"b\":[1,2],\"a\":1}", true},
        {"{\"a\":1}", "{\"A\":1}", false},
        {"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
        {"{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", false},
        {"[1,2]", "[2,1]", false},
        {"[1]", "[1,1]", false},
        {"[]", "{}", false},
        {"1", "\"1\"", false},
        {"true", "false", false},
        {"null", "false", false},
        {"9007199254740991", "9007199254740992", false}, /* cJSON_Compare calls these equal */
        {"0", "-0", true},
        {"\"a\"", "\"a\"", true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_JSON cJSON *a = parsed(rows[i].a);
        AUTO_JSON cJSON *b = parsed(rows[i].b);
        AUTO_JSON cJSON *copy = json_copy(a);
        if (json_equal(a, b) != rows[i].equal || json_equal(b, a) != rows[i].equal)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
        assert_true(json_equal(a, copy));
        assert_false(json_equal(a, NULL));
    }
}

static void merge_patches(void **state)
{
    (void)state;
    /* RFC 7386, appendix A */
    static const char *const rows[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        {"{\"a\":[{\"x\":null}]}", "{\"b\":[null]}", "{\"a\":[{\"x\":null}],\"b\":[null]}"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_JSON cJSON *patch = parsed(rows[i][1]);
        AUTO_JSON cJSON *result = json_merge_patch(parsed(rows[i][0]), patch);
        AUTO_FREE char *text = json_print(result);
        assert_string_equal(text, rows[i][2]);
    }
    AUTO_JSON cJSON *patch = parsed("{\"a\":1}");
    AUTO_JSON cJSON *from_nothing = json_merge_patch(NULL, patch);
    assert_true(json_equal(from_nothing, patch));
}

static void checks_known_members(void **state)
{
    (void)state;
    static const char *const known[] = {"image", "replicas", NULL};
    struct error error = {0};
    AUTO_JSON cJSON *good = parsed("{\"image\":\"x\"}");
    AUTO_JSON cJSON *bad = parsed("{\"image\":\"x\",\"Replicas\":1}");
    assert_int_equal(json_check_known(good, "spec", known, &error), 0);
    assert_int_equal(json_check_known(NULL, "spec", known, &error), 0);
    assert_int_equal(json_check_known(bad, "spec", known, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "spec.Replicas");
    assert_string_equal(error.message, "unknown field \"Replicas\"; known here: image, replicas");
    assert_int_equal(json_check_known(bad, "", known, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "Replicas");
}

static void finds_by_name_and_reads_quantities(void **state)
{
    (void)state;
    AUTO_JSON cJSON *list = NULL;
    static const char text[] =
        "[{\"name\":\"a\",\"q\":\"500m\"},{\"q\":0.5},{\"name\":\"b\",\"q\":2},{\"name\":\"b\",\"q\":\"x\"}]";
    assert_int_equal(json_parse(slice_of(text), &json_limits_default, &list, NULL), 0);
    assert_ptr_equal(json_named(list, "a"), cJSON_GetArrayItem(list, 0));
    assert_ptr_equal(json_named(list, "b"), cJSON_GetArrayItem(list, 2));
    assert_null(json_named(list, "c"));
    assert_null(json_named(NULL, "a"));
    static const int64_t milli[] = {500, 500, 2000};
    int64_t read = -1;
    for (int i = 0; i < 3; i++) {
        assert_true(json_quantity(json_member(cJSON_GetArrayItem(list, i), "q"), quantity_parse_milli, &read));
        assert_int_equal(read, milli[i]);
    }
    assert_false(json_quantity(json_member(cJSON_GetArrayItem(list, 3), "q"), quantity_parse_milli, &read));
    assert_false(json_quantity(NULL, quantity_parse_milli, &read));
    assert_int_equal(read, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_name_and_reads_quantities),
        cmocka_unit_test(accepts_and_prints),
        cmocka_unit_test(refuses),
        cmocka_unit_test(errors_are_printable),
        cmocka_unit_test(keeps_limits),
        cmocka_unit_test(default_limits),
        cmocka_unit_test(prints_what_was_built),
        cmocka_unit_test(looks_up),
        cmocka_unit_test(builds),
        cmocka_unit_test(compares),
        cmocka_unit_test(merge_patches),
        cmocka_unit_test(checks_known_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
