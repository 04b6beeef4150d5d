/* Does a JSONPath template print what kubectl prints for it, and does a wrong one say where? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/jsonpath.h"

static const char document[] =
    "{\"kind\":\"List\",\"n\":3,\"f\":1.5,\"t\":true,\"z\":null,\"items\":["
    "{\"metadata\":{\"name\":\"a\",\"labels\":{\"app.x/y\":\"one\"}},\"spec\":{\"replicas\":1,\"on\":true},"
    "\"status\":{\"phase\":\"Running\"}},"
    "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"replicas\":2,\"on\":false},\"status\":{\"phase\":\"Pending\"}},"
    "{\"metadata\":{\"name\":\"c\"},\"spec\":{\"replicas\":10}}]}";

static char *print(const char *template, int expected)
{
    struct jsonpath *jsonpath = NULL;
    struct error error = {0};
    AUTO_JSON cJSON *root = NULL;
    struct buffer text = {0};
    assert_int_equal(json_parse(slice_of(document), &json_limits_default, &root, &error), 0);
    int failed = jsonpath_parse(slice_of(template), &jsonpath, &error);
    if (!failed)
        failed = jsonpath_print(jsonpath, root, &text, &error);
    if (failed != expected)
        fail_msg("%s: %d %s", template, failed, error.message);
    jsonpath_free(jsonpath);
    if (failed)
        buffer_free(&text);
    return failed ? memory_text(error.message) : buffer_take(&text);
}

static void prints_as_kubectl_does(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{.kind}", "List"},
        {".kind", "List"},
        {"$.kind", "List"},
        {"kind", "kind"}, /* without braces and without a dot it is text */
        {"{$.kind}", "List"},
        {"{@.kind}", "List"},
        {"{['kind']}", "List"},
        {"kind: {.kind}!", "kind: List!"},
        {"{.n} {.f} {.t} {.z}", "3 1.5 true null"},
        {"{.items[*].metadata.name}", "a b c"},
        {"{.items[0].metadata.name}", "a"},
        {"{.items[-1].metadata.name}", "c"},
        {"{.items[0,2].metadata.name}", "a c"},
        {"{.items[0:2].metadata.name}", "a b"},
        {"{.items[1:].metadata.name}", "b c"},
        {"{.items[:-1].metadata.name}", "a b"},
        {"{.items[-2:].metadata.name}", "b c"},
        {"{.items[::2].metadata.name}", "a c"},
        {"{.items[7].metadata.name}", ""},
        {"{.absent.deeper}", ""},
        {"{..name}", "a b c"},
        {"{.items[0].metadata.labels.app\\.x/y}", "one"},
        {"{.items[0].metadata.labels['app.x/y']}", "one"},
        {"{.items[0].metadata['name','labels']}", "a {\"app.x/y\":\"one\"}"},
        {"{.items[0].metadata.*}", "a {\"app.x/y\":\"one\"}"},
        {"{.items[?(@.status.phase==\"Running\")].metadata.name}", "a"},
        {"{.items[?(@.status.phase!='Running')].metadata.name}", "b"},
        {"{.items[?(@.status)].metadata.name}", "a b"},
        {"{.items[?(@.spec.replicas>=2)].metadata.name}", "b c"},
        {"{.items[?( @.spec.replicas < 2 )].metadata.name}", "a"},
        {"{.items[?(@.spec.on==true)].metadata.name}", "a"},
        {"{.items[?(@.spec.replicas==$.f)].metadata.name}", ""},
        {"{.items[?(@.spec.replicas==\"1\")].metadata.name}", ""},
        {"{.items[?(@.metadata.labels['app.x/y']=='one')].metadata.name}", "a"},
        {"{range .items[*]}{.metadata.name}{\"\\t\"}{.spec.replicas}{'\\n'}{end}", "a\t1\nb\t2\nc\t10\n"},
        {"{range .items[*]}{range .metadata.labels.*}{@}/{end}{$.n};{end}", "one/3;3;3;"},
        {"{\"{}\"}", "{}"},
        {"{.}", NULL},
        {"{@}", NULL},
        {"{$}", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_FREE char *text = print(cases[i][0], 0);
        if (strcmp(text, cases[i][1] ? cases[i][1] : document) != 0)
            fail_msg("%s: \"%s\"", cases[i][0], text);
    }
}

static void wrong_ones_say_where(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "a template such as"},
        {"{", "a path that begins"},
        {"{}", "a path at character 2"},
        {"{.a", "'}' at character 4"},
        {"{metadata.name}", "a path that begins with '.'"},
        {"{.items[}", "a whole number"},
        {"{.items[1}", "']'"},
        {"{.items[x]}", "a whole number at character 9"},
        {"{.items[1:2:0]}", "a step of at least 1"},
        {"{.items['a]}", "the closing quote"},
        {"{\"abc}", "the closing quote"},
        {"{range .items[*]}{.a}", "{end}"},
        {"{end}", "{range PATH} before"},
        {"{.items[?(@.a=~\"x\")]}", "one of =="},
        {"{.items[?(@.a==1&&@.b==2)]}", "one of =="},
        {"{.items[?(\"x\")]}", "a path to look for"},
        {"{.items[?(@.a==)]}", "a quoted text, a number"},
        {".a}", "the end of the path"},
        {"{.a.}", "a name"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_FREE char *text = print(cases[i][0], -ERROR_INVALID);
        if (!strstr(text, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], text);
    }
}

static void what_multiplies_is_bounded(void **state)
{
    (void)state;
    struct buffer template = {0};
    buffer_add_text(&template, "{$");
    for (int i = 0; i < 40; i++)
        buffer_add_text(&template, "..*");
    buffer_add_text(&template, "}");
    AUTO_FREE char *many = buffer_take(&template);
    AUTO_FREE char *text = print(many, 0); /* what is below a leaf is nothing: it ends by itself */
    struct buffer unions = {0};
    buffer_add_text(&unions, "{$");
    for (int i = 0; i < 40; i++)
        buffer_add_text(&unions, "[?(@.a)]..['a','a']");
    buffer_add_text(&unions, "}");
    AUTO_FREE char *doubling = buffer_take(&unions);
    AUTO_FREE char *none = print(doubling, 0);
    struct buffer deep = {0};
    for (int i = 0; i < 40; i++)
        buffer_add_text(&deep, "{range .a}");
    AUTO_FREE char *nested = buffer_take(&deep);
    AUTO_FREE char *refused = print(nested, -ERROR_INVALID);
    assert_non_null(strstr(refused, "not nested so deep"));
    AUTO_FREE char *long_one = memory_get(9001);
    memset(long_one, 'x', 9000);
    AUTO_FREE char *too_long = print(long_one, -ERROR_INVALID);
}

/* A document that doubles at every step of a union stops at the bound and says so. */
static void a_flood_of_values_is_too_large(void **state)
{
    (void)state;
    struct jsonpath *jsonpath = NULL;
    struct error error = {0};
    AUTO_JSON cJSON *root = json_object();
    cJSON *at = root;
    struct buffer template = {0}, text = {0};
    buffer_add_text(&template, "{$");
    for (int i = 0; i < 30; i++) {
        at = json_object_in(at, "a");
        buffer_add_text(&template, "['a','a']");
    }
    buffer_add_text(&template, "}");
    assert_int_equal(jsonpath_parse(buffer_slice(&template), &jsonpath, &error), 0);
    assert_int_equal(jsonpath_print(jsonpath, root, &text, &error), -ERROR_TOO_LARGE);
    jsonpath_free(jsonpath);
    buffer_free(&template);
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_as_kubectl_does),
        cmocka_unit_test(wrong_ones_say_where),
        cmocka_unit_test(what_multiplies_is_bounded),
        cmocka_unit_test(a_flood_of_values_is_too_large),
    };
    return cmocka_run_group_tests_name("cli/jsonpath", tests, NULL, NULL);
}
