/* Errors as values: the table is whole, details are kept, nothing overflows. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/text.h"

static void table_is_whole(void **state)
{
    (void)state;
    for (int code = ERROR_NONE + 1; code < ERROR_CODE_COUNT; code++) {
        int status = error_status((enum error_code)code);
        assert_true(status >= 400 && status <= 599);
        assert_true(error_reason((enum error_code)code)[0] != '\0');
        assert_true(error_text((enum error_code)code)[0] != '\0');
    }
    assert_int_equal(error_status(ERROR_NOT_FOUND), 404);
    assert_string_equal(error_reason(ERROR_EXISTS), "AlreadyExists");
    assert_int_equal(error_status((enum error_code)9999), 500);
    assert_int_equal(error_status((enum error_code) - 3), 500);
    assert_string_equal(error_reason(ERROR_CODE_COUNT), "InternalError");
}

static void keeps_detail(void **state)
{
    (void)state;
    struct error error = {.retry_after_s = 9};
    assert_int_equal(error_set(&error, ERROR_INVALID, "spec.replicas", "%d is too many", 7), -ERROR_INVALID);
    assert_int_equal(error.code, ERROR_INVALID);
    assert_string_equal(error.field, "spec.replicas");
    assert_string_equal(error.message, "7 is too many");
    assert_int_equal(error.retry_after_s, 0);
    assert_int_equal(error_wrap(&error, "notebook %s", "nb1"), -ERROR_INVALID);
    assert_string_equal(error.message, "notebook nb1: 7 is too many");
    assert_string_equal(error.field, "spec.replicas");
    /* an argument may be the old message or field */
    error_set(&error, ERROR_CONFLICT, error.field, "<%s>", error.message);
    assert_string_equal(error.message, "<notebook nb1: 7 is too many>");
    assert_string_equal(error.field, "spec.replicas");
    error_set(&error, ERROR_CONFLICT, NULL, "x");
    assert_string_equal(error.field, "");
}

static void works_without_a_place(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, ERROR_GONE, "x", "y %d", 1), -ERROR_GONE);
    assert_int_equal(error_wrap(NULL, "y"), -ERROR_INTERNAL);
    struct error unset = {0};
    assert_int_equal(error_wrap(&unset, "while reading"), -ERROR_INTERNAL);
    assert_string_equal(unset.message, "while reading: an internal error occurred");
}

static void truncates_whole_characters(void **state)
{
    (void)state;
    char text[2000];
    struct error error = {0};
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'a', sizeof(text));
        for (size_t i = shift; i + 4 < sizeof(text); i += 4)
            memcpy(text + i, "\xF0\x9F\x98\x80", 4);
        text[sizeof(text) - 1] = '\0';
        error_set(&error, ERROR_INVALID, text, "%s", text);
        assert_true(text_is_utf8(slice_of(error.message)));
        assert_true(text_is_utf8(slice_of(error.field)));
        assert_true(strlen(error.message) > sizeof(error.message) - 6);
        assert_true(strlen(error.field) > sizeof(error.field) - 6);
        error_wrap(&error, "%s", text);
        assert_true(text_is_utf8(slice_of(error.message)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_whole),
        cmocka_unit_test(keeps_detail),
        cmocka_unit_test(works_without_a_place),
        cmocka_unit_test(truncates_whole_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
