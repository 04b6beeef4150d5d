/* Every path answers by exactly one row of the table, and every row says who may. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/router.h"

static const struct route_entry *match(struct arena *arena, const char *method, const char *path, struct call *call,
                                       bool *ret_known)
{
    *call = (struct call){0};
    return router_match(arena, slice_of(method), slice_of(path), call, ret_known);
}

static void finds_the_row(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *pattern, *name, *value;
    } cases[] = {
        {"GET", "/healthz", "/healthz", NULL, NULL},
        {"HEAD", "/healthz", "/healthz", NULL, NULL},
        {"GET", "/api/v1/namespaces/alice", "/api/v1/{plural}/{name}", "name", "alice"},
        {"GET", "/api/v1/pods", "/api/v1/{plural}", "plural", "pods"},
        {"GET", "/api/v1/namespaces/alice/pods", "/api/v1/namespaces/{ns}/{plural}", "ns", "alice"},
        {"GET", "/api/v1/namespaces/alice/pods/p/log", "/api/v1/namespaces/{ns}/{plural}/{name}/{part}", "part", "log"},
        {"PATCH", "/apis/kubeflow.org/v1/profiles/alice", "/apis/{group}/{version}/{plural}/{name}", "name", "alice"},
        {"POST", "/apis/ray.io/v1/namespaces/alice/rayclusters", "/apis/{group}/{version}/namespaces/{ns}/{plural}",
         "ns", "alice"},
        {"PUT", "/apis/kubeflow.org/v1/profiles/alice/status", "/apis/{group}/{version}/{plural}/{name}/{part}", "part",
         "status"},
        {"DELETE", "/api/atelier/v1/users/bob%40example.com", "/api/atelier/v1/users/{email}", "email",
         "bob@example.com"},
        {"GET", "/apis/ray.io/v1", "/apis/{group}/{version}", "version", "v1"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_ARENA struct arena *arena = arena_new(1024);
        struct call call;
        bool known;
        const struct route_entry *entry = match(arena, cases[i].method, cases[i].path, &call, &known);
        if (!entry || strcmp(entry->pattern, cases[i].pattern) != 0)
            fail_msg("%s %s: %s", cases[i].method, cases[i].path, entry ? entry->pattern : "nothing");
        if (cases[i].name)
            assert_string_equal(call_parameter(&call, cases[i].name), cases[i].value);
    }
}

static void unlisted_is_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        bool known;
    } cases[] = {
        {"POST", "/healthz", true},
        {"DELETE", "/api/v1/namespaces/alice/pods", true},
        {"get", "/healthz", true},
        {"GET", "/healthz/", false},
        {"GET", "//healthz", false},
        {"GET", "/", false},
        {"GET", "", false},
        {"GET", "/Healthz", false},
        {"GET", "/%68ealthz", false},
        {"GET", "/api/atelier/v1/whoami/x", false},
        {"GET", "/api/atelier/v2/whoami", false},
        {"GET", "/auth/link", false},
        {"GET", "/auth/link/a%2fb", false},
        {"GET", "/auth/link/a%5cb", false},
        {"GET", "/auth/link/a%00b", false},
        {"GET", "/auth/link/%0a", false},
        {"GET", "/auth/link/%ff", false},
        {"GET", "/auth/link/%zz", false},
        {"GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n", false},
        {"GET", "/api/v1/namespaces/alice/pods/p/log/x", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_ARENA struct arena *arena = arena_new(1024);
        struct call call;
        bool known;
        if (match(arena, cases[i].method, cases[i].path, &call, &known))
            fail_msg("%s %s is listed", cases[i].method, cases[i].path);
        assert_int_equal(known, cases[i].known);
    }
}

/* Replaces each {x} by x itself. */
static char *sample(struct arena *arena, const char *pattern)
{
    char *path = arena_text(arena, pattern), *to = path;
    for (const char *at = pattern; *at; at++) {
        if (*at != '{' && *at != '}')
            *to++ = *at;
    }
    *to = '\0';
    return path;
}

static void every_row_can_be_reached(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_entry_count; i++) {
        const struct route_entry *row = &route_entries[i];
        AUTO_ARENA struct arena *arena = arena_new(1024);
        struct call call;
        bool known;
        const struct route_entry *found = match(arena, row->method, sample(arena, row->pattern), &call, &known);
        if (found != row)
            fail_msg("%s %s is hidden by %s", row->method, row->pattern, found ? found->pattern : "nothing");
    }
}

static void every_write_is_decided_and_recorded(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_entry_count; i++) {
        const struct route_entry *row = &route_entries[i];
        bool asks = strstr(row->pattern, "/selfsubject") != NULL; /* a question in a body: nothing is written */
        bool writes = strcmp(row->method, "GET") != 0 && !asks;
        assert_non_null(row->handler);
        if (writes && row->who != WHO_OBJECT)
            assert_non_null(row->action);
        if (writes && row->who == WHO_ANYONE) /* those who sign in: with a password, or with what a browser approved */
            assert_true(strcmp(row->pattern, "/auth/login") == 0 || strcmp(row->pattern, "/auth/cli") == 0);
        if (strstr(row->pattern, "/profiles/{p}/"))
            assert_true(row->who == WHO_PARTS || row->who == WHO_MEMBERS_READ || row->who == WHO_MEMBERS_WRITE ||
                        row->who == WHO_TRANSFER || row->who == WHO_JOBS_READ);
        if (strstr(row->pattern, "{plural}"))
            assert_int_equal(row->who, WHO_OBJECT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_row),
        cmocka_unit_test(unlisted_is_nothing),
        cmocka_unit_test(every_row_can_be_reached),
        cmocka_unit_test(every_write_is_decided_and_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
