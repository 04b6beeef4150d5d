/* Which prefixes may be listed, what they open, and when a list opens more than another. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ray/public.h"

static int check(const char *text, struct error *error)
{
    AUTO_JSON cJSON *object = json_object();
    json_set_text(json_object_in(json_object_in(object, "metadata"), "annotations"), RAY_PUBLIC, text);
    return ray_public_check(object, error);
}

static void lists_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"", true},           {"/", true},      {"/mnist", true},     {"/mnist, /iris/v1.2", true},
        {"/a_b~c-d.e", true}, {"mnist", false}, {"/mnist/", false},   {"//", false},
        {"//mnist", false},   {"/a//b", false}, {"/a/../b", false},   {"/.", false},
        {"/a%2f", false},     {"/a b", false},  {"/a?x", false},      {"/a,,/b", false},
        {"*", false},         {" ", false},     {"/\xc3\xa4", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error error = {0};
        int r = check(cases[i].text, &error);
        if ((r == 0) != cases[i].good)
            fail_msg("\"%s\" gives %d: %s", cases[i].text, r, error.message);
        assert_true(r == 0 || strcmp(error.field, "metadata.annotations[atelier.dev/public-apps]") == 0);
    }
}

static void there_are_not_too_many_nor_too_long_ones(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer text = {0};
    for (int i = 0; i < 16; i++)
        buffer_add_format(&text, "%s/%d", i ? "," : "", i);
    assert_int_equal(check(text.p, NULL), 0);
    buffer_add_format(&text, ",/16");
    assert_int_equal(check(text.p, NULL), -ERROR_INVALID);
    buffer_clear(&text);
    buffer_add_format(&text, "/%0127d", 0);
    assert_int_equal(check(text.p, NULL), 0);
    buffer_add_format(&text, "0");
    assert_int_equal(check(text.p, NULL), -ERROR_INVALID);
}

static void prefixes_open_whole_segments(void **state)
{
    (void)state;
    static const struct {
        const char *text, *tail, *prefix;
    } cases[] = {
        {"/mnist", "/mnist", "/mnist"},
        {"/mnist", "/mnist/", "/mnist"},
        {"/mnist", "/mnist/predict", "/mnist"},
        {"/mnist", "/mnistx", ""},
        {"/mnist", "/", ""},
        {"/mnist", "", ""},
        {"/mnist", "/MNIST", ""},
        {"/mnist", "/%6dnist", ""},
        {"/a, /b", "/b/c", "/b"},
        {"/", "/whatever", "/"},
        {"", "/", ""},
        {"/a/../b", "/a/../b", ""}, /* stored past the platform's checks */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct slice prefix = ray_public_prefix(cases[i].text, slice_of(cases[i].tail));
        if (!slice_is(prefix, cases[i].prefix))
            fail_msg("\"%s\" opens %s by \"%.*s\"", cases[i].text, cases[i].tail, (int)prefix.n, prefix.p);
    }
}

static void applications_are_found_by_name(void **state)
{
    (void)state;
    static const char lines[] = "/mnist\ta\n/\tdefault\n/b/c\ta\tb\n";
    static const struct {
        const char *name, *prefix;
    } cases[] = {{"a", "/mnist"}, {"default", "/"}, {"a\tb", "/b/c"}, {"b", ""}, {"", ""}, {"/mnist", ""}, {"a\n", ""}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct slice prefix = ray_serve_prefix(lines, slice_of(cases[i].name));
        if (!slice_is(prefix, cases[i].prefix))
            fail_msg("\"%s\" is at \"%.*s\"", cases[i].name, (int)prefix.n, prefix.p);
    }
    assert_int_equal(ray_serve_prefix("", SLICE("a")).n, 0);
}

static void only_more_is_wider(void **state)
{
    (void)state;
    assert_true(ray_public_widens("", "/a"));
    assert_true(ray_public_widens("/a", "/a, /b"));
    assert_true(ray_public_widens("/a/b", "/a"));
    assert_true(ray_public_widens("/a", "/"));
    assert_false(ray_public_widens("/a", "/a/b"));
    assert_false(ray_public_widens("/", "/a, /b"));
    assert_false(ray_public_widens("/b,/a", "/a"));
    assert_false(ray_public_widens("/a", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_checked),
        cmocka_unit_test(there_are_not_too_many_nor_too_long_ones),
        cmocka_unit_test(prefixes_open_whole_segments),
        cmocka_unit_test(applications_are_found_by_name),
        cmocka_unit_test(only_more_is_wider),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
