/* Kubernetes names: what each kind of name accepts, by table. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/text.h"

static void decides(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool label, subdomain, dns1035;
    } rows[] = {
        {"a", true, true, true},         {"alice", true, true, true},       {"a-b-1", true, true, true},
        {"1a", true, true, false},       {"42", true, true, false},         {"a.b", false, true, false},
        {"a.b-c.1", false, true, false}, {"", false, false, false},         {"-a", false, false, false},
        {"a-", false, false, false},     {"A", false, false, false},        {"a_b", false, false, false},
        {"a b", false, false, false},    {".a", false, false, false},       {"a.", false, false, false},
        {"a..b", false, false, false},   {"a.-b", false, false, false},     {"a-.b", false, false, false},
        {"a/b", false, false, false},    {"\xC3\xA4", false, false, false}, {"..", false, false, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct slice name = slice_of(rows[i].text);
        if (name_is_label(name) != rows[i].label || name_is_subdomain(name) != rows[i].subdomain ||
            name_is_dns1035(name) != rows[i].dns1035)
            fail_msg("\"%s\" is misjudged", rows[i].text);
    }
    assert_false(name_is_label(SLICE("a\0b")));
    assert_false(name_is_label((struct slice){NULL, 0}));
}

static void lengths(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'a', sizeof(text));
    assert_true(name_is_label((struct slice){text, 63}));
    assert_false(name_is_label((struct slice){text, 64}));
    assert_true(name_is_dns1035((struct slice){text, 63}));
    assert_false(name_is_dns1035((struct slice){text, 64}));
    assert_true(name_is_subdomain((struct slice){text, 253}));
    assert_false(name_is_subdomain((struct slice){text, 254}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides),
        cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
