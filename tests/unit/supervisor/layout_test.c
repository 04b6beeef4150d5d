/* Does the same data directory, however it is named, always lead to the same run directory? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/random.h"
#include "supervisor/supervisor.h"

static void same_place_same_run(void **state)
{
    char template[] = "/tmp/atelier-layout-XXXXXX";
    struct layout plain, dotted, linked, absent;
    struct error error = {0};
    (void)state;
    assert_non_null(mkdtemp(template));
    AUTO_FREE char *data = memory_format("%s/data", template);
    AUTO_FREE char *detour = memory_format("%s/./data/../data/", template);
    AUTO_FREE char *link = memory_format("%s/link", template);
    assert_int_equal(layout_find(data, NULL, &absent, &error), 0); /* does not exist yet */
    assert_int_equal(mkdir(data, 0700), 0);
    assert_int_equal(symlink("data", link), 0);
    assert_int_equal(layout_find(data, NULL, &plain, &error), 0);
    assert_int_equal(layout_find(detour, NULL, &dotted, &error), 0);
    assert_int_equal(layout_find(link, NULL, &linked, &error), 0);
    file_remove_tree(template, NULL);
    assert_string_equal(plain.run, dotted.run);
    assert_string_equal(plain.run, linked.run);
    assert_string_equal(plain.run, absent.run);
    assert_string_equal(plain.data, linked.data);
    char digest[2 * DIGEST_SIZE + 1];
    digest_sha256_hex(slice_of(plain.data), digest);
    AUTO_FREE char *expected = memory_format("/run/atelier-%.8s", digest);
    assert_string_equal(plain.run, expected);
}

static void short_sockets(void **state)
{
    struct layout layout;
    struct error error = {0};
    char deep[3000] = "/tmp";
    (void)state;
    for (int i = 0; i < 14; i++)
        memcpy(deep + strlen(deep),
               "/"
               "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhhiiiiiiiiiijjjjjjjjjj",
               102);
    assert_int_equal(layout_find(deep, NULL, &layout, &error), 0);
    assert_true(strlen(layout.run) <= 32);
    assert_true(strlen(layout.admin_socket) <= 107);
    assert_true(strlen(layout.sandboxd_socket) <= 107);
}

static void settings(void **state)
{
    struct layout layout;
    struct error error = {0};
    (void)state;
    setenv("ATELIER_DATA", "/tmp/atelier-layout-env", 1);
    unsetenv("ATELIER_IMAGES");
    assert_int_equal(layout_find(NULL, NULL, &layout, &error), 0);
    assert_string_equal(layout.data, "/tmp/atelier-layout-env");
    assert_string_equal(layout.images, "/tmp/atelier-layout-env/images");
    setenv("ATELIER_IMAGES", "/tmp/atelier-layout-images", 1);
    assert_int_equal(layout_find("/tmp/atelier-layout-given", NULL, &layout, &error), 0);
    assert_string_equal(layout.data, "/tmp/atelier-layout-given");
    assert_string_equal(layout.images, "/tmp/atelier-layout-images");
    unsetenv("ATELIER_DATA");
    unsetenv("ATELIER_IMAGES");
    assert_true(layout_find("/dev/null/x", NULL, &layout, &error) < 0);
    assert_string_equal(error.field, "ATELIER_DATA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_place_same_run),
        cmocka_unit_test(short_sockets),
        cmocka_unit_test(settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
