/* Which requests to the loopback port of `atelier login` are the browser's answer, and which are anybody's? */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cli/browser.h"

#define END " HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n"

static void only_the_right_state_is_heard(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        enum loopback said;
        const char *code;
    } cases[] = {
        {"GET /?code=abc_-9&state=s1" END, LOOPBACK_CODE, "abc_-9"},
        {"GET /?state=s1&code=abc" END, LOOPBACK_CODE, "abc"},
        {"GET /?error=denied&state=s1" END, LOOPBACK_DENIED, ""},
        {"GET /?code=abc&state=s2" END, LOOPBACK_OTHER, ""},
        {"GET /?error=denied&state=s2" END, LOOPBACK_OTHER, ""},
        {"GET /?error=denied" END, LOOPBACK_OTHER, ""},
        {"GET /?code=abc" END, LOOPBACK_OTHER, ""},
        {"GET /?code=&state=s1" END, LOOPBACK_OTHER, ""},
        {"GET /?state=s1" END, LOOPBACK_OTHER, ""},
        {"GET /favicon.ico" END, LOOPBACK_OTHER, ""},
        {"GET /" END, LOOPBACK_OTHER, ""},
        {"POST /?code=abc&state=s1" END, LOOPBACK_OTHER, ""},
        {"GET /?code=abc&state=s1", LOOPBACK_OTHER, ""},
        {"GET /?code=0123456789012345678901234567890123456789012345678901234567890123&state=s1" END, LOOPBACK_OTHER,
         ""},
        {"", LOOPBACK_OTHER, ""},
        {"\r\n\r\n", LOOPBACK_OTHER, ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char code[LOOPBACK_CODE_SIZE] = "";
        if (loopback_read(slice_of(cases[i].request), "s1", code) != cases[i].said)
            fail_msg("%s", cases[i].request);
        assert_string_equal(code, cases[i].code);
    }
}

static void without_a_display_there_is_no_browser(void **state)
{
    (void)state;
    unsetenv("BROWSER");
    unsetenv("DISPLAY");
    unsetenv("WAYLAND_DISPLAY");
    assert_false(browser_open("http://127.0.0.1:1/"));
    setenv("BROWSER", "/nonexistent/browser", 1);
    assert_false(browser_open("http://127.0.0.1:1/"));
    setenv("BROWSER", "true", 1);
    assert_true(browser_open("http://127.0.0.1:1/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_right_state_is_heard),
        cmocka_unit_test(without_a_display_there_is_no_browser),
    };
    return cmocka_run_group_tests_name("cli/browser", tests, NULL, NULL);
}
