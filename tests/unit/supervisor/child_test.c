/* Is a process started as told, recorded before it runs, recognised later, and never confused with another? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "supervisor/child.h"

static char directory[] = "/tmp/atelier-child-XXXXXX";
static const char *const environment[] = {"PATH=/usr/bin:/bin", "ATELIER_MARK=1", NULL};

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return file_remove_tree(directory, NULL);
}

static struct program shell(const char *const *arguments)
{
    return (struct program){.directory = "/bin",
                            .file = "sh",
                            .arguments = arguments,
                            .environment = environment,
                            .user = "me",
                            .input = -1,
                            .output = -1,
                            .errors = -1};
}

static void wait_for(const struct child *child)
{
    struct pollfd ended = {.fd = child->pidfd, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, 10000), 1);
}

static void tells_how_it_ended(void **state)
{
    static const struct {
        const char *script;
        int status;
    } cases[] = {
        {"exit 0", 0}, {"exit 3", 3}, {"kill -9 $$", 137}, {"[ \"$ATELIER_MARK\" = 1 ] && [ -z \"$HOME\" ]", 0}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *const arguments[] = {"sh", "-c", cases[i].script, NULL};
        struct program program = shell(arguments);
        struct child child;
        struct error error = {0};
        int status = -2;
        assert_int_equal(child_start(&program, &child, &error), 0);
        wait_for(&child);
        assert_true(child_ended(&child, &status));
        assert_int_equal(status, cases[i].status);
        child_release(&child);
        assert_int_equal(child.pid, 0);
    }
}

static void only_its_descriptors(void **state)
{
    char out[] = "/tmp/atelier-child-out-XXXXXX";
    int fd = mkstemp(out), leak = open("/dev/null", O_RDONLY); /* without close-on-exec */
    const char *const arguments[] = {"sh", "-c", "ls /proc/self/fd; pwd; umask", NULL};
    struct program program = shell(arguments);
    AUTO_BUFFER struct buffer text = {0};
    struct error error = {0};
    (void)state;
    assert_true(leak >= 0);
    program.output = fd;
    int failed = child_run(&program, 10000, &error);
    file_read(out, 4096, &text, NULL);
    unlink(out);
    close(fd);
    close(leak);
    assert_int_equal(failed, 0);
    assert_string_equal(text.p, "0\n1\n2\n3\n/\n0077\n"); /* 3: ls reading the directory */
}

static void notifies(void **state)
{
    const char *const arguments[] = {"sh", "-c", "echo ready >&3; exec 3>&-; sleep 30", NULL};
    struct program program = shell(arguments);
    struct child child;
    struct error error = {0};
    char text[16] = "";
    (void)state;
    program.notifies = true;
    assert_int_equal(child_start(&program, &child, &error), 0);
    struct pollfd readable = {.fd = child.notify, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, 10000), 1);
    assert_int_equal(read(child.notify, text, sizeof(text) - 1), 6);
    assert_string_equal(text, "ready\n");
    assert_true(child_signal(&child, SIGKILL));
    wait_for(&child);
    int status;
    assert_true(child_ended(&child, &status));
    child_release(&child);
}

static void explains(void **state)
{
    const char *const arguments[] = {"x", NULL};
    struct program program = shell(arguments);
    struct child child;
    struct error error = {0};
    (void)state;
    program.file = "no-such-program";
    assert_int_equal(child_start(&program, &child, &error), -ERROR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/bin/no-such-program"));
    AUTO_FREE char *path = memory_format("%s/closed", directory);
    assert_int_equal(file_write(path, SLICE("x"), 0600, &error), 0);
    program.directory = directory;
    program.file = "closed";
    assert_int_equal(child_start(&program, &child, &error), -ERROR_INVALID);
    assert_non_null(strstr(error.message, "chmod o+rx"));
}

static void recognised_again(void **state)
{
    AUTO_FREE char *record = memory_format("%s/test.pid", directory);
    const char *const arguments[] = {"sh", "-c", "sleep 30", NULL};
    struct program program = shell(arguments);
    struct child child, held;
    struct error error = {0};
    char fingerprint[CHILD_FINGERPRINT_SIZE], recorded[CHILD_FINGERPRINT_SIZE];
    pid_t pid = 0;
    uint64_t start_time = 0;
    (void)state;
    program.record = record;
    assert_int_equal(child_start(&program, &child, &error), 0);
    /* Written before the program runs: child_start returns after that. */
    assert_true(child_recall(record, &pid, &start_time, recorded));
    assert_int_equal(pid, child.pid);
    assert_int_equal(start_time, child.start_time);
    child_fingerprint(&program, fingerprint);
    assert_string_equal(fingerprint, recorded);
    assert_true(child_hold(pid, start_time, &held));
    child_release(&held);
    assert_false(child_hold(pid, start_time + 1, &held)); /* the pid alone is not enough */
    assert_true(child_signal(&child, SIGKILL));
    wait_for(&child);
    assert_false(child_hold(pid, start_time, &held)); /* a zombie is not running */
    int status;
    assert_true(child_ended(&child, &status));
    assert_false(child_hold(pid, start_time, &held));
    child_release(&child);
}

static void fingerprints_differ(void **state)
{
    static const char *const other_environment[] = {"PATH=/usr/bin:/bin", "ATELIER_MARK=2", NULL};
    static const char *const same_for_us[] = {"PATH=/bin", "ATELIER_MARK=1", "ATELIER_LOG_FORMAT=text", NULL};
    const char *const one[] = {"sh", "a", NULL}, *const two[] = {"sh", "b", NULL};
    struct program program = shell(one), other = shell(two);
    char first[CHILD_FINGERPRINT_SIZE], second[CHILD_FINGERPRINT_SIZE];
    (void)state;
    child_fingerprint(&program, first);
    child_fingerprint(&other, second);
    assert_string_not_equal(first, second);
    other = program;
    other.environment = other_environment;
    child_fingerprint(&other, second);
    assert_string_not_equal(first, second);
    other.environment = same_for_us;
    child_fingerprint(&other, second);
    assert_string_equal(first, second);
    other.file = "ls";
    child_fingerprint(&other, second);
    assert_string_not_equal(first, second);
}

static void damaged_records(void **state)
{
    static const char *const cases[] = {"",        "\n",       "x y z\n",           "12\n",
                                        "0 5 a\n", "-1 5 a\n", "99999999999 5 a\n", "12 -5 a\n"};
    AUTO_FREE char *record = memory_format("%s/bad.pid", directory);
    pid_t pid;
    uint64_t start_time;
    char fingerprint[CHILD_FINGERPRINT_SIZE];
    (void)state;
    assert_false(child_recall("/nonexistent", &pid, &start_time, fingerprint));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(file_write(record, slice_of(cases[i]), 0644, NULL), 0);
        assert_false(child_recall(record, &pid, &start_time, fingerprint));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_how_it_ended), cmocka_unit_test(only_its_descriptors),
        cmocka_unit_test(notifies),           cmocka_unit_test(explains),
        cmocka_unit_test(recognised_again),   cmocka_unit_test(fingerprints_differ),
        cmocka_unit_test(damaged_records),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
