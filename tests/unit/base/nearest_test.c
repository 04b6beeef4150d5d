/* Is the word suggested that was meant, and nothing where no word is near? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/nearest.h"

static const char *const known[] = {"get", "top", "list", "logs", "notebook", "notebooks", "ray", "rayclusters"};

static void the_nearest_word_is_found(void **state)
{
    (void)state;
    static const char *const slips[][2] = {
        {"gett", "get"},
        {"notbook", "notebook"},
        {"notebokks", "notebooks"},
        {"lst", "list"},
        {"lgos", "logs"},
        {"raycluster", "rayclusters"},
        {"notebook", "notebook"},
        {"foo", ""},
        {"", ""},
        {"xyz", ""},
        {"log", "logs"},
        {"kubernetes", ""},
    };
    for (size_t i = 0; i < COUNT_OF(slips); i++) {
        struct nearest nearest = {.word = slips[i][0]};
        for (size_t j = 0; j < COUNT_OF(known); j++)
            nearest_offer(&nearest, slice_of(known[j]));
        assert_string_equal(nearest.meant, slips[i][1]);
    }
}

static void long_words_are_near_to_nothing(void **state)
{
    (void)state;
    char longest[NEAREST_WORD_MAX + 1], longer[NEAREST_WORD_MAX + 2];
    memset(longest, 'a', sizeof(longest));
    memset(longer, 'a', sizeof(longer));
    longest[NEAREST_WORD_MAX] = longer[NEAREST_WORD_MAX + 1] = '\0';
    struct nearest nearest = {.word = longest};
    nearest_offer(&nearest, slice_of(longer));
    assert_string_equal(nearest.meant, "");
    nearest_offer(&nearest, slice_of(longest));
    assert_string_equal(nearest.meant, longest);
    struct nearest beyond = {.word = longer};
    nearest_offer(&beyond, slice_of(longest));
    assert_string_equal(beyond.meant, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_word_is_found),
        cmocka_unit_test(long_words_are_near_to_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
