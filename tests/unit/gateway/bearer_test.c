/* Is the token of an Authorization header found in each of its forms, and in nothing else? */
#include "gateway/bearer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* "a:b" is YTpi. */
static const struct {
    const char *value, *more, *token; /* token NULL: none */
} table[] = {
    {"Bearer T", NULL, "T"},
    {"bearer   T ", NULL, "T"},
    {"Bearer name:T", NULL, "name:T"},
    {"Bearer name:T", "Origin", "name:T"}, /* a script's own doing */
    {"Basic YTpi", NULL, "a:b"},
    {"BASIC YTpi ", NULL, "a:b"},
    {"Basic YTpi", "Origin", NULL},
    {"Basic YTpi", "Sec-Fetch-Site", NULL},
    {"Basic YWI=", NULL, NULL}, /* "ab" has no colon */
    {"Basic a:b", NULL, NULL},
    {"Basic ", NULL, NULL},
    {"Basic", NULL, NULL},
    {"Bearer", NULL, NULL},
    {"Bearer ", NULL, NULL},
    {"Digest YTpi", NULL, NULL},
    {"", NULL, NULL},
};

static void each_form_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        AUTO_BUFFER struct buffer decoded = {0};
        struct slice token;
        const struct header at[] = {{slice_of("Authorization"), slice_of(table[i].value)},
                                    {slice_of(table[i].more ? table[i].more : "Accept"), SLICE("none")}};
        struct http_fields fields = {0};
        memcpy(fields.at, at, sizeof(at));
        fields.count = COUNT_OF(at);
        bool found = bearer_of(&fields, &fields.at[0], &decoded, &token);
        assert_int_equal(found, table[i].token != NULL);
        if (found)
            assert_true(slice_is(token, table[i].token));
    }
}

static void basic_has_a_limit(void **state)
{
    (void)state;
    char value[sizeof("Basic ") + BEARER_BASIC_MAX + 4] = "Basic ";
    for (size_t n = BEARER_BASIC_MAX; n <= BEARER_BASIC_MAX + 4; n += 4) {
        AUTO_BUFFER struct buffer decoded = {0};
        struct slice token;
        memset(value + 6, 'A', n);
        memcpy(value + 6, "YTpi", 4);
        struct http_fields fields = {0};
        fields.at[0] = (struct header){slice_of("Authorization"), {value, 6 + n}};
        fields.count = 1;
        assert_int_equal(bearer_of(&fields, &fields.at[0], &decoded, &token), n == BEARER_BASIC_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_form_is_found), cmocka_unit_test(basic_has_a_limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
