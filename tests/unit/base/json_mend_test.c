/* Does what a job printed survive, except for what strict JSON cannot hold? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/json_mend.h"

static void mends(void **state)
{
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"", ""},
        {"\"plain\"", "\"plain\""},
        {"\"a\\u0000b\"", "\"a\\ufffdb\""},
        {"\"\\\\u0000\"", "\"\\\\u0000\""},           /* an escaped backslash, then text */
        {"\"\\\\\\u0000\"", "\"\\\\\\ufffd\""},       /* an escaped backslash, then an escape */
        {"\"\\ud83d\\ude00\"", "\"\\ud83d\\ude00\""}, /* a pair */
        {"\"\\ud83dx\"", "\"\\ufffdx\""},             /* halves */
        {"\"\\uDE00\\ud83d\"", "\"\\ufffd\\ufffd\""},
        {"\"\\ud83d\\ud83d\\ude00\"", "\"\\ufffd\\ud83d\\ude00\""},
        {"\"\\u00", "\"\\u00"},
        {"\"\\", "\"\\"},
        {"\"\\ud7ff\\ue000\"", "\"\\ud7ff\\ue000\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_BUFFER struct buffer text = {0};
        buffer_add_text(&text, cases[i].before);
        json_mend_escapes(&text);
        if (!slice_is(buffer_slice(&text), cases[i].after))
            fail_msg("case %zu: %s", i, text.p);
    }
}

static void then_it_parses(void **state)
{
    AUTO_BUFFER struct buffer text = {0};
    AUTO_JSON cJSON *document = NULL;
    (void)state;
    buffer_add_text(&text, "{\"logs\":\"a\\u0000b\\udc80c\"}");
    assert_true(json_parse(buffer_slice(&text), &json_limits_default, &document, NULL) < 0);
    json_mend_escapes(&text);
    assert_int_equal(json_parse(buffer_slice(&text), &json_limits_default, &document, NULL), 0);
    assert_string_equal(json_text(document, "logs", NULL), "a\xef\xbf\xbd"
                                                           "b\xef\xbf\xbd"
                                                           "c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(mends), cmocka_unit_test(then_it_parses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
