/* Does a path lead where it says, and nowhere else? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/gateway.h"
#include "gateway/path.h"
#include "gateway/ray_paths.h"

static void paths_lead_to_workloads(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum route_kind kind;
        const char *namespace, *name, *port, *tail;
    } cases[] = {
        {"/notebook/alice/nb1/lab/tree", ROUTE_NOTEBOOK, "alice", "nb1", "", "/lab/tree"},
        {"/notebook/alice/nb1", ROUTE_NOTEBOOK, "alice", "nb1", "", ""},
        {"/ray/alice/rc1/", ROUTE_RAY, "alice", "rc1", "", "/"},
        {"/serve/alice/rc1/a//b", ROUTE_SERVE, "alice", "rc1", "", "/a//b"},
        {"/tunnel/alice/rc1-head-svc/10001", ROUTE_TUNNEL, "alice", "rc1-head-svc", "10001", ""},
        {"/tunnel/alice/rc1-head-svc/client", ROUTE_TUNNEL, "alice", "rc1-head-svc", "client", ""},
        {"/api/v1/namespaces/alice/services/svc/proxy", ROUTE_SERVICE, "alice", "svc", "", ""},
        {"/api/v1/namespaces/alice/services/svc:80/proxy/x", ROUTE_SERVICE, "alice", "svc", "80", "/x"},
        {"/api/v1/namespaces/alice/services/http:svc:dashboard/proxy/", ROUTE_SERVICE, "alice", "svc", "dashboard",
         "/"},
        {"/api/v1/namespaces/alice/services/http%3Asvc%3adashboard/proxy/", ROUTE_SERVICE, "alice", "svc", "dashboard",
         "/"},
        {"/api/v1/namespaces/alice/services/http:svc:/proxy/", ROUTE_SERVICE, "alice", "svc", "", "/"},
        {"/api/v1/namespaces/alice/services/svc", ROUTE_API, "", "", "", ""},
        {"/api/v1/namespaces/alice/pods/svc/proxy", ROUTE_API, "", "", "", ""},
        {"/notebook/alice", ROUTE_API, "", "", "", ""},
        {"/notebook/alice/", ROUTE_API, "", "", "", ""},
        {"/notebooks/alice/nb1/", ROUTE_API, "", "", "", ""},
        {"/tunnel/alice/svc", ROUTE_API, "", "", "", ""},
        {"/api/atelier/v1/users/alice%40example.com", ROUTE_API, "", "", "", ""},
        {"/", ROUTE_API, "", "", "", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct route route;
        struct error error = {0};
        if (!route_parse(slice_of(cases[i].path), &route, &error))
            fail_msg("%s: %s", cases[i].path, error.message);
        assert_int_equal(route.kind, cases[i].kind);
        assert_string_equal(route.namespace, cases[i].namespace);
        assert_string_equal(route.name, cases[i].name);
        assert_string_equal(route.port, cases[i].port);
        assert_true(slice_is(route.tail, cases[i].tail));
    }
}

static void ambiguous_paths_are_refused(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/notebook/Alice/nb1/",
        "/notebook/alice/nb%31/",
        "/notebook/alice/nb1/../x",
        "/notebook/alice/../nb1/",
        "/notebook/alice/nb1/%2e",
        "/notebook/alice/nb1/a%2f..%2f",
        "/notebook/alice/nb1/..;a",
        "/notebook/alice/nb1/%00",
        "/notebook/alice/nb1/%5C",
        "/notebook/alice/nb1/%",
        "/notebook/alice/nb1/%4",
        "/notebook/alice/nb1//",
        "/tunnel/alice/svc/0",
        "/tunnel/alice/svc/65536",
        "/tunnel/alice/svc/80/x",
        "/tunnel/alice/svc/80/",
        "/tunnel/alice/svc/-",
        "//x",
        "/x//y",
        "/x/.",
        "/x/%2e%2e",
        "/x/%2Fy",
        "/x/%25",
        "/x/%ff",
        "/x/%c0%af",
        "/x/%0a",
        "/x/%61",
        "/x\\y",
        "/api/v1/namespaces/alice/services/https:svc:443/proxy/",
        "/api/v1/namespaces/alice/services/a:b:c:d/proxy/",
        "/api/v1/namespaces/alice/services/svc:/proxy/",
        "/api/v1/namespaces/alice/services/10.0.0.1/proxy/",
    };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct route route;
        struct error error = {0};
        if (route_parse(slice_of(paths[i]), &route, &error))
            fail_msg("%s is accepted", paths[i]);
        assert_int_equal(error.code, ERROR_BAD_REQUEST);
    }
}

static void only_three_paths_lead_into_pods(void **state)
{
    (void)state;
    struct route route;
    static const char *const good[] = {"exec", "attach", "portforward"};
    static const char *const bad[] = {
        "/api/v1/namespaces/alice/pods/nb1-0/exec/",  "/api/v1/namespaces/alice/pods/nb1-0/exec/x",
        "/api/v1/namespaces/alice/pods/nb1-0/proxy",  "/api/v1/namespaces/alice/pods/nb1-0/Exec",
        "/api/v1/namespaces/alice/pods/nb%31-0/exec", "/api/v1/namespaces/Alice/pods/nb1-0/exec",
        "/api/v1/namespaces/alice/pods//exec",        "/api/v1/namespaces//pods/nb1-0/exec",
        "/api/v1//namespaces/alice/pods/nb1-0/exec",  "/api/v1/namespaces/alice/services/nb1-0/exec",
        "/apis/v1/namespaces/alice/pods/nb1-0/exec",  "/api/v1/namespaces/alice/pods/nb1-0",
        "/api/v1/namespaces/alice/pods/nb1-0;x/exec", "/api/v1/namespaces/alice/pods/../exec",
        "/x/api/v1/namespaces/alice/pods/nb1-0/exec", "/api/v1/namespaces/alice/pods/nb1-0/attach?x",
        "/api/v1/namespaces/alice/pods/nb1-0/ex%65c", "",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        AUTO_FREE char *path = memory_format("/api/v1/namespaces/alice/pods/nb1-0.x/%s", good[i]);
        assert_true(route_parse_pod(slice_of(path), &route));
        assert_int_equal(route.kind, ROUTE_POD);
        assert_string_equal(route.namespace, "alice");
        assert_string_equal(route.name, "nb1-0.x");
        assert_true(slice_is(route.tail, good[i]));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (route_parse_pod(slice_of(bad[i]), &route))
            fail_msg("%s leads into a pod", bad[i]);
    /* A pod's name may be longer than a label, and is kept whole: a part of it would be another pod's. */
    static const char fifty[] = "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghij";
    AUTO_FREE char *path = memory_format("/api/v1/namespaces/alice/pods/%s.%s/exec", fifty, fifty);
    assert_true(route_parse_pod(slice_of(path), &route));
    AUTO_FREE char *name = memory_format("%s.%s", fifty, fifty);
    assert_string_equal(route.name, name);
}

static void labels_are_hosts_of_their_own(void **state)
{
    (void)state;
    char label[64], other[64];
    resource_label("notebook", "alice", "nb1", label);
    assert_string_equal(label, "notebook-nb1--alice");
    static const char forty[] = "abcdefghijabcdefghijabcdefghijabcdefghij";
    resource_label("notebook", forty, forty, label);
    assert_int_equal(strlen(label), 63);
    assert_true(name_is_label(slice_of(label)));
    /* Nobody can name a resource so that its plain label is somebody's hashed one. */
    assert_non_null(strstr(label, "---"));
    resource_label("notebook", "abcdefghijabcdefghijabcdefghijabcdefghix", forty, other);
    assert_string_not_equal(label, other);
}

/* Back from a label to the names it was made of, and from no other label. */
static void hosts_of_grpc_say_whose_they_are(void **state)
{
    (void)state;
    static const struct {
        const char *label, *name, *namespace;
        enum route_kind kind;
    } good[] = {{"rayclient-rc1--alice", "rc1", "alice", ROUTE_RAY_CLIENT},
                {"grpc-my-app--team-a", "my-app", "team-a", ROUTE_SERVE_GRPC},
                {"grpc-grpc-x--grpc-y", "grpc-x", "grpc-y", ROUTE_SERVE_GRPC}};
    static const char *const bad[] = {"ray-rc1--alice",
                                      "rayclient-rc1",
                                      "rayclient---alice",
                                      "rayclient-rc1--",
                                      "grpc-a--b--c",
                                      "grpc-a---b",
                                      "grpc-a---0123456789abcdef",
                                      "serve-rc1--alice",
                                      "grpc-A--b",
                                      "",
                                      "grpc-"};
    struct route route;
    char label[64];
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(route_parse_grpc(slice_of(good[i].label), &route));
        assert_string_equal(route.name, good[i].name);
        assert_string_equal(route.namespace, good[i].namespace);
        assert_int_equal(route.kind, good[i].kind);
        resource_label(route.kind == ROUTE_RAY_CLIENT ? "rayclient" : "grpc", route.namespace, route.name, label);
        assert_string_equal(label, good[i].label);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (route_parse_grpc(slice_of(bad[i]), &route))
            fail_msg("%s", bad[i]);
}

static void viewers_see_no_environments(void **state)
{
    (void)state;
    static const char *const sensitive[] = {
        "/worker/traceback",   "/worker/cpu_profile",     "/worker/gpu_profile",         "/memory_profile",
        "/task/cpu_profile",   "/api/v0/runtime_envs",    "/API/V0/Runtime%5fEnvs",      "/worker//traceback",
        "/worker/%74raceback", "/api/packages/gcs/x.zip", "/logs/runtime_env_agent.log", "/api/v0/logs/runtime%5Fenv"};
    static const char *const plain[] = {
        "/", "/nodes", "/api/jobs/", "/api/v0/tasks", "/static/js/main.js", "/api/v0/logs/file", "/api/cluster_status"};
    for (size_t i = 0; i < COUNT_OF(sensitive); i++)
        if (!ray_path_is_sensitive(slice_of(sensitive[i]), SLICE("")))
            fail_msg("%s is shown", sensitive[i]);
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (ray_path_is_sensitive(slice_of(plain[i]), SLICE("view=summary")))
            fail_msg("%s is hidden", plain[i]);
    assert_true(ray_path_is_sensitive(SLICE("/api/v0/logs/file"), SLICE("filename=runtime%5Fenv.log")));
    assert_false(ray_path_is_sensitive(SLICE("/api/v0/logs/file"), SLICE("filename=gcs_server.out")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_workloads),          cmocka_unit_test(ambiguous_paths_are_refused),
        cmocka_unit_test(only_three_paths_lead_into_pods),  cmocka_unit_test(labels_are_hosts_of_their_own),
        cmocka_unit_test(hosts_of_grpc_say_whose_they_are), cmocka_unit_test(viewers_see_no_environments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
