/* Is a working directory packed so that Python's zipfile reads it back, the same way every time, and nothing beyond it?
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/random.h"
#include "cli/package.h"

static char *directory;

static void put(const char *name, struct slice content)
{
    AUTO_FREE char *path = memory_format("%s/%s", directory, name);
    AUTO_FREE char *parent = memory_text_n(path, (size_t)(strrchr(path, '/') - path));
    struct error error = {0};
    assert_int_equal(file_make_directories(parent, 0755, &error), 0);
    assert_int_equal(file_write(path, content, 0644, &error), 0);
}

static int set_up(void **state)
{
    char template[] = "/tmp/atelier-package-XXXXXX";
    (void)state;
    directory = memory_text(mkdtemp(template));
    return directory ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    file_remove_tree(directory, NULL);
    free(directory);
    return 0;
}

static void reads_back(void **state)
{
    AUTO_BUFFER struct buffer zip = {0};
    AUTO_BUFFER struct buffer output = {0};
    struct error error = {0};
    char name[PACKAGE_NAME_SIZE], noise[5000];
    (void)state;
    random_bytes(noise, sizeof(noise)); /* does not shrink: stored */
    put("train.py", SLICE("print('hello')\nprint('hello')\nprint('hello')\nprint('hello')\n"));
    put("empty", SLICE(""));
    put("sub/noise.bin", (struct slice){noise, sizeof(noise)});
    put("sub/\xc3\xa9.txt", SLICE("x"));
    put(".git/config", SLICE("secret"));
    put("sub/__pycache__/a.pyc", SLICE("x"));
    put(".venv/x", SLICE("x"));
    AUTO_FREE char *script = memory_format("%s/train.py", directory);
    assert_int_equal(chmod(script, 0755), 0);
    assert_int_equal(package_make(directory, &zip, name, &error), 0);
    AUTO_FREE char *path = memory_format("%s.zip", directory);
    assert_int_equal(file_write(path, buffer_slice(&zip), 0600, &error), 0);
    AUTO_FREE char *program = memory_format(
        "import zipfile, os\n"
        "z = zipfile.ZipFile('%s')\n"
        "assert z.testzip() is None\n"
        "names = z.namelist()\n"
        "assert names == ['empty', 'sub/', 'sub/noise.bin', 'sub/\\u00e9.txt', 'train.py'], names\n"
        "d = '%s/'\n"
        "for n in names:\n"
        "    if not n.endswith('/'):\n"
        "        assert z.read(n) == open(d + n, 'rb').read(), n\n"
        "assert z.getinfo('train.py').external_attr >> 16 == 0o100755\n"
        "assert z.getinfo('empty').external_attr >> 16 == 0o100644\n"
        "assert z.getinfo('train.py').compress_type == 8 and z.getinfo('sub/noise.bin').compress_type == 0\n",
        path, directory);
    const char *const arguments[] = {"python3", "-c", program, NULL};
    int failed = process_run(arguments, 20000, &output, &error);
    unlink(path);
    if (failed)
        fail_msg("%s", output.p);
    assert_int_equal(strncmp(name, "_ray_pkg_", 9), 0);
    assert_int_equal(strlen(name), 9 + 16 + 4);
}

static void same_content_same_name(void **state)
{
    AUTO_BUFFER struct buffer first = {0};
    AUTO_BUFFER struct buffer second = {0};
    AUTO_BUFFER struct buffer third = {0};
    char a[PACKAGE_NAME_SIZE], b[PACKAGE_NAME_SIZE], c[PACKAGE_NAME_SIZE];
    struct error error = {0};
    (void)state;
    put("one.py", SLICE("1"));
    put("two.py", SLICE("2"));
    assert_int_equal(package_make(directory, &first, a, &error), 0);
    put("one.py", SLICE("1")); /* new inode, new time */
    assert_int_equal(package_make(directory, &second, b, &error), 0);
    assert_string_equal(a, b);
    assert_true(slice_equal(buffer_slice(&first), buffer_slice(&second)));
    put("one.py", SLICE("3"));
    assert_int_equal(package_make(directory, &third, c, &error), 0);
    assert_string_not_equal(a, c);
}

static void link_inside_is_followed(void **state)
{
    AUTO_BUFFER struct buffer zip = {0};
    char name[PACKAGE_NAME_SIZE];
    struct error error = {0};
    (void)state;
    put("real.txt", SLICE("content"));
    AUTO_FREE char *link = memory_format("%s/link.txt", directory);
    assert_int_equal(symlink("real.txt", link), 0);
    assert_int_equal(package_make(directory, &zip, name, &error), 0);
}

static void link_outside_is_refused(void **state)
{
    static const char *const targets[] = {"/etc/passwd", "..", "../../etc", "/"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        AUTO_BUFFER struct buffer zip = {0};
        char name[PACKAGE_NAME_SIZE];
        struct error error = {0};
        AUTO_FREE char *link = memory_format("%s/link", directory);
        unlink(link);
        assert_int_equal(symlink(targets[i], link), 0);
        assert_int_equal(package_make(directory, &zip, name, &error), -ERROR_INVALID);
        assert_non_null(strstr(error.message, "leads out"));
    }
}

static void circles_end(void **state)
{
    AUTO_BUFFER struct buffer zip = {0};
    char name[PACKAGE_NAME_SIZE];
    struct error error = {0};
    (void)state;
    AUTO_FREE char *link = memory_format("%s/loop", directory);
    assert_int_equal(symlink(".", link), 0);
    assert_int_equal(package_make(directory, &zip, name, &error), -ERROR_INVALID);
    assert_non_null(strstr(error.message, "directories"));
}

static void not_a_directory(void **state)
{
    AUTO_BUFFER struct buffer zip = {0};
    char name[PACKAGE_NAME_SIZE];
    struct error error = {0};
    (void)state;
    assert_int_equal(package_make("/etc/passwd", &zip, name, &error), -ERROR_INVALID);
    assert_int_equal(package_make("/nonexistent", &zip, name, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "--working-dir");
}

static void too_large(void **state)
{
    AUTO_BUFFER struct buffer out = {0};
    struct zip zip = {.out = &out};
    struct error error = {0};
    size_t size = (size_t)40 << 20;
    char *noise = memory_get(size);
    (void)state;
    random_bytes(noise, size);
    assert_int_equal(zip_add(&zip, "a", 0644, (struct slice){noise, size}, &error), 0);
    assert_int_equal(zip_add(&zip, "b", 0644, (struct slice){noise, size}, &error), 0);
    assert_int_equal(zip_add(&zip, "c", 0644, (struct slice){noise, size}, &error), -ERROR_TOO_LARGE);
    assert_non_null(strstr(error.message, "100 MiB"));
    buffer_free(&zip.directory);
    free(noise);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(reads_back),  TEST(same_content_same_name), TEST(link_inside_is_followed), TEST(link_outside_is_refused),
        TEST(circles_end), TEST(not_a_directory),        cmocka_unit_test(too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
