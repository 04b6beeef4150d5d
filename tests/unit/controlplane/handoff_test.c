/* Where a hand-over may lead to: a path of the very resource, and nowhere else (attacks 36). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/text.h"
#include "controlplane/handoff.h"

static void only_the_resource_itself(void **state)
{
    (void)state;
    static const struct {
        const char *next, *label;
        bool safe;
    } cases[] = {
        {"/notebook/alice/nb1/", "notebook-nb1--alice", true},
        {"/notebook/alice/nb1/lab?reset&x=%20", "notebook-nb1--alice", true},
        {"/ray/alice/rc/", "ray-rc--alice", true},
        {"/serve/alice/rc/predict", "serve-rc--alice", true},
        {"/notebook/alice/nb2/", "notebook-nb1--alice", false},
        {"/notebook/bob/nb1/", "notebook-nb1--alice", false},
        {"/ray/alice/rc/", "serve-rc--alice", false},
        {"/notebook/alice/nb10/", "notebook-nb1--alice", false},
        {NULL, "notebook-nb1--alice", false},
        {"", "notebook-nb1--alice", false},
        {"/", "notebook-nb1--alice", false},
        {"//evil.example/notebook/alice/nb1/", "notebook-nb1--alice", false},
        {"/\\evil.example/", "notebook-nb1--alice", false},
        {"/notebook/alice/nb1/\\x", "notebook-nb1--alice", false},
        {"\t//evil.example", "notebook-nb1--alice", false},
        {"/notebook/alice/nb1/\t", "notebook-nb1--alice", false},
        {"/notebook/alice/nb1/\r\nSet-Cookie: a=b", "notebook-nb1--alice", false},
        {"https:evil.example", "notebook-nb1--alice", false},
        {"https://notebook-nb1--alice.localhost/notebook/alice/nb1/", "notebook-nb1--alice", false},
        {"notebook/alice/nb1/", "notebook-nb1--alice", false},
        {"/notebook/alice/nb1/../nb2/", "notebook-nb1--alice", false},
        {"/notebook/alice/nb1/#x", "notebook-nb1--alice", false},
        {"/notebook/alice/nb1/\x80", "notebook-nb1--alice", false},
        {"/auth/handoff?code=x", "notebook-nb1--alice", false},
        {"/api/v1/namespaces/alice/services/nb1/proxy/", "notebook-nb1--alice", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (handoff_is_safe_next(cases[i].next, cases[i].label) != cases[i].safe)
            fail_msg("row %zu: %s on %s", i, cases[i].next ? cases[i].next : "(none)", cases[i].label);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_the_resource_itself)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
