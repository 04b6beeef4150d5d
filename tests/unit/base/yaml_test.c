/* YAML: typing of scalars, everything refused and where, streams, and printing that reads back equal. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"

static void reads(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"a: 1", "{\"a\":1}"},
        {"a: no\nb: yes\nc: on\nd: off\ne: y\nf: n",
         "{\"a\":\"no\",\"b\":\"yes\",\"c\":\"on\",\"d\":\"off\",\"e\":\"y\",\"f\":\"n\"}"},
        {"[true, True, TRUE, tRUE, false, False, FALSE]", "[true,true,true,\"tRUE\",false,false,false]"},
        {"[null, Null, NULL, ~, nULL, '~', '']", "[null,null,null,null,\"nULL\",\"~\",\"\"]"},
        {"a:\nb: ", "{\"a\":null,\"b\":null}"},
        {"['1', \"2\", 3, 'true']", "[\"1\",\"2\",3,\"true\"]"},
        {"[0, -0, +7, -12, 0o17, 0x1F, 0xff]", "[0,0,7,-12,15,31,255]"},
        {"[0644, 0777, -010, 00, '0644']", "[420,511,-8,0,\"0644\"]"}, /* as YAML 1.1, which kubectl speaks, has it */
        {"[0o8, 0b1, 1_000, 0x, 0o, -0x1, 12:30:45, 2026-11-23, 1.2.3]",
         "[\"0o8\",\"0b1\",\"1_000\",\"0x\",\"0o\",\"-0x1\",\"12:30:45\",\"2026-11-23\",\"1.2.3\"]"},
        {"[1.5, .5, 1., 1e3, 1E-2, -1.5e+2, ., +, -.]", "[1.5,0.5,1,1000,0.01,-150,\".\",\"+\",\"-.\"]"},
        {"[9007199254740992, -9007199254740992]", "[9007199254740992,-9007199254740992]"},
        {"[500m, 4Gi, 1e, e1, 0.5.1]", "[\"500m\",\"4Gi\",\"1e\",\"e1\",\"0.5.1\"]"},
        {"8080: a\ntrue: b\n1.5: c", "{\"8080\":\"a\",\"true\":\"b\",\"1.5\":\"c\"}"},
        {"'<<': a\n'': b", "{\"\\u003c\\u003c\":\"a\",\"\":\"b\"}"},
        {"a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}"},
        {"a: |\n  123\n", "{\"a\":\"123\\n\"}"},
        {"a: >-\n  123\n", "{\"a\":\"123\"}"},
        {"image: rayproject/ray:2.60.0 # the tag\nargs: [-c, \"a: b\"]",
         "{\"image\":\"rayproject/ray:2.60.0\",\"args\":[\"-c\",\"a: b\"]}"},
        {"%YAML 1.2\n---\na: 1\n...\n", "{\"a\":1}"},
        {"\xEF\xBB\xBF"
         "a: 1",
         "{\"a\":1}"},
        {"a: \"\\x41\\u00e4\\U0001F600\\t\"", "{\"a\":\"A\xC3\xA4\xF0\x9F\x98\x80\\t\"}"},
        {"{\"a\": [1, {\"b\": null}]}", "{\"a\":[1,{\"b\":null}]}"},
        {"- - 1\n  - 2\n- a: 1\n  b: 2\n", "[[1,2],{\"a\":1,\"b\":2}]"},
        {"? a\n: b\n", "{\"a\":\"b\"}"},
        {"x", "\"x\""},
        {"---\n---\na: 1\n---\n", "{\"a\":1}"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error error = {0};
        AUTO_JSON cJSON *value = NULL;
        if (yaml_parse(slice_of(rows[i][0]), NULL, &value, &error) != 0)
            fail_msg("%s: %s", rows[i][0], error.message);
        AUTO_FREE char *text = json_print(value);
        if (strcmp(text, rows[i][1]) != 0)
            fail_msg("%s: %s instead of %s", rows[i][0], text, rows[i][1]);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"a: &x 1\nb: 2", "line 1, column 4: anchors and tags"},
        {"a: &x {b: 1}", "anchors and tags"},
        {"a: &x [1]", "anchors and tags"},
        {"a: 1\nb: *x", "line 2, column 4: aliases are not accepted"},
        {"a: !!str 1", "anchors and tags"},
        {"a: ! 1", "anchors and tags"},
        {"!!map {a: 1}", "anchors and tags"},
        {"a: !!python/object:os.system x", "anchors and tags"},
        {"&k a: 1", "anchors and tags"},
        {"<<: {a: 1}", "line 1, column 1: merge keys"},
        {"a: 1\nb: 2\na: 3", "line 3, column 1: the key \"a\" is given twice"},
        {"{a: 1, \"a\": 2}", "the key \"a\" is given twice"},
        {"x: [{a: 1, 'a': 2}]", "the key \"a\" is given twice"},
        {"{a: 1, \"\\x61\": 2}", "given twice"},
        {"{[1]: 2}", "a key must be a text"},
        {"? {a: 1}\n: 2", "a key must be a text"},
        {": 1", "line 1, column 1"},
        {"? \n: 1", "a key is expected"},
        {"mode: 0684", "line 1, column 7: a number with leading zeros is ambiguous"},
        {"-01.5", "leading zeros"},
        {"a: 9007199254740993", "an integer between -2^53 and 2^53"},
        {"a: 0xFFFFFFFFFFFFFFFFFF", "an integer between"},
        {"a: 1e400", "larger than a double"},
        {"a: .inf", "no infinity and no NaN"},
        {"a: -.INF", "no infinity and no NaN"},
        {"a: .nan", "no infinity and no NaN"},
        {"a: \"\\0\"", "NUL is not allowed"},
        {"\"a\\0b\": 1", "NUL is not allowed"},
        {"a: \"\\ud800\"", "line 1"},
        {"%YAML 1.1\n---\na: 1", "%YAML 1.2 is expected"},
        {"%TAG ! tag:x,2000:\n---\na: 1", "%TAG is not accepted"},
        {"a: [1", "line 2, column 1: while parsing a flow sequence"},
        {"a: b: c", "line 1, column 5"},
        {"\ta: 1", "line 1"},
        {"a: 1\n  b: 2", "line 2"},
        {"a: 'x", "line 1"},
        {"a: \x01", "control characters"},
        {"a: \xFF", "UTF-8 is expected"},
        {"", "one document is expected, found 0"},
        {"# nothing", "found 0"},
        {"---\na: 1\n---\nb: 2", "found 2"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error error = {0};
        cJSON *value = NULL;
        int result = yaml_parse(slice_of(rows[i].text), NULL, &value, &error);
        if (result != -ERROR_BAD_REQUEST || value || !strstr(error.message, rows[i].says))
            fail_msg("%s: %d, \"%s\" instead of \"%s\"", rows[i].text, result, error.message, rows[i].says);
    }
    cJSON *value = NULL;
    assert_int_equal(yaml_parse(SLICE("a: \0"), NULL, &value, NULL), -ERROR_BAD_REQUEST);
    assert_int_equal(yaml_parse((struct slice){NULL, 0}, NULL, &value, NULL), -ERROR_BAD_REQUEST);
    assert_int_equal(yaml_parse(SLICE("\xFF\xFE"
                                      "a\0"),
                                NULL, &value, NULL),
                     -ERROR_BAD_REQUEST); /* UTF-16 */
    assert_null(value);
}

static void streams(void **state)
{
    (void)state;
    AUTO_JSON cJSON *documents = NULL;
    struct error error = {0};
    assert_int_equal(yaml_parse_all(SLICE("---\n# only a comment\n---\na: 1\n---\n- 2\n--- ''\n--- null\n"), NULL,
                                    &documents, &error),
                     0);
    AUTO_FREE char *text = json_print(documents);
    assert_string_equal(text, "[{\"a\":1},[2],\"\",null]");
    AUTO_JSON cJSON *none = NULL;
    assert_int_equal(yaml_parse_all(SLICE(""), NULL, &none, &error), 0);
    assert_int_equal(cJSON_GetArraySize(none), 0);
    /* a good document before a bad one does not get out */
    cJSON *bad = NULL;
    assert_int_equal(yaml_parse_all(SLICE("a: 1\n---\nb: *x\n"), NULL, &bad, &error), -ERROR_BAD_REQUEST);
    assert_null(bad);
}

static int parse_limited(struct slice text, const struct json_limits *limits, struct error *error)
{
    cJSON *value = NULL;
    int result = yaml_parse_all(text, limits, &value, error);
    cJSON_Delete(value);
    return result;
}

static void keeps_limits(void **state)
{
    (void)state;
    const struct json_limits limits = {.bytes = 40, .depth = 3, .values = 6, .keys = 2};
    struct error error = {0};
    assert_int_equal(parse_limited(SLICE("[[[1]]]"), &limits, &error), 0);
    assert_int_equal(parse_limited(SLICE("[[[[1]]]]"), &limits, &error), -ERROR_BAD_REQUEST);
    assert_non_null(strstr(error.message, "at most 3 levels of nesting"));
    assert_int_equal(parse_limited(SLICE("[1, 2, 3, 4, 5]"), &limits, &error), 0);
    assert_int_equal(parse_limited(SLICE("[1, 2, 3, 4, 5, 6]"), &limits, &error), -ERROR_BAD_REQUEST);
    assert_non_null(strstr(error.message, "at most 6 values"));
    assert_int_equal(parse_limited(SLICE("{a: 1, b: 2, c: 3}"), &limits, &error), -ERROR_BAD_REQUEST);
    assert_non_null(strstr(error.message, "at most 2 keys"));
    assert_int_equal(parse_limited(SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), &limits, &error),
                     -ERROR_TOO_LARGE);
    assert_int_equal(parse_limited(SLICE("---\n---\n---\n---\n---\n---\n---\n---\n"), &limits, &error),
                     -ERROR_BAD_REQUEST); /* empty documents count too */
    AUTO_BUFFER struct buffer deep = {0};
    for (int i = 0; i < 20000; i++)
        buffer_add_text(&deep, "[");
    assert_int_equal(parse_limited(buffer_slice(&deep), NULL, &error), -ERROR_BAD_REQUEST);
    assert_non_null(strstr(error.message, "at most 32 levels"));
    buffer_clear(&deep);
    for (int i = 0; i < 20000; i++)
        buffer_add_text(&deep, "- ");
    const struct json_limits loose = {.bytes = SIZE_MAX, .depth = SIZE_MAX, .values = SIZE_MAX, .keys = SIZE_MAX};
    assert_int_equal(parse_limited(buffer_slice(&deep), &loose, &error), -ERROR_BAD_REQUEST);
    assert_non_null(strstr(error.message, "at most 100 levels"));
}

/* libyaml alone needs 5 s for the first. */
static void hostile_documents_cost_little(void **state)
{
    (void)state;
    static const char *const starts[] = {"", "\n", "\r", "\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xEF\xBB\xBF"};
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        AUTO_BUFFER struct buffer text = {0};
        struct error error = {0};
        buffer_add_text(&text, starts[i]);
        for (int k = 0; k < 50000; k++)
            buffer_add_format(&text, "%%TAG !%d! x%s", k, i && i < 6 ? starts[i] : "\n");
        int64_t from = clock_monotonic_ms();
        assert_int_equal(parse_limited(buffer_slice(&text), NULL, &error), -ERROR_BAD_REQUEST);
        assert_non_null(strstr(error.message, "%TAG is not accepted"));
        assert_true(clock_monotonic_ms() - from < 1000);
    }
    AUTO_JSON cJSON *value = NULL;
    assert_int_equal(yaml_parse(SLICE("a: 100 %TAG\nb: ' %TAG'\nc: \"\xF0\x9F\x98\x85%TAG\""), NULL, &value, NULL), 0);
    assert_string_equal(json_text(value, "a", NULL), "100 %TAG");
}

static void prints(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *value = NULL;
    assert_int_equal(
        json_parse(SLICE("{\"apiVersion\":\"ray.io/v1\",\"count\":3,\"empty\":{},\"none\":[],\"no\":\"no\","
                         "\"list\":[{\"name\":\"head\",\"args\":[\"-c\",\"x: y\"]},[1,[2]],\"0644\"],"
                         "\"image\":\"rayproject/ray:2.60.0\",\"script\":\"a\\n  b\\n\",\"v\":null}"),
                   NULL, &value, &error),
        0);
    AUTO_BUFFER struct buffer text = {0};
    yaml_print(value, &text);
    assert_string_equal(text.p, "apiVersion: ray.io/v1\n"
                                "count: 3\n"
                                "empty: {}\n"
                                "none: []\n"
                                "\"no\": \"no\"\n"
                                "list:\n"
                                "- name: head\n"
                                "  args:\n"
                                "  - \"-c\"\n"
                                "  - \"x: y\"\n"
                                "- - 1\n"
                                "  - - 2\n"
                                "- \"0644\"\n"
                                "image: rayproject/ray:2.60.0\n"
                                "script: |\n"
                                "  a\n"
                                "    b\n"
                                "v: null\n");
}

static void printed_reads_back(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "a",
        " a",
        "a ",
        "a  b",
        "a: b",
        "a:",
        ":a",
        "a #b",
        "#a",
        "- a",
        "-",
        "---",
        "...",
        "? a",
        "~",
        "null",
        "Yes",
        "0644",
        "1e3",
        "0x10",
        ".5",
        "1_000",
        "12:30:45",
        "2026-11-23",
        "<<",
        "=",
        "!x",
        "&x",
        "*x",
        "%x",
        "@x",
        "`x",
        "{a}",
        "[a]",
        "a,b",
        "'a'",
        "\"a\"",
        "a\"b\\c",
        "a\nb",
        "a\nb\n",
        "a\nb\n\n",
        "\na",
        " a\nb",
        "a\n b",
        "a\n \nb",
        "a\n\nb",
        "a\n\n\nb\n\n\n",
        "a\tb\nc",
        "\ta\nb",
        "a\r\nb",
        "a\n---\nb",
        "a\n# b\n",
        "a\nb ",
        "\n",
        "\n\n",
        "\xC3\xA4",
        "\xC2\x85",
        "\xE2\x80\xA8",
        "\xEF\xBB\xBF",
        "\x01\x1F\x7F",
        "\xC2\x80",
        "\xF0\x9F\x98\x80",
        "\xEF\xBF\xBF",
        "a\n\xC2\x85\nb",
        "http://x/y?z=1",
        "a/b:c",
        "(a)",
        "true",
        "TRUE x",
        "y",
        "e1",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        AUTO_JSON cJSON *value = json_object();
        json_set_text(value, "text", texts[i]);
        json_set_text(value, texts[i], "key");
        json_push_text(json_set(value, "list", json_array()), texts[i]);
        AUTO_BUFFER struct buffer text = {0};
        yaml_print(value, &text);
        AUTO_JSON cJSON *back = NULL;
        struct error error = {0};
        if (yaml_parse(buffer_slice(&text), NULL, &back, &error) != 0 || !json_equal(value, back))
            fail_msg("row %zu: %s\n%s", i, error.message, text.p);
        AUTO_JSON cJSON *alone = cJSON_CreateString(texts[i]);
        AUTO_JSON cJSON *alone_back = NULL;
        buffer_clear(&text);
        yaml_print(alone, &text);
        if (yaml_parse(buffer_slice(&text), NULL, &alone_back, &error) != 0 || !json_equal(alone, alone_back))
            fail_msg("row %zu alone: %s\n%s", i, error.message, text.p);
    }
}

static void long_keys(void **state)
{
    (void)state;
    char key[3000];
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    AUTO_JSON cJSON *value = json_object();
    json_set_text(value, key, "x");
    json_set_i64(json_object_in(json_object_in(value, "m"), key), key, 1);
    AUTO_BUFFER struct buffer text = {0};
    yaml_print(value, &text);
    AUTO_JSON cJSON *back = NULL;
    assert_int_equal(yaml_parse(buffer_slice(&text), NULL, &back, NULL), 0);
    assert_true(json_equal(value, back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(refuses),
        cmocka_unit_test(streams),
        cmocka_unit_test(keeps_limits),
        cmocka_unit_test(hostile_documents_cost_little),
        cmocka_unit_test(prints),
        cmocka_unit_test(printed_reads_back),
        cmocka_unit_test(long_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
