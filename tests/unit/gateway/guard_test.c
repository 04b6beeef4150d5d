/* Is another site's request told from the person's own? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/guard.h"

static struct host host_of(const char *text)
{
    struct host host;
    host_parse(slice_of(text), "localhost", &host);
    return host;
}

static void origins_are_compared_whole(void **state)
{
    (void)state;
    static const struct {
        const char *origin, *host;
        bool secure, same;
    } cases[] = {
        {"http://localhost:8080", "localhost:8080", false, true},
        {"http://localhost", "localhost:80", false, true},
        {"http://localhost:80", "localhost", false, true},
        {"https://localhost", "localhost:443", true, true},
        {"https://localhost:8080", "localhost:8080", false, false},
        {"http://localhost:8080", "localhost:8080", true, false},
        {"http://localhost:8081", "localhost:8080", false, false},
        {"http://localhost.evil.example", "localhost", false, false},
        {"http://evil.localhost", "localhost", false, false},
        {"http://localhost/", "localhost", false, false},
        {"http://", "localhost", false, false},
        {"null", "localhost", false, false},
        {"", "localhost", false, false},
        {"localhost", "localhost", false, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct host host = host_of(cases[i].host);
        if (guard_same_origin(slice_of(cases[i].origin), &host, cases[i].secure) != cases[i].same)
            fail_msg("%s on %s", cases[i].origin, cases[i].host);
    }
}

static void navigations_are_people(void **state)
{
    (void)state;
    struct http_request request = {.get = true, .safe = true};
    assert_false(guard_is_navigation(&request));
    request.fields.at[0] = (struct header){SLICE("accept"), SLICE("text/html,application/xhtml+xml")};
    request.fields.count = 1;
    assert_true(guard_is_navigation(&request));
    request.fields.at[1] = (struct header){SLICE("sec-fetch-mode"), SLICE("cors")};
    request.fields.count = 2;
    assert_false(guard_is_navigation(&request));
    request.fields.at[1].value = SLICE("navigate");
    assert_true(guard_is_navigation(&request));
    request.websocket = true;
    assert_false(guard_is_navigation(&request));
}

static void reading_needs_no_token(void **state)
{
    (void)state;
    struct http_fault fault;
    struct host host = host_of("localhost");
    struct identity identity = {.kind = IDENTITY_SESSION, .csrf = "token"};
    struct http_request request = {.get = true, .safe = true, .path = SLICE("/api/x")};
    assert_true(guard_check(&request, &host, false, &identity, &fault));
    request.safe = request.get = false;
    assert_false(guard_check(&request, &host, false, &identity, &fault));
    assert_int_equal(fault.status, 403);
    request.fields.at[0] = (struct header){SLICE("Origin"), SLICE("http://localhost")};
    request.fields.at[1] = (struct header){SLICE("X-Atelier-CSRF"), SLICE("token")};
    request.fields.count = 2;
    assert_true(guard_check(&request, &host, false, &identity, &fault));
    request.fields.at[1].value = SLICE("tokem");
    assert_false(guard_check(&request, &host, false, &identity, &fault));
    /* An empty expectation is met by nothing. */
    identity.csrf[0] = '\0';
    request.fields.at[1].value = SLICE("");
    assert_false(guard_check(&request, &host, false, &identity, &fault));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origins_are_compared_whole),
        cmocka_unit_test(navigations_are_people),
        cmocka_unit_test(reading_needs_no_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
