/* Which prefixes are taken, and what lies below them? */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/prefix.h"

static void good_ones_are_read_alike_by_everybody(void **state)
{
    (void)state;
    static const char *const good[] = {"/", "/mnist", "/iris/v1.2", "/a_b~c-d.e", "/..."};
    static const char *const bad[] = {"",   "mnist",     "/mnist/", "//",   "//mnist", "/a//b",   "/a/../b",
                                      "/.", "/a/.",      "/a%2f",   "/a b", "/a?x",    "/a#x",    "/a\\b",
                                      "*",  "/\xc3\xa4", "/a\n",    "/a;b", "/a,/b",   "/a:8000", " /a"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!prefix_is_good(slice_of(good[i])))
            fail_msg("\"%s\" is refused", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (prefix_is_good(slice_of(bad[i])))
            fail_msg("\"%s\" is taken", bad[i]);
    char text[PREFIX_MAX + 2];
    memset(text, 'a', sizeof(text));
    text[0] = '/';
    assert_true(prefix_is_good((struct slice){text, PREFIX_MAX}));
    assert_false(prefix_is_good((struct slice){text, PREFIX_MAX + 1}));
}

static void whole_segments_are_covered(void **state)
{
    (void)state;
    static const struct {
        const char *prefix, *path;
        bool covered;
    } rows[] = {
        {"/a", "/a", true},    {"/a", "/a/", true},     {"/a", "/a/b/c", true}, {"/a", "/ab", false},
        {"/a", "/", false},    {"/a", "", false},       {"/a", "/A", false},    {"/a", "//a", false},
        {"/a", "a", false},    {"/a/b", "/a", false},   {"/a/b", "/a/b", true}, {"/", "/", true},
        {"/", "", true},       {"/", "/x/y", true},     {"", "/a", false},      {"", "", false},
        {"/a", "/a;b", false}, {"/a", "/a%2fb", false}, {"/a", "/%61", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (prefix_covers(slice_of(rows[i].prefix), slice_of(rows[i].path)) != rows[i].covered)
            fail_msg("\"%s\" and \"%s\"", rows[i].prefix, rows[i].path);
}

/* What is kept of a path tells as much as all of it. */
static void a_cut_path_tells_as_much(void **state)
{
    (void)state;
    char path[PREFIX_MAX + 40];
    for (size_t n = 2; n <= PREFIX_MAX; n++)
        for (size_t slash = 1; slash < sizeof(path); slash++) {
            memset(path, 'a', sizeof(path));
            path[0] = '/';
            char prefix[PREFIX_MAX];
            memcpy(prefix, path, n);
            path[slash] = '/';
            struct slice whole = {path, sizeof(path)}, cut = {path, PREFIX_PATH_SIZE - 1};
            assert_true(prefix_covers((struct slice){prefix, n}, whole) ==
                        prefix_covers((struct slice){prefix, n}, cut));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_are_read_alike_by_everybody),
        cmocka_unit_test(whole_segments_are_covered),
        cmocka_unit_test(a_cut_path_tells_as_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
