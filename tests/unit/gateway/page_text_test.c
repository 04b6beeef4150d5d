/* Which language does a page speak to whom? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/page_text.h"

static const struct page_text *text_of(const char *accepted)
{
    static char block[256];
    static struct http_fields fields;
    struct http_fault fault;
    snprintf(block, sizeof(block), "Accept-Language: %s\r\n", accepted);
    assert_true(http_fields_parse(slice_of(block), false, &fields, &fault));
    return page_text_for(&fields);
}

static void the_first_known_language_is_spoken(void **state)
{
    (void)state;
    static const struct {
        const char *accepted, *language;
    } cases[] = {
        {"zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"},
        {"zh", "zh-CN"},
        {"ZH-hans-cn", "zh-CN"},
        {"de-DE, zh-TW;q=0.7 , en;q=0.3", "zh-CN"},
        {"en-US,en;q=0.9,zh-CN;q=0.8", "en"},
        {"de,fr;q=0.5", "en"},
        {"zh;q=0,en", "en"},
        {"zh;q=0.000, de", "en"},
        {"zhx, xzh", "en"},
        {"*", "en"},
        {"", "en"},
        {",;,;;q=,", "en"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(text_of(cases[i].accepted)->language, cases[i].language);
    assert_string_equal(page_text_for(&(struct http_fields){0})->language, "en");
}

/* Every text is there in both. */
static void no_text_is_missing(void **state)
{
    (void)state;
    static const char *const languages[] = {"en", "zh"};
    for (size_t i = 0; i < COUNT_OF(languages); i++) {
        const char *pointers[sizeof(struct page_text) / sizeof(char *)];
        memcpy(pointers, text_of(languages[i]), sizeof(pointers));
        for (size_t j = 0; j < COUNT_OF(pointers); j++)
            assert_non_null(pointers[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_first_known_language_is_spoken),
                                       cmocka_unit_test(no_text_is_missing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
