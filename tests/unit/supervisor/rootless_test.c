/* Which ids and which control group does the machine's own bookkeeping grant a user? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "supervisor/delegation.h"
#include "supervisor/rootless.h"

static void ranges_by_name_and_number(void **state)
{
    struct rootless_range ranges[ROOTLESS_RANGES_MAX];
    struct slice text = SLICE("bob:100000:65536\nalice:165536:65536\n1000:300000:1000\nalicia:400000:65536\n");
    (void)state;
    assert_int_equal(rootless_ranges(text, "alice", 1000, ranges), 2);
    assert_int_equal(ranges[0].first, 165536);
    assert_int_equal(ranges[0].count, 65536);
    assert_int_equal(ranges[1].first, 300000);
    assert_int_equal(ranges[1].count, 1000);
    assert_int_equal(rootless_ranges(text, "carol", 1003, ranges), 0);
}

static void damaged_lines_grant_nothing(void **state)
{
    static const char *const lines[] = {"",
                                        "alice",
                                        "alice:",
                                        "alice:100000",
                                        "alice:0:65536", /* would be the machine's root */
                                        "alice:-1:65536",
                                        "alice:100000:-5",
                                        "alice:100000:65536:more",
                                        "alice:4294967296:1",
                                        " alice:100000:65536"};
    struct rootless_range ranges[ROOTLESS_RANGES_MAX];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        assert_int_equal(rootless_ranges(slice_of(lines[i]), "alice", 1000, ranges), 0);
}

static void no_more_ranges_than_there_is_room_for(void **state)
{
    struct rootless_range ranges[ROOTLESS_RANGES_MAX];
    AUTO_BUFFER struct buffer text = {0};
    (void)state;
    for (int i = 0; i < 3 * ROOTLESS_RANGES_MAX; i++)
        buffer_add_format(&text, "alice:%d:10\n", 100000 + 10 * i);
    assert_int_equal(rootless_ranges(buffer_slice(&text), "alice", 1000, ranges), ROOTLESS_RANGES_MAX);
}

static void one_group_in_every_hierarchy(void **state)
{
    (void)state;
    AUTO_FREE char *unified = delegation_path(SLICE("0::/user.slice/user-1000.slice/user@1000.service/run-u1.scope\n"));
    assert_string_equal(unified, "/user.slice/user-1000.slice/user@1000.service/run-u1.scope");
    AUTO_FREE char *first =
        delegation_path(SLICE("5:memory:/given\n2:cpu,cpuacct:/given\n1:name=systemd:/given\n0::/given\n"));
    assert_string_equal(first, "/given");
    assert_null(delegation_path(SLICE("")));
    assert_null(delegation_path(SLICE("0::/\n")));
    assert_null(delegation_path(SLICE("5:memory:/given\n0::/\n")));
    assert_null(delegation_path(SLICE("5:memory:/given\n4:pids:/other\n0::/given\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_by_name_and_number),
        cmocka_unit_test(damaged_lines_grant_nothing),
        cmocka_unit_test(no_more_ranges_than_there_is_room_for),
        cmocka_unit_test(one_group_in_every_hierarchy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
