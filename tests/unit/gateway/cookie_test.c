/* Are cookies counted and kept apart as browsers mean them? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/cookie.h"

static struct http_fields fields;

static void given(const char *first, const char *second)
{
    fields.count = 0;
    fields.at[fields.count++] = (struct header){SLICE("Cookie"), slice_of(first)};
    if (second)
        fields.at[fields.count++] = (struct header){SLICE("cookie"), slice_of(second)};
}

static void one_of_a_name_is_found(void **state)
{
    (void)state;
    struct slice value;
    given("a=b;  atelier_session=x=y ; c", NULL);
    assert_int_equal(cookie_find(&fields, "atelier_session", &value), 1);
    assert_true(slice_is(value, "x=y"));
    given("atelier_session=1", "atelier_session=2");
    assert_int_equal(cookie_find(&fields, "atelier_session", &value), 2);
    given("Atelier_session=1; atelier_session2=1;;; =", NULL);
    assert_int_equal(cookie_find(&fields, "atelier_session", &value), 0);
    given("atelier_session", NULL);
    assert_int_equal(cookie_find(&fields, "atelier_session", &value), 1);
    assert_int_equal(value.n, 0);
}

static void sixty_cookies_are_no_trouble(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer many = {0};
    struct slice value;
    for (int i = 0; i < 60; i++)
        buffer_add_format(&many, "c%d=%0100d; ", i, i);
    buffer_add_text(&many, "atelier_session=s");
    given(many.p, NULL);
    assert_int_equal(cookie_find(&fields, "atelier_session", &value), 1);
    assert_true(slice_is(value, "s"));
}

static void ours_and_rays_are_reserved(void **state)
{
    (void)state;
    static const char *const reserved[] = {"atelier_session",         "ATELIER_RESOURCE",   "__Host-atelier_session",
                                           "__host-Atelier_resource", "__Secure-atelier_x", "ray-authentication-token",
                                           "Ray-Authentication-Token"};
    static const char *const free_ones[] = {"_xsrf", "atelier", "session", "username-localhost", "__Host-x", "", "ray"};
    for (size_t i = 0; i < COUNT_OF(reserved); i++)
        assert_true(cookie_is_reserved(slice_of(reserved[i])));
    for (size_t i = 0; i < COUNT_OF(free_ones); i++)
        assert_false(cookie_is_reserved(slice_of(free_ones[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_a_name_is_found),
        cmocka_unit_test(sixty_cookies_are_no_trouble),
        cmocka_unit_test(ours_and_rays_are_reserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
