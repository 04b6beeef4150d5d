/* Does a pooled connection serve again only the workload that it was made to? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/upstream.h"

#define LONG_MS 60000

static const char longest[] = "a23456789-123456789-123456789-123456789-123456789-123456789-123"; /* 63: a label */

static const struct {
    const char *namespace;
    struct target target;
} places[] = {
    {"alice", {.service = "nb1", .port = "80", .owner_kind = "Notebook", .owner_name = "nb1"}},
    {"bob", {.service = "nb1", .port = "80", .owner_kind = "Notebook", .owner_name = "nb1"}},
    {"alice", {.service = "nb2", .port = "80", .owner_kind = "Notebook", .owner_name = "nb1"}},
    {"alice", {.service = "nb1", .port = "8", .owner_kind = "Notebook", .owner_name = "nb1"}},
    {"alice", {.service = "nb1", .port = "80", .owner_kind = "Notebook", .owner_name = "nb"}},
    {"alice", {.service = "nb1", .port = "80", .owner_kind = "RayCluster", .owner_name = "nb1"}},
    {"alice", {.service = "", .port = "", .owner_kind = "Notebook", .owner_name = "nb1"}},
    {longest, {.service = "", .port = "80", .owner_kind = "RayCluster", .owner_name = "nb1"}},
};

static struct loop loop;
static struct connection owner;

static int setup(void **state)
{
    (void)state;
    struct error error;
    if (loop_init(&loop, NULL, 0, &error))
        return -1;
    owner = (struct connection){.io.loop = &loop};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    upstreams_close_idle(&loop);
    loop_turn(&loop, 0);
    loop_destroy(&loop);
    return 0;
}

/* Connected and idle in its pool; *ret_peer is the workload's end. */
static void pool_one(const char *namespace, const struct target *target, int *ret_peer)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    struct upstream *upstream = upstream_new(&owner, namespace, target, ends[0]);
    assert_non_null(upstream);
    upstream_give(upstream);
    *ret_peer = ends[1];
}

static void only_its_own_workload_gets_it_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        int peer;
        pool_one(places[i].namespace, &places[i].target, &peer);
        for (size_t j = 0; j < COUNT_OF(places); j++)
            if (j != i)
                assert_null(upstream_take(&owner, places[j].namespace, &places[j].target, LONG_MS));
        struct upstream *again = upstream_take(&owner, places[i].namespace, &places[i].target, LONG_MS);
        assert_non_null(again);
        assert_null(upstream_take(&owner, places[i].namespace, &places[i].target, LONG_MS)); /* once */
        upstream_close(again);
        close(peer);
    }
}

/* The names are as long as they may be and differ in their last letter only: none is cut off in the key. */
static void the_longest_names_are_told_apart(void **state)
{
    (void)state;
    struct target one = {.owner_kind = "RayCluster"}, other;
    int peer;
    memcpy(one.service, longest, sizeof(longest));
    memcpy(one.port, longest, sizeof(longest));
    memcpy(one.owner_name, longest, sizeof(longest));
    other = one;
    other.owner_name[sizeof(longest) - 2] = 'z';
    pool_one(longest, &one, &peer);
    assert_null(upstream_take(&owner, longest, &other, LONG_MS));
    struct upstream *again = upstream_take(&owner, longest, &one, LONG_MS);
    assert_non_null(again);
    upstream_close(again);
    close(peer);
}

static void what_a_workload_ended_is_not_used_again(void **state)
{
    (void)state;
    int peer;
    pool_one(places[0].namespace, &places[0].target, &peer);
    close(peer);
    loop_turn(&loop, 1000);
    assert_null(upstream_take(&owner, places[0].namespace, &places[0].target, LONG_MS));
    assert_int_equal(loop.pooled_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_its_own_workload_gets_it_again, setup, teardown),
        cmocka_unit_test_setup_teardown(the_longest_names_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_workload_ended_is_not_used_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
