/* Is every host ours, a resource's, or refused? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/host.h"

static void hosts_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *host, *base;
        enum host_kind kind;
        const char *label;
    } cases[] = {
        {"localhost", "localhost", HOST_MAIN, ""},
        {"LocalHost:8080", "localhost", HOST_MAIN, ""},
        {"127.0.0.1:1", "ml.example.com", HOST_MAIN, ""},
        {"[::1]:65535", "ml.example.com", HOST_MAIN, ""},
        {"ml.example.com", "ml.example.com", HOST_MAIN, ""},
        {"notebook-nb1--alice.ml.example.com:443", "ml.example.com", HOST_RESOURCE, "notebook-nb1--alice"},
        {"RAY-rc1--alice.localhost", "localhost", HOST_RESOURCE, "ray-rc1--alice"},
        {"serve-a--b.localhost", "localhost", HOST_RESOURCE, "serve-a--b"},
        {"rayclient-rc1--alice.localhost:8443", "localhost", HOST_GRPC, "rayclient-rc1--alice"},
        {"GRPC-rc1--alice.ml.example.com", "ml.example.com", HOST_GRPC, "grpc-rc1--alice"},
        {"grpc-.localhost", "localhost", HOST_FOREIGN, ""},
        {"www.localhost", "localhost", HOST_FOREIGN, ""},
        {"notebook-nb1--alice.evil.localhost", "localhost", HOST_FOREIGN, ""},
        {"notebook-nb1--alice-localhost", "localhost", HOST_FOREIGN, ""},
        {".localhost", "localhost", HOST_FOREIGN, ""},
        {"notebook-.localhost", "localhost", HOST_FOREIGN, ""},
        {"10.0.0.1", "localhost", HOST_FOREIGN, ""},
        {"[::2]", "localhost", HOST_FOREIGN, ""},
        {"[::1", "localhost", HOST_INVALID, ""},
        {"", "localhost", HOST_INVALID, ""},
        {":80", "localhost", HOST_INVALID, ""},
        {"localhost:0", "localhost", HOST_INVALID, ""},
        {"localhost:080", "localhost", HOST_INVALID, ""},
        {"localhost:80:80", "localhost", HOST_INVALID, ""},
        {"localhost:8a", "localhost", HOST_INVALID, ""},
        {"local_host", "localhost", HOST_INVALID, ""},
        {"a b", "localhost", HOST_INVALID, ""},
        {"localhost%2eevil", "localhost", HOST_INVALID, ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct host host;
        host_parse(slice_of(cases[i].host), cases[i].base, &host);
        if (host.kind != cases[i].kind)
            fail_msg("%s", cases[i].host);
        assert_string_equal(host.label, cases[i].label);
    }
}

static void the_text_is_lower_case_with_its_port(void **state)
{
    (void)state;
    struct host host;
    host_parse(SLICE("LOCALHOST:8080"), "localhost", &host);
    assert_string_equal(host.text, "localhost:8080");
    assert_int_equal(host.name_length, 9);
    char longest[600];
    memset(longest, 'a', sizeof(longest));
    host_parse((struct slice){longest, sizeof(longest)}, "localhost", &host);
    assert_int_equal(host.kind, HOST_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_told_apart),
        cmocka_unit_test(the_text_is_lower_case_with_its_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
