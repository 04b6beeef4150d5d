/* Files: whole reads and writes, and removing trees that strangers filled. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

static char root[] = "/tmp/atelier-file-test-XXXXXX";

static const char *in_root(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
    return path;
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    return file_remove_tree(root, NULL);
}

static void reads_and_writes(void **state)
{
    (void)state;
    struct error error = {0};
    struct stat status;
    AUTO_BUFFER struct buffer content = {0};
    const char *path = in_root("file");
    assert_int_equal(file_write(path, SLICE("one\0two"), 0640, &error), 0);
    assert_int_equal(file_read(path, 7, &content, &error), 0);
    assert_int_equal(content.n, 7);
    assert_memory_equal(content.p, "one\0two", 8);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    assert_int_equal(file_write(path, (struct slice){NULL, 0}, 0600, &error), 0);
    assert_int_equal(file_read(path, 100, &content, &error), 0);
    assert_string_equal(content.p, "");
    assert_true(file_exists(path));
    assert_false(file_exists(in_root("absent")));
}

static void a_failed_read_changes_nothing(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_BUFFER struct buffer content = {0};
    buffer_add_text(&content, "before");
    assert_int_equal(file_read(in_root("absent"), 100, &content, &error), -ERROR_NOT_FOUND);
    assert_non_null(strstr(error.message, "absent"));
    assert_int_equal(file_write(in_root("long"), SLICE("12345"), 0600, &error), 0);
    assert_int_equal(file_read(in_root("long"), 4, &content, &error), -ERROR_TOO_LARGE);
    assert_int_equal(file_read(root, 4, &content, &error), -ERROR_INTERNAL);
    assert_string_equal(content.p, "before");
}

static void a_failed_write_leaves_no_trace(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(file_write(in_root("absent/file"), SLICE("x"), 0600, &error), -ERROR_NOT_FOUND);
    assert_int_equal(file_make_directories(in_root("occupied/inside"), 0755, &error), 0);
    assert_int_not_equal(file_write(in_root("occupied"), SLICE("x"), 0600, &error), 0); /* a directory is there */
    const char *const list[] = {"sh", "-c", "ls -a \"$1\" | grep -c occupied", "sh", root, NULL};
    AUTO_BUFFER struct buffer output = {0};
    assert_int_equal(process_run(list, 5000, &output, &error), 0);
    assert_string_equal(output.p, "1\n");
}

static void makes_directories(void **state)
{
    (void)state;
    struct error error = {0};
    struct stat status;
    assert_int_equal(file_make_directories(in_root("a//b/c/"), 0750, &error), 0);
    assert_int_equal(file_make_directories(in_root("a/b/c"), 0750, &error), 0);
    assert_int_equal(stat(in_root("a/b/c"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0750);
    assert_int_equal(file_write(in_root("plain"), SLICE("x"), 0600, &error), 0);
    assert_int_equal(file_make_directories(in_root("plain"), 0755, &error), -ERROR_EXISTS);
    assert_int_not_equal(file_make_directories(in_root("plain/x"), 0755, &error), 0);
}

static void removal_does_not_follow_links(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(file_make_directories(in_root("kept/inside"), 0755, &error), 0);
    assert_int_equal(file_write(in_root("kept/inside/file"), SLICE("x"), 0600, &error), 0);
    assert_int_equal(file_make_directories(in_root("gone/sub/dir"), 0755, &error), 0);
    assert_int_equal(symlink(in_root("kept"), in_root("gone/sub/link")), 0);
    assert_int_equal(symlink("../../kept/inside", in_root("gone/sub/relative")), 0);
    assert_int_equal(symlink("/nowhere", in_root("gone/dangling")), 0);
    assert_int_equal(mkfifo(in_root("gone/fifo"), 0600), 0);
    assert_int_equal(file_write(in_root("gone/.hidden"), SLICE("x"), 0400, &error), 0);
    assert_int_equal(file_remove_tree(in_root("gone/"), &error), 0);
    assert_false(file_exists(in_root("gone")));
    assert_true(file_exists(in_root("kept/inside/file")));
    /* the root itself may be a link, or a file, or absent */
    assert_int_equal(symlink(in_root("kept"), in_root("root-link")), 0);
    assert_int_equal(file_remove_tree(in_root("root-link"), &error), 0);
    assert_false(file_exists(in_root("root-link")));
    assert_true(file_exists(in_root("kept/inside/file")));
    assert_int_equal(file_remove_tree(in_root("kept/inside/file"), &error), 0);
    assert_int_equal(file_remove_tree(in_root("kept/absent"), &error), 0);
    assert_int_equal(file_remove_tree(in_root("absent/absent"), &error), 0);
    const char *const refused[] = {"/", "", ".", "..", "x/..", "x/.", "//"};
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        assert_int_equal(file_remove_tree(refused[i], &error), -ERROR_INTERNAL);
}

/* Deeper than PATH_MAX and than any number of descriptors: a tenant makes this with a loop in a shell. */
static void removes_what_is_very_deep(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(mkdir(in_root("deep"), 0700), 0);
    int at = open(in_root("deep"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(mkdirat(at, "d", 0700), 0);
        int file = openat(at, "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(file);
        close(at);
        at = next;
    }
    close(at);
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 128;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int result = file_remove_tree(in_root("deep"), &error);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(result, 0);
    assert_false(file_exists(in_root("deep")));
}

static void removes_what_is_very_wide(void **state)
{
    (void)state;
    struct error error = {0};
    char name[64];
    assert_int_equal(mkdir(in_root("wide"), 0700), 0);
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "wide/%d", i);
        if (i % 2)
            assert_int_equal(mkdir(in_root(name), 0), 0);
        else
            assert_int_equal(symlink("x", in_root(name)), 0);
    }
    assert_int_equal(file_remove_tree(in_root("wide"), &error), 0);
    assert_false(file_exists(in_root("wide")));
}

/* In a child with a mount namespace of its own, so that nothing of it is left behind. Exit status: which step failed.
 */
static int cross_mounts(void)
{
    struct error error = {0};
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return 100;
    file_make_directories(in_root("outside"), 0755, NULL);
    file_write(in_root("outside/precious"), SLICE("x"), 0600, NULL);
    file_make_directories(in_root("tree/other"), 0755, NULL);
    file_make_directories(in_root("tree/bound"), 0755, NULL);
    if (mount("none", in_root("tree/other"), "tmpfs", 0, "size=64k") < 0)
        return 1;
    file_write(in_root("tree/other/precious"), SLICE("x"), 0600, NULL);
    if (file_remove_tree(in_root("tree"), &error) != -ERROR_CONFLICT || !strstr(error.message, "mount"))
        return 2;
    if (!file_exists(in_root("tree/other/precious")) || umount(in_root("tree/other")) < 0)
        return 3;
    /* a bind mount has the same st_dev */
    if (mount(in_root("outside"), in_root("tree/bound"), NULL, MS_BIND, NULL) < 0)
        return 4;
    if (file_remove_tree(in_root("tree"), &error) != -ERROR_CONFLICT || !file_exists(in_root("outside/precious")))
        return 5;
    if (file_remove_tree(in_root("tree/bound"), &error) != -ERROR_CONFLICT || !file_exists(in_root("outside/precious")))
        return 6;
    if (umount(in_root("tree/bound")) < 0 || file_remove_tree(in_root("tree"), &error) != 0)
        return 7;
    return file_exists(in_root("tree")) || !file_exists(in_root("outside/precious")) ? 8 : 0;
}

static void removal_stops_at_mounts(void **state)
{
    (void)state;
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(cross_mounts());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    /* An ordinary user has no mounts to cross; as root every step must hold. */
    assert_int_equal(WEXITSTATUS(status), geteuid() == 0 ? 0 : 100);
}

/* As an ordinary user, directories without their mode bits. */
static int remove_as_user(void)
{
    if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
        return 1;
    char own[] = "/tmp/atelier-file-test-user-XXXXXX";
    if (!mkdtemp(own))
        return 2;
    AUTO_FREE char *locked = memory_format("%s/locked", own);
    AUTO_FREE char *inner = memory_format("%s/locked/inner", own);
    if (file_make_directories(inner, 0700, NULL) < 0 || chmod(inner, 0) < 0 || chmod(locked, 0) < 0)
        return 3;
    if (file_remove_tree(own, NULL) != 0)
        return 4;
    return file_exists(own) ? 5 : 0;
}

static void removes_locked_directories_of_ones_own(void **state)
{
    (void)state;
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(remove_as_user());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes),
        cmocka_unit_test(a_failed_read_changes_nothing),
        cmocka_unit_test(a_failed_write_leaves_no_trace),
        cmocka_unit_test(makes_directories),
        cmocka_unit_test(removal_does_not_follow_links),
        cmocka_unit_test(removes_what_is_very_deep),
        cmocka_unit_test(removes_what_is_very_wide),
        cmocka_unit_test(removal_stops_at_mounts),
        cmocka_unit_test(removes_locked_directories_of_ones_own),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
