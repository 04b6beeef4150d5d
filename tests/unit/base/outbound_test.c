/* Policies for outbound connections: which are understood, and what two of them allow together. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/outbound.h"

/* What <text> prints as; NULL if it is refused. */
static void expect_form(const char *text, const char *printed)
{
    struct outbound_policy policy;
    struct error error = {0};
    AUTO_BUFFER struct buffer form = {0};
    int r = outbound_parse(slice_of(text), "policy", &policy, &error);
    if (!printed) {
        assert_int_equal(r, -ERROR_INVALID);
        assert_string_equal(error.field, "policy");
        return;
    }
    assert_int_equal(r, 0);
    outbound_print(&policy, &form);
    assert_string_equal(form.p, printed);
}

static void forms(void **state)
{
    (void)state;
    expect_form("on", "on");
    expect_form(" off ", "off");
    expect_form("203.0.113.0/24:443", "203.0.113.0/24:443");
    expect_form("203.0.113.0/24:443, 198.51.100.7/32:80,203.0.113.0/24:443", "203.0.113.0/24:443,198.51.100.7/32:80");
    expect_form("0.0.0.0/0:443", "0.0.0.0/0:443");
    static const char *const wrong[] = {"",
                                        "On",
                                        "on,off",
                                        ",",
                                        "203.0.113.1",
                                        "203.0.113.1:443",
                                        "203.0.113.1/24:443",
                                        "203.0.113.0/33:443",
                                        "203.0.113.0/24:",
                                        "203.0.113.0/24:0",
                                        "203.0.113.0/24:65536",
                                        "203.0.113.0/24:443:1",
                                        "203.0.113/24:443",
                                        "::/0:443",
                                        "203.0.113.0/24:443\naccept",
                                        "10.0.0.0/8:443",
                                        "172.20.0.0/16:443",
                                        "192.168.1.1/32:443",
                                        "127.0.0.1/32:5432",
                                        "169.254.169.254/32:80",
                                        "100.64.0.0/10:80",
                                        "224.0.0.0/4:80",
                                        "255.255.255.255/32:80"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        expect_form(wrong[i], NULL);
}

static void a_list_has_an_end(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer text = {0};
    struct outbound_policy policy;
    for (int i = 0; i < OUTBOUND_ENTRIES_MAX; i++)
        buffer_add_format(&text, "203.0.113.%d/32:443,", i);
    assert_int_equal(outbound_parse(buffer_slice(&text), "policy", &policy, NULL), 0);
    assert_int_equal(policy.count, OUTBOUND_ENTRIES_MAX);
    buffer_add_text(&text, "198.51.100.1/32:443");
    assert_int_equal(outbound_parse(buffer_slice(&text), "policy", &policy, NULL), -ERROR_INVALID);
}

/* Whatever the second says, nothing is allowed that the first does not. */
static void meeting(void **state)
{
    (void)state;
    static const struct {
        const char *installation, *profile, *both;
    } rows[] = {
        {"on", "on", "on"},
        {"on", "off", "off"},
        {"off", "on", "off"},
        {"on", "203.0.113.0/24:443", "203.0.113.0/24:443"},
        {"203.0.113.0/24:443", "on", "203.0.113.0/24:443"},
        {"203.0.113.0/24:443", "0.0.0.0/0:443", "203.0.113.0/24:443"},
        {"203.0.113.0/24:443", "203.0.113.7/32:443", "203.0.113.7/32:443"},
        {"203.0.113.0/24:443", "203.0.113.7/32:80", "off"},
        {"203.0.113.0/24:443", "198.51.100.0/24:443", "off"},
        {"203.0.113.0/24:443,203.0.113.0/25:443", "203.0.113.1/32:443", "203.0.113.1/32:443"},
        {"203.0.113.0/24:443,198.51.100.0/24:80", "198.51.100.1/32:80,203.0.113.0/24:443",
         "203.0.113.0/24:443,198.51.100.1/32:80"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct outbound_policy a, b, both;
        AUTO_BUFFER struct buffer text = {0};
        assert_int_equal(outbound_parse(slice_of(rows[i].installation), "a", &a, NULL), 0);
        assert_int_equal(outbound_parse(slice_of(rows[i].profile), "b", &b, NULL), 0);
        outbound_meet(&a, &b, &both);
        outbound_print(&both, &text);
        assert_string_equal(text.p, rows[i].both);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(a_list_has_an_end),
        cmocka_unit_test(meeting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
