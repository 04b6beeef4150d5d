/* Which requests are meant to start a cluster that is suspended? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/resume.h"

static bool browser_means(bool safe, bool websocket, const char *mode, const char *site)
{
    struct http_request request = {.get = safe, .safe = safe, .websocket = websocket};
    if (mode)
        request.fields.at[request.fields.count++] = (struct header){SLICE("sec-fetch-mode"), slice_of(mode)};
    if (site)
        request.fields.at[request.fields.count++] = (struct header){SLICE("sec-fetch-site"), slice_of(site)};
    return resume_is_meant(&request, true);
}

static void a_token_means_what_it_sends(void **state)
{
    (void)state;
    assert_true(resume_is_meant(&(struct http_request){.get = true, .safe = true}, false));
    assert_true(resume_is_meant(&(struct http_request){.get = true, .safe = true, .websocket = true}, false));
}

static void a_browser_does_where_its_person_went(void **state)
{
    (void)state;
    assert_true(browser_means(true, false, "navigate", "none"));
    assert_true(browser_means(true, false, "navigate", "same-origin"));
    assert_true(browser_means(false, false, "cors", "same-origin")); /* the guard has looked at its Origin */
}

static void tabs_and_other_sites_do_not(void **state)
{
    (void)state;
    assert_false(browser_means(true, false, "cors", "same-origin")); /* a dashboard that polls */
    assert_false(browser_means(true, true, "websocket", "same-origin"));
    assert_false(browser_means(true, false, "navigate", "cross-site"));
    assert_false(browser_means(true, false, "navigate", "same-site")); /* another tenant's notebook */
    assert_false(browser_means(true, false, "navigate", NULL));
    assert_false(browser_means(true, false, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_means_what_it_sends),
        cmocka_unit_test(a_browser_does_where_its_person_went),
        cmocka_unit_test(tabs_and_other_sites_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
