/* Does the patch between two documents make one of the other, whatever they are? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/json_patch.h"
#include "tests/unit/documents.h"

static void check(const cJSON *before, const cJSON *after)
{
    struct error error = {0};
    AUTO_JSON cJSON *patch = json_difference(before, after);
    AUTO_JSON cJSON *made = NULL;
    AUTO_FREE char *text = json_print(patch);
    if (json_patch(before, patch, &made, &error) < 0)
        fail_msg("%s: %s", text, error.message);
    if (!json_equal(made, after))
        fail_msg("%s makes something else", text);
    assert_true((patch->child != NULL) == !json_equal(before, after));
}

static void each_becomes_each_other(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"a\":1}",
        "{\"a\":null}",
        "{\"a\":{\"b\":{\"c\":1,\"d\":2}}}",
        "{\"a\":{\"b\":{\"c\":1,\"e\":[]}}}",
        "{\"a\":[1,2,3]}",
        "{\"a\":[1,3]}",
        "{\"a/b\":{\"~c\":1,\"~1\":2},\"\":{\"\":3}}",
        "{\"a/b\":{\"~c\":2},\"\":{\"x\":3}}",
        "{\"a\":\"text\",\"b\":true,\"c\":{\"d\":\"\"}}",
        "[]",
        "7",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        for (size_t j = 0; j < COUNT_OF(texts); j++) {
            AUTO_JSON cJSON *before = from_json(texts[i]);
            AUTO_JSON cJSON *after = from_json(texts[j]);
            check(before, after);
        }
    }
}

static void what_is_the_same_is_not_mentioned(void **state)
{
    (void)state;
    AUTO_JSON cJSON *before =
        from_json("{\"spec\":{\"containers\":[{\"name\":\"a\"}],\"x\":1},\"metadata\":{\"name\":\"p\"}}");
    AUTO_JSON cJSON *after =
        from_json("{\"spec\":{\"containers\":[{\"name\":\"b\"}],\"x\":1},\"metadata\":{\"name\":\"p\",\"labels\":{}}}");
    AUTO_JSON cJSON *patch = json_difference(before, after);
    AUTO_FREE char *text = json_print(patch);
    assert_string_equal(text, "[{\"op\":\"replace\",\"path\":\"/spec/containers\",\"value\":[{\"name\":\"b\"}]},"
                              "{\"op\":\"add\",\"path\":\"/metadata/labels\",\"value\":{}}]");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_becomes_each_other),
        cmocka_unit_test(what_is_the_same_is_not_mentioned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
