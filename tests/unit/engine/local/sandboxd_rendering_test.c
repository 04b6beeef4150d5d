/* The small renderings and parsers: hosts, passwd, mountinfo, cgroup statistics, paths, images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "engine/local/sandboxd/cgroup.h"
#include "engine/local/sandboxd/usage.h"
#include "engine/local/sandboxd/etc.h"
#include "engine/local/sandboxd/image.h"
#include "engine/local/sandboxd/mounts.h"
#include "engine/local/sandboxd/paths.h"

static char directory[64];

static int setup(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "/tmp/atelier-sandboxd-unit-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(directory, NULL);
}

static void hosts_begin_with_oneself(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer text = {0}, same = {0};
    AUTO_JSON cJSON *entries = NULL;
    assert_int_equal(json_parse(SLICE("[{\"address\":\"10.64.0.5\",\"names\":[\"a\",\"a.ns\"]},"
                                      "{\"address\":\"10.64.0.6\",\"names\":[\"b\"]}]"),
                                &json_limits_default, &entries, NULL),
                     0);
    box_hosts_render("10.64.0.9", "h1", "nb1-0", entries, &text);
    assert_string_equal(text.p, "127.0.0.1\tlocalhost\n10.64.0.9\th1 nb1-0\n10.64.0.5\ta a.ns\n10.64.0.6\tb\n");
    box_hosts_render("10.64.0.9", "p", "p", NULL, &same);
    assert_string_equal(same.p, "127.0.0.1\tlocalhost\n10.64.0.9\tp\n");
}

static void passwd_knows_three(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer passwd = {0}, group = {0};
    box_passwd_render(2000016, &passwd, &group);
    assert_non_null(strstr(passwd.p, "\natelier:x:2000016:2000016:Atelier:/home/atelier:/bin/bash\n"));
    assert_non_null(strstr(group.p, "\natelier:x:2000016:\n"));
    assert_non_null(strstr(passwd.p, "root:x:0:0:root:/root:/usr/sbin/nologin\n"));
}

static void mountinfo_fields_are_unescaped(void **state)
{
    (void)state;
    static const char *const table[][2] = {{"/a\\040b", "/a b"}, {"\\134\\011", "\\\t"}, {"/plain", "/plain"},
                                           {"/x\\04", "/x\\04"}, {"\\999", "\\999"},     {"", ""}};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        AUTO_FREE char *text = memory_text(table[i][0]);
        box_mountinfo_unescape(text);
        assert_string_equal(text, table[i][1]);
    }
}

static void the_machine_is_read_from_proc(void **state)
{
    (void)state;
    struct slice stat = SLICE("cpu  100 20 30 5000 400 1 2 9 50 0\ncpu0 1 2 3\nintr 5\n");
    struct slice memory = SLICE("MemTotal:       1000 kB\nMemFree:  10 kB\nMemAvailable:    400 kB\n");
    int64_t cpu_ms = 0, bytes = 0;
    assert_true(box_usage_of_machine(stat, memory, 100, &cpu_ms, &bytes));
    assert_int_equal(cpu_ms, 1530); /* neither idle nor waiting nor stolen; guests are in user already */
    assert_int_equal(bytes, 600 * 1024);
    assert_false(box_usage_of_machine(SLICE("cpu 1 2"), memory, 100, &cpu_ms, &bytes));
    assert_false(box_usage_of_machine(SLICE(""), memory, 100, &cpu_ms, &bytes));
    assert_false(box_usage_of_machine(stat, SLICE("MemTotal: 5 kB\n"), 100, &cpu_ms, &bytes));
    assert_false(box_usage_of_machine(stat, SLICE("MemTotal: x kB\nMemAvailable: 1 kB\n"), 100, &cpu_ms, &bytes));
}

static void cgroup_statistics_are_found_by_whole_keys(void **state)
{
    (void)state;
    struct slice text = SLICE("inactive_file 5\ntotal_inactive_file 4096\noom_kill 2\nbroken\nlast 7");
    int64_t value;
    assert_true(box_cgroup_stat(text, "total_inactive_file", &value));
    assert_int_equal(value, 4096);
    assert_true(box_cgroup_stat(text, "last", &value));
    assert_int_equal(value, 7);
    assert_false(box_cgroup_stat(text, "file", &value));
    assert_false(box_cgroup_stat(text, "broken", &value));
}

static void opening_beneath_never_leaves(void **state)
{
    (void)state;
    AUTO_FREE char *link = memory_format("%s/link", directory);
    AUTO_FREE char *made = memory_format("%s/a/b", directory);
    assert_int_equal(symlink("/etc", link), 0);
    static const char *const bad[] = {"link", "link/passwd", "../x", "a/../../x"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct error error = {0};
        int fd = -1;
        assert_int_equal(box_open_beneath(directory, bad[i], geteuid(), &fd, &error), -ERROR_INVALID);
        assert_int_equal(fd, -1);
        assert_string_equal(error.field, "subpath");
    }
    int fd = -1;
    assert_int_equal(box_open_beneath(directory, "a//./b", geteuid(), &fd, NULL), 0);
    struct stat through, named;
    assert_int_equal(fstat(fd, &through), 0);
    assert_int_equal(stat(made, &named), 0);
    assert_int_equal(through.st_ino, named.st_ino);
    close(fd);
}

static void files_are_replaced_at_once(void **state)
{
    (void)state;
    AUTO_FREE char *path = memory_format("%s/file", directory);
    AUTO_BUFFER struct buffer text = {0};
    struct stat status;
    assert_int_equal(box_write_file(path, SLICE("one"), 0644, NULL), 0);
    AUTO_CLOSE int before = open(path, O_RDONLY);
    assert_int_equal(box_write_file(path, SLICE("two"), 0400, NULL), 0);
    assert_int_equal(file_read(path, 16, &text, NULL), 0);
    assert_string_equal(text.p, "two");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0400);
    char bytes[4] = "";
    assert_int_equal(read(before, bytes, 3), 3); /* who read the old one still has it whole */
    assert_string_equal(bytes, "one");
}

static void images_are_found_where_they_say(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_FREE char *bin = memory_format("%s/images/ray/venv/bin", directory);
    AUTO_FREE char *python = memory_format("%s/python3", bin);
    AUTO_FREE char *description = memory_format("%s/images/ray/image.json", directory);
    AUTO_FREE char *images = memory_format("%s/images", directory);
    AUTO_FREE char *expected = memory_format("%s/images/ray/venv", directory);
    char *path = NULL;
    assert_int_equal(box_image_path(images, "ray", &path, &error), -ERROR_NOT_FOUND);
    assert_int_equal(file_make_directories(bin, 0755, NULL), 0);
    assert_int_equal(box_write_file(description, SLICE("{\"name\":\"ray\"}"), 0644, NULL), 0);
    assert_int_equal(box_image_path(images, "ray", &path, &error), -ERROR_NOT_FOUND); /* not built yet */
    assert_int_equal(symlink("/usr/bin/python3", python), 0);
    assert_int_equal(box_image_path(images, "ray", &path, &error), 0);
    assert_string_equal(path, expected);
    free(path);
    assert_int_equal(box_write_file(description, SLICE("{\"path\":\"/usr/lib/venv\"}"), 0644, NULL), 0);
    assert_int_equal(box_image_path(images, "ray", &path, &error), -ERROR_INVALID);
    assert_int_equal(box_write_file(description, SLICE("{\"path\":"), 0644, NULL), 0);
    assert_true(box_image_path(images, "ray", &path, &error) < 0);
}

static void tags_tell_installations_apart(void **state)
{
    (void)state;
    char one[BOX_TAG_SIZE], two[BOX_TAG_SIZE], again[BOX_TAG_SIZE];
    box_tag_derive("/srv/atelier/var", one);
    box_tag_derive("/srv/atelier/var2", two);
    box_tag_derive("/srv/atelier/var", again);
    assert_int_equal(strlen(one), 8);
    assert_string_equal(one, again);
    assert_string_not_equal(one, two);
    char folder[] = "/tmp/atelier-paths-XXXXXX";
    assert_non_null(mkdtemp(folder));
    AUTO_FREE char *run = memory_format("%s/r", folder);
    AUTO_FREE char *data = memory_format("%s/d", folder);
    struct box_places places = {.run = run, .data = data, .tag = "t", .cgroup_parent = "/given"};
    struct box_paths paths = {0};
    assert_int_equal(box_paths_open(&paths, &places, NULL), 0);
    AUTO_FREE char *cgroup = box_path_cgroup(&paths, "alice", "p", "c");
    AUTO_FREE char *root = box_path_cgroup(&paths, NULL, NULL, NULL);
    AUTO_FREE char *bridge = box_path_netns(&paths, "alice", NULL);
    AUTO_FREE char *expected = memory_format("%s/state/netns/alice/+bridge", run);
    assert_string_equal(cgroup, "/given/atelier-t/alice/p/c");
    assert_string_equal(root, "/given/atelier-t");
    assert_string_equal(bridge, expected);
    assert_false(name_is_subdomain(SLICE("+bridge"))); /* no pod can have that file */
    box_paths_close(&paths);
    assert_int_equal(file_remove_tree(folder, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_begin_with_oneself),
        cmocka_unit_test(passwd_knows_three),
        cmocka_unit_test(mountinfo_fields_are_unescaped),
        cmocka_unit_test(the_machine_is_read_from_proc),
        cmocka_unit_test(cgroup_statistics_are_found_by_whole_keys),
        cmocka_unit_test(opening_beneath_never_leaves),
        cmocka_unit_test(files_are_replaced_at_once),
        cmocka_unit_test(images_are_found_where_they_say),
        cmocka_unit_test(tags_tell_installations_apart),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
